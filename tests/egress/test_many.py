"""Thousands of connections at once, each with bytes of its own."""

import resource
import socket

import pytest

import hello
from upstream import RawEcho
from world import read_head

CONNECTIONS = 5_000
DESCRIPTORS = 2 * CONNECTIONS + 500  # of this process: the near and the far ends


def rss(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1024


@pytest.fixture
def descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip(f"the limit of open files is {hard}, {DESCRIPTORS} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_five_thousand_at_once(world, descriptors, record_property):
    far = RawEcho("127.0.0.4")
    world.dns.names["many.wild.test"] = ["127.0.0.4"]
    greeting = hello.record("many.wild.test")
    context = world.outer_context()
    with world.proxy("--max-run-connections", str(CONNECTIONS)) as proxy:
        empty = rss(proxy.process.pid)
        tunnels = []
        for number in range(CONNECTIONS):
            raw = socket.create_connection(("127.0.0.1", proxy.port))
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            outer = context.wrap_socket(raw, server_hostname="proxy.test")
            outer.sendall(world.request("many.wild.test:443"))
            assert read_head(outer).startswith(b"HTTP/1.1 200"), number
            outer.sendall(greeting)
            assert read_exactly(outer, len(greeting)) == greeting
            tunnels.append(outer)
        assert far.open == CONNECTIONS
        assert proxy.metric("sandgate_egress_open_connections") == CONNECTIONS
        for number, outer in enumerate(tunnels):  # all of them alive, none mixed up
            outer.sendall(b"%08d" % number)
        for number, outer in enumerate(tunnels):
            assert read_exactly(outer, 8) == b"%08d" % number
        record_property("rss_per_connection", (rss(proxy.process.pid) - empty) // CONNECTIONS)
        for outer in tunnels:
            outer.close()
        lines = proxy.wait_audit(CONNECTIONS)
        assert {line["verdict"] for line in lines} == {"allowed"}
        assert proxy.metric("sandgate_egress_open_connections") == 0
    far.close()


def read_exactly(outer, size):
    data = b""
    while len(data) < size:
        more = outer.recv(size - len(data))
        assert more, "the tunnel ended"
        data += more
    return data

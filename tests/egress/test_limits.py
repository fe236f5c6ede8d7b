"""Every limit ends what it limits, says so, and nothing else suffers."""

import contextlib
import json
import socket
import threading
import time

import pytest

import hello
from world import Tunnel, read_all, read_head


def open_tunnel(world, proxy, token=None):
    outer = world.connect(proxy)
    outer.sendall(world.request(token=token or world.token))
    head = read_head(outer)
    assert head.startswith(b"HTTP/1.1 200"), head
    inner = Tunnel(outer, "allowed.test", world.outside.crt)
    inner.send(b"ping")
    assert inner.receive(4) == b"ping"
    return inner


def refusal(world, proxy, token=None):
    """(status, code) of a request that is refused."""
    with world.connect(proxy) as outer:
        outer.sendall(world.request(token=token or world.token))
        answer = read_all(outer)
    return int(answer.split()[1]), json.loads(answer.split(b"\r\n\r\n", 1)[1])["code"]


def drip(outer, data):
    """A byte now and then, for as long as anybody listens."""
    with contextlib.suppress(OSError):
        for byte in data:
            outer.sendall(bytes([byte]))
            time.sleep(0.2)


def test_slow_clients(world, proxy):
    """Whoever is slow, at whatever point, is ended, and meanwhile the others are served."""
    before = len(proxy.audit)
    silent = socket.create_connection(("127.0.0.1", proxy.port))
    half = socket.create_connection(("127.0.0.1", proxy.port))
    half.sendall(hello.record("proxy.test")[:100])
    no_head, slow_head, no_hello, slow_hello = (world.connect(proxy) for _ in range(4))
    for outer in (no_hello, slow_hello):
        outer.sendall(world.request())
        assert read_head(outer).startswith(b"HTTP/1.1 200")
    drips = [threading.Thread(target=drip, args=arguments, daemon=True) for arguments in (
        (slow_head, world.request()), (slow_hello, hello.records(b"\x01\0\1\xf4" + b"a" * 500, (1,))))]
    for thread in drips:
        thread.start()
    open_tunnel(world, proxy).close()
    lines = proxy.wait_audit(7, before)
    reasons = sorted(line["reason"] for line in lines if line["verdict"] == "refused")
    assert reasons == ["HelloTooSlow"] * 2 + ["TlsHandshake"] * 2 + ["TooSlow"] * 2
    assert read_all(no_head).startswith(b"HTTP/1.1 408 TooSlow")
    for outer in (silent, half, no_head, slow_head, no_hello, slow_hello):
        outer.close()


def test_connections_of_a_run(world):
    with world.proxy("--max-run-connections", "3") as proxy:
        tunnels = [open_tunnel(world, proxy) for _ in range(3)]
        assert refusal(world, proxy) == (429, "RunConnections")
        other = world.key.grant(run="run-2")
        open_tunnel(world, proxy, other).close()  # one run's greed is nobody else's loss
        before = len(proxy.audit)
        tunnels.pop().close()
        proxy.wait_audit(after=before)
        tunnels.append(open_tunnel(world, proxy))
        for tunnel in tunnels:
            tunnel.close()


def test_connections_in_all(world):
    with world.proxy("--max-connections", "3") as proxy:
        tunnels = [open_tunnel(world, proxy) for _ in range(3)]
        with socket.create_connection(("127.0.0.1", proxy.port)) as raw:
            assert read_all(raw) == b""
        (line,) = proxy.wait_audit()
        assert line["reason"] == "ProxyConnections"
        for tunnel in tunnels:
            tunnel.close()
        proxy.wait_audit(4)
        open_tunnel(world, proxy).close()


def test_connections_without_a_grant(world):
    """One client that says nothing takes 256 places at most; with a grant it takes the run's."""
    with world.proxy("--max-arrivals", "2") as proxy:
        tunnels = [open_tunnel(world, proxy) for _ in range(4)]  # one after the other
        silent = [world.connect(proxy) for _ in range(2)]
        with socket.create_connection(("127.0.0.1", proxy.port)) as raw:
            assert read_all(raw) == b""
        (line,) = proxy.wait_audit()
        assert line["reason"] == "ClientConnections" and line["client"] == "127.0.0.1"
        silent.pop().close()
        proxy.wait_audit(2)
        open_tunnel(world, proxy).close()
        for outer in silent:
            outer.close()
        for tunnel in tunnels:
            tunnel.close()


def test_bytes_of_a_run(world, proxy):
    """They count over all its connections; the connection that takes the last ones ends."""
    before = len(proxy.audit)
    token = world.key.grant(run="greedy", max=200_000)
    open_tunnel(world, proxy, token).close()
    inner = open_tunnel(world, proxy, token)
    with pytest.raises((OSError, ConnectionError)):
        for _ in range(100):
            inner.send(b"x" * 10_000)
            inner.receive(10_000)
    last = proxy.wait_audit(2, before)[1]
    assert last["verdict"] == "allowed" and last["reason"] == "ByteLimit"
    assert int(last["bytesUp"]) + int(last["bytesDown"]) < 200_000 + 2 * 65_536
    assert refusal(world, proxy, token) == (429, "ByteLimit")
    open_tunnel(world, proxy).close()
    proxy.wait_audit(4, before)


def test_the_end_of_the_grant_ends_the_connection(world, proxy):
    before = len(proxy.audit)
    inner = open_tunnel(world, proxy, world.key.grant(exp=int(time.time()) + 1))
    with pytest.raises((OSError, ConnectionError)):
        while True:  # busy until the end: it is the grant that ends, not patience
            inner.send(b"x")
            inner.receive(1)
    (line,) = proxy.wait_audit(after=before)
    assert line["verdict"] == "allowed" and line["reason"] == "GrantEnded"


def test_idleness(world):
    with world.proxy("--idle-timeout", "1") as proxy:
        inner = open_tunnel(world, proxy)
        assert inner.outer.recv(1) == b""
        (line,) = proxy.wait_audit()
        assert line["verdict"] == "allowed" and line["reason"] == "Idle"


def test_lifetime(world):
    with world.proxy("--max-lifetime", "2") as proxy:
        inner = open_tunnel(world, proxy)
        with pytest.raises((OSError, ConnectionError)):
            while True:
                inner.send(b"x")
                inner.receive(1)
        (line,) = proxy.wait_audit()
        assert line["verdict"] == "allowed" and line["reason"] == "Lifetime"


def test_a_refusal_arrives_whatever_else_was_sent(world, proxy):
    """Unread bytes would make the close a reset, and the answer would be lost."""
    before = len(proxy.audit)
    with world.connect(proxy) as outer:
        outer.sendall(world.request("evil.test:443"))
        with contextlib.suppress(OSError):
            outer.sendall(b"x" * 60_000)
        answer = read_all(outer)  # which of the two is a matter of segments
        assert b'"code":"NameNotAllowed"' in answer or b'"code":"Pipelined"' in answer
    proxy.wait_audit(after=before)


def test_a_client_that_reads_nothing_holds_nothing_else_up(world, proxy):
    before = len(proxy.audit)
    greedy = open_tunnel(world, proxy)
    greedy.outer.settimeout(1)
    with contextlib.suppress(OSError):
        for _ in range(1000):
            greedy.send(b"x" * 16_000)  # the echo has nowhere to go
    for _ in range(5):
        open_tunnel(world, proxy).close()
    greedy.outer.close()
    proxy.wait_audit(6, before)


def test_metrics(world):
    with world.proxy() as proxy:
        open_tunnel(world, proxy).close()
        proxy.wait_audit(1)
        refusal(world, proxy, world.key.grant(dom=["other.test"]))
        proxy.wait_audit(2)
        total = 'sandgate_egress_connections_total{reason="%s",verdict="%s"}'
        assert proxy.metric(total % ("NameNotAllowed", "refused")) == 1
        assert proxy.metric('sandgate_egress_connections_total{reason="C') == 1
        assert proxy.metric("sandgate_egress_open_connections") == 0
        assert proxy.metric('sandgate_egress_bytes_total{direction="up"}') > 4
        assert proxy.metric("sandgate_egress_setup_seconds_count") == 1
        assert proxy.metric("sandgate_egress_grant_keys") == 1

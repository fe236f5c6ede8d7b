"""Many connections of one run at once, and more than there may be."""

import resource

import pytest

import hello
import upstream
from runner import Runner
from world import BIN, wait_for

CONNECTIONS = 1_000
LIMIT = 1_024  # runner/relay_limits.h
DESCRIPTORS = 2 * LIMIT + 64 + 256  # of the runner, for all of them
MAX_BYTES_EACH = 64 * 1024  # of the runner's memory, for an idle one
SANITIZED = BIN.resolve().parent.name in ("asan", "tsan")  # its memory says nothing

MANY = """
import os, socket, time
CONNECT = b"CONNECT many.wild.test:443 HTTP/1.1\\r\\nHost: many.wild.test:443\\r\\n\\r\\n"
HELLO = bytes.fromhex("%s")

def read(s, size):
    data = b""
    while len(data) < size:
        more = s.recv(size - len(data))
        assert more, "the tunnel ended"
        data += more
    return data

tunnels = []
for _ in range(%d):
    s = socket.create_connection(("127.0.0.1", 3128))
    s.sendall(CONNECT)
    tunnels.append(s)
for s in tunnels:
    assert b" 200 " in s.recv(1000)
    s.sendall(HELLO)
for s in tunnels:
    assert read(s, len(HELLO)) == HELLO
for number, s in enumerate(tunnels):
    s.sendall(b"%%08d" %% number)
for number, s in enumerate(tunnels):
    assert read(s, 8) == b"%%08d" %% number
open("/workspace/open", "w").close()
while os.path.exists("/workspace/open"):
    time.sleep(0.01)
print("all of them")
"""

TOO_MANY = """
import os, socket, time

def ask(port, request, wanted):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(request)
        return s.recv(65536)[:wanted]

CONNECT = b"CONNECT evil.test:443 HTTP/1.1\\r\\nHost: evil.test:443\\r\\n\\r\\n"
ready, go = os.pipe(), os.pipe()
if os.fork() == 0:
    held = [socket.create_connection(("127.0.0.1", 3128)) for _ in range(%d)]
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    os._exit(0)
os.read(ready[0], 1)
held = [socket.create_connection(("127.0.0.1", 3128)) for _ in range(%d)]
print(ask(3128, CONNECT, 27))  # accepted behind all of them
print(ask(443, b"hello", 7))
held.pop().close()
while b"429" in (answer := ask(3128, CONNECT, 27)):
    pass
print(answer)
os.write(go[1], b"x")
"""


@pytest.fixture
def runner(world):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        pytest.skip(f"the limit of open files is {hard}, {DESCRIPTORS} are needed")
    running = Runner(world)
    yield running
    running.close()


def test_a_thousand_at_once(world, proxy, runner, record_property):
    far = upstream.RawEcho("127.0.0.4")
    world.dns.names["many.wild.test"] = ["127.0.0.4"]
    mark = runner.workspace / "open"
    runner.run("true", "shell", runner.network(proxy.port))  # what is made once is there
    held, empty = runner.descriptors(), runner.rss()
    greeting = hello.record("many.wild.test")
    before = len(proxy.audit)
    name = runner.start(MANY % (greeting.hex(), CONNECTIONS), "python", runner.network(proxy.port))
    wait_for(lambda: mark.exists() or runner.logged("run's network closed")[1:], "open tunnels")
    if mark.exists():
        assert far.open == CONNECTIONS
        assert proxy.metric("sandgate_egress_open_connections") == CONNECTIONS
        each = (runner.rss() - empty) // CONNECTIONS
        record_property("rss_per_connection", each)
        mark.unlink()
    run = runner.wait(name)
    assert run.out == "all of them\n", run
    assert each < MAX_BYTES_EACH or SANITIZED
    lines = proxy.wait_audit(CONNECTIONS, before)
    assert {line["verdict"] for line in lines} == {"allowed"}
    wait_for(lambda: runner.descriptors() <= held, "end of its descriptors")
    record_property("rss_kept", runner.rss() - empty)
    assert runner.rss() - empty < CONNECTIONS * MAX_BYTES_EACH / 8 or SANITIZED
    far.close()


def test_more_than_there_may_be(proxy, runner):
    run = runner.run(TOO_MANY % (LIMIT // 2, LIMIT // 2), "python", runner.network(proxy.port))
    assert run.out.splitlines() == [
        repr(b"HTTP/1.1 429 RunConnections"), repr(b"\x15\x03\x03\x00\x02\x02\x31"),
        repr(b"HTTP/1.1 403 NameNotAllowed")], run

"""A run with network, end to end: its code, the runner's relay, the egress proxy, the outside."""

import contextlib
import json
import shutil
import socket
import ssl
import threading

import pytest

import pki
import web
from runner import Runner
from world import PATIENCE, free_port, wait_for

ASK = """
import json, socket
def ask(request, port=3128):
    with socket.create_connection(("127.0.0.1", port), timeout=30) as s:
        s.sendall(request)
        data = b""
        while more := s.recv(65536):
            data += more
    head, _, body = data.partition(b"\\r\\n\\r\\n")
    return head.split(b"\\r\\n")[0].decode(), (json.loads(body) if body else None)
"""
CONNECT = 'b"CONNECT %s:443 HTTP/1.1\\r\\nHost: %s:443\\r\\n\\r\\n"'


def connect(name):
    return CONNECT % (name, name)


@pytest.fixture(scope="module")
def site(world, tmp_path_factory):
    """A web server at web.test and b.wild.test."""
    certificate = world.outside.issue("web", "DNS:web.test,DNS:*.wild.test", "serverAuth")
    world.dns.names.update({"web.test": ["127.0.0.3"], "b.wild.test": ["127.0.0.3"]})
    git = tmp_path_factory.mktemp("git") if shutil.which("git") else None
    server = web.Server("127.0.0.3", *certificate, "web.test", git)
    yield server
    server.close()


@pytest.fixture(scope="module")
def runner(world, site):
    running = Runner(world)
    yield running
    running.close()


CLIENTS = {
    "curl": ("shell", "curl -sS https://web.test/", "hello from outside"),
    "curl without its proxy": ("shell", "curl -sS --noproxy '*' https://web.test/",
                               "hello from outside"),
    "a name under a wildcard": ("shell", "curl -sS https://b.wild.test/", "hello from outside"),
    "urllib": ("python", "import urllib.request\n"
               "print(urllib.request.urlopen('https://web.test/').read())", "hello from outside"),
    "ssl": ("python", "import socket, ssl\n"
            "raw = socket.create_connection(('web.test', 443))\n"
            "s = ssl.create_default_context().wrap_socket(raw, server_hostname='web.test')\n"
            "s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n"
            "while data := s.recv(1000): print(data)", "hello from outside"),
    "fetch": ("javascript", "fetch('https://web.test/').then(r => r.text()).then(console.log)",
              "hello from outside"),
    "node's https": ("javascript", "require('https').get('https://web.test/', "
                     "r => r.on('data', d => console.log(String(d))))", "hello from outside"),
    "git": ("shell", "git clone -q https://web.test/demo.git && cat demo/file", "forty-two"),
    "pip": ("shell", "python3 -m pip install -q --no-cache-dir --target /workspace "
            "--index-url https://web.test/simple/ sandgate-demo && "
            "python3 -c 'import sandgate_demo; print(sandgate_demo.answer)'", "42"),
    "npm": ("shell", "npm install --no-audit --no-fund --no-update-notifier "
            "--registry https://web.test/ sandgate-demo && "
            "node -e 'console.log(require(\"sandgate-demo\").answer)'", "42"),
}
NEEDS = {"curl": "curl", "git": "git", "fetch": "node", "node's https": "node", "npm": "npm"}
PATH = "/usr/local/bin:/usr/bin:/bin"  # of a run


@pytest.mark.parametrize("client", CLIENTS, ids=lambda name: name.replace(" ", "-"))
def test_clients_work_unmodified(proxy, runner, client):
    language, code, says = CLIENTS[client]
    needed = NEEDS.get(client, "curl" if code.startswith("curl") else "python3")
    if not shutil.which(needed, path=PATH):
        pytest.skip(f"there is no {needed} here")
    if client == "pip" and runner.run("python3 -m pip --version").exit_code != 0:
        pytest.skip("there is no pip here")
    run = runner.run(code, language, runner.network(proxy.port))
    assert run.exit_code == 0 and says in run.out, run


def test_without_given_authorities_the_images_count(proxy, runner):
    run = runner.run("curl -sS https://web.test/; echo $?; env; ls /run/network", "shell",
                     runner.network(proxy.port, authorities=False))
    assert "60\n" in run.out and "certificate" in run.err, run  # curl: not signed by a known one
    assert "SSL_CERT_FILE" not in run.out and "NODE_EXTRA" not in run.out
    assert run.out.endswith("hosts\n") and "authorities" not in run.out


def test_given_authorities_stand_behind_the_images(world, proxy, runner):
    run = runner.run("cat /etc/ssl/certs/ca-certificates.crt - < /run/network/extra-authorities.pem |"
                     " cmp - /run/network/authorities.pem && cat /run/network/extra-authorities.pem",
                     "shell", runner.network(proxy.port))
    assert run.exit_code == 0 and run.out == world.outside.crt.read_text(), run


REFUSED = {
    "another name": (connect("evil.test"), "HTTP/1.1 403 NameNotAllowed"),
    "an address": (connect("127.0.0.3"), "HTTP/1.1 403 AddressLiteral"),
    "plain HTTP": ('b"GET http://web.test/ HTTP/1.1\\r\\nHost: web.test\\r\\n\\r\\n"',
                   "HTTP/1.1 403 PlainHttp"),
    "a grant of its own": ('b"CONNECT web.test:443 HTTP/1.1\\r\\nSandgate-Grant: x\\r\\n\\r\\n"',
                           "HTTP/1.1 400 Malformed"),
    "an early byte": (connect("web.test") + ' + b"x"', "HTTP/1.1 400 Pipelined"),
    "no HTTP": ('b"hello\\n\\r\\n\\r\\n"', "HTTP/1.1 400 Malformed"),
    "an empty line": ('b"\\n\\r\\n\\r\\n"', "HTTP/1.1 400 Malformed"),
    "a line without an end": ('b"CONNECT " + b"a" * 2000', "HTTP/1.1 431 TooLarge"),
    "a long line": ('b"CONNECT " + b"a" * 2000 + b"\\r\\n\\r\\n"', "HTTP/1.1 431 TooLarge"),
    "a name that is none in DNS": (connect("c.wild.test"), "HTTP/1.1 502 NameNotFound"),
}


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.replace(" ", "-"))
def test_refusals_reach_the_code_whole(proxy, runner, row):
    request, status = REFUSED[row]
    run = runner.run(ASK + f"line, body = ask({request})\nprint(line)\nprint(json.dumps(body))",
                     "python", runner.network(proxy.port))
    line, body = run.out.splitlines()
    assert line == status, run
    assert json.loads(body)["code"] == status.split()[-1] and json.loads(body)["message"]


def test_a_refusal_survives_a_client_that_goes_on_sending(proxy, runner):
    """Its bytes find nobody: the reset that answers them must not eat the refusal."""
    run = runner.run(ASK + f"""
for _ in range(20):
    print(ask({connect("evil.test")} + b"x" * 50_000)[0])
""", "python", runner.network(proxy.port))
    assert len(run.out.splitlines()) == 20, run
    assert set(run.out.splitlines()) <= {"HTTP/1.1 403 NameNotAllowed", "HTTP/1.1 400 Pipelined"}, run


HANDSHAKE = """
import socket, ssl
context = ssl.create_default_context()
try:
    context.wrap_socket(socket.create_connection(("127.0.0.1", 443)), server_hostname=%r)
    print("connected")
except ssl.SSLError as error:
    print(error.reason)
"""


def test_at_port_443_a_refusal_is_an_alert(proxy, runner):
    run = runner.run(HANDSHAKE % "evil.test", "python", runner.network(proxy.port))
    assert run.out == "TLSV1_UNRECOGNIZED_NAME\n", run


def test_at_port_443_an_expired_grant_is_an_alert(proxy, runner):
    run = runner.run(HANDSHAKE % "web.test", "python", runner.network(proxy.port, exp=1, nbf=0))
    assert run.out == "TLSV1_ALERT_ACCESS_DENIED\n", run


def refused_by_the_runner(runner, port):
    network = runner.network(port)
    run = runner.run(ASK + f"line, body = ask({connect('web.test')})\n"
                     "print(line)\nprint(body['code'])" + HANDSHAKE % "web.test", "python", network)
    status, code, alert = run.out.splitlines()
    assert alert == "TLSV1_ALERT_INTERNAL_ERROR", run
    return status, code


def test_no_proxy_there(runner):
    assert refused_by_the_runner(runner, free_port()) == (
        "HTTP/1.1 502 ProxyUnreachable", "ProxyUnreachable")


@pytest.mark.parametrize("who", ["a gateway", "another sandbox", "a stranger"])
def test_a_proxy_without_the_proxys_certificate(world, runner, who):
    """An address is no proof: whoever answers there must have the egress proxy's certificate."""
    uri = {"a gateway": "URI:spiffe://sandgate.dev/gateway",
           "another sandbox": pki.sandbox_uri("box-2"),
           "a stranger": "URI:spiffe://sandgate.dev/egress"}[who]
    authority = world.outside if who == "a stranger" else world.ours
    certificate = authority.issue("false-" + who.replace(" ", "-"), uri, "serverAuth,clientAuth")
    with FalseProxy(*certificate) as false:
        assert refused_by_the_runner(runner, false.port) == (
            "HTTP/1.1 502 ProxyUntrusted", "ProxyUntrusted")
        assert false.heard == b"", "it was shown something"


class FalseProxy:
    def __init__(self, certificate, key):
        self.heard = b""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _serve(self):
        while True:
            try:
                raw, _ = self._listener.accept()
                with self._context.wrap_socket(raw, server_side=True) as tls:
                    self.heard += tls.recv(65536)
            except ssl.SSLError:
                continue
            except OSError:
                return


DIALS = 64  # runner/relay_limits.h


def test_a_proxy_that_says_nothing_is_asked_a_few_at_a_time(runner):
    """And the end of the run does not wait for it."""
    mark = runner.workspace / "go"
    mark.unlink(missing_ok=True)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as silent:
        held = []

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    held.append(silent.accept()[0])
        threading.Thread(target=accept, daemon=True).start()
        descriptors = runner.descriptors()
        name = runner.start(f"""
import os, socket, time
tunnels = [socket.create_connection(("127.0.0.1", 3128)) for _ in range({3 * DIALS})]
for s in tunnels:
    s.sendall({connect("web.test")})
while not os.path.exists("/workspace/go"):
    time.sleep(0.01)
""", "python", runner.network(silent.getsockname()[1]))
        # Those that were accepted by the relay and those it has dialled for.
        wait_for(lambda: runner.descriptors() >= descriptors + 4 * DIALS and len(held) == DIALS,
                 "connections")
        mark.touch()
        assert runner.wait(name).exit_code == 0
        assert len(held) == DIALS
        wait_for(lambda: runner.descriptors() <= descriptors, "end of its descriptors")
        for connection in held:
            connection.close()


def test_a_run_without_network_has_nothing_of_it(proxy, runner):
    look = """
import os, socket
for port in (443, 3128):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5)
        print("connected")
    except ConnectionRefusedError:
        print("refused")
print([name for name in os.environ if "proxy" in name.lower() or "CERT" in name])
print(os.path.exists("/run/network"), open("/etc/hosts").read() == HOSTS)
""".replace("HOSTS", repr(open("/etc/hosts", encoding="utf-8").read()))
    before = runner.run(look, "python")
    assert runner.run("curl -sS https://web.test/", "shell", runner.network(proxy.port)).out
    after = runner.run(look, "python")
    assert before.out == after.out == "refused\nrefused\n[]\nFalse True\n", after


OPEN = ASK + f"""
import ssl, time
s = socket.create_connection(("127.0.0.1", 3128))
s.sendall({connect("allowed.test")})
assert b" 200 " in s.recv(1000)
raw, context = s.dup(), ssl.create_default_context()
t = context.wrap_socket(s, server_hostname="allowed.test")
t.sendall(b"ping")
assert t.recv(4) == b"ping"
open("/workspace/open", "w").close()
"""
ENDS = {
    "exit": ("", 60),
    "exit of the first process alone": (
        "import os\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)\n", 60),
    "cancel": ("time.sleep(1000)", 60),
    "timeout": ("time.sleep(1000)", 2),
    "memory": ("x = bytearray(400_000_000)\ntime.sleep(1000)", 60),
}
OUTCOMES = {"cancel": "Cancelled", "timeout": "TimedOut", "memory": "MemoryExceeded"}


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.replace(" ", "-"))
def test_the_end_of_a_run_closes_its_connections(proxy, runner, end):
    rest, timeout = ENDS[end]
    mark = runner.workspace / "open"
    mark.unlink(missing_ok=True)
    before, held = len(proxy.audit), runner.descriptors()
    name = runner.start(OPEN + rest, "python", runner.network(proxy.port), timeout=timeout,
                        memory=200 << 20)
    wait_for(mark.exists, "tunnel")
    if end == "cancel":
        runner.call("POST", f"/v1/runs/{name}/cancel")
    run = runner.wait(name)
    assert run.outcome == OUTCOMES.get(end, "Exited"), run
    (line,) = proxy.wait_audit(after=before)
    assert line["host"] == "allowed.test" and line["reason"] in ("Closed", "Reset")
    wait_for(lambda: runner.descriptors() <= held, "end of its descriptors")


def test_a_proxy_that_dies_breaks_its_tunnels_and_the_next_one_serves(world, runner, site):
    code = OPEN + """
try:
    print("more:", raw.recv(1))
except OSError as error:
    print("broken:", type(error).__name__)
open("/workspace/broken", "w").close()
while True:
    line, _ = ask(REQUEST)
    if "502" not in line:
        break
    time.sleep(0.01)
print(line)
""".replace("REQUEST", connect("evil.test"))
    for mark in ("open", "broken"):
        (runner.workspace / mark).unlink(missing_ok=True)
    with world.proxy() as first:
        name = runner.start(code, "python", runner.network(first.port))
        wait_for((runner.workspace / "open").exists, "tunnel")
        first.process.kill()
        wait_for((runner.workspace / "broken").exists, "end of the tunnel")
    with world.proxy("--listen", f"127.0.0.1:{first.port}"):
        run = runner.wait(name)
    # Not as if the far side had said all.
    assert run.out == "broken: ConnectionResetError\nHTTP/1.1 403 NameNotAllowed\n", run


def test_a_half_close_passes_both_ways(world, proxy, runner):
    """What the far side says after the client has said all arrives (TLS's own end is inside)."""
    run = runner.run(ASK + f"""
s = socket.create_connection(("127.0.0.1", 3128))
s.sendall({connect("web.test")})
assert b" 200 " in s.recv(1000)
import ssl
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
t = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="web.test")
def drive(call):
    while True:
        try:
            value = call()
            s.sendall(outgoing.read())
            return value
        except ssl.SSLWantReadError:
            s.sendall(outgoing.read())
            data = s.recv(65536)
            incoming.write(data) if data else incoming.write_eof()
drive(t.do_handshake)
t.write(b"GET / HTTP/1.1\\r\\nHost: web.test\\r\\nConnection: close\\r\\n\\r\\n")
s.sendall(outgoing.read())
s.shutdown(socket.SHUT_WR)
text = b""
while data := s.recv(65536):
    incoming.write(data)
incoming.write_eof()
while data := t.read(65536):
    text += data
print(text)
""", "python", runner.network(proxy.port))
    assert "hello from outside" in run.out, run


def test_a_network_that_is_none_is_refused_with_its_member(world, runner):
    body = {"bootId": runner.boot, "operation": "Execute", "language": "shell", "code": "dHJ1ZQ==",
            "timeoutMillis": 1000, "graceMillis": 0, "memoryBytes": 1 << 28, "outputBytes": 1000,
            "network": runner.network(1) | {"proxy": "egress.test:8443"}}
    status, answer = runner.call("POST", "/v1/runs/none", body)
    assert status == 400 and answer["error"]["field"] == "network.proxy", answer
    assert world.key.id not in json.dumps(answer)


def test_the_grant_is_in_no_log(runner):
    assert not any("sgeg1" in line for line in runner.lines)
    assert runner.logged("run's network closed")


def test_probes(world, proxy, runner):
    def probe(address, millis=5_000):
        return runner.call("POST", "/v1/probe", {"address": address, "timeoutMillis": millis})
    assert probe(f"127.0.0.1:{proxy.port}") == (200, {"outcome": "Connected"})
    assert probe(f"127.0.0.1:{free_port()}") == (200, {"outcome": "Refused"})
    # Outside of the tests' own namespace there is nothing.
    assert probe("192.0.2.7:8082") == (200, {"outcome": "Unreachable"})
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = "127.0.0.1:%d" % full.getsockname()[1]
        wait_for(lambda: probe(address, 100)[1] == {"outcome": "TimedOut"}, "full queue")
    status, answer = probe("web.test:443")
    assert status == 400 and answer["error"]["field"] == "address"
    gateway = world.ours.issue("gateway", "URI:spiffe://sandgate.dev/gateway")
    assert runner.call("POST", "/v1/probe", {}, gateway)[0] == 403

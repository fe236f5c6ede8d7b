"""Networked runs while things end, restart, or are taken away, and a thousand connections at once."""

import json
import os
import sys

import pytest
from harness import egress_audit, nethost
from harness.cluster import SYSTEM
from harness.wait import until
from test_airgap import PROBE, REACHED
from test_egress import DOMAINS, NETWORK, world  # noqa: F401 (a fixture)

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "egress"))

import hello  # noqa: E402
import upstream  # noqa: E402

CONNECTIONS = 1_000


@pytest.fixture(scope="module")
def box(tenant, world):  # noqa: F811
    return tenant.new_box("python", network=NETWORK)


def test_the_end_of_the_run_ends_its_connections(cluster, box, world):  # noqa: F811
    """Also those of a process that meant to stay."""
    mark = egress_audit.Mark(cluster, box.fetch()["status"]["podIP"])
    run = box.start("""
import subprocess, sys, urllib.request
subprocess.Popen([sys.executable, "-c", '''
import urllib.request
urllib.request.urlopen("https://allowed.test/hold")
'''], start_new_session=True)
print(urllib.request.urlopen("https://allowed.test/wait/end").read())
""", domains=DOMAINS, timeout=120)
    until(lambda: world.behaviour.held == 1, "the far side holds a connection")
    world.behaviour.released.set()
    run.finish()
    assert run.phase == "Succeeded", run
    until(lambda: world.behaviour.held == 0, "the connection ends with its run")
    world.behaviour.released.clear()
    lines = mark.lines(2)
    assert {line["verdict"] for line in lines} == {"allowed"}
    assert {line["reason"] for line in lines} <= {"Closed", "Reset", "GrantEnded"}, lines


def test_a_timeout_ends_them_too(box, world):  # noqa: F811
    run = box.run("""
import urllib.request
urllib.request.urlopen("https://allowed.test/hold")
""", domains=DOMAINS, timeout=3)
    assert run.phase == "TimedOut", run
    until(lambda: world.behaviour.held == 0, "the connection ends with its run")


def test_a_proxy_that_restarts_breaks_no_run(cluster, box, world):  # noqa: F811
    """Its state travels with the connections: the same run goes on through new pods."""
    world.web.pages.update({f"/{page}": b"ok" for page in ("before", "between", "after")})
    replicas = cluster.admin.get("deployments", SYSTEM, "sandgate-egress")["spec"]["replicas"]
    run = box.start("""
import time, urllib.request
def get(path):
    return urllib.request.urlopen("https://allowed.test" + path, timeout=20).read()
get("/before")
failed = None
while failed is None:
    try:
        get("/between")
    except OSError as problem:
        failed = str(problem)
while True:
    try:
        get("/after")
        break
    except OSError:
        time.sleep(0.2)
print("went on after:", failed)
""", domains=DOMAINS, timeout=300)
    until(lambda: world.asked("/between"), "the run reaches the far side")
    cluster.scale("sandgate-egress", 0)
    cluster.scale("sandgate-egress", replicas)
    run.finish(seconds=300)
    assert run.phase == "Succeeded" and "went on after:" in run.stdout, run
    assert world.asked("/after")


def test_without_network_policies_a_run_still_has_one_way_out(cluster, tenant, box, world):  # noqa: F811
    """Its own empty namespace is a lock that knows nothing of the CNI's."""
    proxy = cluster.admin.get("services", SYSTEM, "sandgate-egress")["spec"]["clusterIP"]
    targets = [("udp", nethost.HOST, 53), ("tcp", nethost.HOST, 443), ("tcp", proxy, 8443)]
    run = box.start(PROBE + f"""
import urllib.request
urllib.request.urlopen("https://allowed.test/wait/policies", timeout=200).read()
print(json.dumps(probe_all({targets!r})))
""", domains=DOMAINS, timeout=300)
    until(lambda: world.asked("/wait/policies"), "the run waits at the far side")
    cluster.scale("sandgate-operator", 0)  # it would put them back
    try:
        operator = cluster.operator()  # nobody else may
        for policy in cluster.admin.list("networkpolicies", tenant.namespace):
            operator.delete("networkpolicies", tenant.namespace, policy["metadata"]["name"])
        world.behaviour.released.set()
    finally:
        cluster.scale("sandgate-operator", 1)
    run.finish()
    world.behaviour.released.clear()
    assert run.phase == "Succeeded", run
    seen = json.loads(run.stdout)
    assert not [target for target, outcome in seen.items() if outcome in REACHED], seen
    until(lambda: len(cluster.admin.list("networkpolicies", tenant.namespace)) == 2,
          "the operator puts them back")


THOUSAND = r"""
import selectors, socket
GREETING = bytes.fromhex("HELLO")
HEAD = b"CONNECT many.wild.test:443 HTTP/1.1\r\nHost: many.wild.test:443\r\n\r\n"
def exactly(s, size):
    data = b""
    while len(data) < size:
        more = s.recv(size - len(data))
        assert more, data
        data += more
    return data
def head(s):
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        more = s.recv(4096)  # nothing follows it before the greeting
        assert more, data
        data += more
    return data
open_ones = []
for number in range(COUNT):
    s = socket.create_connection(("127.0.0.1", 3128), timeout=120)
    s.sendall(HEAD)
    answer = head(s)
    assert answer.startswith(b"HTTP/1.1 200"), (number, answer, s.recv(4096))
    s.sendall(GREETING)
    assert exactly(s, len(GREETING)) == GREETING
    open_ones.append(s)
for number, s in enumerate(open_ones):
    s.sendall(b"%08d" % number)
for number, s in enumerate(open_ones):
    assert exactly(s, 8) == b"%08d" % number
print(len(open_ones))
"""


def test_a_thousand_connections_at_once(box, world):  # noqa: F811
    far = world.within(lambda: upstream.RawEcho(nethost.SECOND))
    world.dns.names["many.wild.test"] = [nethost.SECOND]
    greeting = hello.record("many.wild.test").hex()
    code = THOUSAND.replace("HELLO", greeting).replace("COUNT", str(CONNECTIONS))
    run = box.run(code, domains=DOMAINS, timeout=300)
    assert run.phase == "Succeeded" and run.stdout == f"{CONNECTIONS}\n", run
    assert far.open == CONNECTIONS

"""The egress proxy as the chart deploys it: its own NetworkPolicy alone, without the proxy's judgement, and
what a test may change and puts back."""

import json
import subprocess
import sys

import pytest

from harness import egress, nethost
from harness.cluster import SYSTEM
from harness.wait import until

TLS_PORT, OTHER_PORT, DNS_PORT = 443, nethost.TCP_PORT, 53
SERVER = f"""
import socket, threading
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("{nethost.HOST}", {DNS_PORT}))
def answer():
    while True:
        data, peer = udp.recvfrom(4096)
        udp.sendto(data, peer)
threading.Thread(target=answer, daemon=True).start()
def accept(server):
    while True:
        server.accept()[0].close()
for port in ({TLS_PORT}, {OTHER_PORT}):
    threading.Thread(target=accept, args=(socket.create_server(("{nethost.HOST}", port)),),
                     daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
"""
PROBE = """
import json, socket, sys
def tcp(host, port):
    with socket.socket() as s:
        s.settimeout(3)
        s.connect((host, port))
def udp(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.connect((host, port))
        s.send(b'hello')
        s.recv(512)
seen = []
for kind, host, port in json.loads(sys.argv[1]):
    try:
        (tcp if kind == 'tcp' else udp)(host, port)
        seen.append(True)
    except OSError:
        seen.append(False)
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def outside():
    with nethost.NetHost(SERVER) as host:
        yield host


@pytest.fixture(scope="module")
def neighbour(tenant, cluster):
    """A pod that is no sandbox, with an HTTP server."""
    return cluster.plain_pod(tenant.namespace, "neighbour",
                             ["python3", "-m", "http.server", str(TLS_PORT + 8000)])


def from_proxy(cluster, targets):
    """What a process in a proxy's pod reaches: the proxy's image has no shell, so one of this
    machine's enters its network."""
    pod = cluster.ready_pod("egress")
    [process] = cluster.processes(pod, "sandgate-egress")
    done = subprocess.run(
        ["nsenter", f"--target={process}", "--net", "--", sys.executable, "-c", PROBE,
         json.dumps(targets)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_two_pods_of_which_one_may_go(cluster):
    assert len(cluster.pods("egress")) == 2
    budget = cluster.admin.get("poddisruptionbudgets", SYSTEM, "sandgate-egress")
    until(lambda: cluster.admin.get("poddisruptionbudgets", SYSTEM, "sandgate-egress")
          ["status"]["disruptionsAllowed"] == 1, f"one may go: {budget['status']}")


def test_nobody_but_sandboxes_with_network_connects(cluster, neighbour):
    proxy = cluster.ready_pod("egress")["status"]["podIP"]
    operator = cluster.ready_pod("operator")["status"]["podIP"]
    # That such a pod reaches others of Sandgate's shows that it reaches anything.
    targets = [["tcp", proxy, 8443], ["tcp", operator, 8081]]
    done = cluster.kubectl("-n", neighbour["metadata"]["namespace"], "exec", "neighbour", "--",
                           "python3", "-c", PROBE, json.dumps(targets))
    assert json.loads(done.stdout) == [False, True]


def test_the_policy_lets_it_reach_no_private_address_and_no_other_port(cluster, outside, neighbour):
    admin = cluster.admin
    node = admin.list("nodes")[0]
    node_ip = next(entry["address"] for entry in node["status"]["addresses"]
                   if entry["type"] == "InternalIP")
    api = admin.get("services", "default", "kubernetes")["spec"]["clusterIP"]
    allowed = [["tcp", nethost.HOST, TLS_PORT], ["udp", nethost.HOST, DNS_PORT]]
    forbidden = [["tcp", nethost.HOST, OTHER_PORT], ["tcp", api, 443], ["tcp", node_ip, 6443],
                 ["tcp", neighbour["status"]["podIP"], TLS_PORT + 8000],
                 ["tcp", cluster.ready_pod("operator")["status"]["podIP"], 8082],
                 ["tcp", cluster.ready_pod("gateway")["status"]["podIP"], 8443]]
    # The host outside has an address that is not public: closed, unless it is an exception.
    assert from_proxy(cluster, allowed + forbidden) == [False, True] + [False] * len(forbidden)
    with egress.settings(cluster, allowed_private=[nethost.HOST + "/32"]):
        until(lambda: from_proxy(cluster, allowed)[0], "the exception is enforced")
        assert from_proxy(cluster, allowed + forbidden) == [True, True] + [False] * len(forbidden)


def test_what_a_test_sets_is_put_back(cluster):
    def arguments(deployment):
        found = cluster.admin.get("deployments", SYSTEM, deployment)
        return found["spec"]["template"]["spec"]["containers"][0]["args"]

    def registries():
        return [line.strip() for line in cluster.policy().splitlines() if "test.example" in line]

    before = arguments("sandgate-egress"), arguments("sandgate-operator"), cluster.policy()
    with egress.settings(cluster, resolver=["198.18.77.2:5353"], allowed_private=["198.18.77.2/32"],
                         cluster_cidrs=["203.0.114.0/24"], ca="-----BEGIN CERTIFICATE-----\n",
                         registries={"pypi": ["pypi.test.example"], "npm": []},
                         limits={"idleSeconds": 7}, replicas=1):
        now = arguments("sandgate-egress")
        for wanted in ("--resolver=198.18.77.2:5353", "--allowed-private-cidrs=198.18.77.2/32",
                       "--cluster-cidrs=203.0.114.0/24", "--idle-timeout=7"):
            assert wanted in now
        assert "--ca-bundle=/etc/sandgate/ca-bundle/bundle.pem" in arguments("sandgate-operator")
        assert registries() == ["- pypi.test.example"]
        until(lambda: len(cluster.pods("egress")) == 1, "one pod is left")
    after = arguments("sandgate-egress"), arguments("sandgate-operator"), cluster.policy()
    assert before == after
    until(lambda: len(cluster.pods("egress")) == 2, "there are two again")

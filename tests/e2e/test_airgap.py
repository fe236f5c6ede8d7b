"""No run reaches anything: by its own empty network namespace, and by the node's NetworkPolicies,
which do not know of each other. Each target is shown to be reachable by somebody else first."""

import json
import re
import time

import pytest

from harness import nethost
from harness.cluster import SYSTEM
from harness.tenant import Tenant, unique
from harness.wait import until

# Prints {"tcp HOST:PORT": outcome}. "open" and "refused" both mean that packets got there.
PROBE = """
import json, socket
def probe(kind, host, port):
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    try:
        if kind == 'tcp':
            with socket.socket(family, socket.SOCK_STREAM) as s:
                s.settimeout(3)
                s.connect((host, port))
            return 'open'
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.settimeout(3)
            s.connect((host, port))
            s.send(b'\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x01a\\x00\\x00\\x01\\x00\\x01')
            s.recv(512)
            return 'open'
    except ConnectionRefusedError:
        return 'refused'
    except OSError as problem:
        return type(problem).__name__ + ': ' + str(problem)
def probe_all(targets):
    return {f'{kind} {host}:{port}': probe(kind, host, port) for kind, host, port in targets}
"""
REACHED = ("open", "refused")


def probing(targets):
    return PROBE + f"print(json.dumps(probe_all({targets!r})))"


@pytest.fixture(scope="module")
def outside():
    with nethost.NetHost() as host:
        yield host


@pytest.fixture(scope="module")
def neighbour(tenant, cluster):
    """Another pod of the same namespace, with an HTTP server, and with the network of any pod."""
    return cluster.plain_pod(tenant.namespace, "neighbour",
                             ["python3", "-m", "http.server", "8000"])


def from_plain_pod(cluster, pod, code):
    done = cluster.kubectl("-n", pod["metadata"]["namespace"], "exec", pod["metadata"]["name"],
                           "--", "python3", "-c", code)
    return done.stdout


@pytest.fixture(scope="module")
def targets(cluster, neighbour, outside):
    """Everything that the issue of an air gap is about, by what it is."""
    admin = cluster.admin
    node = admin.list("nodes")[0]
    node_ip = next(entry["address"] for entry in node["status"]["addresses"]
                   if entry["type"] == "InternalIP")
    gateway = cluster.ready_pod("gateway")
    operator = cluster.ready_pod("operator")
    gateway_service = admin.get("services", SYSTEM, "sandgate-gateway")["spec"]
    route = from_plain_pod(cluster, neighbour, "print(open('/proc/net/route').read())")
    bridge = next(line.split()[2] for line in route.splitlines()[1:]
                  if line.split()[1] == "00000000")
    bridge_ip = ".".join(str(int(bridge[i:i + 2], 16)) for i in (6, 4, 2, 0))
    return {
        "apiserver, as its Service": ("tcp", admin.get("services", "default", "kubernetes")
                                      ["spec"]["clusterIP"], 443),
        "apiserver, on the node": ("tcp", node_ip, 6443),
        "kubelet, on the node": ("tcp", node_ip, 10250),
        "kubelet, on the pods' bridge": ("tcp", bridge_ip, 10250),
        "gateway, as its Service": ("tcp", gateway_service["clusterIP"],
                                    gateway_service["ports"][0]["port"]),
        "gateway's pod": ("tcp", gateway["status"]["podIP"], 8443),
        "operator's pod": ("tcp", operator["status"]["podIP"], 8081),
        "another pod": ("tcp", neighbour["status"]["podIP"], 8000),
        "a host outside": ("tcp", nethost.HOST, nethost.TCP_PORT),
        "a DNS server outside": ("udp", nethost.HOST, nethost.DNS_PORT),
    }


# Not reachable from everywhere, so without a positive control: they only must not be reached.
ELSEWHERE = [("udp", "10.96.0.10", 53), ("tcp", "169.254.169.254", 80), ("udp", "169.254.20.10", 53),
             ("tcp", "fd00::1", 443)]


def key(target):
    return f"{target[0]} {target[1]}:{target[2]}"


def nameservers():
    with open("/etc/resolv.conf", encoding="utf-8") as file:
        return [("udp", address, 53) for address in
                re.findall(r"^nameserver\s+([0-9.]+)", file.read(), re.MULTILINE)]


def test_every_target_is_reachable_from_a_plain_pod(cluster, neighbour, targets):
    """Otherwise the tests below would prove nothing."""
    seen = json.loads(from_plain_pod(cluster, neighbour, probing(list(targets.values()))))
    closed = {what: seen[key(target)] for what, target in targets.items()
              if seen[key(target)] not in REACHED}
    assert not closed


def test_no_target_is_reachable_from_a_run(python_box, targets):
    everything = list(targets.values()) + ELSEWHERE + nameservers()
    run = python_box.run(probing(everything), timeout=120)
    assert run.exit_code == 0, run
    seen = json.loads(run.stdout)
    assert len(seen) == len({key(target) for target in everything})
    reached = {target: outcome for target, outcome in seen.items() if outcome in REACHED}
    assert not reached


def test_a_run_resolves_no_names(python_box):
    run = python_box.run("import socket\ntry: print(socket.getaddrinfo('example.com', 443))\n"
                         "except OSError as e: print('no', e)")
    assert run.stdout.startswith("no "), run


def test_a_run_has_no_interface_but_its_own_loopback(python_box):
    run = python_box.run("import socket\nprint([name for _, name in socket.if_nameindex()])")
    assert run.stdout == "['lo']\n", run


def test_a_run_does_not_see_what_listens_in_the_pod(python_box):
    """The runner listens on 8443 in the pod's namespace: not on the run's loopback."""
    me = python_box.fetch()["status"]["podIP"]
    run = python_box.run(probing([("tcp", "127.0.0.1", 8443), ("tcp", me, 8443)]))
    seen = json.loads(run.stdout)
    assert seen["tcp 127.0.0.1:8443"] == "refused"
    assert seen[f"tcp {me}:8443"] not in REACHED


def test_nobody_else_reaches_the_runner(cluster, neighbour, python_box):
    """Ingress is for the operator alone."""
    me = python_box.fetch()["status"]["podIP"]
    seen = json.loads(from_plain_pod(cluster, neighbour, probing([("tcp", me, 8443)])))
    # The node rejects, which looks like a closed port; that the port is open, the operator shows.
    assert seen[f"tcp {me}:8443"] != "open"


# A pod with a sandbox's name and label (only the operator's account may make one), without a
# runner: what a sandbox's pod would reach if nothing but the NetworkPolicy held it.
def watcher(cluster, tenant, target):
    code = PROBE + (
        "import time\n"
        f"while True:\n  print(probe(*{target!r}), flush=True)\n  time.sleep(0.2)\n")
    return cluster.plain_pod(tenant.namespace, unique("sgsb-probe"), ["python3", "-c", code],
                             runtime="gvisor", labels={"sandgate.dev/sandbox": "probe"},
                             user=cluster.operator())


def last_outcome(cluster, tenant, pod):
    done = cluster.kubectl("-n", tenant.namespace, "logs", pod["metadata"]["name"], "--tail=1",
                           check=False)
    return done.stdout.strip()


def test_with_the_network_policies_deleted_a_run_still_reaches_nothing(cluster, tenant, targets):
    """The second lock alone. The operator is away meanwhile: it would make the policies anew."""
    box = tenant.new_box("python")
    everything = list(targets.values())
    open_to_pods = targets["apiserver, as its Service"]
    code = PROBE + (
        "import os, time\n"
        "open('/workspace/started', 'w').close()\n"
        "print('started', flush=True)\n"
        f"end = time.monotonic() + 40\nworst = {{}}\n"
        "while time.monotonic() < end:\n"
        f"  for name, outcome in probe_all({everything!r}).items():\n"
        "    if worst.get(name) not in ('open', 'refused'): worst[name] = outcome\n"
        "  time.sleep(0.05)\n"
        "print(json.dumps([worst, time.time()]))\n")
    policies = "networkpolicies"
    run = None
    operator = cluster.operator()
    probe = None
    try:
        run = box.start(code, timeout=90).wait("Running")
        cluster.scale("sandgate-operator", 0)
        probe = watcher(cluster, tenant, open_to_pods)  # the operator would delete it
        # The first lock works: this pod has no other.
        until(lambda: last_outcome(cluster, tenant, probe) not in ("", "open"),
              "the NetworkPolicies hold a pod with a sandbox's label")
        names = [p["metadata"]["name"] for p in tenant.admin.list(policies, tenant.namespace)]
        assert len(names) >= 2, names
        for name in names:
            operator.delete(policies, tenant.namespace, name)
        until(lambda: last_outcome(cluster, tenant, probe) == "open",
              "without NetworkPolicies that pod reaches the API server")
        opened = time.time()
    finally:
        cluster.scale("sandgate-operator", 1)
    if tenant.admin.find("pods", tenant.namespace, probe["metadata"]["name"]):
        operator.delete("pods", tenant.namespace, probe["metadata"]["name"], grace=0)
    run.finish()
    assert run.phase == "Succeeded", run
    worst, ended = json.loads(run.stdout.splitlines()[-1])
    assert ended > opened, "the run ended before the policies were gone: it showed nothing"
    assert not {target: outcome for target, outcome in worst.items() if outcome in REACHED}
    # The first lock is made again.
    until(lambda: len(tenant.admin.list(policies, tenant.namespace)) >= 2,
          "the operator makes the NetworkPolicies anew")


def test_the_policies_are_there_before_the_pod(cluster, tenant):
    """I9, by the API server's own order of writes."""
    mark = cluster.audit_mark()
    other = Tenant(cluster, "order")
    try:
        other.new_box("shell")
        writes = [(event["objectRef"]["resource"], event["stageTimestamp"])
                  for event in cluster.audit_since(mark)
                  if event.get("objectRef", {}).get("namespace") == other.namespace
                  and event["verb"] == "create" and event["stage"] == "ResponseComplete"
                  and event["objectRef"]["resource"] in ("pods", "networkpolicies")
                  and not event["objectRef"].get("subresource")
                  and event["responseStatus"]["code"] == 201]
        order = [resource for resource, _ in sorted(writes, key=lambda write: write[1])]
        assert order == ["networkpolicies", "networkpolicies", "pods"], order
    finally:
        other.close()

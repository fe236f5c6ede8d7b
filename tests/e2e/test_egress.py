"""A run that was granted some domains reaches them and nothing else, from inside of gVisor: the
bypass table, each row with its reason in the proxy's audit line."""

import itertools
import json

import egress_rows
import pytest
from harness import egress, egress_audit, nethost, outside
from harness.cluster import SYSTEM
from harness.wait import until
from test_airgap import PROBE, REACHED, from_plain_pod

DOMAINS = ["allowed.test", "*.wild.test"]
NETWORK = {"enabled": True, "allowedDomains": DOMAINS}


@pytest.fixture(scope="module")
def world(cluster, tmp_path_factory):
    with outside.Outside(tmp_path_factory.mktemp("outside")) as host:
        with egress.settings(cluster, resolver=[host.dns.address], ca=host.ca_pem,
                             allowed_private=[f"{nethost.HOST}/32", f"{nethost.SECOND}/32"]):
            yield host


@pytest.fixture(scope="module")
def box(tenant, world):
    return tenant.new_box("python", network=NETWORK)


@pytest.fixture(scope="module")
def addresses(cluster):
    """What no name may lead to, beside the ranges of the proxy's own table."""
    admin = cluster.admin
    node = admin.list("nodes")[0]["status"]["addresses"]
    return {
        "a pod": cluster.ready_pod("operator")["status"]["podIP"],
        "a Service": admin.get("services", "default", "kubernetes")["spec"]["clusterIP"],
        "the node": next(one["address"] for one in node if one["type"] == "InternalIP"),
    }


@pytest.fixture(scope="module")
def seen(cluster, box, world, addresses):
    """{row: (its Row, the answer, the audit line)}: the whole table in one run."""
    rows = egress_rows.table(addresses)
    for name, (_, address) in egress_rows.forbidden(addresses).items():
        world.dns.names[name] = [address]
    flips = itertools.count()
    world.dns.names["rebinding.wild.test"] = \
        lambda kind: [nethost.HOST, "10.1.2.3"] if next(flips) else [nethost.HOST, "127.0.0.1"]
    accepted, asked = world.web.accepted, list(world.web.asked)
    pod = box.fetch()["status"]["podIP"]
    mark = egress_audit.Mark(cluster, pod)
    run = box.run(egress_rows.program(rows.values()), timeout=300, domains=DOMAINS)
    assert run.phase == "Succeeded", run
    answers = egress_rows.answers(run.stdout)
    lines = mark.lines(len(rows))
    assert len(answers) == len(lines) == len(rows)
    # The proxy connects before it reads the ClientHello, and sends nothing before it has.
    assert world.web.accepted - accepted <= sum(row.then is not None for row in rows.values())
    assert world.web.asked == asked, "a refused connection reached the far side"
    return dict(zip(rows, zip(rows.values(), answers, lines)))


def _names():
    placeholders = {"a pod": "192.0.2.1", "a Service": "192.0.2.2", "the node": "192.0.2.3"}
    return list(egress_rows.table(placeholders))


@pytest.mark.parametrize("name", _names(), ids=lambda name: name.replace(" ", "-"))
def test_refused(seen, name):
    row, answer, line = seen[name]
    word = egress_rows.refused_as(row, answer)
    assert line["verdict"] == "refused" and line["reason"] in row.reasons, line
    assert word in (None, line["reason"])
    assert line["bytesUp"] == line["bytesDown"] == "0"
    if row.host:
        assert line["host"] == row.host


FETCHES = {
    "urllib, by the proxy variable": ("python", """
import urllib.request
print(urllib.request.urlopen("https://NAME/").read().decode(), end="")
"""),
    "urllib, that ignores proxies": ("python", """
import urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(opener.open("https://NAME/").read().decode(), end="")
"""),
    "curl": ("shell", "curl -sS --fail https://NAME/"),
    "curl, that ignores proxies": ("shell", "curl -sS --fail --noproxy '*' https://NAME/"),
    "git": ("shell", "rm -rf demo && git clone --quiet https://NAME/demo.git && cat demo/file"),
    "Node's fetch": ("javascript", """
fetch("https://NAME/").then(r => r.text()).then(t => process.stdout.write(t));
"""),
    "Node's https": ("javascript", """
require("https").get("https://NAME/", r => r.pipe(process.stdout));
"""),
}
GREETING = ("hello from outside\n", "forty-two\n")
WITH_PROXY_VARIABLES = {"urllib, by the proxy variable", "curl", "git"}


@pytest.fixture(scope="module")
def boxes(tenant, world):
    made = {}

    def of(language):
        if language not in made:
            made[language] = tenant.new_box(language, network=NETWORK)
        return made[language]
    return of


@pytest.mark.parametrize("client,name", [
    *[(client, "allowed.test") for client in FETCHES],
    *[(client, "a.wild.test") for client in sorted(WITH_PROXY_VARIABLES)]],
    ids=lambda text: text.replace(" ", "-"))
def test_clients_reach_what_is_allowed(boxes, client, name):
    """Unmodified, with their own check of the certificate. A wildcard's names cannot stand in
    /etc/hosts, so only clients that know the proxy variables reach them."""
    language, code = FETCHES[client]
    run = boxes(language).run(code.replace("NAME", name), domains=DOMAINS)
    assert run.phase == "Succeeded" and run.stdout == GREETING[client == "git"], run


def test_a_run_without_network_has_none_in_the_same_sandbox(box):
    """Not the sandbox is allowed to, the run is."""
    run = box.run("""
import os, socket
print(sorted(k for k in os.environ if "PROXY" in k.upper()))
for port in (3128, 443):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5)
        print("open")
    except ConnectionRefusedError:
        print("refused")
print("allowed.test" in open("/etc/hosts").read())
""")
    assert run.stdout == "[]\nrefused\nrefused\nFalse\n", run


def test_less_than_the_sandbox_may(box):
    """The run's own domains count, not all of its sandbox's."""
    run = box.run("""
import urllib.request
print(urllib.request.urlopen("https://allowed.test/").status)
try:
    urllib.request.urlopen("https://a.wild.test/")
except OSError as problem:
    print(problem)
""", domains=["allowed.test"])
    assert run.stdout.startswith("200\n") and "NameNotAllowed" in run.stdout, run


def test_more_than_the_sandbox_may_is_refused_before_anybody_is_asked(box, tenant):
    run = box.run("print(1)", domains=["allowed.test", "evil.test"])
    assert run.phase == "Failed" and run.error == "NetworkNotAllowed", run
    assert "evil.test" in run.status["error"]["message"]
    assert not tenant.admin.find("approvals", tenant.namespace, run.name)


def test_a_redirect_to_a_forbidden_host(cluster, box):
    mark = egress_audit.Mark(cluster, box.fetch()["status"]["podIP"])
    run = box.run("""
import urllib.request
try:
    urllib.request.urlopen("https://allowed.test/redirect/evil.test/")
except OSError as problem:
    print(problem)
""", domains=DOMAINS)
    assert "NameNotAllowed" in run.stdout, run
    reasons = sorted((line["host"], line["verdict"], line["reason"]) for line in mark.lines(2))
    assert reasons[1] == ("evil.test", "refused", "NameNotAllowed")
    assert reasons[0][:2] == ("allowed.test", "allowed")


def test_nothing_but_the_two_ports(cluster, tenant, box, world, addresses):
    """DNS, UDP, QUIC, and TCP to anything else, from a run with network."""
    proxy = cluster.admin.get("services", SYSTEM, "sandgate-egress")["spec"]["clusterIP"]
    targets = [("udp", nethost.HOST, 53), ("udp", nethost.HOST, 443), ("tcp", nethost.HOST, 443),
               ("tcp", nethost.HOST, 53), ("udp", "127.0.0.1", 53), ("udp", "127.0.0.1", 443),
               ("tcp", proxy, 8443), ("tcp", addresses["a pod"], 8081),
               ("tcp", addresses["a Service"], 443), ("tcp", addresses["the node"], 10250)]
    questions = len(world.dns.questions)
    run = box.run(PROBE + f"""
import json, socket
print(json.dumps(probe_all({targets!r})))
try:
    print(socket.getaddrinfo("a.wild.test", 443))
except OSError as problem:
    print(type(problem).__name__)
""", domains=DOMAINS, timeout=120)
    probed, resolved = run.stdout.splitlines()
    local = {"udp 127.0.0.1:53", "udp 127.0.0.1:443"}
    outcomes = json.loads(probed)
    assert not [target for target, outcome in outcomes.items()
                if outcome in REACHED and target not in local], outcomes
    assert {outcomes[target] for target in local} == {"refused"}, "nobody is there"
    assert resolved == "gaierror"
    assert len(world.dns.questions) == questions


def test_only_sandboxes_with_network_reach_the_proxy(cluster, tenant, world):
    """The proxy's own policy: not any pod of the cluster, though it reaches the host outside."""
    pod = cluster.plain_pod(tenant.namespace, "stranger", ["sleep", "3600"])
    service = cluster.admin.get("services", SYSTEM, "sandgate-egress")["spec"]["clusterIP"]
    proxy = cluster.ready_pod("egress")["status"]["podIP"]
    targets = [("tcp", nethost.HOST, 443), ("tcp", service, 8443), ("tcp", proxy, 8443)]
    done = from_plain_pod(cluster, pod, PROBE + f"print(json.dumps(probe_all({targets!r})))")
    seen = json.loads(done)  # "refused" may be the network plugin's own word: the proxy listens
    assert seen[f"tcp {nethost.HOST}:443"] == "open"
    assert seen[f"tcp {service}:8443"] != "open"
    assert seen[f"tcp {proxy}:8443"] != "open"


def test_the_approver_is_shown_the_domains(tenant, box):
    with tenant.approver.silent():
        run = box.start("print(1)", domains=DOMAINS).wait("AwaitingApproval")
        request = tenant.admin.get("approvals", tenant.namespace, run.name)["spec"]["request"]
        assert request["summary"]["domains"] == DOMAINS
        assert request["risk"] == "CRITICAL"
        run.cancel()
    run.finish()


def test_metrics_count_by_reason(cluster, seen):
    def total():
        return sum(float(line.rsplit(" ", 1)[1]) for pod in cluster.pods("egress")
                   for line in cluster.fetch(pod, "/metrics")[1].splitlines()
                   if line.startswith('sandgate_egress_connections_total{reason="NameNotAllowed"'))
    assert until(total, "refusals are counted") >= 1

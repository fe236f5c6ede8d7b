"""Runs with network: what is granted, what its approver and others are shown, and what refuses them."""

import pytest

from harness.tenant import API, Run, condition, unique
from harness.wait import until

SYSTEM = "sandgate-system"
SERVICE, SIGNING, KEYS = "sandgate-egress", "sandgate-egress-signing", "sandgate-egress-keys"
WRITTEN = ["Files.EXAMPLE.com.", "*.Data.example.com", "b\u00fccher.example", "files.example.com"]
NORMAL = ["files.example.com", "*.data.example.com", "xn--bcher-kva.example"]


@pytest.fixture(scope="module")
def box(tenant):
    return tenant.new_box(network={"enabled": True, "allowedDomains": WRITTEN})


def ask(box, domains=None, code="print('ran')"):
    """An Execution that wants network."""
    network = {"enabled": True}
    if domains is not None:
        network["allowedDomains"] = domains
    name = unique("run")
    box.user.create("executions", box.namespace, {
        "apiVersion": API, "kind": "Execution", "metadata": {"name": name},
        "spec": {"sandboxName": box.name, "operation": "Execute", "network": network,
                 "execute": {"language": "python", "code": code}}})
    return Run(box.user, box.namespace, name, box.tenant.admin)


def summary(tenant, run):
    return tenant.admin.get("approvals", tenant.namespace, run.name)["spec"]["request"]["summary"]


def test_a_sandbox_has_its_domains_in_normal_form(box):
    assert box.fetch()["status"]["effective"]["allowedDomains"] == NORMAL


@pytest.mark.parametrize("asked,granted", [
    (None, NORMAL),
    (["FILES.example.com", "files.example.com."], ["files.example.com"]),
    (["a.data.example.com"], ["a.data.example.com"]),
    (["B\u00dcCHER.example"], ["xn--bcher-kva.example"]),
], ids=["all", "case", "wildcard", "idn"])
def test_what_is_granted_is_shown_bound_and_recorded(tenant, box, asked, granted):
    run = ask(box, asked).finish()
    assert run.phase == "Succeeded" and run.stdout == "ran\n", run
    assert run.status["admission"]["domains"] == granted
    shown = summary(tenant, run)
    assert shown["domains"] == granted
    assert "Network stays a way out for data" in shown["text"]

    def event():
        return [event for event in tenant.admin.list("events", tenant.namespace)
                if event["reason"] == "NetworkGranted" and event["involvedObject"]["name"] == run.name]
    said = until(event, "the Event says what it may reach")[0]["message"]
    assert all(domain in said for domain in granted), said


def test_a_run_without_network_is_granted_none(tenant, box):
    run = box.run("print('ran')")
    assert run.phase == "Succeeded", run
    assert "domains" not in run.status["admission"]
    shown = summary(tenant, run)
    assert not shown.get("domains") and "way out" not in shown["text"]


@pytest.mark.parametrize("asked,code,says", [
    (["*.co.uk"], "InvalidDomain", 'spec.network.allowedDomains[0] "*.co.uk"'),
    (["files.example.com", "xn--zzzzzz9999.example"], "InvalidDomain", "allowedDomains[1]"),
    (["example.com"], "NetworkNotAllowed", "The domain example.com is not among"),
    (["data.example.com"], "NetworkNotAllowed", "data.example.com is not among"),
    (["a.b.data.example.com"], "NetworkNotAllowed", "a.b.data.example.com is not among"),
    (["*.files.example.com"], "NetworkNotAllowed", "*.files.example.com is not among"),
], ids=lambda value: value if isinstance(value, str) and " " not in value else None)
def test_it_is_refused_before_anybody_is_asked(tenant, box, asked, code, says):
    run = ask(box, asked).finish()
    assert (run.phase, run.error) == ("Failed", code), run
    assert says in run.status["error"]["message"]
    assert tenant.admin.find("approvals", tenant.namespace, run.name) is None


def test_a_sandbox_with_no_domain_to_name_gives_none(tenant):
    box = tenant.new_box(network={"enabled": True})
    run = ask(box).finish()
    assert (run.phase, run.error) == ("Failed", "NetworkNotAllowed"), run
    assert "say in allowedDomains" in run.status["error"]["message"]
    box.delete()


def test_a_sandbox_with_a_bad_domain_fails_by_name(tenant):
    box = tenant.new_box(ready=False, network={"enabled": True, "allowedDomains": ["*.co.uk"]})
    ready = condition(box.wait_phase("Failed"), "Ready")
    assert ready["reason"] == "InvalidSpec"
    assert 'spec.network.allowedDomains[0] "*.co.uk"' in ready["message"]
    box.delete()


def test_the_gateway_names_a_bad_domain_and_makes_nothing(tenant):
    before = len(tenant.admin.list("sandboxes", tenant.namespace))
    for bad in ("*.co.uk", "10.0.0.1", "https://example.com"):
        answer = tenant.gateway().tool("code_execute", {
            "language": "python", "code": "print(1)", "network_enabled": True,
            "allowed_domains": ["ok.example.com", bad]})
        assert answer.code == 422, answer
        assert answer.error["field"] == "allowed_domains[1]", answer
    assert len(tenant.admin.list("sandboxes", tenant.namespace)) == before


def refused_for(box, word):
    """True once a run with network is refused with NetworkUnavailable and that word."""
    def refused():
        run = ask(box).finish()
        if run.phase == "Succeeded":
            return None  # what was read before counts for half a minute
        assert run.error == "NetworkUnavailable", run
        return word in run.status["error"]["message"]
    return until(refused, f"refused because of {word}")


def granted_again(box):
    until(lambda: ask(box).finish().phase == "Succeeded", "runs get their network again")


def test_without_its_service_runs_with_network_are_refused_and_others_run(cluster, box):
    service = cluster.admin.get("services", SYSTEM, SERVICE)
    cluster.admin.delete("services", SYSTEM, SERVICE)
    try:
        assert refused_for(box, f'Service "{SERVICE}" does not exist')
        assert box.run("print(1)").phase == "Succeeded"
    finally:
        for member in ("resourceVersion", "uid", "creationTimestamp", "managedFields"):
            service["metadata"].pop(member, None)
        cluster.admin.create("services", SYSTEM, service)
    granted_again(box)


def test_a_foreign_secret_refuses_network_and_is_left_alone(cluster, box):
    label = "app.kubernetes.io/managed-by"
    before = cluster.admin.get("secrets", SYSTEM, SIGNING)
    cluster.admin.patch("secrets", SYSTEM, SIGNING, {"metadata": {"labels": {label: "somebody"}}})
    try:
        assert refused_for(box, SIGNING)
        assert box.run("print(1)").phase == "Succeeded"
        assert cluster.admin.get("secrets", SYSTEM, SIGNING)["data"] == before["data"]
    finally:
        cluster.admin.patch("secrets", SYSTEM, SIGNING, {
            "metadata": {"labels": {label: before["metadata"]["labels"][label]}}})
    granted_again(box)


def test_the_keys_are_where_they_belong(cluster, tenant):
    public = cluster.admin.get("configmaps", SYSTEM, KEYS)
    assert "PRIVATE" not in str(public["data"])
    assert set(public["data"]) >= set(cluster.admin.get("secrets", SYSTEM, SIGNING)["data"])
    for pod in cluster.pods("egress"):
        mounted = {volume.get("secret", {}).get("secretName")
                   for volume in pod["spec"]["volumes"]} - {None}
        assert SIGNING not in mounted
    assert "sandgate_egress_ready 1" in cluster.fetch(cluster.ready_pod("operator"), "/metrics")[1]

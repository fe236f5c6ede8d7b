"""Whether the cluster enforces NetworkPolicies is measured, said, and what networked runs depend on.

For some of it the network plugin is stopped, and what it had set up in the kernel is taken away: it
would go on holding the operator itself back from new pods.
"""

import contextlib
import re

import pytest

from harness.cluster import SYSTEM, is_write
from harness.tenant import API, Run, condition, unique
from harness.wait import until

OPERATOR = f"system:serviceaccount:{SYSTEM}:sandgate-operator"
NETWORK = {"enabled": True, "allowedDomains": ["example.com"]}
MEASURED_AGAIN_SECONDS = 180  # each minute


def isolated(box):
    """(status, reason) of the condition."""
    found = condition(box.fetch(), "NetworkIsolated")
    return found["status"], found["reason"]


def metric(cluster):
    status, text = cluster.fetch(cluster.ready_pod("operator"), "/metrics")
    assert status == 200
    return float(re.search(r"^sandgate_network_isolated (\S+)$", text, re.MULTILINE)[1])


def measurements(cluster, result):
    _, text = cluster.fetch(cluster.ready_pod("operator"), "/metrics")
    found = re.search(r'^sandgate_isolation_measurements_total\{result="%s"\} (\S+)$' % result, text,
                      re.MULTILINE)
    return float(found[1]) if found else 0.0


def events(tenant, box):
    return [event for event in tenant.admin.list("events", tenant.namespace)
            if event["involvedObject"]["name"] == box.name
            and event["reason"] == "NetworkNotIsolated"]


def start_networked(box):
    name = unique("run")
    box.user.create("executions", box.namespace, {
        "apiVersion": API, "kind": "Execution", "metadata": {"name": name},
        "spec": {"sandboxName": box.name, "operation": "Execute", "network": NETWORK,
                 "execute": {"language": box.language, "code": "print('ran')"}}})
    return Run(box.user, box.namespace, name, box.tenant.admin)


@contextlib.contextmanager
def without_network_plugin(cluster):
    cluster.run("dev/cluster", "stop", "kube-router")
    try:
        for chain in ("KUBE-ROUTER-INPUT", "KUBE-ROUTER-FORWARD", "KUBE-ROUTER-OUTPUT"):
            cluster.run("dev/cluster", "node", "iptables", "--flush", chain)
        yield
    finally:
        cluster.run("dev/cluster", "start", "kube-router")


def test_where_policies_are_enforced_every_sandbox_says_so(tenant, cluster):
    air_gapped = tenant.new_box("shell")
    networked = tenant.new_box("shell", network=NETWORK)
    assert isolated(air_gapped) == isolated(networked) == ("True", "PolicyEnforced")
    assert metric(cluster) == 1
    assert not events(tenant, networked)
    for box in (air_gapped, networked):
        box.delete()


def test_it_costs_no_write(tenant, cluster):
    """Secret, pod, the Secret's deletion, and the status that says Ready and isolated in one."""
    tenant.box("shell")  # the namespace's policies are there
    mark = cluster.audit_mark()
    box = tenant.new_box("shell", network=NETWORK)
    until(lambda: isolated(box) == ("True", "PolicyEnforced"), "it is measured")
    writes = [(event["verb"], event["objectRef"]["resource"],
               event["objectRef"].get("subresource", ""))
              for event in cluster.audit_since(mark)
              if is_write(event, OPERATOR) and event["objectRef"].get("namespace") == box.namespace]
    assert sorted(writes) == [("create", "pods", ""), ("create", "secrets", ""),
                              ("delete", "secrets", ""), ("patch", "sandboxes", "status")]
    box.delete()


def expect_no_write_while_measured_again(cluster, namespace, result):
    """I10."""
    mark, before = cluster.audit_mark(), measurements(cluster, result)
    until(lambda: measurements(cluster, result) > before, "it is measured again",
          MEASURED_AGAIN_SECONDS)
    assert not [event for event in cluster.audit_since(mark) if is_write(event, OPERATOR)
                and event["objectRef"].get("namespace") == namespace]


def test_a_policy_of_somebody_else_is_named_and_is_not_the_clusters_fault(tenant, cluster):
    tenant.box("shell")
    before = metric(cluster)
    tenant.admin.create("networkpolicies", tenant.namespace, {
        "metadata": {"name": "allow-all"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]}})
    try:
        box = tenant.new_box("shell", network=NETWORK)
        found = condition(box.fetch(), "NetworkIsolated")
        assert (found["status"], found["reason"]) == ("False", "OtherPolicyAllows")
        assert "allow-all" in found["message"]
        assert metric(cluster) == before == 1
        until(lambda: events(tenant, box), "an Event says so")
        expect_no_write_while_measured_again(cluster, tenant.namespace, "OtherPolicyAllows")
    finally:
        tenant.admin.delete("networkpolicies", tenant.namespace, "allow-all")
    # And it is held again when the policy is gone, without anybody's doing.
    until(lambda: isolated(box) == ("True", "PolicyEnforced"), "it is measured again",
          MEASURED_AGAIN_SECONDS)
    box.delete()


@pytest.fixture(scope="module")
def unguarded(tenant, cluster):
    """Sandboxes of before and after the network plugin has gone, and what was seen of them then."""
    held = tenant.new_box("shell", network=NETWORK)
    seen = {"held": isolated(held)}
    with without_network_plugin(cluster):
        box = tenant.new_box("shell", network=NETWORK)
        seen["networked"] = condition(box.fetch(), "NetworkIsolated")
        seen["metric"] = metric(cluster)
        seen["events"] = until(lambda: events(tenant, box), "an Event says so")
        air_gapped = tenant.new_box("shell")
        seen["air-gapped"] = isolated(air_gapped)
        seen["held still"] = isolated(held)
        seen["air-gapped runs"] = [one.run("echo ran") for one in (air_gapped, box)]
        seen["networked run"] = start_networked(box).finish()
    yield box, seen
    for one in (held, box, air_gapped):
        one.delete()


def test_where_nothing_enforces_them_a_new_sandbox_says_that(unguarded):
    _, seen = unguarded
    assert seen["networked"]["status"] == "False"
    assert seen["networked"]["reason"] == "PolicyNotEnforced"
    assert "does not enforce" in seen["networked"]["message"]
    assert seen["metric"] == 0
    assert seen["air-gapped"] == ("False", "PolicyNotEnforced"), "what is known of the cluster"
    assert seen["held"] == seen["held still"] == ("True", "PolicyEnforced")
    [event] = seen["events"]
    assert event["type"] == "Warning"


def test_air_gapped_runs_go_on(unguarded):
    for run in unguarded[1]["air-gapped runs"]:
        assert run.phase == "Succeeded" and run.stdout == "ran\n", run


def test_networked_runs_are_refused(unguarded):
    run = unguarded[1]["networked run"]
    assert run.phase == "Failed" and run.error == "NetworkNotIsolated", run
    assert "does not enforce" in run.status["error"]["message"]
    assert "ran" not in run.stdout


def test_with_the_plugin_back_it_is_isolated_again(unguarded, cluster):
    box, _ = unguarded
    until(lambda: isolated(box) == ("True", "PolicyEnforced"), "it is measured again",
          MEASURED_AGAIN_SECONDS)
    assert metric(cluster) == 1

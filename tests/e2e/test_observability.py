"""What operators of the operator see: metrics, health, logs without secrets, few writes."""

import json
import re
import time

import pytest

from harness.cluster import SYSTEM, is_write
from harness.tenant import Tenant, unique
from harness.wait import until

OPERATOR = f"system:serviceaccount:{SYSTEM}:sandgate-operator"
QUIET_SECONDS = 30


@pytest.mark.parametrize("component", ["operator", "gateway"])
@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_and_readiness_answer(cluster, component, path):
    code, text = cluster.fetch(cluster.ready_pod(component), path)
    assert code == 200, text


@pytest.mark.parametrize("component", ["operator", "gateway"])
def test_metrics_are_in_prometheus_format_and_count(cluster, tenant, python_box, component):
    def sample():
        code, text = cluster.fetch(cluster.ready_pod(component), "/metrics")
        assert code == 200, text
        for line in text.splitlines():
            assert line.startswith("#") or re.fullmatch(
                r'[a-zA-Z_:][\w:]*(\{.*\})? [-+0-9.eEInfNa]+( \d+)?', line), line
        values = {}
        for line in text.splitlines():
            if line.startswith("sandgate_"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values
    before = sample()
    assert before, "no metric of its own"
    tenant.gateway().execute("print(1)", sandbox_id=python_box.name)
    until(lambda: any(value > before.get(name, 0) for name, value in sample().items()),
          "a counter moves with an execution")


@pytest.mark.parametrize("component", ["operator", "gateway"])
def test_metrics_please_promtool(cluster, tenant, python_box, component):
    tenant.gateway().execute("print(1)", sandbox_id=python_box.name)
    code, text = cluster.fetch(cluster.ready_pod(component), "/metrics")
    assert code == 200 and "sandgate_" in text, text
    checked = cluster.run("promtool", "check", "metrics", stdin=text, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, ""), checked
    series = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(series) < 600, "labels are words of a fixed few"


def test_outcomes_and_decisions_are_counted_by_their_words(cluster, tenant, python_box):
    def value(series):
        _, text = cluster.fetch(cluster.ready_pod("operator"), "/metrics")
        for line in text.splitlines():
            if line.startswith(series + " "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0
    done = 'sandgate_executions_total{operation="Execute",outcome="Succeeded",risk="HIGH"}'
    approved = 'sandgate_approval_decisions_total{verdict="Approved"}'
    waited = "sandgate_approval_wait_seconds_count"
    before = {series: value(series) for series in (done, approved, waited)}
    assert python_box.run("print(1)").phase == "Succeeded"
    for series, count in before.items():
        until(lambda series=series, count=count: value(series) > count, f"{series} counts")


@pytest.mark.parametrize("component", ["operator", "gateway"])
def test_logs_are_json_and_carry_the_executions_name(cluster, tenant, python_box, component):
    result = tenant.gateway().execute("print(1)", sandbox_id=python_box.name)

    def mentioned():
        lines = [json.loads(line) for line in cluster.logs(component)]
        assert lines
        return [line for line in lines if line.get("execution") == name]
    name = f"{tenant.namespace}/{result['execution']}"
    until(mentioned, f"the {component}'s log has lines with execution={name}")


def test_no_secret_token_or_code_is_in_any_log_event_or_argument(cluster, tenant, python_box):
    marker = unique("topsecretmarker")
    gateway = tenant.gateway()
    gateway.execute(f"print('{marker}')", sandbox_id=python_box.name)
    gateway.execute(f"raise ValueError('{marker}')", sandbox_id=python_box.name)
    bad = gateway.tool("code_execute", {"language": "cobol", "code": marker})
    assert bad.code in (400, 422)
    logs = "\n".join(cluster.logs("operator") + cluster.logs("gateway"))
    assert len(logs) > 1000
    secrets = {"the code": marker, "the agent's token": tenant.agent.token,
               "the approver's token": tenant.alice.token, "a private key": "PRIVATE KEY"}
    for what, secret in secrets.items():
        assert secret not in logs, f"{what} is in a log"
    events = json.dumps(tenant.admin.list("events", tenant.namespace))
    for what, secret in secrets.items():
        assert secret not in events, f"{what} is in an Event"
    for component, program in (("operator", "sandgate-operator"), ("gateway", "sandgate-gateway")):
        for process in cluster.processes(cluster.ready_pod(component), program):
            with open(f"/proc/{process}/cmdline", encoding="utf-8") as file:
                words = file.read()
            assert "Bearer" not in words and "PRIVATE" not in words


def test_events_tell_the_story_of_a_sandbox_and_an_execution(tenant, python_box):
    run = python_box.run("print(1)")
    until(lambda: {event["involvedObject"]["kind"]
                   for event in tenant.admin.list("events", tenant.namespace)
                   if event["involvedObject"]["name"] in (run.name, python_box.name)}
          >= {"Execution", "Sandbox"}, "there are Events about both")


def test_a_quiet_cluster_sees_no_writes_but_the_lease(cluster):
    """I10, by the API server's audit log. The time that passes is what is measured."""
    cluster.ready_pod("operator")

    def writes(seconds):
        mark, end = cluster.audit_mark(), time.monotonic() + seconds
        until(lambda: time.monotonic() > end, "the window passes", seconds + 60)
        return [event for event in cluster.audit_since(mark) if is_write(event, OPERATOR)]

    def quiet():  # earlier tests' namespaces are still being emptied
        return not [e for e in writes(3) if e["objectRef"]["resource"] != "leases"]
    until(quiet, "earlier tests' objects are gone", 300)
    seen = writes(QUIET_SECONDS)
    other = [(e["verb"], e["requestURI"]) for e in seen if e["objectRef"]["resource"] != "leases"]
    assert not other
    assert seen, "not even the Lease: is the audit log read?"


def operator_writes(cluster, namespace, since):
    return [f"{event['verb']} {event['objectRef']['resource']}"
            + ("/" + event["objectRef"]["subresource"] if event["objectRef"].get("subresource") else "")
            for event in cluster.audit_since(since)
            if is_write(event, OPERATOR) and event["objectRef"].get("namespace") == namespace]


def test_an_approved_execution_costs_few_writes(cluster, tenant, python_box):
    """Budget 2 when the policy admits by itself (claim, result). With a human: the Approval, its
    UID in the Execution's status, its Pending; and its settlement."""
    python_box.run("print(1)")
    mark = cluster.audit_mark()
    run = python_box.run("print(1)")
    assert run.phase == "Succeeded"
    writes = operator_writes(cluster, tenant.namespace, mark)
    about = [write for write in writes if not write.endswith("sandboxes/status")]
    assert len(about) <= 6, writes


def test_a_sandbox_costs_four_writes(cluster):
    """Secret, pod, status, Secret deleted; the namespace's two NetworkPolicies are made once."""
    own = Tenant(cluster, "writes")
    try:
        first = own.new_box("shell")
        mark = cluster.audit_mark()
        box = own.new_box("shell")
        until(lambda: "delete secrets" in operator_writes(cluster, own.namespace, mark),
              "the Secret is deleted")
        writes = operator_writes(cluster, own.namespace, mark)
        assert len(writes) <= 4, writes
        first.delete()
        box.delete()
    finally:
        own.close()


@pytest.mark.parametrize("component,program,budget", [
    ("operator", "sandgate-operator", 64), ("gateway", "sandgate-gateway", 64)])
def test_memory_stays_small(cluster, component, program, budget):
    """Far above the idle budgets of docs/benchmarks.md, after all the other tests: no leak."""
    (process,) = cluster.processes(cluster.ready_pod(component), program)
    with open(f"/proc/{process}/status", encoding="utf-8") as file:
        kib = next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
    assert kib / 1024 < budget, f"{kib} KiB"

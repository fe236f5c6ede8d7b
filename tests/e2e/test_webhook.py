"""Approvers are told: a receiver outside the cluster, and the operator of the chart."""

import json
import pathlib
import re
import secrets
import shlex
import time

import pytest
import yaml

from harness.approver import decide
from harness.cluster import ROOT, SYSTEM
from harness.receiver import PATH, URL, Receiver
from harness.wait import until

SECRET = "sandgate-webhook"
KEY = secrets.token_hex(32)


def snippet():
    """The guide's own verification, as a receiver would copy it."""
    guide = (ROOT / "docs/guide/platform-teams.md").read_text()
    code, = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    names = {}
    exec(code, names)  # noqa: S102: our own documentation
    return names["verify"]


def mounted(cluster):
    """Whether the operator sees the Secret's files."""
    pod = cluster.ready_pod("operator")
    cluster.admin.patch("pods", SYSTEM, pod["metadata"]["name"], {
        "metadata": {"annotations": {"example.com/look-again": str(time.time())}}})
    return any(pathlib.Path(f"/proc/{process}/root/etc/sandgate/webhook/url").exists()
               for process in cluster.processes(pod, "sandgate-operator"))


@pytest.fixture(scope="module")
def receiver(cluster):
    with Receiver() as made:
        cluster.admin.create("secrets", SYSTEM, {
            "metadata": {"name": SECRET},
            "stringData": {"url": URL, "key": KEY, "ca.crt": made.ca}})
        try:
            until(lambda: mounted(cluster), "the Secret reaches the operator", 180)
            yield made
        finally:
            cluster.admin.delete("secrets", SYSTEM, SECRET)


def metric(cluster, event, result):
    status, text = cluster.fetch(cluster.ready_pod("operator"), "/metrics")
    assert status == 200
    pattern = (r'^sandgate_webhook_deliveries_total\{event="%s",result="%s"\} (\S+)$'
               % (event, result))
    found = re.search(pattern, text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_a_question_and_its_end_are_told(cluster, tenant, receiver, python_box, alice):
    before = metric(cluster, "approval.pending", "delivered")
    with tenant.approver.silent():
        run = python_box.start("import os\nos.system('echo s3cret_line')")
        run.wait("AwaitingApproval")
        pending = receiver.wait("approval.pending", run.name)
        decide(alice, tenant.namespace, run.name, "Denied", "<!channel> why a shell?")
        settled = receiver.wait("approval.settled", run.name)
        run.finish()

    body = json.loads(pending["body"])
    assert pending["path"] == PATH
    assert body["approval"]["namespace"] == tenant.namespace
    assert body["approval"]["risk"] == "CRITICAL"
    assert body["approval"]["sandbox"] == python_box.name
    assert 0 < body["approval"]["secondsLeft"] <= 30
    assert "s3cret_line" not in pending["body"] + settled["body"], "no code unless configured"
    end = json.loads(settled["body"])["approval"]
    assert (end["phase"], end["verdict"]) == ("Denied", "Denied")
    assert end["decidedBy"] == alice.get("approvals", tenant.namespace, run.name)[
        "spec"]["decision"]["decidedBy"]
    assert "<" not in json.loads(settled["body"])["text"]

    verify = snippet()
    for message in (pending, settled):
        assert verify(message["headers"], message["body"].encode(), KEY)
        assert not verify(message["headers"], message["body"].encode() + b" ", KEY)
        tries = receiver.attempts(message["headers"]["Sandgate-Delivery"])
        assert [one["answer"] for one in tries] == [503, 200], "once turned away, then taken"
    until(lambda: metric(cluster, "approval.pending", "delivered") > before, "it is counted")


def test_the_command_in_the_message_decides(cluster, tenant, receiver, python_box, alice):
    with tenant.approver.silent():
        run = python_box.start("print(6 * 7)")
        message = receiver.wait("approval.pending", run.name)
        command = json.loads(message["body"])["approval"]["commands"]["approve"]
        words = shlex.split(command)
        assert words[0] == "kubectl"
        cluster.kubectl(*words[1:], user=alice)
        assert run.finish().stdout == "42\n"
        end = json.loads(receiver.wait("approval.settled", run.name)["body"])["approval"]
        assert (end["phase"], end["verdict"]) == ("Approved", "Approved")


@pytest.fixture
def patient_policy(cluster, python_box):
    """Ten minutes for a question, so that a restart fits in."""
    before = cluster.policy()
    policy = yaml.safe_load(before)
    rule = {"tools": ["code_execute"], "risk": "HIGH", "timeout": 600, "description": "with time"}
    policy["security"].setdefault("hitl", {}).update(default_rules=False, rules=[rule])
    cluster.set_policy(yaml.safe_dump(policy))
    try:
        until(lambda: "with time" in str(python_box.run("print(1)").status["risk"]["reasons"]),
              "the policy is in force", 240)
        yield
    finally:
        cluster.set_policy(before)
    until(lambda: "with time" not in str(python_box.run("print(1)").status["risk"]["reasons"]),
          "the policy before is in force", 240)


def test_a_new_operator_tells_again_what_still_waits(
        cluster, tenant, receiver, python_box, alice, patient_policy):
    with tenant.approver.silent():
        run = python_box.start("print(2)")
        first = receiver.wait("approval.pending", run.name)
        delivery = first["headers"]["Sandgate-Delivery"]
        told = len(receiver.attempts(delivery))
        cluster.kill_operator()

        def again():
            receiver.collect()
            return len(receiver.attempts(delivery)) > told
        until(again, "the new operator tells of the question that waits", 240)
        decide(alice, tenant.namespace, run.name, "Approved")
        assert run.finish().stdout == "2\n"
        receiver.wait("approval.settled", run.name)
    assert len(receiver.attempts(delivery)) == told + 1, "once for each leader"


def test_nothing_secret_is_logged(cluster, receiver):
    lines = cluster.logs("operator")
    assert any("webhook: an attempt failed" in line for line in lines), "the 503s are"
    for line in lines:
        assert "T0KEN" not in line and KEY not in line, line


def test_without_a_receiver_everything_goes_on(tenant, receiver, python_box):
    """The server is gone while its Secret is still there."""
    receiver.host.server.kill()
    receiver.host.server.wait()
    assert python_box.run("print('on')").stdout == "on\n"

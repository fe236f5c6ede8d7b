"""The commands of the approvers' and the break-glass guides, run as they are written."""

import os
import re
import subprocess

import pytest

from conftest import AGENT, TENANT
from kubeapi import REPO, YES, name_of, undecided, unique

APPROVERS = "docs/guide/approvers.md"
BREAK_GLASS = "docs/guide/break-glass.md"
FORTY = 40


def block(guide, label):
    """The shell commands that stand behind `<!-- tested: label -->`."""
    text = (REPO / guide).read_text()
    found = re.findall(rf"<!-- tested: {label} -->\n```sh\n(.*?)```", text, re.DOTALL)
    assert len(found) == 1, f"{guide} has {len(found)} blocks {label}"
    return found[0]


def shell(commands, kubeconfig=None, **variables):
    env = {**os.environ, "NAMESPACE": TENANT, **variables}
    if kubeconfig:
        env["KUBECONFIG"] = f"{os.environ['SANDGATE_TESTENV']}/{kubeconfig}.kubeconfig"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def must(commands, kubeconfig=None, **variables):
    code, output = shell(commands, kubeconfig, **variables)
    assert code == 0, output
    return output


def test_forty_requests_are_decided_by_what_they_have_in_common(cluster, ask):
    requester = f"system:serviceaccount:{TENANT}:{unique('noisy')}"
    asked = [ask(requester=requester, risk="HIGH" if i % 2 else "MEDIUM") for i in range(FORTY)]
    other = ask(requester=AGENT)
    must(block(APPROVERS, "deny"), "alice", REQUESTER=requester)
    for url in asked:
        decision = cluster.get(url).must()["spec"]["decision"]
        assert decision == {
            "verdict": "Denied",
            "reason": "stop asking, and call me",
            "decidedBy": "alice",
        }
    undecided(cluster, other)


def test_approvals_are_selected_by_sandbox_and_risk(cluster, ask):
    box = unique("box")
    chosen = [ask(risk="MEDIUM", sandboxName=box) for _ in range(3)]
    others = [ask(risk="HIGH", sandboxName=box), ask(risk="MEDIUM", sandboxName=unique("box"))]
    must(block(APPROVERS, "approve"), "alice", SANDBOX=box)
    for url in chosen:
        assert cluster.get(url).must()["spec"]["decision"]["verdict"] == "Approved"
    for url in others:
        undecided(cluster, url)


def test_the_list_is_sorted_by_deadline_and_says_what_is_asked(operator, ask):
    box = unique("box")
    late = ask(risk="MEDIUM", sandboxName=box, expiresAt="2100-01-01T00:00:09Z")
    soon = ask(
        risk="CRITICAL",
        sandboxName=box,
        expiresAt="2099-01-01T00:00:01Z",
        summary={"tool": "code_execute", "identicalPending": {"count": 7}},
    )
    operator.patch(soon + "/status", {"status": {"workspaceChanged": True}}).must()
    lines = must(block(APPROVERS, "list"), "alice").splitlines()
    for column in ("RISK", "PHASE", "TOOL", "SANDBOX", "REQUESTER", "CHANGED", "SAME", "EXPIRES"):
        assert column in lines[0], lines[0]
    names = [line.split()[0] for line in lines[1:]]
    assert names.index(name_of(soon)) < names.index(name_of(late))
    row = next(line for line in lines if line.split()[0] == name_of(soon)).split()
    assert {"CRITICAL", "Pending", "code_execute", box, AGENT, "true", "7"} <= set(row), row


@pytest.mark.parametrize("risk", ["HIGH", "CRITICAL"])
def test_an_administrator_breaks_the_glass(cluster, ask, risk):
    url = ask(risk=risk)
    cluster.patch(url, YES).refused("sandgate-separation")  # whatever rights it has
    decide = block(BREAK_GLASS, "decide")
    code, output = shell(decide, NAME=name_of(url), ME="jane")
    assert code != 0 and "break-glass:jane" in output, output  # no binding, no right
    must(block(BREAK_GLASS, "break"), ME="jane")
    try:
        must(
            """until kubectl auth can-i patch approvals.sandgate.dev -n "$NAMESPACE" \
            --as=break-glass:jane >/dev/null; do sleep 0.1; done""",
        )
        must(decide, NAME=name_of(url), ME="jane")
    finally:
        must(block(BREAK_GLASS, "back"))
    decision = cluster.get(url).must()["spec"]["decision"]
    assert decision["verdict"] == "Approved" and decision["decidedBy"] == "break-glass:jane"
    assert "incident" in decision["reason"]
    again = ask(risk=risk)
    must(
        """while kubectl auth can-i patch approvals.sandgate.dev -n "$NAMESPACE" \
        --as=break-glass:jane >/dev/null; do sleep 0.1; done""",
    )
    code, output = shell(decide, NAME=name_of(again), ME="jane")
    assert code != 0 and "forbidden" in output.lower(), output
    undecided(cluster, again)


@pytest.mark.parametrize("who", ["alice", "bob", "carol"])
def test_nobody_else_breaks_it(cluster, ask, who):
    url = ask(risk="CRITICAL")
    code, _ = shell(block(BREAK_GLASS, "break"), who, ME=who)
    assert code != 0
    code, _ = shell(block(BREAK_GLASS, "decide"), who, NAME=name_of(url), ME=who)
    assert code != 0
    undecided(cluster, url)

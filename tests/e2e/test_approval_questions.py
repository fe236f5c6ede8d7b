"""What the approver is shown, what the agent hears, and the last moment before the deadline."""

import concurrent.futures
import datetime
import re
import time

import pytest

from harness.approver import decide
from harness.kube import ApiError
from harness.tenant import unique
from harness.wait import until

OPEN_APPROVALS = 20  # of one requester: the operator's limit


def asked(tenant, name):
    """The Approval, once it is Pending."""

    def pending():
        found = tenant.admin.find("approvals", tenant.namespace, name)
        return found if found and found.get("status", {}).get("phase") == "Pending" else None

    return until(pending, f"Approval {name} is Pending")


def when(approval):
    text = approval["spec"]["request"]["expiresAt"].replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(text)


def test_the_approver_sees_what_ran_before_and_what_ran_since(tenant):
    box = tenant.new_box("python")
    first = box.run("open('/workspace/a', 'w').write('1')  # first")
    with tenant.approver.silent():
        second = box.start("print('the same')")
        summary = asked(tenant, second.name)["spec"]["request"]["summary"]
        assert summary["sandboxRuns"] == 1
        run = summary["recentRuns"][0]
        assert (run["execution"], run["tool"], run["phase"]) == (
            first.name,
            "code_execute",
            "Succeeded",
        )
        assert "first" in run["line"] and run["endedAt"]
        assert summary["image"] and "identicalPending" not in summary
        third = box.start("print('the same')")
        approval = asked(tenant, third.name)
        assert approval["spec"]["request"]["summary"]["identicalPending"] == {
            "count": 1,
            "executions": [second.name],
        }
        assert "workspaceChanged" not in approval["status"]
        decide(tenant.alice, tenant.namespace, second.name, "Approved")
        second.finish()

        def told():
            now = tenant.admin.get("approvals", tenant.namespace, third.name)
            return now if now["status"].get("workspaceChanged") else None

        status = until(told, "the approver is shown that another one ran")["status"]
        assert second.name in status["workspaceMessage"] and status["phase"] == "Pending"
        decide(tenant.alice, tenant.namespace, third.name, "Approved")
        assert third.finish().phase == "Succeeded", "shown, and allowed all the same"


def test_the_approver_sees_the_tool_the_arguments_and_the_lines_that_matched(
    tenant, cluster, python_box
):
    """Everything in the Approval itself, and in the list that is sorted by what is left of the time."""
    urgent = "import os\n\nprint('so far')\nos.system('id')  # why\n"

    def waiting_now():
        _, text = cluster.fetch(cluster.ready_pod("operator"), "/metrics")
        return float(re.search(r"^sandgate_pending_approvals (\S+)$", text, re.MULTILINE)[1])

    with tenant.approver.silent():
        calm = python_box.start_operation("WriteFile", {"path": "d/plan.txt", "content": "two\nlines"})
        asked(tenant, calm.name)
        run = python_box.start(urgent, timeout=21)
        request = asked(tenant, run.name)["spec"]["request"]
        summary = request["summary"]
        assert request["risk"] == "CRITICAL" and request["sandboxName"] == python_box.name
        assert request["requester"] == f"system:serviceaccount:{tenant.namespace}:agent"
        assert any(
            "os.system" in reason and "line 4" in reason and "os.system('id')" in reason
            for reason in request["reasons"]
        ), request["reasons"]
        assert (summary["tool"], summary["language"]) == ("code_execute", "python")
        assert summary["codeExcerpt"] == urgent and summary["codeBytes"] == len(urgent)
        assert summary["timeoutSeconds"] == 21 and not summary.get("domains")
        assert python_box.name in summary["text"] and "21" in summary["text"]
        assert until(lambda: waiting_now() >= 2, "the metric counts both")
        listed = cluster.kubectl(
            "-n",
            tenant.namespace,
            "get",
            "approvals.sandgate.dev",
            "--field-selector=status.phase=Pending",
            "--sort-by=.spec.request.expiresAt",
            user=tenant.alice,
        ).stdout.splitlines()
        assert [line.split()[0] for line in listed[1:]] == [run.name, calm.name], listed
        for waits in (run, calm):
            waits.cancel()
            waits.wait("Cancelled")


def test_an_approved_call_costs_six_writes(tenant, cluster, python_box):
    """Of the operator: the Approval, its Pending, the Execution's question, Approved, the claim, and
    the result. Seeing what ran before costs reads alone."""
    python_box.run("print('warm')")
    mark = cluster.audit_mark()
    run = python_box.run("print('counted')")
    assert run.phase == "Succeeded", run

    def seen():
        writes = []
        for event in cluster.audit_since(mark):
            ref = event.get("objectRef", {})
            ours = event["user"]["username"].endswith(":sandgate-operator")
            if (
                ours
                and event["stage"] == "ResponseComplete"
                and event["verb"] in ("create", "update", "patch", "delete")
                and ref.get("namespace") == tenant.namespace
                and ref.get("resource") in ("executions", "approvals")
            ):
                writes.append((event["verb"], ref["resource"], ref.get("subresource", "")))
        return writes if len(writes) >= 6 else None

    writes = until(seen, "the API server's audit log has them")
    assert writes == [
        ("create", "approvals", ""),
        ("patch", "executions", "status"),
        ("patch", "approvals", "status"),
        ("patch", "approvals", "status"),
        ("patch", "executions", "status"),
        ("patch", "executions", "status"),
    ], writes


def test_a_denial_reaches_the_agent_with_its_reason(tenant):
    gateway = tenant.gateway()
    with tenant.approver.silent(), concurrent.futures.ThreadPoolExecutor(1) as pool:
        name = None
        code = f"print('{unique('denied')}')"
        answer = pool.submit(gateway.execute, code)

        def waiting():
            for approval in tenant.admin.list("approvals", tenant.namespace):
                summary = approval["spec"]["request"]["summary"]
                pending = approval.get("status", {}).get("phase") == "Pending"
                if pending and code in summary["codeExcerpt"]:
                    return approval["metadata"]["name"]
            return None

        name = until(waiting, "the call waits for a human")
        decide(tenant.alice, tenant.namespace, name, "Denied", "why at night?")
        result = answer.result()
    assert result["success"] is False
    assert result["error"].startswith("ApprovalDenied:") and "why at night?" in result["error"]


def test_silence_reaches_the_agent_as_well(tenant):
    with tenant.approver.silent():
        result = tenant.gateway().execute("eval('1')")
    assert result["success"] is False and result["error"].startswith("ApprovalExpired"), result


def test_the_limit_of_open_questions_is_a_429(tenant):
    box = tenant.new_box("python", user=tenant.second_agent)
    with tenant.approver.silent():
        runs = [
            box.start(f"print({i})", user=tenant.second_agent) for i in range(OPEN_APPROVALS)
        ]
        for run in runs:
            asked(tenant, run.name)
        answer = tenant.gateway(tenant.second_agent).tool(
            "code_execute", {"language": "python", "code": "print(1)", "sandbox_id": box.name}
        )
        assert answer.code == 429, answer
        assert answer.error["code"] == "TooManyOpenApprovals" and "20" in answer.error["message"]
        for run in runs:
            run.cancel()
        for run in runs:
            run.wait("Cancelled")


def test_the_agents_token_decides_nothing_through_the_gateway(tenant, python_box):
    with tenant.approver.silent():
        run = python_box.start("print(1)")
        asked(tenant, run.name)
        answer = tenant.gateway().send(
            "POST", f"/v1/approvals/{run.name}", {"verdict": "Approved", "decidedBy": "alice"}
        )
        assert answer.code in (403, 404, 405), answer
        assert "decision" not in tenant.admin.get("approvals", tenant.namespace, run.name)["spec"]
        run.cancel()
        run.wait("Cancelled")


def decided_around_the_deadline(tenant, box, millis):
    """Sent so long before or after expiresAt."""
    run = box.start(f"print('ran')  # eval( {millis}")
    approval = asked(tenant, run.name)
    moment = when(approval) + datetime.timedelta(milliseconds=millis)
    # The moment itself is what the test is about: it is waited for, not guessed.
    time.sleep(max(0, (moment - datetime.datetime.now(datetime.timezone.utc)).total_seconds()))
    sent = datetime.datetime.now(datetime.timezone.utc)
    try:
        decide(tenant.alice, tenant.namespace, run.name, "Approved")
    except ApiError as problem:
        assert problem.code in (403, 409, 422), problem
    run.finish()
    settled = tenant.admin.get("approvals", tenant.namespace, run.name)
    assert run.phase in ("Expired", "Succeeded"), run
    if sent >= when(approval):
        assert run.phase == "Expired" and run.exit_code is None, run
    if run.phase == "Succeeded":
        assert settled["status"]["phase"] == "Approved"
    else:
        assert "claim" not in run.status and "admission" not in run.status


def test_decisions_around_the_deadline(tenant, python_box):
    """One that was sent after it counts for nothing, also within the same second; one before it
    either counts in full or not at all."""
    around = [-1500, -300, -50, 0, 20, 100, 400, 900]
    with tenant.approver.silent(), concurrent.futures.ThreadPoolExecutor(len(around)) as pool:
        list(pool.map(lambda millis: decided_around_the_deadline(tenant, python_box, millis), around))


def test_a_sandbox_made_anew_takes_no_approval_over(tenant):
    """The approver says yes to a question about a Sandbox that was replaced by a namesake."""
    box = tenant.new_box("python")
    with tenant.approver.silent():
        run = box.start("print('ran')")
        asked(tenant, run.name)
        box.delete()
        until(
            lambda: not tenant.admin.find("sandboxes", tenant.namespace, box.name),
            "the Sandbox is gone",
        )
        again = tenant.new_box("python", name=box.name)
        try:
            decide(tenant.alice, tenant.namespace, run.name, "Approved")
        except ApiError as problem:
            assert problem.code in (403, 404, 409, 422), problem

        def over():
            found = tenant.admin.find("executions", tenant.namespace, run.name)
            if found is None:
                return "gone"
            phase = found.get("status", {}).get("phase")
            return phase if phase in ("Denied", "Cancelled", "Expired") else None

        assert until(over, "it ends without having run")
    assert again.name == box.name

"""Nothing runs without a decision of somebody else, about exactly this, in time."""

import concurrent.futures
import datetime
import json

import pytest

from harness.approver import decide
from harness.kube import ApiError
from harness.tenant import Run, condition, unique
from harness.wait import until

TOUCH = "open('/workspace/{0}', 'w').write('ran')\nprint('ran')"
LOOK = "import os; print(os.path.exists('/workspace/{0}'))"
APPROVED = {"spec": {"decision": {"verdict": "Approved"}}}


def waiting(tenant, box, code, **options):
    """An Execution whose Approval is Pending, while the approver stays silent."""
    run = box.start(code, **options).wait("AwaitingApproval")
    approval = until(lambda: _pending(tenant, run.name), f"Approval {run.name} is Pending")
    return run, approval


def _pending(tenant, name):
    found = tenant.admin.find("approvals", tenant.namespace, name)
    return found if found and found.get("status", {}).get("phase") == "Pending" else None


def did_not_run(box, marker):
    with box.tenant.approver.answering("Approved"):
        assert box.run(LOOK.format(marker)).stdout == "False\n"


def refused(call, *codes):
    with pytest.raises(ApiError) as caught:
        call()
    assert caught.value.code in codes, caught.value
    return caught.value


def test_an_approved_run_says_who_approved_what(tenant, python_box):
    run = python_box.run("print('ok')")
    approval = tenant.alice.get("approvals", tenant.namespace, run.name)
    request, decision = approval["spec"]["request"], approval["spec"]["decision"]
    assert approval["status"]["phase"] == "Approved"
    assert decision["decidedBy"] == "alice"
    assert request["requester"] == f"system:serviceaccount:{tenant.namespace}:agent"
    assert request["risk"] == "HIGH" and request["reasons"]
    assert request["executionUID"] == run.last["metadata"]["uid"]
    assert request["summary"]["language"] == "python"
    assert "print('ok')" in request["summary"]["codeExcerpt"]
    assert run.status["admission"]["by"] == "Approval"
    assert run.status["admission"]["specHash"] == request["specHash"]
    assert approval["metadata"]["ownerReferences"][0]["uid"] == run.last["metadata"]["uid"]


def test_a_denied_run_does_not_run(tenant, python_box):
    marker = unique("marker")
    with tenant.approver.denying():
        run = python_box.run(TOUCH.format(marker))
    assert run.phase == "Denied" and run.exit_code is None and run.error, run
    did_not_run(python_box, marker)


def test_dangerous_code_is_critical_and_has_thirty_seconds(tenant, python_box):
    with tenant.approver.silent():
        run, approval = waiting(tenant, python_box, "eval('1 + 1')")
        request = approval["spec"]["request"]
        assert request["risk"] == "CRITICAL", request
        created = datetime.datetime.fromisoformat(
            approval["metadata"]["creationTimestamp"].replace("Z", "+00:00"))
        expires = datetime.datetime.fromisoformat(request["expiresAt"].replace("Z", "+00:00"))
        assert 28 <= (expires - created).total_seconds() <= 31
        run.cancel()
        run.wait("Cancelled")


@pytest.mark.parametrize("who", ["agent", "agent bound as approver", "second_agent bound",
                                 "carol", "who may mint the agent's tokens"])
def test_who_may_not_approve(tenant, cluster, python_box, who):
    """Nobody but an approver who could not act as the requester."""
    marker = unique("marker")
    user = {"agent": tenant.agent, "agent bound as approver": tenant.agent,
            "second_agent bound": tenant.second_agent}.get(who)
    binding = None
    if who.endswith("bound") or who.endswith("as approver"):
        account = "agent" if who.startswith("agent") else "second-agent"
        binding = tenant.admin.create("rolebindings", tenant.namespace, {
            "metadata": {"name": unique("forbidden")},
            "subjects": [{"kind": "ServiceAccount", "name": account,
                          "namespace": tenant.namespace}],
            "roleRef": {"kind": "ClusterRole", "name": "sandgate-approver",
                        "apiGroup": "rbac.authorization.k8s.io"}})
        until(lambda: tenant.admin.call(
            "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
                "spec": {"user": f"system:serviceaccount:{tenant.namespace}:{account}",
                         "resourceAttributes": {"namespace": tenant.namespace, "verb": "patch",
                                                "group": "sandgate.dev", "resource": "approvals"}}}
        )["status"]["allowed"], "the binding counts")
    elif who == "carol":
        user = cluster.person("carol")
    elif user is None:
        user = tenant.admin  # a cluster-admin may do everything, so this as well
    with tenant.approver.silent():
        run, _ = waiting(tenant, python_box, TOUCH.format(marker))
        problem = refused(lambda: user.patch("approvals", tenant.namespace, run.name, APPROVED),
                          403, 422)
        assert problem.message
        approval = tenant.admin.get("approvals", tenant.namespace, run.name)
        assert "decision" not in approval["spec"]
        assert approval["status"]["phase"] == "Pending"
        run.cancel()
        run.wait("Cancelled")
    did_not_run(python_box, marker)
    if binding:
        tenant.admin.delete("rolebindings", tenant.namespace, binding["metadata"]["name"])


def test_an_approver_may_write_the_decision_and_nothing_else(tenant, python_box):
    with tenant.approver.silent():
        run, _ = waiting(tenant, python_box, "print(1)")
        for patch in ({"spec": {"request": {"risk": "LOW"}}},
                      {"spec": {"request": {"specHash": "0" * 64}}},
                      {"spec": {"request": {"expiresAt": "2099-01-01T00:00:00Z"}}},
                      {"metadata": {"labels": {"a": "b"}}},
                      {"metadata": {"finalizers": ["example.com/keep"]}}):
            refused(lambda: tenant.alice.patch("approvals", tenant.namespace, run.name, patch),
                    403, 422)
        refused(lambda: tenant.alice.patch("approvals", tenant.namespace, run.name,
                                           {"status": {"phase": "Approved"}}, "status"), 403, 422)
        run.cancel()
        run.wait("Cancelled")


def test_decided_by_is_the_caller_whatever_the_caller_writes(tenant, python_box):
    with tenant.approver.silent():
        run, _ = waiting(tenant, python_box, "print(1)")
        tenant.alice.patch("approvals", tenant.namespace, run.name, {"spec": {"decision": {
            "verdict": "Approved", "decidedBy": "bob"}}})
        run.finish()
    approval = tenant.admin.get("approvals", tenant.namespace, run.name)
    assert approval["spec"]["decision"]["decidedBy"] == "alice"


def test_a_decision_is_made_once(tenant, python_box):
    with tenant.approver.silent():
        run, _ = waiting(tenant, python_box, "print(1)")
        decide(tenant.alice, tenant.namespace, run.name, "Denied", "not this one")
        refused(lambda: decide(tenant.bob, tenant.namespace, run.name, "Approved"), 403, 409, 422)
        run.finish()
    assert run.phase == "Denied", run
    assert "not this one" in json.dumps(run.status["error"])


def test_two_approvers_at_once_give_one_decision(tenant, python_box):
    """Both patch with the same resourceVersion unset: the first that lands counts, alone."""
    with tenant.approver.silent():
        for _ in range(4):
            run, _ = waiting(tenant, python_box, "print('ran')")
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                answers = [pool.submit(_try_decide, user, tenant.namespace, run.name, verdict)
                           for user, verdict in ((tenant.alice, "Approved"), (tenant.bob, "Denied"))]
                landed = [answer.result() for answer in answers if answer.result()]
            assert len(landed) == 1, landed
            run.finish()
            approval = tenant.admin.get("approvals", tenant.namespace, run.name)
            verdict = approval["spec"]["decision"]["verdict"]
            assert (verdict, approval["spec"]["decision"]["decidedBy"]) == landed[0]
            assert run.phase == ("Succeeded" if verdict == "Approved" else "Denied"), run


def _try_decide(user, namespace, name, verdict):
    try:
        decided = decide(user, namespace, name, verdict)["spec"]["decision"]
        return decided["verdict"], decided["decidedBy"]
    except ApiError as problem:
        assert problem.code in (403, 409, 422), problem
        return None


def test_an_approval_given_for_one_spec_cannot_be_used_for_another(tenant, cluster, python_box):
    """The same name, another Execution: the old approval names the old UID, and is gone with it."""
    name, marker = unique("reused"), unique("marker")
    first = python_box.start("print('harmless')", name=name).finish()
    assert first.phase == "Succeeded"
    approved = tenant.admin.get("approvals", tenant.namespace, name)
    tenant.admin.delete("executions", tenant.namespace, name)
    with tenant.approver.silent():
        second = python_box.start(TOUCH.format(marker), name=name)

        def settled():
            second.fetch()
            found = _pending(tenant, name)
            if second.phase in ("AwaitingApproval",) and found:
                return found
            return second.phase in ("Denied", "Failed") and second.phase
        state = until(settled, "the second Execution asks anew, or is refused")
        if isinstance(state, dict):
            assert state["metadata"]["uid"] != approved["metadata"]["uid"]
            assert state["spec"]["request"]["specHash"] != approved["spec"]["request"]["specHash"]
            assert "decision" not in state["spec"]
            # What was approved cannot be written into it either.
            refused(lambda: tenant.agent.create("approvals", tenant.namespace, {
                "apiVersion": "sandgate.dev/v1alpha1", "kind": "Approval",
                "metadata": {"name": name}, "spec": approved["spec"]}), 403, 409, 422)
            second.cancel()
            second.wait("Cancelled")
    did_not_run(python_box, marker)


def test_only_the_operator_creates_approvals_and_writes_status(tenant, python_box):
    with tenant.approver.silent():
        run, approval = waiting(tenant, python_box, "print(1)")
        forged = {"apiVersion": "sandgate.dev/v1alpha1", "kind": "Approval",
                  "metadata": {"name": unique("forged")}, "spec": approval["spec"]}
        for user in (tenant.agent, tenant.alice, tenant.admin):
            refused(lambda: user.create("approvals", tenant.namespace, forged), 403, 422)
            refused(lambda: user.patch("executions", tenant.namespace, run.name, {"status": {
                "phase": "Admitted"}}, "status"), 403, 422)
        run.cancel()
        run.wait("Cancelled")


@pytest.mark.parametrize("patch", [
    {"spec": {"execute": {"code": "print('other')"}}},
    {"spec": {"execute": {"language": "shell"}}},
    {"spec": {"timeoutSeconds": 600}},
    {"spec": {"network": {"enabled": True}}},
    {"spec": {"sandboxName": "another"}},
    {"spec": {"requester": {"username": "alice"}}},
])
def test_a_patched_spec_is_refused_by_the_api_server(tenant, python_box, patch):
    with tenant.approver.silent():
        run, _ = waiting(tenant, python_box, "print(1)")
        for user in (tenant.agent, tenant.admin):
            refused(lambda: user.patch("executions", tenant.namespace, run.name, patch), 403, 422)
        assert run.fetch()["spec"]["execute"]["code"] == "print(1)"
        run.cancel()
        run.wait("Cancelled")


def test_a_deleted_approval_means_no(tenant, python_box):
    marker = unique("marker")
    with tenant.approver.silent():
        run, _ = waiting(tenant, python_box, TOUCH.format(marker))
        tenant.admin.delete("approvals", tenant.namespace, run.name)
        run.finish()
    assert run.phase == "Denied", run
    did_not_run(python_box, marker)


def test_nobody_decides_and_nothing_runs(tenant, python_box):
    """The whole real deadline of CRITICAL code: 30 s."""
    marker = unique("marker")
    code = TOUCH.format(marker) + "\n# eval('x')"
    with tenant.approver.silent():
        run, approval = waiting(tenant, python_box, code)
        run.finish()
        assert (run.phase, run.exit_code) == ("Expired", None), run
        refused(lambda: decide(tenant.alice, tenant.namespace, run.name, "Approved"), 403, 409, 422)
        settled = tenant.admin.get("approvals", tenant.namespace, run.name)
        assert settled["status"]["phase"] == "Expired"
        assert settled["spec"]["request"]["expiresAt"] == approval["spec"]["request"]["expiresAt"]
    did_not_run(python_box, marker)


def test_a_decision_that_comes_after_the_deadline_does_not_count(tenant, cluster, python_box):
    """The operator is away when the deadline passes and the approver decides only then: the API
    server knows no clock and takes the decision, the operator must not."""
    marker = unique("marker")
    with tenant.approver.silent():
        run, approval = waiting(tenant, python_box, TOUCH.format(marker) + "\n# eval('x')")
        cluster.scale("sandgate-operator", 0)
        try:
            expires = datetime.datetime.fromisoformat(
                approval["spec"]["request"]["expiresAt"].replace("Z", "+00:00"))
            until(lambda: datetime.datetime.now(datetime.timezone.utc) > expires +
                  datetime.timedelta(seconds=1), "the deadline passes")
            decide(tenant.alice, tenant.namespace, run.name, "Approved")
        finally:
            cluster.scale("sandgate-operator", 1)
        run.finish()
        assert (run.phase, run.exit_code) == ("Expired", None), run
    did_not_run(python_box, marker)


ADMISSION = ("validatingadmissionpolicies", "validatingadmissionpolicybindings",
             "mutatingadmissionpolicies", "mutatingadmissionpolicybindings")


def _admission_objects(cluster):
    found = []
    for resource in ADMISSION:
        for entry in cluster.admin.list(resource):
            if entry["metadata"]["name"].startswith("sandgate-"):
                found.append((resource, entry))
    return found


def _restore(cluster, objects):
    for resource, entry in objects:
        meta = {k: v for k, v in entry["metadata"].items()
                if k in ("name", "labels", "annotations")}
        if cluster.admin.find(resource, None, meta["name"]) is None:
            kind = {"validatingadmissionpolicies": "ValidatingAdmissionPolicy",
                    "validatingadmissionpolicybindings": "ValidatingAdmissionPolicyBinding",
                    "mutatingadmissionpolicies": "MutatingAdmissionPolicy",
                    "mutatingadmissionpolicybindings": "MutatingAdmissionPolicyBinding"}[resource]
            cluster.admin.create(resource, None, {
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": meta,
                "spec": entry["spec"]})


@pytest.mark.parametrize("gone", ["all policies and bindings", "the approvals binding alone"])
def test_without_the_admission_policies_nothing_above_low_runs_and_a_condition_says_so(
        tenant, cluster, python_box, gone):
    marker = unique("marker")
    objects = _admission_objects(cluster)
    assert objects, "no admission policies are installed"
    chosen = [(resource, entry) for resource, entry in objects if gone.startswith("all")
              or (resource, entry["metadata"]["name"]) ==
              ("validatingadmissionpolicybindings", "sandgate-approvals")]
    assert chosen
    try:
        for resource, entry in chosen:
            cluster.admin.delete(resource, None, entry["metadata"]["name"])
        name = unique("unguarded")
        spec = {"sandboxName": python_box.name, "operation": "Execute",
                "execute": {"language": "python", "code": TOUCH.format(marker)},
                "requester": {"username": f"system:serviceaccount:{tenant.namespace}:agent"}}
        tenant.agent.create("executions", tenant.namespace, {
            "apiVersion": "sandgate.dev/v1alpha1", "kind": "Execution",
            "metadata": {"name": name}, "spec": spec})
        run = Run(tenant.agent, tenant.namespace, name)

        def said():
            run.fetch()
            assert run.phase not in ("Admitted", "Running", "Succeeded"), run
            admitted = condition(run.last, "Admitted")
            return admitted if admitted["status"] == "False" and "dmission" in json.dumps(
                admitted) else None
        until(said, "the Execution's condition says that the admission policies are missing")
        assert run.exit_code is None
    finally:
        _restore(cluster, chosen)
    run.finish()  # the guard is back: it is asked, and approved, or was refused for good
    assert run.phase in ("Succeeded", "Denied", "Failed", "Expired"), run
    again = until(lambda: _works(python_box), "with the policies restored code runs again")
    assert again.stdout == "guarded\n"


def _works(box):
    run = box.run("print('guarded')")
    return run if run.phase == "Succeeded" else None


def test_an_altered_policy_is_noticed_as_well(tenant, cluster, python_box):
    """Same names, other content: the rule that the requester may not approve is made harmless."""
    name = "sandgate-approvals"
    before = cluster.admin.get("validatingadmissionpolicies", None, name)
    spec = json.loads(json.dumps(before["spec"]))
    for rule in spec["validations"]:
        rule["expression"] = "true"
    try:
        cluster.admin.patch("validatingadmissionpolicies", None, name, {"spec": spec})

        def refuses():
            with tenant.approver.silent():
                run = python_box.start("print(1)")

                def said():
                    run.fetch()
                    admitted = condition(run.last, "Admitted")
                    if run.phase == "AwaitingApproval":
                        return "asked"
                    return "dmission" in json.dumps(admitted) and "refused"
                outcome = until(said, "the operator asks or refuses")
                if run.phase not in ("Failed", "Denied"):
                    run.cancel()
                return outcome == "refused"
        until(refuses, "the operator notices the altered policy")
    finally:
        cluster.admin.patch("validatingadmissionpolicies", None, name, {"spec": before["spec"]})
    until(lambda: _works(python_box), "with the policy restored code runs again")


def test_kubectl_shows_what_waits_and_takes_the_decision(tenant, cluster, python_box):
    with tenant.approver.silent():
        run, _ = waiting(tenant, python_box, "print('by kubectl')")
        listed = cluster.kubectl("-n", tenant.namespace, "get", "approvals.sandgate.dev",
                                 user=tenant.alice).stdout
        line = next(line for line in listed.splitlines() if line.startswith(run.name))
        assert "HIGH" in line and "Pending" in line, listed
        cluster.kubectl("-n", tenant.namespace, "patch", "approvals.sandgate.dev", run.name,
                        "--type=merge", "-p", json.dumps(APPROVED), user=tenant.alice)
        run.finish()
    assert run.stdout == "by kubectl\n", run

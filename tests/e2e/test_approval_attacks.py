"""Attacks on the gate by who has more rights than an agent, on the real cluster: each is refused, and
nothing runs."""

import pytest

from harness.approver import decide
from harness.kube import ApiError, Kube, path_of
from harness.tenant import API, Run, unique
from harness.wait import until

TOUCH = "open('/workspace/{0}', 'w').write('ran')\nprint('ran')"
LOOK = "import os; print(os.path.exists('/workspace/{0}'))"
RBAC = "rbac.authorization.k8s.io"


def acting(cluster, name):
    """A human of that name, whoever signed the certificate: for the API server it is the caller."""
    admin = cluster.admin
    return Kube(admin.server, admin.context, {"Impersonate-User": name,
                                              "Impersonate-Group": "system:authenticated"})


def bound(tenant, role, subject, kind="ClusterRole"):
    tenant.admin.create("rolebindings", tenant.namespace, {
        "metadata": {"name": unique("bound")},
        "subjects": [subject],
        "roleRef": {"kind": kind, "name": role, "apiGroup": RBAC}})


def human(name):
    return {"kind": "User", "name": name, "apiGroup": RBAC}


def account(tenant, name):
    return {"kind": "ServiceAccount", "name": name, "namespace": tenant.namespace}


def may(tenant, user, verb, resource, group="", name="", subresource=""):
    review = {"spec": {"user": user, "resourceAttributes": {
        "namespace": tenant.namespace, "verb": verb, "group": group, "resource": resource,
        "name": name, "subresource": subresource}}}
    answer = tenant.admin.call("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return answer["status"]["allowed"]


def refused(call):
    with pytest.raises(ApiError) as caught:
        call()
    assert caught.value.code in (403, 422), caught.value
    return caught.value.message


def pending(tenant, name):
    def there():
        found = tenant.admin.find("approvals", tenant.namespace, name)
        return found if found and found.get("status", {}).get("phase") == "Pending" else None
    return until(there, f"Approval {name} is Pending")


def still_waits(tenant, run):
    approval = tenant.admin.get("approvals", tenant.namespace, run.name)
    assert "decision" not in approval["spec"] and approval["status"]["phase"] == "Pending"
    run.cancel()
    run.wait("Cancelled")


def did_not_run(box, marker):
    with box.tenant.approver.answering("Approved"):
        assert box.run(LOOK.format(marker)).stdout == "False\n"


@pytest.fixture
def asked(tenant, python_box):
    """A question about code that would leave a mark."""
    marker = unique("marker")
    with tenant.approver.silent():
        run = python_box.start(TOUCH.format(marker))
        pending(tenant, run.name)
        yield run
    did_not_run(python_box, marker)


def test_an_approver_without_the_level(tenant, cluster, asked):
    """dora may approve MEDIUM, and this is HIGH."""
    dora = acting(cluster, unique("dora"))
    name = dora.headers["Impersonate-User"]
    tenant.admin.call("POST", f"/apis/{RBAC}/v1/namespaces/{tenant.namespace}/roles", {
        "metadata": {"name": name}, "rules": [
            {"apiGroups": ["sandgate.dev"], "resources": ["approvals"], "verbs": ["get", "patch"]},
            {"apiGroups": ["sandgate.dev"], "resources": ["risklevels"],
             "resourceNames": ["low", "medium"], "verbs": ["approve"]}]})
    bound(tenant, name, human(name), "Role")
    until(lambda: may(tenant, name, "approve", "risklevels", "sandgate.dev", "medium"), "it counts")
    message = refused(lambda: decide(dora, tenant.namespace, asked.name, "Approved"))
    assert "risklevels.sandgate.dev/high" in message
    # No is a decision as well: who may not say yes to this level says nothing.
    refused(lambda: decide(dora, tenant.namespace, asked.name, "Denied"))
    still_waits(tenant, asked)


def test_the_role_edit_mints_an_approvers_token_in_vain(tenant, asked):
    """An agent that edits its namespace makes itself the token of a ServiceAccount that approves."""
    tenant.admin.create("serviceaccounts", tenant.namespace, {"metadata": {"name": "robot"}})
    bound(tenant, "sandgate-approver", account(tenant, "robot"))
    bound(tenant, "edit", account(tenant, "agent"))
    agent = f"system:serviceaccount:{tenant.namespace}:agent"
    robot = f"system:serviceaccount:{tenant.namespace}:robot"
    until(lambda: may(tenant, agent, "create", "serviceaccounts", name="robot", subresource="token")
          and may(tenant, robot, "patch", "approvals", "sandgate.dev"), "both bindings count")
    minted = tenant.agent.service_account_token(tenant.namespace, "robot")
    stolen = tenant.admin.as_token(minted)
    assert stolen.get("approvals", tenant.namespace, asked.name), "the token is good"
    for verdict in ("Approved", "Denied"):
        refused(lambda verdict=verdict: decide(stolen, tenant.namespace, asked.name, verdict))
    still_waits(tenant, asked)


def test_a_false_requester_buys_no_approval_of_ones_own(tenant, cluster, python_box):
    """A human who may ask and approve writes somebody else's name into the question."""
    eve, marker = acting(cluster, unique("eve")), unique("marker")
    name = eve.headers["Impersonate-User"]
    for role in ("sandgate-agent", "sandgate-approver"):
        bound(tenant, role, human(name))
    until(lambda: may(tenant, name, "create", "executions", "sandgate.dev")
          and may(tenant, name, "approve", "risklevels", "sandgate.dev", "high"), "it counts")
    box = tenant.new_box("python", user=eve)
    with tenant.approver.silent():
        eve.create("executions", tenant.namespace, {
            "apiVersion": API, "kind": "Execution", "metadata": {"name": marker},
            "spec": {"sandboxName": box.name, "operation": "Execute",
                     "execute": {"language": "python", "code": TOUCH.format(marker)},
                     "requester": {"username": "bob", "uid": "of-bob"}}})
        run = Run(eve, tenant.namespace, marker, tenant.admin)
        approval = pending(tenant, run.name)
        assert run.fetch()["spec"]["requester"]["username"] == name
        assert approval["spec"]["request"]["requester"] == name
        message = refused(lambda: decide(eve, tenant.namespace, run.name, "Approved"))
        assert "the requester may not decide" in message
        still_waits(tenant, run)
    box.delete()


def test_an_approval_that_outlived_its_execution_admits_no_namesake(tenant, python_box):
    """kubectl delete --cascade=orphan leaves a decided Approval under a name that is free again."""
    marker, name = unique("marker"), unique("orphan")
    first = python_box.start("print('harmless')", name=name).finish()
    assert first.phase == "Succeeded", first
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan"}
    tenant.admin.call("DELETE", path_of("executions", tenant.namespace, name), options)
    until(lambda: not tenant.admin.find("executions", tenant.namespace, name), "it is gone")
    left = tenant.admin.get("approvals", tenant.namespace, name)
    assert left["status"]["phase"] == "Approved"
    second = python_box.start(TOUCH.format(marker), name=name).finish()
    assert (second.phase, second.error) == ("Failed", "ApprovalNameTaken"), second
    did_not_run(python_box, marker)


@pytest.mark.parametrize("who", ["agent", "alice", "admin"])
def test_what_was_approved_is_not_edited_afterwards(tenant, python_box, who):
    """Neither while it runs, nor when it is over; by a cluster administrator as little."""
    user = {"agent": tenant.agent, "alice": tenant.alice, "admin": tenant.admin}[who]
    run = python_box.start("import time\nprint('as approved', flush=True)\ntime.sleep(3)")
    run.wait("Running")
    edits = [
        ("executions", run.name, {"spec": {"execute": {"code": "print('other')"}}}),
        ("executions", run.name, {"spec": {"timeoutSeconds": 500}}),
        ("executions", run.name, {"spec": {"sandboxName": "other"}}),
        ("approvals", run.name, {"spec": {"request": {"specHash": "0" * 64}}}),
        ("approvals", run.name, {"spec": {"decision": {"verdict": "Denied"}}}),
        ("approvals", run.name, {"spec": {"decision": None}}),
        ("sandboxes", python_box.name, {"spec": {"network": {"enabled": True}}}),
        ("sandboxes", python_box.name, {"spec": {"resources": {"memory": "2Gi"}}}),
    ]
    for _ in ("running", "over"):
        for resource, name, patch in edits:
            refused(lambda r=resource, n=name, p=patch: user.patch(r, tenant.namespace, n, p))
        run.finish()
    assert run.stdout == "as approved\n" and run.phase == "Succeeded", run


def test_yes_to_what_is_being_cancelled_runs_nothing(tenant, python_box):
    """The decision and the withdrawal cross each other, in either order."""
    for first in ("cancel", "decide"):
        marker = unique("marker")
        with tenant.approver.silent():
            run = python_box.start(TOUCH.format(marker) + "\nimport time\ntime.sleep(20)")
            pending(tenant, run.name)
            steps = {"cancel": run.cancel,
                     "decide": lambda run=run: decide(tenant.alice, tenant.namespace, run.name,
                                                      "Approved")}
            for step in (first, *({"cancel", "decide"} - {first})):
                try:
                    steps[step]()
                except ApiError as problem:
                    assert problem.code in (403, 409, 422), problem
            run.finish()
        assert run.phase == "Cancelled", run
        if first == "cancel":
            did_not_run(python_box, marker)

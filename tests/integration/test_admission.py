"""The rules that the API server itself holds, attacked with kubectl and by hand."""

import json

import pytest

import kubeapi
from conftest import TENANT
from kubeapi import (APPLY, JSON_PATCH, MERGE, OPERATOR, SYSTEM, approval, core, execution, kubectl, path, sandbox, unique, wait_for)

AGENT = f"system:serviceaccount:{TENANT}:agent"
YES = {"spec": {"decision": {"verdict": "Approved"}}}
NO = {"spec": {"decision": {"verdict": "Denied", "reason": "no"}}}
POLICIES = "/apis/admissionregistration.k8s.io/v1"


@pytest.fixture
def ask(operator):
    """Makes a pending Approval; returns its URL."""
    def make(requester=AGENT, risk="HIGH", phase="Pending", **request):
        made = operator.create(path("approvals", TENANT), approval(TENANT, requester, risk, **request)).must()
        url = path("approvals", TENANT, made["metadata"]["name"])
        if phase:
            operator.patch(url + "/status", {"status": {"phase": phase}}).must()
        return url
    return make


def undecided(cluster, url):
    stored = cluster.get(url).must()
    assert "decision" not in stored["spec"], stored["spec"]["decision"]
    return stored


def name_of(url):
    return url.rsplit("/", 1)[1]


# --- who asks is who the API server authenticated -------------------------------------------------

def test_the_requester_is_stamped(cluster, agent, people):
    for kind, make in (("executions", execution), ("sandboxes", sandbox)):
        made = agent.create(path(kind, TENANT), make(TENANT)).must()["spec"]["requester"]
        assert made["username"] == AGENT and made["uid"]
        assert people["alice"].create(path(kind, TENANT), make(TENANT)).must()["spec"]["requester"] == {"username": "alice", "uid": "uid-alice"}
        assert cluster.create(path(kind, TENANT), make(TENANT)).must()["spec"]["requester"] == {"username": "admin"}


@pytest.mark.parametrize("forged", [
    {"username": "bob"}, {"username": "bob", "uid": "uid-bob"}, {"username": "alice", "uid": "uid-bob"}, {"uid": "x"}, {}, None, "bob", ["bob"],
    {"username": None}, {"username": {"a": "b"}}], ids=str)
def test_a_forged_requester_does_not_survive(people, forged):
    for kind, make in (("executions", execution), ("sandboxes", sandbox)):
        body = make(TENANT)
        body["spec"]["requester"] = forged
        made = people["alice"].create(path(kind, TENANT), body).must()
        assert made["spec"]["requester"] == {"username": "alice", "uid": "uid-alice"}
        body = make(TENANT)
        body["spec"]["requester"] = forged
        answer = people["alice"].apply(path(kind, TENANT, body["metadata"]["name"]), body)
        if answer.ok:  # server-side apply checks the types of what the caller wrote before anything is stamped
            assert answer.body["spec"]["requester"] == {"username": "alice", "uid": "uid-alice"}


def test_applying_the_same_yaml_again_is_clean(people):
    for kind, make in (("executions", execution), ("sandboxes", sandbox)):
        body = make(TENANT)
        text = json.dumps(body)
        assert kubectl("apply", "-f", "-", user="alice", stdin=text)[0] == 0
        if kind == "sandboxes":  # agents may not patch sandboxes: nothing in them ever changes
            continue
        code, output = kubectl("apply", "-f", "-", user="alice", stdin=text)
        assert code == 0 and "unchanged" in output, output


@pytest.mark.parametrize("kind,make", [("executions", execution), ("sandboxes", sandbox)])
def test_agents_set_no_finalizers_and_change_no_owners(cluster, agent, people, kind, make):
    body = make(TENANT)
    body["metadata"]["finalizers"] = ["evil.example/keep"]
    for caller in (agent, cluster):
        caller.create(path(kind, TENANT), body).refused("metadata.finalizers may not be set")
    url = path(kind, TENANT, agent.create(path(kind, TENANT), make(TENANT)).must()["metadata"]["name"])
    owner = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0-0"}]
    for caller in (agent, cluster) if kind == "executions" else (cluster,):
        caller.patch(url, {"metadata": {"finalizers": ["evil.example/keep"]}}).refused("metadata.finalizers may not be added")
        caller.patch(url, [{"op": "add", "path": "/metadata/finalizers", "value": ["orphan"]}], JSON_PATCH).refused("metadata.finalizers")
        caller.patch(url, {"metadata": {"ownerReferences": owner}}).refused("metadata.ownerReferences may not be changed")
    cluster.patch(url, {"metadata": {"labels": {"team": "a"}}}).must()


@pytest.mark.parametrize("kind,make,phase", [("executions", execution, "Succeeded"), ("sandboxes", sandbox, "Ready"), ("approvals", None, "Denied")])
def test_only_the_operator_writes_status(cluster, agent, gateway, people, ask, kind, make, phase):
    url = ask() if kind == "approvals" else path(kind, TENANT, agent.create(path(kind, TENANT), make(TENANT)).must()["metadata"]["name"])
    callers = {"admin": cluster, "gateway": gateway, "agent": agent, "alice": people["alice"],
               "kube-system": cluster.acting("system:serviceaccount:kube-system:generic-garbage-collector", ["system:masters"]),
               "the operator's name in another namespace": cluster.acting(f"system:serviceaccount:{TENANT}:sandgate-operator", ["system:masters"])}
    for who, caller in callers.items():
        before = cluster.get(url).must()
        for content, body in ((MERGE, {"status": {"phase": phase}}), (JSON_PATCH, [{"op": "add", "path": "/status", "value": {"phase": phase}}])):
            answer = caller.patch(url + "/status", body, content)
            assert answer.code == 403, (who, answer.code, answer.message)
        whole = {**before, "status": {"phase": phase}}
        assert caller.replace(url + "/status", whole).code == 403, who
        whole["metadata"] = {"name": name_of(url), "namespace": TENANT}
        assert caller.apply(url + "/status", whole, force="true").code == 403, who
        assert cluster.get(url).must().get("status") == before.get("status"), who


# --- decisions ------------------------------------------------------------------------------------

@pytest.mark.parametrize("risk", ["LOW", "MEDIUM", "HIGH", "CRITICAL"])
@pytest.mark.parametrize("verdict", [YES, NO], ids=["approved", "denied"])
def test_an_approver_decides_with_plain_kubectl(cluster, ask, risk, verdict):
    url = ask(risk=risk)
    code, output = kubectl("patch", "approvals.sandgate.dev", name_of(url), "-n", TENANT, "--type=merge", "-p", json.dumps(verdict), user="alice")
    assert code == 0, output
    assert cluster.get(url).must()["spec"]["decision"] == {**verdict["spec"]["decision"], "decidedBy": "alice"}


@pytest.mark.parametrize("forged", ["bob", "", "system:masters", "alice ", "ALICE", AGENT, OPERATOR, None, 7, {"x": "y"}], ids=str)
def test_a_forged_decider_is_overwritten(cluster, people, ask, forged):
    url = ask()
    people["alice"].patch(url, {"spec": {"decision": {"verdict": "Approved", "decidedBy": forged}}}).must()
    assert cluster.get(url).must()["spec"]["decision"] == {"verdict": "Approved", "decidedBy": "alice"}


@pytest.mark.parametrize("how", ["merge", "json", "put", "apply", "apply with force"])
def test_every_way_to_write_a_decision_is_stamped(cluster, people, ask, how):
    url = ask()
    decision = {"verdict": "Approved", "decidedBy": "bob", "reason": "looked at it"}
    alice, stored = people["alice"], cluster.get(url).must()
    minimal = {"apiVersion": "sandgate.dev/v1alpha1", "kind": "Approval", "metadata": {"name": name_of(url), "namespace": TENANT},
               "spec": {"request": stored["spec"]["request"], "decision": decision}}
    answer = {
        "merge": lambda: alice.patch(url, {"spec": {"decision": decision}}),
        "json": lambda: alice.patch(url, [{"op": "add", "path": "/spec/decision", "value": decision}], JSON_PATCH),
        "put": lambda: alice.replace(url, {**stored, "spec": {**stored["spec"], "decision": decision}}),
        "apply": lambda: alice.apply(url, minimal),
        "apply with force": lambda: alice.patch(url, minimal, APPLY, fieldManager="x", force="true"),
    }[how]()
    answer.must()
    assert cluster.get(url).must()["spec"]["decision"] == {**decision, "decidedBy": "alice"}


@pytest.mark.parametrize("how", [MERGE, JSON_PATCH, "put", APPLY])
def test_the_requester_may_not_decide(cluster, people, ask, how):
    url = ask(requester="alice")
    decision = {"verdict": "Approved", "decidedBy": "bob"}
    alice, stored = people["alice"], cluster.get(url).must()
    if how == MERGE:
        answer = alice.patch(url, {"spec": {"decision": decision}})
    elif how == JSON_PATCH:
        answer = alice.patch(url, [{"op": "add", "path": "/spec/decision", "value": decision}], JSON_PATCH)
    elif how == "put":
        answer = alice.replace(url, {**stored, "spec": {**stored["spec"], "decision": decision}})
    else:
        answer = alice.apply(url, {"apiVersion": "sandgate.dev/v1alpha1", "kind": "Approval", "metadata": {"name": name_of(url)},
                                   "spec": {"request": stored["spec"]["request"], "decision": decision}})
    answer.refused("sandgate-approvals", "the requester may not decide")
    assert answer.code == 403
    undecided(cluster, url)


def test_the_requester_in_a_request_cannot_be_rewritten_first(cluster, people, ask):
    url = ask(requester="alice")
    people["alice"].patch(url, {"spec": {"request": {"requester": "bob"}, "decision": {"verdict": "Approved"}}}).refused()
    people["alice"].patch(url, {"spec": {"request": {"requester": "bob"}}}).refused("request is immutable")
    people["alice"].patch(url, [{"op": "replace", "path": "/spec/request/requester", "value": "bob"},
                                {"op": "add", "path": "/spec/decision", "value": {"verdict": "Approved"}}], JSON_PATCH).refused()
    undecided(cluster, url)


def test_a_renamed_requester_is_known_by_uid(cluster, people, ask):
    url = ask(requester="alice-before", requesterUID="uid-alice")
    people["alice"].patch(url, YES).refused("the requester may not decide")
    people["bob"].patch(url, YES).must()


REQUEST_EDITS = [{"risk": "LOW"}, {"specHash": "f" * 64}, {"expiresAt": "2200-01-01T00:00:00Z"}, {"executionUID": "other"}, {"sandboxUID": "other"},
                 {"reasons": []}, {"summary": {"text": "harmless"}}, {"summary": None}, {"policyRevision": "r2"}, {"requesterUID": "x"}, {"reasons": None}]


@pytest.mark.parametrize("edit", REQUEST_EDITS, ids=str)
def test_a_request_never_changes(cluster, operator, people, ask, edit):
    url = ask()
    for caller in (people["alice"], cluster):
        caller.patch(url, {"spec": {"request": edit}}).refused("request is immutable")
        caller.patch(url, {"spec": {"request": edit, "decision": {"verdict": "Approved"}}}).refused("request is immutable")
    assert operator.patch(url, {"spec": {"request": edit}}).code == 403
    undecided(cluster, url)


@pytest.mark.parametrize("first,second", [
    (YES, NO), (NO, YES), (YES, {"spec": {"decision": None}}), (NO, {"spec": {"decision": {"reason": "changed"}}}),
    (YES, {"spec": {"decision": {"decidedBy": "bob"}}}), (YES, {"spec": {"decision": {"decidedBy": None}}}), (NO, {"spec": {"decision": {"verdict": None}}})], ids=str)
def test_a_decision_is_made_once(cluster, people, ask, first, second):
    url = ask()
    people["alice"].patch(url, first).must()
    decided = cluster.get(url).must()["spec"]["decision"]
    for caller in (people["alice"], people["bob"], cluster):
        caller.patch(url, second).refused()
    assert cluster.get(url).must()["spec"]["decision"] == decided
    people["bob"].patch(url, {"spec": {"decision": decided}}).must()  # the same again changes nothing


def test_two_approvers_at_once_give_one_decision(cluster, people, ask):
    url = ask()
    version = cluster.get(url).must()["metadata"]["resourceVersion"]
    answers = [people[who].patch(url, {"metadata": {"resourceVersion": version}, **verdict}) for who, verdict in (("alice", YES), ("bob", NO))]
    assert [answer.code for answer in answers] == [200, 409]
    assert cluster.get(url).must()["spec"]["decision"]["decidedBy"] == "alice"
    people["bob"].patch(url, NO).refused("a decision is made once")


def test_the_status_endpoint_is_no_door_to_the_decision(cluster, operator, ask):
    """It ignores the spec, even the operator's."""
    url = ask()
    operator.patch(url + "/status", {**YES, "status": {"phase": "Pending"}}).must()
    stored = undecided(cluster, url)
    operator.replace(url + "/status", {**stored, "spec": {**stored["spec"], **YES["spec"]}}).must()
    undecided(cluster, url)


def test_a_dry_run_decides_nothing(cluster, people, ask):
    url = ask()
    assert people["alice"].patch(url, YES, dryRun="All").must()["spec"]["decision"]["decidedBy"] == "alice"
    undecided(cluster, url)


def test_a_stale_put_decides_nothing(cluster, operator, people, ask):
    """Read while Pending, written back after it expired: refused, with and without a resourceVersion."""
    url = ask()
    stale = cluster.get(url).must()
    operator.patch(url + "/status", {"status": {"phase": "Expired"}}).must()
    stale["spec"]["decision"] = {"verdict": "Approved"}
    assert people["alice"].replace(url, stale).code == 409
    del stale["metadata"]["resourceVersion"]
    people["alice"].replace(url, stale).refused()
    undecided(cluster, url)


@pytest.mark.parametrize("phase", [None, "Denied", "Expired"])
def test_no_decision_unless_pending(cluster, people, ask, phase):
    url = ask(phase=None)
    if phase:
        kubeapi_operator_settles(cluster, url, phase)
    for verdict in (YES, NO):
        people["alice"].patch(url, verdict).refused("not pending")
        people["alice"].patch(url, {**verdict, "status": {"phase": "Pending"}}).refused("not pending")
    undecided(cluster, url)


def kubeapi_operator_settles(cluster, url, phase):
    as_operator = cluster.acting(OPERATOR, ["system:masters"])
    as_operator.patch(url + "/status", {"status": {"phase": phase}}).must()


def test_no_decision_while_being_deleted(cluster, operator, people, ask):
    made = approval(TENANT, AGENT)
    made["metadata"]["finalizers"] = ["sandgate.dev/test"]
    url = path("approvals", TENANT, operator.create(path("approvals", TENANT), made).must()["metadata"]["name"])
    operator.patch(url + "/status", {"status": {"phase": "Pending"}}).must()
    operator.delete(url).must()
    people["alice"].patch(url, YES).refused("the Approval is being deleted")
    people["alice"].patch(url, [{"op": "remove", "path": "/metadata/deletionTimestamp"},
                                {"op": "add", "path": "/spec/decision", "value": {"verdict": "Approved"}}], JSON_PATCH).refused("being deleted")
    undecided(cluster, url)
    collector = cluster.acting("system:serviceaccount:kube-system:generic-garbage-collector", ["system:masters"])
    collector.patch(url, {"metadata": {"finalizers": None}}).must()


@pytest.mark.parametrize("who,risk,word", [
    ("carol", "HIGH", "risklevels.sandgate.dev/high"), ("carol", "CRITICAL", "risklevels.sandgate.dev/critical"),
    ("carol", "LOW", "risklevels.sandgate.dev/low"), ("stranger", "MEDIUM", "cannot patch"), ("editor", "MEDIUM", "cannot patch")])
def test_a_level_that_was_not_granted(cluster, people, ask, who, risk, word):
    url = ask(risk=risk)
    people[who].patch(url, YES).refused(word)
    undecided(cluster, url)


def test_a_level_that_was_granted(people, ask):
    people["carol"].patch(ask(risk="MEDIUM"), YES).must()


def test_a_right_in_another_namespace_is_none_here(cluster, people, ask):
    """The verb approve is asked for in the Approval's own namespace."""
    namespace = unique("elsewhere")
    cluster.create("/api/v1/namespaces", {"metadata": {"name": namespace}}).must()
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    subject = [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "stranger"}]
    cluster.create(rbac + "/rolebindings", {"metadata": {"name": "a"}, "subjects": subject,
                                            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "sandgate-approver"}}).must()
    writer = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{TENANT}"
    cluster.create(writer + "/roles", {"metadata": {"name": namespace},
                                       "rules": [{"apiGroups": ["sandgate.dev"], "resources": ["approvals"], "verbs": ["patch"]}]}).must()
    cluster.create(writer + "/rolebindings", {"metadata": {"name": namespace}, "subjects": subject,
                                              "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": namespace}}).must()
    url = ask()
    wait_for(lambda: "approve" in people["stranger"].patch(url, YES).refused().message, "the right to patch has arrived")
    people["stranger"].patch(url, YES).refused("you lack the verb approve on risklevels.sandgate.dev/high")
    undecided(cluster, url)


def test_service_accounts_decide_nothing(cluster, operator, gateway, agent, tokens, ask):
    """Even with the role of an approver bound, and with everything."""
    robot = tokens(TENANT, "robot")
    for risk in ("LOW", "CRITICAL"):
        url = ask(requester="alice", risk=risk)
        robot.patch(url, YES).refused("a ServiceAccount may not decide")
        agent.patch(url, YES).refused("a ServiceAccount may not decide")
        cluster.acting(OPERATOR, ["system:masters"]).patch(url, YES).refused("a ServiceAccount may not decide")
        cluster.acting("nobody", ["system:serviceaccounts", "system:masters"]).patch(url, YES).refused("a ServiceAccount may not decide")
        assert operator.patch(url, YES).code == 403
        assert gateway.patch(url, YES).code == 403
        undecided(cluster, url)


def test_the_requester_as_a_service_account_may_not_decide(cluster, agent, ask):
    url = ask(requester=AGENT)
    agent.patch(url, YES).refused("the requester may not decide")
    undecided(cluster, url)


SEPARATION = [("minter", "create serviceaccounts/token"), ("actor", "verb impersonate"), ("new-actor", "verb impersonate:serviceaccount")]


@pytest.mark.parametrize("who,word", SEPARATION)
@pytest.mark.parametrize("risk", ["HIGH", "CRITICAL"])
def test_who_could_act_as_the_requester_may_not_decide(cluster, people, ask, who, word, risk):
    url = ask(risk=risk)
    for verdict in (YES, NO):
        people[who].patch(url, verdict).refused("sandgate-separation", word)
    undecided(cluster, url)


def test_separation_is_about_that_requester_and_level(cluster, people, ask):
    people["minter"].patch(ask(risk="MEDIUM"), YES).must()
    people["actor"].patch(ask(requester=f"system:serviceaccount:{TENANT}:robot"), YES).must()  # may impersonate agent only
    people["mallory"].patch(ask(risk="CRITICAL"), YES).must()
    people["people-actor"].patch(ask(requester="alice"), YES).refused("sandgate-separation", "the requesting user (verb impersonate)")
    people["people-actor"].patch(ask(requester="bob"), YES).must()
    cluster.patch(ask(risk="HIGH"), YES).refused("sandgate-separation")  # whoever may do everything may impersonate
    people["alice"].patch(ask(requester="system:serviceaccount:odd"), YES).must()


def test_constrained_impersonation_is_what_new_actor_holds(cluster, people):
    """The right is real: without the second verb it is refused for that one alone."""
    answer = people["new-actor"].acting("x")
    assert answer  # an impersonated caller cannot impersonate again; the rule above asks the authorizer
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
              "spec": {"user": "new-actor", "resourceAttributes": {"group": "authentication.k8s.io", "resource": "serviceaccounts", "namespace": TENANT,
                                                                   "name": "agent", "verb": "impersonate:serviceaccount"}}}
    assert cluster.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review).must()["status"]["allowed"]


# --- what else approvers may not write -------------------------------------------------------------

META_EDITS = [
    {"labels": {"a": "b"}}, {"annotations": {"a": "b"}}, {"finalizers": ["evil.example/keep"]},
    {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0-0"}]}]


@pytest.mark.parametrize("edit", META_EDITS, ids=lambda edit: next(iter(edit)))
def test_approvers_touch_no_metadata(cluster, operator, people, ask, edit):
    url = ask()
    for caller in (people["alice"], cluster):
        caller.patch(url, {"metadata": edit}).refused("only spec.decision may be written")
        caller.patch(url, {"metadata": edit, **YES}).refused()
        body = {"apiVersion": "sandgate.dev/v1alpha1", "kind": "Approval", "metadata": {"name": name_of(url), **edit}}
        caller.apply(url, {**body, "spec": {"request": cluster.get(url).must()["spec"]["request"]}}, force="true").refused("only spec.decision may be written")
    undecided(cluster, url)


def test_an_approval_keeps_its_owner(cluster, operator, people):
    made = approval(TENANT, AGENT)
    owner = cluster.create(path("executions", TENANT), execution(TENANT, made["metadata"]["name"])).must()["metadata"]
    made["metadata"]["ownerReferences"] = [{"apiVersion": "sandgate.dev/v1alpha1", "kind": "Execution", "name": owner["name"], "uid": owner["uid"], "controller": True}]
    made["metadata"]["labels"] = {"sandgate.dev/execution": owner["name"]}
    url = path("approvals", TENANT, operator.create(path("approvals", TENANT), made).must()["metadata"]["name"])
    for edit in ({"ownerReferences": None}, {"labels": None}):
        people["alice"].patch(url, {"metadata": edit}).refused("only spec.decision may be written")
    cluster.delete(path("executions", TENANT, owner["name"])).must()
    wait_for(lambda: cluster.get(url).code == 404, "the garbage collector takes the Approval with its Execution")


def test_orphaning_works(cluster, operator):
    """--cascade=orphan needs the garbage collector to edit the Approval's owner references."""
    made = approval(TENANT, AGENT)
    owner = cluster.create(path("executions", TENANT), execution(TENANT, made["metadata"]["name"])).must()["metadata"]
    made["metadata"]["ownerReferences"] = [{"apiVersion": "sandgate.dev/v1alpha1", "kind": "Execution", "name": owner["name"], "uid": owner["uid"]}]
    url = path("approvals", TENANT, operator.create(path("approvals", TENANT), made).must()["metadata"]["name"])
    execution_url = path("executions", TENANT, owner["name"])

    def deleted():
        cluster.delete(execution_url, propagationPolicy="Orphan")
        return cluster.get(execution_url).code == 404
    wait_for(deleted, "the orphaning deletion ends")
    wait_for(lambda: "ownerReferences" not in cluster.get(url).must()["metadata"], "the Approval is cut loose")


@pytest.mark.parametrize("who", ["alice", "agent", "gateway", "admin", "editor"])
def test_only_the_operator_creates_approvals(cluster, agent, gateway, people, who):
    caller = {"agent": agent, "gateway": gateway, "admin": cluster}.get(who) or people[who]
    body = approval(TENANT, AGENT)
    url = path("approvals", TENANT, body["metadata"]["name"])
    assert caller.create(path("approvals", TENANT), body).code == 403
    assert caller.apply(url, body).code == 403  # server-side apply creates what is not there
    assert caller.replace(url, body).code in (403, 404, 405)  # and so would PUT
    body["metadata"] = {"generateName": "ap-"}  # the schema demands the Execution's name, before the policy is asked
    assert caller.create(path("approvals", TENANT), body).code in (403, 422)
    assert cluster.get(url).code == 404


@pytest.mark.parametrize("who", ["alice", "agent", "gateway", "editor", "operator"])
def test_nobody_deletes_in_bulk(cluster, operator, agent, gateway, people, ask, who):
    caller = {"agent": agent, "gateway": gateway, "operator": operator}.get(who) or people[who]
    url = ask()
    assert caller.delete(path("approvals", TENANT)).code == 403  # deletecollection
    if who != "operator":
        assert caller.delete(url).code == 403
    undecided(cluster, url)


# --- sandbox pods -----------------------------------------------------------------------------------

def pod(name=None, **metadata):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name or unique("sgsb-x"), **metadata},
            "spec": {"runtimeClassName": "gvisor", "automountServiceAccountToken": False, "containers": [
                {"name": "c", "image": "i", "resources": {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi", "cpu": "1"}},
                 "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}]}}


def labelled(name=None, **labels):
    return pod(name, labels={"sandgate.dev/sandbox": "one", **labels})


@pytest.fixture
def sandbox_pod(cluster, operator):
    wait_for(lambda: cluster.get(core("serviceaccounts", TENANT, "default")).ok, "the default ServiceAccount")
    made = labelled()
    operator.create(core("pods", TENANT), made).must()
    yield core("pods", TENANT, made["metadata"]["name"])
    operator.delete(core("pods", TENANT, made["metadata"]["name"]), gracePeriodSeconds=0)


@pytest.mark.parametrize("who", ["editor", "admin", "controller", "node"])
@pytest.mark.parametrize("body", [labelled(), pod(), labelled("plain"), pod(None, generateName="sgsb-"),
                                  {**labelled("plain"), "metadata": {"name": "plain", "labels": {"sandgate.dev/sandbox": ""}}}],
                         ids=["label and prefix", "prefix", "label", "generateName", "empty label"])
def test_nobody_else_creates_sandbox_pods(cluster, people, who, body):
    caller = {"admin": cluster, "controller": cluster.acting("system:serviceaccount:kube-system:replicaset-controller", ["system:masters"]),
              "node": cluster.acting("system:kube-controller-manager", ["system:masters"])}.get(who) or people[who]
    if "generateName" in body["metadata"]:
        body = {**body, "metadata": {"generateName": "sgsb-"}}
    answer = caller.create(core("pods", TENANT), body, dryRun="All")
    answer.refused("sandgate-pods", "only the Sandgate operator")


def test_other_pods_are_none_of_our_business(people):
    for metadata in ({"name": "plain"}, {"name": "a-sgsb-b"}, {"generateName": "plain-"}, {"name": "labelled", "labels": {"app": "x"}}):
        people["editor"].create(core("pods", TENANT), {**pod(), "metadata": metadata}, dryRun="All").must()


BAD_OPERATOR_PODS = [
    ("no label", pod(), "label sandgate.dev/sandbox and the name prefix"),
    ("no prefix", labelled("plain"), "label sandgate.dev/sandbox and the name prefix"),
    ("neither", pod("plain"), "label sandgate.dev/sandbox and the name prefix"),
    ("no gVisor", {"spec": {"runtimeClassName": None}}, "runs under gVisor"),
    ("a token", {"spec": {"automountServiceAccountToken": None}}, "no ServiceAccount token"),
    ("a projected token", {"spec": {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]}}, "no ServiceAccount token"),
    ("the host's files", {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}}, "nothing of the host"),
    ("a tenant's Secret", {"spec": {"volumes": [{"name": "v", "secret": {"secretName": "database"}}]}}, "no Secret but its own"),
    ("no memory limit", {"container": {"resources": {"limits": {"cpu": "1"}}}}, "limits of memory and CPU"),
    ("no CPU limit", {"container": {"resources": {"limits": {"memory": "64Mi"}}}}, "limits of memory and CPU"),
    ("no limits", {"container": {"resources": {}}}, "limits of memory and CPU"),
    ("the host's network", {"spec": {"hostNetwork": True}}, "nothing of the host"),
    ("the host's processes", {"spec": {"hostPID": True}}, "nothing of the host"),
    ("the host's IPC", {"spec": {"hostIPC": True}}, "nothing of the host"),
    ("privileged", {"container": {"securityContext": {"privileged": True}}}, "not privileged"),
    ("escalation", {"container": {"securityContext": {}}}, "not privileged"),
    ("a capability", {"container": {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"add": ["SYS_ADMIN"]}}}}, "not privileged"),
    ("a host port", {"container": {"ports": [{"containerPort": 80, "hostPort": 80}]}}, "not privileged"),
]


@pytest.mark.parametrize("what,change,word", BAD_OPERATOR_PODS, ids=[row[0] for row in BAD_OPERATOR_PODS])
def test_a_stolen_operator_token_owns_no_node(operator, what, change, word):
    body = change if "kind" in change else labelled()
    for key, value in change.get("spec", {}).items() if "kind" not in change else ():
        body["spec"][key] = value
    body["spec"]["containers"][0].update(change.get("container", {}))
    # an API server without --allow-privileged says so by itself
    words = ["privileged"] if what == "privileged" else ["sandgate-pods", word]
    operator.create(core("pods", TENANT), body, dryRun="All").refused(*words)
    if "container" in change:  # the same in an init container
        body["spec"]["initContainers"] = [{**body["spec"]["containers"][0], "name": "init"}]
        body["spec"]["containers"] = labelled()["spec"]["containers"]
        operator.create(core("pods", TENANT), body, dryRun="All").refused(*words)


def test_a_stolen_operator_token_mints_no_token(operator):
    for kind in ("kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token", "kubernetes.io/basic-auth"):
        body = {"metadata": {"name": unique("sgsb"), "annotations": {"kubernetes.io/service-account.name": "agent"}}, "type": kind,
                "stringData": {"username": "a", "password": "b"}}
        operator.create(core("secrets", TENANT), body, dryRun="All").refused("sandgate-secrets")
    operator.create(core("secrets", TENANT), {"metadata": {"name": unique("sgsb")}}, dryRun="All").must()
    tls = {"metadata": {"name": unique("sgsb")}, "type": "kubernetes.io/tls", "data": {"tls.crt": "", "tls.key": ""}}
    operator.create(core("secrets", TENANT), tls, dryRun="All").must()


def test_a_sandboxs_secret_is_the_operators(cluster, operator, people):
    """Whoever could plant one could choose what the runner believes."""
    name = unique("sgsb-secret")
    for caller in (people["editor"], cluster):
        for metadata in ({"name": name}, {"generateName": "sgsb-"}):
            caller.create(core("secrets", TENANT), {"metadata": metadata}).refused("sandgate-secrets", "only the Sandgate operator")
    operator.create(core("secrets", TENANT), {"metadata": {"name": name}, "data": {"a": "eA=="}}).must()
    for caller in (people["editor"], cluster):
        caller.patch(core("secrets", TENANT, name), {"data": {"a": "eQ=="}}).refused("sandgate-secrets")
    assert operator.get(core("secrets", TENANT, name)).code == 403
    operator.delete(core("secrets", TENANT, name)).must()
    people["editor"].create(core("secrets", TENANT), {"metadata": {"name": unique("plain")}}).must()


POD_EDITS = [
    (MERGE, {"metadata": {"labels": {"sandgate.dev/sandbox": None}}}), (MERGE, {"metadata": {"labels": None}}),
    (MERGE, {"metadata": {"labels": {"sandgate.dev/sandbox": "two"}}}), (MERGE, {"metadata": {"labels": {"sandgate.dev/network": "enabled"}}}),
    (MERGE, {"metadata": {"annotations": {"dev.gvisor.flag.debug": "true"}}}), (JSON_PATCH, [{"op": "remove", "path": "/metadata/labels"}]),
    (MERGE, {"metadata": {"finalizers": ["evil.example/keep"]}}), (MERGE, {"spec": {"activeDeadlineSeconds": 1}}),
    ("application/strategic-merge-patch+json", {"spec": {"containers": [{"name": "c", "image": "evil"}]}}),
    ("application/strategic-merge-patch+json", {"metadata": {"labels": {"$patch": "replace", "a": "b"}}})]


@pytest.mark.parametrize("content,edit", POD_EDITS, ids=str)
def test_nobody_else_changes_a_sandbox_pod(cluster, people, sandbox_pod, content, edit):
    before = cluster.get(sandbox_pod).must()
    for caller in (people["editor"], cluster):
        caller.patch(sandbox_pod, edit, content).refused("sandgate-pods")
    after = cluster.get(sandbox_pod).must()
    assert (after["metadata"]["labels"], after["spec"]) == (before["metadata"]["labels"], before["spec"])


def test_an_ordinary_pod_does_not_become_a_sandbox(people, cluster):
    wait_for(lambda: cluster.get(core("serviceaccounts", TENANT, "default")).ok, "the default ServiceAccount")
    name = people["editor"].create(core("pods", TENANT), pod(unique("plain"))).must()["metadata"]["name"]
    people["editor"].patch(core("pods", TENANT, name), {"metadata": {"labels": {"sandgate.dev/sandbox": "one"}}}).refused("sandgate-pods")
    people["editor"].patch(core("pods", TENANT, name, "status"), {"metadata": {"labels": {"sandgate.dev/sandbox": "one"}}}).refused("sandgate-pods")


@pytest.mark.parametrize("edit", [{"labels": {"sandgate.dev/sandbox": None}}, {"labels": {"sandgate.dev/sandbox": "two"}}, {"labels": {"sandgate.dev/network": "on"}},
                                  {"annotations": {"dev.gvisor.internal.x": "y"}}, {"annotations": {"sandgate.dev/x": "y"}}], ids=str)
def test_the_status_is_no_door_to_metadata(cluster, people, operator, sandbox_pod, edit):
    """PUT and PATCH of pods/status store labels and annotations as well."""
    kubelet = cluster.acting("system:serviceaccount:kube-system:some-plugin", ["system:masters"])
    for caller in (people["editor"], cluster, kubelet):
        caller.patch(sandbox_pod + "/status", {"metadata": edit}).refused("sandgate-pods", "through their status")
    whole = cluster.get(sandbox_pod).must()
    for key, values in edit.items():
        whole["metadata"][key] = {k: v for k, v in {**whole["metadata"].get(key, {}), **values}.items() if v is not None}
    cluster.replace(sandbox_pod + "/status", whole).refused("sandgate-pods", "through their status")


def test_the_status_itself_is_open_to_those_who_may(cluster, sandbox_pod):
    """The kubelet, the scheduler and network plugins work through it."""
    body = {"metadata": {"annotations": {"cni.example/podIP": "10.0.0.9"}}, "status": {"conditions": [{"type": "PodScheduled", "status": "True"}]}}
    cluster.patch(sandbox_pod + "/status", body, "application/strategic-merge-patch+json").must()
    assert cluster.get(sandbox_pod).must()["metadata"]["annotations"]["cni.example/podIP"] == "10.0.0.9"


@pytest.mark.parametrize("via", ["pods/binding", "bindings"])
def test_a_binding_is_no_door_to_metadata(cluster, people, sandbox_pod, via):
    name = name_of(sandbox_pod)
    url = sandbox_pod + "/binding" if via == "pods/binding" else core("bindings", TENANT)
    for edit in ({"annotations": {"dev.gvisor.flag.debug": "true"}}, {"labels": {"sandgate.dev/sandbox": "two"}}, {"labels": {"sandgate.dev/network": "on"}}):
        body = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, **edit}, "target": {"kind": "Node", "name": "n"}}
        for caller in (people["editor"], cluster):
            caller.create(url, body).refused("sandgate-bindings")
    plain = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "a"}}, "target": {"kind": "Node", "name": "n"}}
    assert cluster.create(url, plain).ok


def test_no_ephemeral_containers_and_no_resize(cluster, people, operator, sandbox_pod):
    debug = {"spec": {"ephemeralContainers": [{"name": "d", "image": "i", "targetContainerName": "c"}]}}
    size = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "20m"}}}]}}
    strategic = "application/strategic-merge-patch+json"
    for caller in (people["editor"], cluster, cluster.acting(OPERATOR, ["system:masters"])):
        caller.patch(sandbox_pod + "/ephemeralcontainers", debug, strategic).refused("sandgate-pods")
        caller.patch(sandbox_pod + "/resize", size, strategic).refused("sandgate-pods")


CONNECTS = [
    ("POST", "{pod}/exec?command=id&stdout=true"), ("GET", "{pod}/exec?command=id&stdout=true"), ("POST", "{pod}/attach?stdout=true"), ("GET", "{pod}/attach?stdout=true"),
    ("POST", "{pod}/portforward?ports=8443"), ("GET", "{pod}/portforward?ports=8443"),
    ("GET", "{pod}/proxy"), ("GET", "{pod}/proxy/"), ("GET", "{pod}/proxy/v1/info"), ("POST", "{pod}/proxy/v1/runs/x"), ("DELETE", "{pod}/proxy/x"), ("PUT", "{pod}/proxy/x"),
    ("GET", "{pod}:8443/proxy/"), ("GET", "{pods}http:{name}:8443/proxy/"), ("GET", "{pods}https:{name}:8443/proxy/"), ("GET", "{pods}:{name}:8443/proxy/"),
    ("GET", "{pods}https:{name}:/proxy/"), ("GET", "{pods}:{name}:/proxy/"), ("GET", "{pods}HTTPS:{name}:8443/proxy/"), ("GET", "{pods}%68ttp:{name}:8443/proxy/"),
    ("GET", "{pods}http%3A{name}%3A8443/proxy/"), ("GET", "{pods}%3A{name}%3A8443/proxy/"), ("PATCH", "{pods}:{name}:8443/proxy/x"), ("HEAD", "{pods}http:{name}:8443/proxy/"),
]


@pytest.mark.parametrize("method,url", CONNECTS)
def test_nobody_gets_into_a_sandbox(cluster, people, operator, gateway, sandbox_pod, method, url):
    url = url.format(pod=sandbox_pod, pods=core("pods", TENANT) + "/", name=name_of(sandbox_pod))
    body = {} if method in ("POST", "PUT", "PATCH") else None
    for caller in (people["editor"], cluster, cluster.acting(OPERATOR, ["system:masters"])):
        answer = caller.request(method, url, body)
        # A pod that no kubelet runs answers 5xx once a request has passed admission.
        assert answer.code == 403 or (answer.code in (400, 404) and "HTTPS:" in url), (answer.code, answer.message)
        if answer.code == 403 and method != "HEAD":
            assert "sandgate-connect" in answer.message
    assert operator.request(method, url, body).code == 403
    assert gateway.request(method, url, body).code == 403


def test_kubectl_exec_says_why(cluster, sandbox_pod):
    code, output = kubectl("exec", "-n", TENANT, name_of(sandbox_pod), "--", "id")
    assert code != 0 and "nobody may exec into" in output, output


# --- the sandboxes' NetworkPolicies -----------------------------------------------------------------

def test_the_network_policies_are_the_operators(cluster, operator, people):
    url = f"/apis/networking.k8s.io/v1/namespaces/{TENANT}/networkpolicies"
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "sandgate-test"}, "spec": {"podSelector": {}}}
    operator.create(url, body).must()
    for caller in (people["editor"], cluster):
        caller.delete(url + "/sandgate-test").refused("sandgate-network")
        caller.delete(url).refused("sandgate-network")  # deletecollection names no object
        caller.patch(url + "/sandgate-test", {"spec": {"ingress": [{}]}}).refused("sandgate-network")
        caller.create(url, {**body, "metadata": {"name": "sandgate-more"}}).refused("sandgate-network")
        caller.create(url, {**body, "metadata": {"generateName": "sandgate-"}}).refused("sandgate-network")
        caller.create(url, {**body, "metadata": {"name": unique("own")}}).must()
    operator.delete(url + "/sandgate-test").must()


def test_a_tenant_namespace_can_be_deleted(cluster, operator):
    """With everything of ours in it: the namespace controller may delete what nobody else may."""
    namespace = unique("leaving")
    cluster.create("/api/v1/namespaces", {"metadata": {"name": namespace}}).must()
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "sandgate-test"}, "spec": {"podSelector": {}}}
    operator.create(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies", body).must()
    made = cluster.create(path("executions", namespace), execution(namespace)).must()["metadata"]["name"]
    cluster.create(path("sandboxes", namespace), sandbox(namespace)).must()
    operator.create(path("approvals", namespace), approval(namespace, AGENT, name=made)).must()
    cluster.delete(f"/api/v1/namespaces/{namespace}").must()
    wait_for(lambda: cluster.get(f"/api/v1/namespaces/{namespace}").code == 404, "the namespace is gone")


# --- the canary: how the operator knows that the rules are in force ---------------------------------------

@pytest.fixture
def canary(cluster, operator):
    cluster.delete(path("approvals", SYSTEM, "sandgate-canary"))
    body = approval(SYSTEM, OPERATOR, name="sandgate-canary")
    operator.create(path("approvals", SYSTEM), body).must()
    operator.patch(path("approvals", SYSTEM, "sandgate-canary", "status"), {"status": {"phase": "Pending"}}).must()
    yield path("approvals", SYSTEM, "sandgate-canary")
    cluster.delete(path("approvals", SYSTEM, "sandgate-canary"))


FORGED = {"spec": {"decision": {"verdict": "Approved", "decidedBy": "somebody-else"}}}


def test_the_canary_is_refused_in_the_policys_name(cluster, operator, canary):
    answer = operator.patch(canary, FORGED, dryRun="All").refused("'sandgate-approvals'", "the requester may not decide")
    assert answer.code == 403
    undecided(cluster, canary)


def test_nobody_decides_the_canary(cluster, people, canary):
    robot = cluster.acting("anybody", ["system:masters"])
    robot.patch(canary, YES).refused()  # may do everything, so may act as the requester
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{SYSTEM}/rolebindings"
    cluster.create(rbac, {"metadata": {"name": "test"}, "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "mallory"}],
                          "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "sandgate-approver"}}).must()
    try:
        wait_for(lambda: "canary" in people["mallory"].patch(canary, YES).refused().message, "the right to patch has arrived")
        people["mallory"].patch(canary, YES).refused("the canary takes no decision")
    finally:
        cluster.delete(rbac + "/test").must()
    undecided(cluster, canary)


SABOTAGE = [
    ("the binding deleted", "delete", "validatingadmissionpolicybindings/sandgate-approvals", None),
    ("the policy deleted", "delete", "validatingadmissionpolicies/sandgate-approvals", None),
    ("the binding only audits", "patch", "validatingadmissionpolicybindings/sandgate-approvals", {"spec": {"validationActions": ["Audit"]}}),
    ("the binding spares a namespace", "patch", "validatingadmissionpolicybindings/sandgate-approvals",
     {"spec": {"matchResources": {"namespaceSelector": {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [SYSTEM]}]}}}}),
]


@pytest.mark.parametrize("what,verb,target,change", SABOTAGE, ids=[row[0] for row in SABOTAGE])
def test_the_canary_sings_no_more_when_the_rules_are_gone(cluster, operator, canary, what, verb, target, change):
    """The operator's dry run passes then, which is how it knows; then the rules are put back."""
    url = f"{POLICIES}/{target}"
    before = cluster.get(url).must()
    try:
        (cluster.delete(url) if verb == "delete" else cluster.patch(url, change)).must()
        wait_for(lambda: operator.patch(canary, FORGED, dryRun="All").ok, "the dry run passes")
    finally:
        fresh = {**before, "metadata": {"name": before["metadata"]["name"], "labels": before["metadata"]["labels"]}}
        if verb == "delete":
            cluster.create(f"{POLICIES}/{target.split('/')[0]}", fresh).must()
        else:
            current = cluster.get(url).must()
            cluster.replace(url, {**current, "spec": before["spec"]}).must()
        wait_for(lambda: not operator.patch(canary, FORGED, dryRun="All").ok, "the rules are back")
    undecided(cluster, canary)


# --- Kubernetes before 1.36: nothing is stamped, so callers write their own names ----------------------------

@pytest.fixture
def without_stamps(cluster, people):
    """The bindings of the two MutatingAdmissionPolicies taken away, as on a cluster that has none."""
    url = f"{POLICIES}/mutatingadmissionpolicybindings"
    kept = {name: cluster.get(f"{url}/{name}").must() for name in ("sandgate-requester", "sandgate-decided-by")}
    for name in kept:
        cluster.delete(f"{url}/{name}").must()
    bare = sandbox(TENANT)
    wait_for(lambda: not people["alice"].create(path("sandboxes", TENANT), bare, dryRun="All").ok, "nothing is stamped")
    yield
    for name, body in kept.items():
        cluster.create(url, {**body, "metadata": {"name": name, "labels": body["metadata"]["labels"]}}).must()
    wait_for(lambda: people["alice"].create(path("sandboxes", TENANT), bare, dryRun="All").ok, "the requester is stamped")


def test_without_stamps_names_are_checked(cluster, people, ask, without_stamps):
    for kind, make in (("executions", execution), ("sandboxes", sandbox)):
        body = make(TENANT)
        people["alice"].create(path(kind, TENANT), body).refused("spec.requester", "kubectl auth whoami")
        body["spec"]["requester"] = {"username": "bob"}
        people["alice"].create(path(kind, TENANT), body).refused("spec.requester.username must be alice")
        body["spec"]["requester"] = {"username": "alice", "uid": "uid-bob"}
        people["alice"].create(path(kind, TENANT), body).refused("spec.requester.uid must be the caller's own")
        body["spec"]["requester"] = {"username": "alice"}
        people["alice"].create(path(kind, TENANT), body).must()
    url = ask()
    people["alice"].patch(url, YES).refused("spec.decision.decidedBy must be alice")
    people["alice"].patch(url, {"spec": {"decision": {"verdict": "Approved", "decidedBy": "bob"}}}).refused("spec.decision.decidedBy must be alice")
    undecided(cluster, url)
    people["alice"].patch(url, {"spec": {"decision": {"verdict": "Approved", "decidedBy": "alice"}}}).must()
    url = ask(requester="alice")
    people["alice"].patch(url, {"spec": {"decision": {"verdict": "Approved", "decidedBy": "alice"}}}).refused("the requester may not decide")

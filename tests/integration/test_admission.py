"""Who asks and who decides: the rules that the API server holds, attacked with kubectl and by hand."""

import json

import pytest

from conftest import AGENT, TENANT
from kubeapi import (
    APPLY,
    JSON_PATCH,
    MERGE,
    NO,
    OPERATOR,
    POLICIES,
    YES,
    approval,
    execution,
    kubectl,
    name_of,
    path,
    sandbox,
    undecided,
    unique,
    wait_for,
)

# --- who asks is who the API server authenticated -------------------------------------------------


def test_the_requester_is_stamped(cluster, agent, people):
    for kind, make in (("executions", execution), ("sandboxes", sandbox)):
        made = agent.create(path(kind, TENANT), make(TENANT)).must()["spec"]["requester"]
        assert made["username"] == AGENT and made["uid"]
        assert people["alice"].create(path(kind, TENANT), make(TENANT)).must()["spec"][
            "requester"
        ] == {"username": "alice", "uid": "uid-alice"}
        assert cluster.create(path(kind, TENANT), make(TENANT)).must()["spec"]["requester"] == {
            "username": "admin"
        }


@pytest.mark.parametrize(
    "forged",
    [
        {"username": "bob"},
        {"username": "bob", "uid": "uid-bob"},
        {"username": "alice", "uid": "uid-bob"},
        {"uid": "x"},
        {},
        None,
        "bob",
        ["bob"],
        {"username": None},
        {"username": {"a": "b"}},
    ],
    ids=str,
)
def test_a_forged_requester_does_not_survive(people, forged):
    for kind, make in (("executions", execution), ("sandboxes", sandbox)):
        body = make(TENANT)
        body["spec"]["requester"] = forged
        made = people["alice"].create(path(kind, TENANT), body).must()
        assert made["spec"]["requester"] == {"username": "alice", "uid": "uid-alice"}
        body = make(TENANT)
        body["spec"]["requester"] = forged
        answer = people["alice"].apply(path(kind, TENANT, body["metadata"]["name"]), body)
        if (
            answer.ok
        ):  # server-side apply checks the types of what the caller wrote before anything is stamped
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
    url = path(
        kind, TENANT, agent.create(path(kind, TENANT), make(TENANT)).must()["metadata"]["name"]
    )
    owner = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0-0"}]
    for caller in (agent, cluster) if kind == "executions" else (cluster,):
        caller.patch(url, {"metadata": {"finalizers": ["evil.example/keep"]}}).refused(
            "metadata.finalizers may not be added"
        )
        caller.patch(
            url, [{"op": "add", "path": "/metadata/finalizers", "value": ["orphan"]}], JSON_PATCH
        ).refused("metadata.finalizers")
        caller.patch(url, {"metadata": {"ownerReferences": owner}}).refused(
            "metadata.ownerReferences may not be changed"
        )
    cluster.patch(url, {"metadata": {"labels": {"team": "a"}}}).must()


@pytest.mark.parametrize(
    "kind,make,phase",
    [
        ("executions", execution, "Succeeded"),
        ("sandboxes", sandbox, "Ready"),
        ("approvals", None, "Denied"),
    ],
)
def test_only_the_operator_writes_status(cluster, agent, gateway, people, ask, kind, make, phase):
    url = (
        ask()
        if kind == "approvals"
        else path(
            kind, TENANT, agent.create(path(kind, TENANT), make(TENANT)).must()["metadata"]["name"]
        )
    )
    callers = {
        "admin": cluster,
        "gateway": gateway,
        "agent": agent,
        "alice": people["alice"],
        "kube-system": cluster.acting(
            "system:serviceaccount:kube-system:generic-garbage-collector", ["system:masters"]
        ),
        "the operator's name in another namespace": cluster.acting(
            f"system:serviceaccount:{TENANT}:sandgate-operator", ["system:masters"]
        ),
    }
    for who, caller in callers.items():
        before = cluster.get(url).must()
        for content, body in (
            (MERGE, {"status": {"phase": phase}}),
            (JSON_PATCH, [{"op": "add", "path": "/status", "value": {"phase": phase}}]),
        ):
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
    code, output = kubectl(
        "patch",
        "approvals.sandgate.dev",
        name_of(url),
        "-n",
        TENANT,
        "--type=merge",
        "-p",
        json.dumps(verdict),
        user="alice",
    )
    assert code == 0, output
    assert cluster.get(url).must()["spec"]["decision"] == {
        **verdict["spec"]["decision"],
        "decidedBy": "alice",
    }


@pytest.mark.parametrize(
    "forged",
    ["bob", "", "system:masters", "alice ", "ALICE", AGENT, OPERATOR, None, 7, {"x": "y"}],
    ids=str,
)
def test_a_forged_decider_is_overwritten(cluster, people, ask, forged):
    url = ask()
    people["alice"].patch(
        url, {"spec": {"decision": {"verdict": "Approved", "decidedBy": forged}}}
    ).must()
    assert cluster.get(url).must()["spec"]["decision"] == {
        "verdict": "Approved",
        "decidedBy": "alice",
    }


@pytest.mark.parametrize("how", ["merge", "json", "put", "apply", "apply with force"])
def test_every_way_to_write_a_decision_is_stamped(cluster, people, ask, how):
    url = ask()
    decision = {"verdict": "Approved", "decidedBy": "bob", "reason": "looked at it"}
    alice, stored = people["alice"], cluster.get(url).must()
    minimal = {
        "apiVersion": "sandgate.dev/v1alpha1",
        "kind": "Approval",
        "metadata": {"name": name_of(url), "namespace": TENANT},
        "spec": {"request": stored["spec"]["request"], "decision": decision},
    }
    answer = {
        "merge": lambda: alice.patch(url, {"spec": {"decision": decision}}),
        "json": lambda: alice.patch(
            url, [{"op": "add", "path": "/spec/decision", "value": decision}], JSON_PATCH
        ),
        "put": lambda: alice.replace(
            url, {**stored, "spec": {**stored["spec"], "decision": decision}}
        ),
        "apply": lambda: alice.apply(url, minimal),
        "apply with force": lambda: alice.patch(
            url, minimal, APPLY, fieldManager="x", force="true"
        ),
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
        answer = alice.patch(
            url, [{"op": "add", "path": "/spec/decision", "value": decision}], JSON_PATCH
        )
    elif how == "put":
        answer = alice.replace(url, {**stored, "spec": {**stored["spec"], "decision": decision}})
    else:
        answer = alice.apply(
            url,
            {
                "apiVersion": "sandgate.dev/v1alpha1",
                "kind": "Approval",
                "metadata": {"name": name_of(url)},
                "spec": {"request": stored["spec"]["request"], "decision": decision},
            },
        )
    answer.refused("sandgate-approvals", "the requester may not decide")
    assert answer.code == 403
    undecided(cluster, url)


def test_the_requester_in_a_request_cannot_be_rewritten_first(cluster, people, ask):
    url = ask(requester="alice")
    people["alice"].patch(
        url, {"spec": {"request": {"requester": "bob"}, "decision": {"verdict": "Approved"}}}
    ).refused()
    people["alice"].patch(url, {"spec": {"request": {"requester": "bob"}}}).refused(
        "request is immutable"
    )
    people["alice"].patch(
        url,
        [
            {"op": "replace", "path": "/spec/request/requester", "value": "bob"},
            {"op": "add", "path": "/spec/decision", "value": {"verdict": "Approved"}},
        ],
        JSON_PATCH,
    ).refused()
    undecided(cluster, url)


def test_a_renamed_requester_is_known_by_uid(cluster, people, ask):
    url = ask(requester="alice-before", requesterUID="uid-alice")
    people["alice"].patch(url, YES).refused("the requester may not decide")
    people["bob"].patch(url, YES).must()


REQUEST_EDITS = [
    {"risk": "LOW"},
    {"specHash": "f" * 64},
    {"expiresAt": "2200-01-01T00:00:00Z"},
    {"executionUID": "other"},
    {"sandboxUID": "other"},
    {"reasons": []},
    {"summary": {"text": "harmless"}},
    {"summary": None},
    {"policyRevision": "r2"},
    {"requesterUID": "x"},
    {"reasons": None},
]


@pytest.mark.parametrize("edit", REQUEST_EDITS, ids=str)
def test_a_request_never_changes(cluster, operator, people, ask, edit):
    url = ask()
    for caller in (people["alice"], cluster):
        caller.patch(url, {"spec": {"request": edit}}).refused("request is immutable")
        caller.patch(url, {"spec": {"request": edit, "decision": {"verdict": "Approved"}}}).refused(
            "request is immutable"
        )
    assert operator.patch(url, {"spec": {"request": edit}}).code == 403
    undecided(cluster, url)


@pytest.mark.parametrize(
    "first,second",
    [
        (YES, NO),
        (NO, YES),
        (YES, {"spec": {"decision": None}}),
        (NO, {"spec": {"decision": {"reason": "changed"}}}),
        (YES, {"spec": {"decision": {"decidedBy": "bob"}}}),
        (YES, {"spec": {"decision": {"decidedBy": None}}}),
        (NO, {"spec": {"decision": {"verdict": None}}}),
    ],
    ids=str,
)
def test_a_decision_is_made_once(cluster, people, ask, first, second):
    url = ask()
    people["alice"].patch(url, first).must()
    decided = cluster.get(url).must()["spec"]["decision"]
    for caller in (people["alice"], people["bob"], cluster):
        caller.patch(url, second).refused()
    assert cluster.get(url).must()["spec"]["decision"] == decided
    people["bob"].patch(
        url, {"spec": {"decision": decided}}
    ).must()  # the same again changes nothing


def test_two_approvers_at_once_give_one_decision(cluster, people, ask):
    url = ask()
    version = cluster.get(url).must()["metadata"]["resourceVersion"]
    answers = [
        people[who].patch(url, {"metadata": {"resourceVersion": version}, **verdict})
        for who, verdict in (("alice", YES), ("bob", NO))
    ]
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
    assert (
        people["alice"].patch(url, YES, dryRun="All").must()["spec"]["decision"]["decidedBy"]
        == "alice"
    )
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
        people["alice"].patch(url, {**verdict, "status": {"phase": "Pending"}}).refused(
            "not pending"
        )
    undecided(cluster, url)


def kubeapi_operator_settles(cluster, url, phase):
    as_operator = cluster.acting(OPERATOR, ["system:masters"])
    as_operator.patch(url + "/status", {"status": {"phase": phase}}).must()


def test_no_decision_while_being_deleted(cluster, operator, people, ask):
    made = approval(TENANT, AGENT)
    made["metadata"]["finalizers"] = ["sandgate.dev/test"]
    url = path(
        "approvals",
        TENANT,
        operator.create(path("approvals", TENANT), made).must()["metadata"]["name"],
    )
    operator.patch(url + "/status", {"status": {"phase": "Pending"}}).must()
    operator.delete(url).must()
    people["alice"].patch(url, YES).refused("the Approval is being deleted")
    people["alice"].patch(
        url,
        [
            {"op": "remove", "path": "/metadata/deletionTimestamp"},
            {"op": "add", "path": "/spec/decision", "value": {"verdict": "Approved"}},
        ],
        JSON_PATCH,
    ).refused("being deleted")
    undecided(cluster, url)
    collector = cluster.acting(
        "system:serviceaccount:kube-system:generic-garbage-collector", ["system:masters"]
    )
    collector.patch(url, {"metadata": {"finalizers": None}}).must()


@pytest.mark.parametrize(
    "who,risk,word",
    [
        ("carol", "HIGH", "risklevels.sandgate.dev/high"),
        ("carol", "CRITICAL", "risklevels.sandgate.dev/critical"),
        ("carol", "LOW", "risklevels.sandgate.dev/low"),
        ("stranger", "MEDIUM", "cannot patch"),
        ("editor", "MEDIUM", "cannot patch"),
    ],
)
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
    cluster.create(
        rbac + "/rolebindings",
        {
            "metadata": {"name": "a"},
            "subjects": subject,
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "sandgate-approver",
            },
        },
    ).must()
    writer = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{TENANT}"
    cluster.create(
        writer + "/roles",
        {
            "metadata": {"name": namespace},
            "rules": [
                {"apiGroups": ["sandgate.dev"], "resources": ["approvals"], "verbs": ["patch"]}
            ],
        },
    ).must()
    cluster.create(
        writer + "/rolebindings",
        {
            "metadata": {"name": namespace},
            "subjects": subject,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": namespace},
        },
    ).must()
    url = ask()
    wait_for(
        lambda: "approve" in people["stranger"].patch(url, YES).refused().message,
        "the right to patch has arrived",
    )
    people["stranger"].patch(url, YES).refused(
        "you lack the verb approve on risklevels.sandgate.dev/high"
    )
    undecided(cluster, url)


def test_service_accounts_decide_nothing(cluster, operator, gateway, agent, tokens, ask):
    """Even with the role of an approver bound, and with everything."""
    robot = tokens(TENANT, "robot")
    # Below HIGH: which policy answers first, when two refuse, is not defined.
    for risk in ("LOW", "MEDIUM"):
        url = ask(requester="alice", risk=risk)
        robot.patch(url, YES).refused("a ServiceAccount may not decide")
        agent.patch(url, YES).refused("a ServiceAccount may not decide")
        cluster.acting(OPERATOR, ["system:masters"]).patch(url, YES).refused(
            "a ServiceAccount may not decide"
        )
        cluster.acting("nobody", ["system:serviceaccounts", "system:masters"]).patch(
            url, YES
        ).refused("a ServiceAccount may not decide")
        assert operator.patch(url, YES).code == 403
        assert gateway.patch(url, YES).code == 403
        undecided(cluster, url)


def test_the_requester_as_a_service_account_may_not_decide(cluster, agent, ask):
    url = ask(requester=AGENT)
    agent.patch(url, YES).refused("the requester may not decide")
    undecided(cluster, url)


SEPARATION = [
    ("minter", "create serviceaccounts/token"),
    ("actor", "verb impersonate"),
    ("new-actor", "verb impersonate:serviceaccount"),
]


@pytest.mark.parametrize("who,word", SEPARATION)
@pytest.mark.parametrize("risk", ["HIGH", "CRITICAL"])
def test_who_could_act_as_the_requester_may_not_decide(cluster, people, ask, who, word, risk):
    url = ask(risk=risk)
    for verdict in (YES, NO):
        people[who].patch(url, verdict).refused("sandgate-separation", word)
    undecided(cluster, url)


def test_separation_is_about_that_requester_and_level(cluster, people, ask):
    people["minter"].patch(ask(risk="MEDIUM"), YES).must()
    people["actor"].patch(
        ask(requester=f"system:serviceaccount:{TENANT}:robot"), YES
    ).must()  # may impersonate agent only
    people["mallory"].patch(ask(risk="CRITICAL"), YES).must()
    people["people-actor"].patch(ask(requester="alice"), YES).refused(
        "sandgate-separation", "the requesting user (verb impersonate)"
    )
    people["people-actor"].patch(ask(requester="bob"), YES).must()
    cluster.patch(ask(risk="HIGH"), YES).refused(
        "sandgate-separation"
    )  # whoever may do everything may impersonate
    people["alice"].patch(ask(requester="system:serviceaccount:odd"), YES).must()


def test_constrained_impersonation_is_what_new_actor_holds(cluster, people):
    """The right is real: without the second verb it is refused for that one alone."""
    answer = people["new-actor"].acting("x")
    assert answer  # an impersonated caller cannot impersonate again; the rule above asks the authorizer
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "new-actor",
            "resourceAttributes": {
                "group": "authentication.k8s.io",
                "resource": "serviceaccounts",
                "namespace": TENANT,
                "name": "agent",
                "verb": "impersonate:serviceaccount",
            },
        },
    }
    assert cluster.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review).must()[
        "status"
    ]["allowed"]


# --- what else approvers may not write -------------------------------------------------------------

META_EDITS = [
    {"labels": {"a": "b"}},
    {"annotations": {"a": "b"}},
    {"finalizers": ["evil.example/keep"]},
    {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "0-0"}]},
]


@pytest.mark.parametrize("edit", META_EDITS, ids=lambda edit: next(iter(edit)))
def test_approvers_touch_no_metadata(cluster, operator, people, ask, edit):
    url = ask()
    for caller in (people["alice"], cluster):
        caller.patch(url, {"metadata": edit}).refused("only spec.decision may be written")
        caller.patch(url, {"metadata": edit, **YES}).refused()
        body = {
            "apiVersion": "sandgate.dev/v1alpha1",
            "kind": "Approval",
            "metadata": {"name": name_of(url), **edit},
        }
        caller.apply(
            url,
            {**body, "spec": {"request": cluster.get(url).must()["spec"]["request"]}},
            force="true",
        ).refused("only spec.decision may be written")
    undecided(cluster, url)


def test_an_approval_keeps_its_owner(cluster, operator, people):
    made = approval(TENANT, AGENT)
    owner = cluster.create(
        path("executions", TENANT), execution(TENANT, made["metadata"]["name"])
    ).must()["metadata"]
    made["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "sandgate.dev/v1alpha1",
            "kind": "Execution",
            "name": owner["name"],
            "uid": owner["uid"],
            "controller": True,
        }
    ]
    made["metadata"]["labels"] = {"sandgate.dev/execution": owner["name"]}
    url = path(
        "approvals",
        TENANT,
        operator.create(path("approvals", TENANT), made).must()["metadata"]["name"],
    )
    for edit in ({"ownerReferences": None}, {"labels": None}):
        people["alice"].patch(url, {"metadata": edit}).refused("only spec.decision may be written")
    cluster.delete(path("executions", TENANT, owner["name"])).must()
    wait_for(
        lambda: cluster.get(url).code == 404,
        "the garbage collector takes the Approval with its Execution",
    )


def test_orphaning_works(cluster, operator):
    """--cascade=orphan needs the garbage collector to edit the Approval's owner references."""
    made = approval(TENANT, AGENT)
    owner = cluster.create(
        path("executions", TENANT), execution(TENANT, made["metadata"]["name"])
    ).must()["metadata"]
    made["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "sandgate.dev/v1alpha1",
            "kind": "Execution",
            "name": owner["name"],
            "uid": owner["uid"],
        }
    ]
    url = path(
        "approvals",
        TENANT,
        operator.create(path("approvals", TENANT), made).must()["metadata"]["name"],
    )
    execution_url = path("executions", TENANT, owner["name"])

    def deleted():
        cluster.delete(execution_url, propagationPolicy="Orphan")
        return cluster.get(execution_url).code == 404

    wait_for(deleted, "the orphaning deletion ends")
    wait_for(
        lambda: "ownerReferences" not in cluster.get(url).must()["metadata"],
        "the Approval is cut loose",
    )


@pytest.mark.parametrize("who", ["alice", "agent", "gateway", "admin", "editor"])
def test_only_the_operator_creates_approvals(cluster, agent, gateway, people, who):
    caller = {"agent": agent, "gateway": gateway, "admin": cluster}.get(who) or people[who]
    body = approval(TENANT, AGENT)
    url = path("approvals", TENANT, body["metadata"]["name"])
    assert caller.create(path("approvals", TENANT), body).code == 403
    assert caller.apply(url, body).code == 403  # server-side apply creates what is not there
    assert caller.replace(url, body).code in (403, 404, 405)  # and so would PUT
    body["metadata"] = {
        "generateName": "ap-"
    }  # the schema demands the Execution's name, before the policy is asked
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


# --- Kubernetes before 1.36: nothing is stamped, so callers write their own names ----------------------------


@pytest.fixture
def without_stamps(cluster, people):
    """The bindings of the two MutatingAdmissionPolicies taken away, as on a cluster that has none."""
    url = f"{POLICIES}/mutatingadmissionpolicybindings"
    kept = {
        name: cluster.get(f"{url}/{name}").must()
        for name in ("sandgate-requester", "sandgate-decided-by")
    }
    for name in kept:
        cluster.delete(f"{url}/{name}").must()
    bare = sandbox(TENANT)
    wait_for(
        lambda: not people["alice"].create(path("sandboxes", TENANT), bare, dryRun="All").ok,
        "nothing is stamped",
    )
    yield
    for name, body in kept.items():
        cluster.create(
            url, {**body, "metadata": {"name": name, "labels": body["metadata"]["labels"]}}
        ).must()
    wait_for(
        lambda: people["alice"].create(path("sandboxes", TENANT), bare, dryRun="All").ok,
        "the requester is stamped",
    )


def test_without_stamps_names_are_checked(cluster, people, ask, without_stamps):
    for kind, make in (("executions", execution), ("sandboxes", sandbox)):
        body = make(TENANT)
        people["alice"].create(path(kind, TENANT), body).refused(
            "spec.requester", "kubectl auth whoami"
        )
        body["spec"]["requester"] = {"username": "bob"}
        people["alice"].create(path(kind, TENANT), body).refused(
            "spec.requester.username must be alice"
        )
        body["spec"]["requester"] = {"username": "alice", "uid": "uid-bob"}
        people["alice"].create(path(kind, TENANT), body).refused(
            "spec.requester.uid must be the caller's own"
        )
        body["spec"]["requester"] = {"username": "alice"}
        people["alice"].create(path(kind, TENANT), body).must()
    url = ask()
    people["alice"].patch(url, YES).refused("spec.decision.decidedBy must be alice")
    people["alice"].patch(
        url, {"spec": {"decision": {"verdict": "Approved", "decidedBy": "bob"}}}
    ).refused("spec.decision.decidedBy must be alice")
    undecided(cluster, url)
    people["alice"].patch(
        url, {"spec": {"decision": {"verdict": "Approved", "decidedBy": "alice"}}}
    ).must()
    url = ask(requester="alice")
    people["alice"].patch(
        url, {"spec": {"decision": {"verdict": "Approved", "decidedBy": "alice"}}}
    ).refused("the requester may not decide")

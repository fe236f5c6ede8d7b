"""Who decides what, when and how often: the rules that the API server holds."""

import json

import pytest

from conftest import AGENT, TENANT
from kubeapi import (
    APPLY,
    JSON_PATCH,
    MERGE,
    NO,
    OPERATOR,
    YES,
    approval,
    kubectl,
    name_of,
    path,
    undecided,
)


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

"""What else may not be written to an Approval, by whomever."""

import pytest

from conftest import AGENT, TENANT
from kubeapi import (
    YES,
    approval,
    execution,
    name_of,
    path,
    undecided,
    wait_for,
)


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

"""Who asks is who the API server authenticated, attacked with kubectl and by hand."""

import json

import pytest

from conftest import AGENT, TENANT
from kubeapi import (
    JSON_PATCH,
    MERGE,
    execution,
    kubectl,
    name_of,
    path,
    sandbox,
)


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

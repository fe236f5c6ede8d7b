"""Kubernetes before 1.36: nothing is stamped, so callers write their own names."""

import pytest

from conftest import TENANT
from kubeapi import (
    POLICIES,
    YES,
    execution,
    kubectl,
    path,
    sandbox,
    undecided,
    wait_for,
)


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

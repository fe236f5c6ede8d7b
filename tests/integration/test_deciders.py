"""Who may decide: levels, ServiceAccounts, and whoever could act as the requester."""

import pytest

from conftest import AGENT, TENANT
from kubeapi import (
    NO,
    OPERATOR,
    YES,
    undecided,
    unique,
    wait_for,
)


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

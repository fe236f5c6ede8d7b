"""How the operator knows that the rules are in force: a forged decision that must be refused in the policy's name."""

import pytest

from kubeapi import OPERATOR, POLICIES, SYSTEM, YES, approval, path, undecided, wait_for

# --- the canary: how the operator knows that the rules are in force ---------------------------------------


@pytest.fixture
def canary(cluster, operator):
    cluster.delete(path("approvals", SYSTEM, "sandgate-canary"))
    body = approval(SYSTEM, OPERATOR, name="sandgate-canary")
    operator.create(path("approvals", SYSTEM), body).must()
    operator.patch(
        path("approvals", SYSTEM, "sandgate-canary", "status"), {"status": {"phase": "Pending"}}
    ).must()
    yield path("approvals", SYSTEM, "sandgate-canary")
    cluster.delete(path("approvals", SYSTEM, "sandgate-canary"))


FORGED = {"spec": {"decision": {"verdict": "Approved", "decidedBy": "somebody-else"}}}


def test_the_canary_is_refused_in_the_policys_name(cluster, operator, canary):
    answer = operator.patch(canary, FORGED, dryRun="All").refused(
        "'sandgate-approvals'", "the requester may not decide"
    )
    assert answer.code == 403
    undecided(cluster, canary)


def test_nobody_decides_the_canary(cluster, people, canary):
    robot = cluster.acting("anybody", ["system:masters"])
    robot.patch(canary, YES).refused()  # may do everything, so may act as the requester
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{SYSTEM}/rolebindings"
    cluster.create(
        rbac,
        {
            "metadata": {"name": "test"},
            "subjects": [
                {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "mallory"}
            ],
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "sandgate-approver",
            },
        },
    ).must()
    try:
        wait_for(
            lambda: "canary" in people["mallory"].patch(canary, YES).refused().message,
            "the right to patch has arrived",
        )
        people["mallory"].patch(canary, YES).refused("the canary takes no decision")
    finally:
        cluster.delete(rbac + "/test").must()
    undecided(cluster, canary)


SABOTAGE = [
    ("the binding deleted", "delete", "validatingadmissionpolicybindings/sandgate-approvals", None),
    ("the policy deleted", "delete", "validatingadmissionpolicies/sandgate-approvals", None),
    (
        "the binding only audits",
        "patch",
        "validatingadmissionpolicybindings/sandgate-approvals",
        {"spec": {"validationActions": ["Audit"]}},
    ),
    (
        "the binding spares a namespace",
        "patch",
        "validatingadmissionpolicybindings/sandgate-approvals",
        {
            "spec": {
                "matchResources": {
                    "namespaceSelector": {
                        "matchExpressions": [
                            {
                                "key": "kubernetes.io/metadata.name",
                                "operator": "NotIn",
                                "values": [SYSTEM],
                            }
                        ]
                    }
                }
            }
        },
    ),
]


@pytest.mark.parametrize("what,verb,target,change", SABOTAGE, ids=[row[0] for row in SABOTAGE])
def test_the_canary_sings_no_more_when_the_rules_are_gone(
    cluster, operator, canary, what, verb, target, change
):
    """The operator's dry run passes then, which is how it knows; then the rules are put back."""
    url = f"{POLICIES}/{target}"
    before = cluster.get(url).must()
    try:
        (cluster.delete(url) if verb == "delete" else cluster.patch(url, change)).must()
        wait_for(lambda: operator.patch(canary, FORGED, dryRun="All").ok, "the dry run passes")
    finally:
        fresh = {
            **before,
            "metadata": {
                "name": before["metadata"]["name"],
                "labels": before["metadata"]["labels"],
            },
        }
        if verb == "delete":
            cluster.create(f"{POLICIES}/{target.split('/')[0]}", fresh).must()
        else:
            current = cluster.get(url).must()
            cluster.replace(url, {**current, "spec": before["spec"]}).must()
        wait_for(lambda: not operator.patch(canary, FORGED, dryRun="All").ok, "the rules are back")
    undecided(cluster, canary)

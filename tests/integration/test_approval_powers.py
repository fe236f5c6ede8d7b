"""What Sandgate's own accounts, and an agent with the role `edit`, cannot do to an approval."""

import pytest

from conftest import AGENT, TENANT
from kubeapi import SYSTEM, YES, core, kubectl, undecided, wait_for

LEVELS = ("low", "medium", "high", "critical")
IMPERSONATED = (
    ("", "users"),
    ("", "groups"),
    ("", "serviceaccounts"),
    ("authentication.k8s.io", "uids"),
    ("authentication.k8s.io", "userextras/scopes"),
    ("authentication.k8s.io", "users"),
    ("authentication.k8s.io", "serviceaccounts"),
)
VERBS = (
    "impersonate",
    "impersonate:user-info",
    "impersonate:serviceaccount",
    "impersonate-on:user-info:get",
)


def may(cluster, user, namespace, verb, group, resource, name=""):
    """What the API server's own authorizer says of the RBAC that the chart made."""
    resource, _, subresource = resource.partition("/")
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": {
                "namespace": namespace,
                "verb": verb,
                "group": group,
                "resource": resource,
                "subresource": subresource,
                "name": name,
            },
        },
    }
    made = cluster.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review).must()
    return made["status"]["allowed"]


@pytest.mark.parametrize("account", ["sandgate-operator", "sandgate-gateway"])
def test_operator_and_gateway_neither_approve_nor_impersonate(cluster, account):
    user = f"system:serviceaccount:{SYSTEM}:{account}"
    assert may(cluster, user, "", "list", "sandgate.dev", "executions"), "the question is right"
    for namespace in ("", TENANT, SYSTEM):
        for level in LEVELS:
            assert not may(cluster, user, namespace, "approve", "sandgate.dev", "risklevels", level)
        for group, resource in IMPERSONATED:
            for verb in VERBS:
                assert not may(cluster, user, namespace, verb, group, resource), (verb, resource)
        # In its own namespace the operator has to try, for its canary: no level is granted there.
        for verb in ("patch", "update") if namespace != SYSTEM else ():
            assert not may(cluster, user, namespace, verb, "sandgate.dev", "approvals"), verb
        for right in (
            ("create", "", "serviceaccounts/token"),
            ("escalate", "rbac.authorization.k8s.io", "clusterroles"),
            ("bind", "rbac.authorization.k8s.io", "clusterroles"),
        ):
            assert not may(cluster, user, namespace, *right), right
    code, output = kubectl(
        "auth", "can-i", "approve", "risklevels.sandgate.dev/critical", "-A", f"--as={user}"
    )
    assert code == 1 and "no" in output, output


def test_an_approver_of_all_levels_may(cluster):
    """The same questions have another answer for who should: none of them is refused to all."""
    for level in LEVELS:
        assert may(cluster, "mallory", TENANT, "approve", "sandgate.dev", "risklevels", level)


@pytest.fixture
def edit_requester(cluster):
    """An agent that was given the rules of Kubernetes' own role `edit` in its namespace as well."""
    url = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{TENANT}/rolebindings"
    cluster.create(
        url,
        {
            "metadata": {"name": "agent-edits"},
            "subjects": [{"kind": "ServiceAccount", "name": "agent", "namespace": TENANT}],
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": "system:aggregate-to-edit",
            },
        },
    ).must()
    try:
        wait_for(
            lambda: may(cluster, AGENT, TENANT, "create", "", "serviceaccounts/token"),
            "the agent has the role edit",
        )
        yield
    finally:
        cluster.delete(f"{url}/agent-edits").must()


@pytest.mark.parametrize("risk", ["LOW", "MEDIUM", "HIGH", "CRITICAL"])
def test_an_agent_that_mints_an_approvers_token_gets_nothing(
    cluster, agent, ask, edit_requester, risk
):
    """robot is a ServiceAccount with the approver's role: its token can be minted by whoever edits
    the namespace, and that is why a ServiceAccount decides nothing."""
    url = ask(risk=risk)
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    minted = agent.create(core("serviceaccounts", TENANT, "robot", "token"), body).must()
    robot = cluster.with_token(minted["status"]["token"])
    assert robot.get(url).ok, "the token is good, and has the role"
    robot.patch(url, YES).refused()
    undecided(cluster, url)


def test_an_agent_that_runs_a_pod_as_the_approver_gets_nothing(
    cluster, agent, tokens, ask, edit_requester
):
    """The pod can be made; its token is robot's, bound to the pod, and decides nothing either."""
    pod = {
        "metadata": {"generateName": "as-robot-"},
        "spec": {
            "serviceAccountName": "robot",
            "containers": [{"name": "c", "image": "example.invalid/none"}],
        },
    }
    made = agent.create(core("pods", TENANT), pod).must()
    bound = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {
            "boundObjectRef": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": made["metadata"]["name"],
                "uid": made["metadata"]["uid"],
            }
        },
    }
    token = cluster.create(core("serviceaccounts", TENANT, "robot", "token"), bound).must()
    url = ask(risk="MEDIUM")
    cluster.with_token(token["status"]["token"]).patch(url, YES).refused(
        "a ServiceAccount may not decide"
    )
    undecided(cluster, url)
    cluster.delete(core("pods", TENANT, made["metadata"]["name"]), gracePeriodSeconds=0).must()


def test_an_agent_that_edits_binds_itself_nothing(cluster, agent, edit_requester):
    for role in ("sandgate-approver", "cluster-admin"):
        agent.create(
            f"/apis/rbac.authorization.k8s.io/v1/namespaces/{TENANT}/rolebindings",
            {
                "metadata": {"name": "self"},
                "subjects": [{"kind": "ServiceAccount", "name": "agent", "namespace": TENANT}],
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": role,
                },
            },
        ).refused("cannot create")

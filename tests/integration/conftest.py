"""Installs the chart on the API server of dev/testenv, once, without running a single pod."""

import os

import pytest

import kubeapi
from kubeapi import SYSTEM, Caller, core, kubectl, path, wait_for

TENANT = "tenant"
AGENT = f"system:serviceaccount:{TENANT}:agent"
ROLES = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: {TENANT}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: agent, namespace: {TENANT}}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: robot, namespace: {TENANT}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: agents, namespace: {TENANT}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: sandgate-agent}}
subjects:
- {{kind: ServiceAccount, name: agent, namespace: {TENANT}}}
- {{kind: User, apiGroup: rbac.authorization.k8s.io, name: alice}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: approvers, namespace: {TENANT}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: sandgate-approver}}
subjects:
- {{kind: Group, apiGroup: rbac.authorization.k8s.io, name: sandgate-approvers}}
- {{kind: User, apiGroup: rbac.authorization.k8s.io, name: mallory}}
- {{kind: User, apiGroup: rbac.authorization.k8s.io, name: minter}}
- {{kind: User, apiGroup: rbac.authorization.k8s.io, name: actor}}
- {{kind: User, apiGroup: rbac.authorization.k8s.io, name: new-actor}}
- {{kind: User, apiGroup: rbac.authorization.k8s.io, name: people-actor}}
- {{kind: ServiceAccount, name: robot, namespace: {TENANT}}}
- {{kind: ServiceAccount, name: agent, namespace: {TENANT}}}
---
# The level MEDIUM and nothing above.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: medium-approver, namespace: {TENANT}}}
rules:
- {{apiGroups: [sandgate.dev], resources: [approvals], verbs: [get, list, watch, patch, update]}}
- {{apiGroups: [sandgate.dev], resources: [risklevels], resourceNames: [medium], verbs: [approve]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: medium, namespace: {TENANT}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: medium-approver}}
subjects: [{{kind: User, apiGroup: rbac.authorization.k8s.io, name: carol}}]
---
# Whoever is more than an approver: may also act as the requester, in each way there is.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: minter, namespace: {TENANT}}}
rules: [{{apiGroups: [""], resources: [serviceaccounts/token], verbs: [create]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: minter, namespace: {TENANT}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: minter}}
subjects: [{{kind: User, apiGroup: rbac.authorization.k8s.io, name: minter}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: actor, namespace: {TENANT}}}
rules: [{{apiGroups: [""], resources: [serviceaccounts], verbs: [impersonate], resourceNames: [agent]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: actor, namespace: {TENANT}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: actor}}
subjects: [{{kind: User, apiGroup: rbac.authorization.k8s.io, name: actor}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: new-actor, namespace: {TENANT}}}
rules: [{{apiGroups: [authentication.k8s.io], resources: [serviceaccounts], verbs: ["impersonate:serviceaccount"]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: new-actor, namespace: {TENANT}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: new-actor}}
subjects: [{{kind: User, apiGroup: rbac.authorization.k8s.io, name: new-actor}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: test-people-actor}}
rules: [{{apiGroups: [""], resources: [users], verbs: [impersonate], resourceNames: [alice]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: test-people-actor}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: test-people-actor}}
subjects: [{{kind: User, apiGroup: rbac.authorization.k8s.io, name: people-actor}}]
---
# The tenant's own administrator: every right on everything of Kubernetes in the namespace, nothing on sandgate.dev.
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: editor, namespace: {TENANT}}}
rules: [{{apiGroups: ["", networking.k8s.io], resources: ["*"], verbs: ["*"]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: editor, namespace: {TENANT}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: editor}}
subjects: [{{kind: User, apiGroup: rbac.authorization.k8s.io, name: editor}}]
"""


@pytest.fixture(scope="session")
def admin():
    if "SANDGATE_TESTENV" not in os.environ:
        pytest.fail("run me under dev/testenv")
    return Caller(os.environ["KUBECONFIG"])


@pytest.fixture(scope="session")
def tokens(admin):
    """Makes a caller with a real token of a ServiceAccount."""

    def make(namespace, name):
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
        answer = admin.create(core("serviceaccounts", namespace, name, "token"), body).must()
        return admin.with_token(answer["status"]["token"])

    return make


@pytest.fixture(scope="session")
def cluster(admin, tokens):
    """The API server with Sandgate's rules in force."""
    install()
    code, output = kubectl(
        "label", "namespace", SYSTEM, "pod-security.kubernetes.io/enforce=restricted"
    )
    assert code == 0, output
    code, output = kubectl("apply", "-f", "-", stdin=ROLES)
    assert code == 0, output
    wait_for(
        lambda: all_in_force(admin, tokens(SYSTEM, "sandgate-operator")),
        "the admission policies are in force",
    )
    return admin


def install():
    code, output = kubeapi.helm(
        "upgrade",
        "--install",
        "sandgate",
        str(kubeapi.REPO / "charts/sandgate"),
        "-n",
        SYSTEM,
        "--create-namespace",
    )
    assert code == 0, output
    code, output = kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    assert code == 0, output


def all_in_force(admin, operator):
    """One dry run for each policy, refused in that policy's name; none stores anything."""
    probe = kubeapi.sandbox(TENANT, "probe")
    stamped = admin.create(path("sandboxes", TENANT), probe, dryRun="All")
    pod = {
        "metadata": {"name": "sgsb-probe"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "sandgate-probe"},
        "spec": {"podSelector": {}},
    }
    secret = {
        "metadata": {"generateName": "probe-"},
        "type": "kubernetes.io/basic-auth",
        "stringData": {"password": "x"},
    }
    binding = {
        "metadata": {"name": "sgsb-probe", "labels": {"sandgate.dev/x": "y"}},
        "target": {"kind": "Node", "name": "n"},
    }
    forged = {**probe, "metadata": {**probe["metadata"], "finalizers": ["a.b/c"]}}
    refusals = {
        "sandgate-requester": admin.create(path("sandboxes", TENANT), forged, dryRun="All"),
        "sandgate-approvals": admin.create(
            path("approvals", TENANT), kubeapi.approval(TENANT, "x"), dryRun="All"
        ),
        "sandgate-pods": admin.create(core("pods", TENANT), pod, dryRun="All"),
        "sandgate-bindings": admin.create(core("bindings", TENANT), binding, dryRun="All"),
        "sandgate-network": admin.create(
            f"/apis/networking.k8s.io/v1/namespaces/{TENANT}/networkpolicies", policy, dryRun="All"
        ),
        "sandgate-secrets": operator.create(core("secrets", TENANT), secret, dryRun="All"),
        "sandgate-connect": admin.create(
            core("pods", TENANT, "sgsb-probe", "exec") + "?command=id", None
        ),
    }
    missing = [name for name, answer in refusals.items() if f"'{name}'" not in answer.message]
    return stamped.ok and "requester" in stamped.body["spec"] and not missing


@pytest.fixture
def operator(cluster, tokens):
    return tokens(SYSTEM, "sandgate-operator")


@pytest.fixture
def gateway(cluster, tokens):
    return tokens(SYSTEM, "sandgate-gateway")


@pytest.fixture(scope="session")
def agent(cluster, tokens):
    return tokens(TENANT, "agent")


@pytest.fixture(scope="session")
def people(cluster):
    """Static-token users and impersonated ones, by name."""
    directory = os.environ["SANDGATE_TESTENV"]
    known = {name: Caller(f"{directory}/{name}.kubeconfig") for name in ("alice", "bob", "carol")}
    for name in ("mallory", "minter", "actor", "new-actor", "people-actor", "editor", "stranger"):
        known[name] = cluster.acting(name, ["system:authenticated"])
    return known


@pytest.fixture
def ask(operator):
    """Makes a pending Approval; returns its URL."""

    def make(requester=AGENT, risk="HIGH", phase="Pending", **request):
        body = kubeapi.approval(TENANT, requester, risk, **request)
        made = operator.create(path("approvals", TENANT), body).must()
        url = path("approvals", TENANT, made["metadata"]["name"])
        if phase:
            operator.patch(url + "/status", {"status": {"phase": phase}}).must()
        return url

    return make

"""The chart: what it renders, what the API server makes of it, and what its accounts may do."""

import copy
import json
import subprocess

import pytest
import yaml

import kubeapi
from conftest import TENANT, all_in_force, install
from kubeapi import POLICIES, REPO, SYSTEM, core, kubectl, path, wait_for

CHART = REPO / "charts/sandgate"


def helm(*arguments):
    done = subprocess.run(
        [
            "helm",
            "template",
            "sandgate",
            str(CHART),
            "--kube-version",
            "1.36.0",
            "-n",
            SYSTEM,
            *arguments,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def rendered(*arguments):
    code, text, problem = helm(*arguments)
    assert code == 0, problem
    return [document for document in yaml.safe_load_all(text) if document]


def by_kind(documents, kind):
    return {
        document["metadata"]["name"]: document for document in documents if document["kind"] == kind
    }


def test_manifests_are_what_the_chart_renders():
    done = subprocess.run(
        [str(REPO / "dev/render"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_rendering_holds_nothing_random():
    assert helm()[1] == helm()[1]
    for template in (CHART / "templates").iterdir():
        text = template.read_text()
        for word in (
            "rand",
            "genCA",
            "genSelfSigned",
            "genPrivateKey",
            "genSignedCert",
            "uuidv4",
            "now",
            "lookup",
            "htpasswd",
        ):
            assert (
                f"{{ {word}" not in text and f"({word} " not in text and f"| {word}" not in text
            ), (template.name, word)


def test_the_crds_are_the_repositorys():
    crds = by_kind(rendered(), "CustomResourceDefinition")
    files = {
        yaml.safe_load(file.read_text())["metadata"]["name"]: yaml.safe_load(file.read_text())
        for file in (REPO / "crds").glob("*.yaml")
    }
    assert crds == files and len(crds) == 3
    assert all(
        crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep" for crd in crds.values()
    )


def test_an_audit_file_comes_with_its_volume():
    file = "audit.file=/var/log/sandgate/audit.log"
    documents = rendered("--set", file, "--set", "audit.volume.persistentVolumeClaim.claimName=audit")
    pod = by_kind(documents, "Deployment")["sandgate-operator"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    at = container["args"].index("--audit-file")
    assert container["args"][at + 1] == "/var/log/sandgate/audit.log"
    assert {"name": "audit", "mountPath": "/var/log/sandgate"} in container["volumeMounts"]
    assert {"name": "audit", "persistentVolumeClaim": {"claimName": "audit"}} in pod["volumes"]
    assert "--audit-file" not in json.dumps(rendered())
    code, _, problem = helm("--set", file)
    assert code != 0 and "audit.volume" in problem
    for wrong in ("audit.log", "/audit.log", "/var/../etc/x/..", "/var/log/"):
        assert helm("--set", f"audit.file={wrong}", "--set", "audit.volume.emptyDir.sizeLimit=1Gi")[0]


def test_parts_can_be_left_out():
    everything = rendered("--set", "admission.mutating=true")
    assert len(by_kind(everything, "MutatingAdmissionPolicy")) == 2
    less = rendered(
        "--set",
        "crds.install=false,runtimeClass.create=false,gateway.enabled=false,egress.enabled=false,networkPolicy.enabled=false,admission.mutating=false",
    )
    kinds = {document["kind"] for document in less}
    assert not kinds & {
        "CustomResourceDefinition",
        "RuntimeClass",
        "NetworkPolicy",
        "MutatingAdmissionPolicy",
        "PodDisruptionBudget",
        "Namespace",
    }
    assert list(by_kind(less, "Deployment")) == ["sandgate-operator"]
    expected = json.loads(by_kind(less, "ConfigMap")["sandgate-admission"]["data"]["policies.json"])
    assert {item["kind"] for item in expected} == {
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    }
    many = rendered("--set", "operator.replicas=2,gateway.replicas=3")
    assert sorted(by_kind(many, "PodDisruptionBudget")) == [
        "sandgate-egress",
        "sandgate-gateway",
        "sandgate-operator",
    ]


@pytest.mark.parametrize(
    "setting,word",
    [
        ("operator.replica=2", "replica"),
        ("operator.replicas=-1", "replicas"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("admission.mutating=perhaps", "mutating"),
        ("approvals.serviceAccounts={alice}", "serviceAccounts"),
        ("approvals.separation.levels={EXTREME}", "levels"),
        ("admission.podAnnotators={a' || true || '}", "podAnnotators"),
        ("policy.security.sandbox.runtime=Not A Name", "runtime"),
        ("policy.security.sandbox.runtime=null", "runtime"),
        ("gateway.service.type=Magic", "type"),
        ("unheard=of", "unheard"),
        ("policy=null", "policy"),
        ("namespacePolicies[0].name=a,namespacePolicies[0].policy.security.x=1", "namespacePolicies"),
        (
            "namespacePolicies[0].name=A_B,namespacePolicies[0].namespaces={x},"
            "namespacePolicies[0].policy.security.x=1",
            "name",
        ),
        ("namespacePolicies[0].name=a,namespacePolicies[0].namespaces={x}", "policy"),
    ],
)
def test_a_wrong_value_is_named(setting, word):
    code, _, problem = helm("--set", setting)
    assert code != 0 and word in problem, problem


def test_policies_of_namespaces():
    values = (
        "namespacePolicies[0].name=gold,namespacePolicies[0].namespaces={team-a,team-b},"
        "namespacePolicies[0].namespaceSelector=tier in (gold\\, silver),"
        "namespacePolicies[0].policy.security.hitl.enabled=false"
    )
    made = by_kind(rendered("--set", values), "ConfigMap")["sandgate-policy-gold"]
    assert made["metadata"]["namespace"] == SYSTEM
    assert made["metadata"]["labels"]["sandgate.dev/policy"] == "true"
    assert made["metadata"]["annotations"] == {
        "sandgate.dev/namespaces": "team-a,team-b",
        "sandgate.dev/namespace-selector": "tier in (gold, silver)",
    }
    assert yaml.safe_load(made["data"]["sandgate.yaml"]) == {
        "security": {"hitl": {"enabled": False}}
    }
    unlabelled = by_kind(rendered(), "ConfigMap")["sandgate-policy"]
    assert "sandgate.dev/policy" not in unlabelled["metadata"]["labels"]


def test_options_reach_the_policies():
    base = {
        name: item["spec"]
        for name, item in by_kind(rendered(), "ValidatingAdmissionPolicy").items()
    }
    changed = by_kind(
        rendered(
            "--set",
            "approvals.serviceAccounts={system:serviceaccount:a:bot},approvals.separation.levels={LOW}",
        ),
        "ValidatingAdmissionPolicy",
    )
    assert "in ['system:serviceaccount:a:bot']" in json.dumps(changed["sandgate-approvals"]["spec"])
    assert "in ['LOW']" in json.dumps(changed["sandgate-separation"]["spec"])
    assert changed["sandgate-pods"]["spec"] == base["sandgate-pods"]
    assert "sandgate-separation" not in by_kind(
        rendered("--set", "approvals.separation.levels=null"), "ValidatingAdmissionPolicy"
    )
    elsewhere = helm("-n", "other")[1]
    assert (
        "sandgate-system" not in elsewhere
        and "system:serviceaccount:other:sandgate-operator" in elsewhere
    )


# --- what the operator compares ------------------------------------------------------------------------


def pruned(value):
    """Without empty maps, empty lists and nulls: the API server may write those, and they say nothing."""
    if isinstance(value, dict):
        value = {key: pruned(child) for key, child in value.items()}
        return {key: child for key, child in value.items() if child not in ({}, [], None)}
    return [pruned(child) for child in value] if isinstance(value, list) else value


def same(expected, live):
    """The rule of docs/decisions/0010: equal in everything that is not empty."""
    return pruned(expected) == pruned(live)


def resource(kind):
    return kind.lower()[:-1] + "ies" if kind.endswith("y") else kind.lower() + "s"


@pytest.fixture(scope="module")
def expected(cluster):
    """The operator's file, as its pod would see it."""
    text = cluster.get(core("configmaps", SYSTEM, "sandgate-admission")).must()["data"][
        "policies.json"
    ]
    return json.loads(text)


def live(cluster, item):
    return cluster.get(f"{POLICIES}/{resource(item['kind'])}/{item['metadata']['name']}").must()


def test_the_live_policies_are_the_expected_ones(cluster, expected):
    for item in expected:
        assert same(item["spec"], live(cluster, item)["spec"]), item["metadata"]["name"]
        assert live(cluster, item)["metadata"]["labels"]["app.kubernetes.io/part-of"] == "sandgate"
    names = {(item["kind"], item["metadata"]["name"]) for item in expected}
    for name in (
        "requester",
        "approvals",
        "separation",
        "pods",
        "bindings",
        "connect",
        "network",
        "secrets",
    ):
        assert ("ValidatingAdmissionPolicy", f"sandgate-{name}") in names and (
            "ValidatingAdmissionPolicyBinding",
            f"sandgate-{name}",
        ) in names
    for name in ("requester", "decided-by"):
        assert ("MutatingAdmissionPolicy", f"sandgate-{name}") in names and (
            "MutatingAdmissionPolicyBinding",
            f"sandgate-{name}",
        ) in names
    assert len(names) == len(expected) == 20


NOWHERE = {"matchLabels": {"no": "where"}}
TAMPERING = [
    (
        "ValidatingAdmissionPolicy",
        "sandgate-approvals",
        {"matchConditions": [{"name": "never", "expression": "false"}]},
    ),
    ("ValidatingAdmissionPolicy", "sandgate-approvals", {"failurePolicy": "Ignore"}),
    ("ValidatingAdmissionPolicy", "sandgate-approvals", {"validations": [{"expression": "true"}]}),
    (
        "ValidatingAdmissionPolicy",
        "sandgate-approvals",
        {"matchConstraints": {"namespaceSelector": NOWHERE}},
    ),
    (
        "ValidatingAdmissionPolicy",
        "sandgate-approvals",
        {"matchConstraints": {"objectSelector": NOWHERE}},
    ),
    (
        "ValidatingAdmissionPolicy",
        "sandgate-approvals",
        {"matchConstraints": {"matchPolicy": "Exact"}},
    ),
    (
        "ValidatingAdmissionPolicy",
        "sandgate-approvals",
        {
            "matchConstraints": {
                "excludeResourceRules": [
                    {
                        "apiGroups": ["sandgate.dev"],
                        "apiVersions": ["*"],
                        "operations": ["*"],
                        "resources": ["approvals"],
                    }
                ]
            }
        },
    ),
    ("ValidatingAdmissionPolicy", "sandgate-approvals", {"variables": []}),
    ("ValidatingAdmissionPolicyBinding", "sandgate-approvals", {"validationActions": ["Audit"]}),
    (
        "ValidatingAdmissionPolicyBinding",
        "sandgate-approvals",
        {"validationActions": ["Warn", "Audit"]},
    ),
    (
        "ValidatingAdmissionPolicyBinding",
        "sandgate-approvals",
        {"matchResources": {"namespaceSelector": NOWHERE}},
    ),
    (
        "ValidatingAdmissionPolicyBinding",
        "sandgate-connect",
        {
            "matchResources": {
                "excludeResourceRules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["*"],
                        "operations": ["*"],
                        "resources": ["pods/exec"],
                    }
                ]
            }
        },
    ),
    ("ValidatingAdmissionPolicyBinding", "sandgate-pods", {"policyName": "sandgate-connect"}),
    (
        "MutatingAdmissionPolicy",
        "sandgate-decided-by",
        {"matchConditions": [{"name": "never", "expression": "false"}]},
    ),
    ("MutatingAdmissionPolicy", "sandgate-requester", {"failurePolicy": "Ignore"}),
    (
        "MutatingAdmissionPolicyBinding",
        "sandgate-requester",
        {"matchResources": {"objectSelector": NOWHERE}},
    ),
]


@pytest.mark.parametrize("kind,name,change", TAMPERING, ids=str)
def test_every_change_of_a_policy_shows(cluster, expected, kind, name, change):
    """By a dry run, so that nothing is ever off: what the API server would store differs from the expected."""
    [item] = [
        item for item in expected if item["kind"] == kind and item["metadata"]["name"] == name
    ]
    answer = cluster.patch(f"{POLICIES}/{resource(kind)}/{name}", {"spec": change}, dryRun="All")
    if answer.ok:
        assert not same(item["spec"], answer.body["spec"])
    else:
        assert answer.code == 422  # cannot be stored at all


def test_an_empty_selector_is_no_change(cluster, expected):
    [item] = [
        item
        for item in expected
        if item["kind"] == "ValidatingAdmissionPolicy"
        and item["metadata"]["name"] == "sandgate-pods"
    ]
    spec = copy.deepcopy(item["spec"])
    del spec["matchConstraints"]["namespaceSelector"]
    assert same(spec, live(cluster, item)["spec"])


# --- what the accounts may do ----------------------------------------------------------------------------

OPERATOR = f"system:serviceaccount:{SYSTEM}:sandgate-operator"
GATEWAY = f"system:serviceaccount:{SYSTEM}:sandgate-gateway"
AGENT = f"system:serviceaccount:{TENANT}:agent"
RIGHTS = [  # who, verb, group, resource, subresource, namespace, name, allowed
    (OPERATOR, "create", "sandgate.dev", "approvals", "", TENANT, "", True),
    (OPERATOR, "update", "sandgate.dev", "approvals", "", TENANT, "", False),
    (OPERATOR, "patch", "sandgate.dev", "approvals", "", TENANT, "", False),
    (OPERATOR, "patch", "sandgate.dev", "approvals", "", SYSTEM, "sandgate-canary", True),
    (OPERATOR, "approve", "sandgate.dev", "risklevels", "", SYSTEM, "low", False),
    (OPERATOR, "approve", "sandgate.dev", "risklevels", "", TENANT, "low", False),
    (OPERATOR, "update", "sandgate.dev", "executions", "", TENANT, "", False),
    (OPERATOR, "create", "sandgate.dev", "executions", "", TENANT, "", False),
    (OPERATOR, "patch", "sandgate.dev", "executions", "status", TENANT, "", True),
    (OPERATOR, "impersonate", "", "users", "", "", "alice", False),
    (OPERATOR, "impersonate", "", "serviceaccounts", "", TENANT, "agent", False),
    (
        OPERATOR,
        "impersonate:serviceaccount",
        "authentication.k8s.io",
        "serviceaccounts",
        "",
        TENANT,
        "agent",
        False,
    ),
    (OPERATOR, "create", "", "serviceaccounts", "token", TENANT, "agent", False),
    (OPERATOR, "get", "", "secrets", "", TENANT, "x", False),
    (OPERATOR, "list", "", "secrets", "", TENANT, "", False),
    (OPERATOR, "list", "", "secrets", "", SYSTEM, "", False),
    (OPERATOR, "get", "", "secrets", "", SYSTEM, "x", False),
    (OPERATOR, "get", "", "secrets", "", SYSTEM, "sandgate-ca", True),
    (OPERATOR, "create", "", "secrets", "", TENANT, "", True),
    (OPERATOR, "delete", "", "secrets", "", TENANT, "x", True),
    (OPERATOR, "list", "", "configmaps", "", TENANT, "", False),
    (OPERATOR, "watch", "", "configmaps", "", SYSTEM, "", True),
    (OPERATOR, "update", "", "configmaps", "", SYSTEM, "policy-of-a-team", False),
    (OPERATOR, "watch", "", "namespaces", "", "", "", True),
    (OPERATOR, "update", "", "namespaces", "", "", "x", False),
    (OPERATOR, "update", "", "pods", "", TENANT, "x", False),
    (OPERATOR, "create", "", "pods", "exec", TENANT, "x", False),
    (OPERATOR, "get", "", "pods", "log", TENANT, "x", False),
    (
        OPERATOR,
        "watch",
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        "",
        "",
        "",
        True,
    ),
    (
        OPERATOR,
        "update",
        "admissionregistration.k8s.io",
        "validatingadmissionpolicies",
        "",
        "",
        "sandgate-pods",
        False,
    ),
    (
        OPERATOR,
        "delete",
        "admissionregistration.k8s.io",
        "validatingadmissionpolicybindings",
        "",
        "",
        "sandgate-pods",
        False,
    ),
    (OPERATOR, "update", "apiextensions.k8s.io", "customresourcedefinitions", "", "", "", False),
    (OPERATOR, "create", "rbac.authorization.k8s.io", "rolebindings", "", TENANT, "", False),
    (OPERATOR, "update", "coordination.k8s.io", "leases", "", SYSTEM, "sandgate-operator", True),
    (
        OPERATOR,
        "update",
        "coordination.k8s.io",
        "leases",
        "",
        "kube-system",
        "kube-scheduler",
        False,
    ),
    (GATEWAY, "watch", "sandgate.dev", "executions", "", "", "", True),
    (GATEWAY, "create", "sandgate.dev", "executions", "", TENANT, "", False),
    (GATEWAY, "patch", "sandgate.dev", "approvals", "", TENANT, "", False),
    (GATEWAY, "create", "authentication.k8s.io", "tokenreviews", "", "", "", True),
    (GATEWAY, "create", "authorization.k8s.io", "subjectaccessreviews", "", "", "", False),
    (GATEWAY, "impersonate", "", "users", "", "", "alice", False),
    (GATEWAY, "get", "", "secrets", "", SYSTEM, "sandgate-gateway-tls", False),
    (GATEWAY, "get", "", "pods", "", TENANT, "x", False),
    (GATEWAY, "get", "", "configmaps", "", TENANT, "x", True),
    (GATEWAY, "list", "", "configmaps", "", TENANT, "", False),
    (AGENT, "create", "sandgate.dev", "executions", "", TENANT, "", True),
    (AGENT, "patch", "sandgate.dev", "executions", "", TENANT, "x", True),
    (AGENT, "delete", "sandgate.dev", "executions", "", TENANT, "x", False),
    (AGENT, "delete", "sandgate.dev", "sandboxes", "", TENANT, "x", True),
    (AGENT, "create", "sandgate.dev", "executions", "", "default", "", False),
    (AGENT, "patch", "sandgate.dev", "executions", "status", TENANT, "x", False),
    ("alice", "approve", "sandgate.dev", "risklevels", "", TENANT, "critical", True),
    ("alice", "approve", "sandgate.dev", "risklevels", "", "default", "critical", False),
    ("alice", "delete", "sandgate.dev", "approvals", "", TENANT, "x", False),
    ("alice", "patch", "sandgate.dev", "approvals", "status", TENANT, "x", False),
]


@pytest.mark.parametrize("row", RIGHTS, ids=lambda row: " ".join(part for part in row[:7] if part))
def test_rights(cluster, row):
    user, verb, group, name, subresource, namespace, object_name, allowed = row
    groups = ["system:serviceaccounts"] if user.startswith("system:") else ["sandgate-approvers"]
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "groups": groups + ["system:authenticated"],
            "resourceAttributes": {
                "verb": verb,
                "group": group,
                "resource": name,
                "subresource": subresource,
                "namespace": namespace,
                "name": object_name,
            },
        },
    }
    answer = cluster.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review).must()
    assert answer["status"]["allowed"] == allowed


def test_no_role_is_aggregated():
    for name, role in by_kind(rendered(), "ClusterRole").items():
        assert "aggregationRule" not in role, name
        assert not [
            label for label in role["metadata"]["labels"] if label.startswith("rbac.authorization")
        ], name


def test_the_programs_pods_pass_pod_security(cluster):
    """Namespace sandgate-system enforces "restricted", so this creation is the check."""
    for name, deployment in by_kind(rendered(), "Deployment").items():
        template = deployment["spec"]["template"]
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": template["metadata"]["labels"]},
            "spec": template["spec"],
        }
        answer = wait_for(
            lambda body=pod: cluster.create(core("pods", SYSTEM), body, dryRun="All"), name
        )
        answer.must()


def test_the_manifests_are_what_the_server_takes(cluster):
    """Strictly: no unknown field in any of them."""
    for file in ("manifests/sandgate.yaml", "manifests/sandgate-before-1.36.yaml"):
        code, output = kubectl(
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            str(REPO / file),
        )
        assert code == 0, output
    assert "Mutating" not in (REPO / "manifests/sandgate-before-1.36.yaml").read_text().replace(
        "MutatingAdmissionPolicy (v1", ""
    )


def test_an_upgrade_changes_nothing_that_was_not_changed(cluster, expected):
    before = {
        (item["kind"], item["metadata"]["name"]): live(cluster, item)["metadata"]["uid"]
        for item in expected
    }
    install()
    for item in expected:
        now = live(cluster, item)
        assert (
            same(item["spec"], now["spec"])
            and now["metadata"]["uid"] == before[item["kind"], item["metadata"]["name"]]
        )


def test_uninstalling_keeps_what_people_made(cluster, operator, tokens):
    made = cluster.create(path("sandboxes", TENANT), kubeapi.sandbox(TENANT)).must()["metadata"]
    code, output = kubeapi.helm("uninstall", "sandgate", "-n", SYSTEM)
    try:
        assert code == 0, output
        assert (
            cluster.get(path("sandboxes", TENANT, made["name"])).must()["metadata"]["uid"]
            == made["uid"]
        )
        for kind in (
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
        ):
            assert not cluster.get(
                f"{POLICIES}/{kind}", labelSelector="app.kubernetes.io/part-of=sandgate"
            ).must()["items"]
    finally:
        install()
        wait_for(
            lambda: all_in_force(cluster, tokens(SYSTEM, "sandgate-operator")), "the rules are back"
        )


@pytest.fixture(scope="module")
def team(cluster):
    """docs/examples/team.yaml, but for its quota: its controller takes up to 30 s to learn of a new CRD."""
    done = subprocess.run(
        [
            "kubectl",
            "apply",
            "--server-side",
            "--validate=strict",
            "-f",
            str(REPO / "docs/examples/team.yaml"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    cluster.delete(core("resourcequotas", "agents", "sandgate")).must()


@pytest.mark.parametrize(
    "example", ["sandbox.yaml", "execution.yaml", "network.yaml", "files.yaml"]
)
def test_the_examples_are_accepted(team, example):
    assert len(list((REPO / "docs/examples").iterdir())) == 5
    done = subprocess.run(
        [
            "kubectl",
            "apply",
            "--server-side",
            "--validate=strict",
            "-f",
            str(REPO / "docs/examples" / example),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_agents_and_approvers_see_no_more_than_they_need(cluster, agent, people):
    assert agent.get(core("secrets", TENANT)).code == 403
    assert agent.get(core("pods", TENANT)).code == 403
    assert agent.get(path("executions", TENANT)).ok
    assert people["alice"].get(core("configmaps", TENANT)).code == 403

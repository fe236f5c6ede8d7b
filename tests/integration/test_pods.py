"""Sandbox pods, their Secrets and their NetworkPolicies: nobody gets in past the gateway, and nobody else makes one."""

import pytest

from conftest import AGENT, TENANT
from kubeapi import (
    JSON_PATCH,
    MERGE,
    OPERATOR,
    approval,
    core,
    execution,
    kubectl,
    name_of,
    path,
    sandbox,
    unique,
    wait_for,
)

# --- sandbox pods -----------------------------------------------------------------------------------


def pod(name=None, **metadata):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name or unique("sgsb-x"), **metadata},
        "spec": {
            "runtimeClassName": "gvisor",
            "automountServiceAccountToken": False,
            "containers": [
                {
                    "name": "c",
                    "image": "i",
                    "resources": {
                        "requests": {"cpu": "10m"},
                        "limits": {"memory": "64Mi", "cpu": "1"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                    },
                }
            ],
        },
    }


def labelled(name=None, **labels):
    return pod(name, labels={"sandgate.dev/sandbox": "one", **labels})


@pytest.fixture
def sandbox_pod(cluster, operator):
    wait_for(
        lambda: cluster.get(core("serviceaccounts", TENANT, "default")).ok,
        "the default ServiceAccount",
    )
    made = labelled()
    operator.create(core("pods", TENANT), made).must()
    yield core("pods", TENANT, made["metadata"]["name"])
    operator.delete(core("pods", TENANT, made["metadata"]["name"]), gracePeriodSeconds=0)


@pytest.mark.parametrize("who", ["editor", "admin", "controller", "node"])
@pytest.mark.parametrize(
    "body",
    [
        labelled(),
        pod(),
        labelled("plain"),
        pod(None, generateName="sgsb-"),
        {
            **labelled("plain"),
            "metadata": {"name": "plain", "labels": {"sandgate.dev/sandbox": ""}},
        },
    ],
    ids=["label and prefix", "prefix", "label", "generateName", "empty label"],
)
def test_nobody_else_creates_sandbox_pods(cluster, people, who, body):
    caller = {
        "admin": cluster,
        "controller": cluster.acting(
            "system:serviceaccount:kube-system:replicaset-controller", ["system:masters"]
        ),
        "node": cluster.acting("system:kube-controller-manager", ["system:masters"]),
    }.get(who) or people[who]
    if "generateName" in body["metadata"]:
        body = {**body, "metadata": {"generateName": "sgsb-"}}
    answer = caller.create(core("pods", TENANT), body, dryRun="All")
    answer.refused("sandgate-pods", "only the Sandgate operator")


def test_other_pods_are_none_of_our_business(people):
    for metadata in (
        {"name": "plain"},
        {"name": "a-sgsb-b"},
        {"generateName": "plain-"},
        {"name": "labelled", "labels": {"app": "x"}},
    ):
        people["editor"].create(
            core("pods", TENANT), {**pod(), "metadata": metadata}, dryRun="All"
        ).must()


BAD_OPERATOR_PODS = [
    ("no label", pod(), "label sandgate.dev/sandbox and the name prefix"),
    ("no prefix", labelled("plain"), "label sandgate.dev/sandbox and the name prefix"),
    ("neither", pod("plain"), "label sandgate.dev/sandbox and the name prefix"),
    ("no gVisor", {"spec": {"runtimeClassName": None}}, "runs under gVisor"),
    ("a token", {"spec": {"automountServiceAccountToken": None}}, "no ServiceAccount token"),
    (
        "a projected token",
        {
            "spec": {
                "volumes": [
                    {
                        "name": "v",
                        "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]},
                    }
                ]
            }
        },
        "no ServiceAccount token",
    ),
    (
        "the host's files",
        {"spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}},
        "nothing of the host",
    ),
    (
        "a tenant's Secret",
        {"spec": {"volumes": [{"name": "v", "secret": {"secretName": "database"}}]}},
        "no Secret but its own",
    ),
    (
        "no memory limit",
        {"container": {"resources": {"limits": {"cpu": "1"}}}},
        "limits of memory and CPU",
    ),
    (
        "no CPU limit",
        {"container": {"resources": {"limits": {"memory": "64Mi"}}}},
        "limits of memory and CPU",
    ),
    ("no limits", {"container": {"resources": {}}}, "limits of memory and CPU"),
    ("the host's network", {"spec": {"hostNetwork": True}}, "nothing of the host"),
    ("the host's processes", {"spec": {"hostPID": True}}, "nothing of the host"),
    ("the host's IPC", {"spec": {"hostIPC": True}}, "nothing of the host"),
    ("privileged", {"container": {"securityContext": {"privileged": True}}}, "not privileged"),
    ("escalation", {"container": {"securityContext": {}}}, "not privileged"),
    (
        "a capability",
        {
            "container": {
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"add": ["SYS_ADMIN"]},
                }
            }
        },
        "not privileged",
    ),
    (
        "a host port",
        {"container": {"ports": [{"containerPort": 80, "hostPort": 80}]}},
        "not privileged",
    ),
]


@pytest.mark.parametrize(
    "what,change,word", BAD_OPERATOR_PODS, ids=[row[0] for row in BAD_OPERATOR_PODS]
)
def test_a_stolen_operator_token_owns_no_node(operator, what, change, word):
    body = change if "kind" in change else labelled()
    for key, value in change.get("spec", {}).items() if "kind" not in change else ():
        body["spec"][key] = value
    body["spec"]["containers"][0].update(change.get("container", {}))
    # an API server without --allow-privileged says so by itself
    words = ["privileged"] if what == "privileged" else ["sandgate-pods", word]
    operator.create(core("pods", TENANT), body, dryRun="All").refused(*words)
    if "container" in change:  # the same in an init container
        body["spec"]["initContainers"] = [{**body["spec"]["containers"][0], "name": "init"}]
        body["spec"]["containers"] = labelled()["spec"]["containers"]
        operator.create(core("pods", TENANT), body, dryRun="All").refused(*words)


def test_a_stolen_operator_token_mints_no_token(operator):
    for kind in (
        "kubernetes.io/service-account-token",
        "bootstrap.kubernetes.io/token",
        "kubernetes.io/basic-auth",
    ):
        body = {
            "metadata": {
                "name": unique("sgsb"),
                "annotations": {"kubernetes.io/service-account.name": "agent"},
            },
            "type": kind,
            "stringData": {"username": "a", "password": "b"},
        }
        operator.create(core("secrets", TENANT), body, dryRun="All").refused("sandgate-secrets")
    operator.create(
        core("secrets", TENANT), {"metadata": {"name": unique("sgsb")}}, dryRun="All"
    ).must()
    tls = {
        "metadata": {"name": unique("sgsb")},
        "type": "kubernetes.io/tls",
        "data": {"tls.crt": "", "tls.key": ""},
    }
    operator.create(core("secrets", TENANT), tls, dryRun="All").must()


def test_a_sandboxs_secret_is_the_operators(cluster, operator, people):
    """Whoever could plant one could choose what the runner believes."""
    name = unique("sgsb-secret")
    for caller in (people["editor"], cluster):
        for metadata in ({"name": name}, {"generateName": "sgsb-"}):
            caller.create(core("secrets", TENANT), {"metadata": metadata}).refused(
                "sandgate-secrets", "only the Sandgate operator"
            )
    operator.create(
        core("secrets", TENANT), {"metadata": {"name": name}, "data": {"a": "eA=="}}
    ).must()
    for caller in (people["editor"], cluster):
        caller.patch(core("secrets", TENANT, name), {"data": {"a": "eQ=="}}).refused(
            "sandgate-secrets"
        )
    assert operator.get(core("secrets", TENANT, name)).code == 403
    operator.delete(core("secrets", TENANT, name)).must()
    people["editor"].create(core("secrets", TENANT), {"metadata": {"name": unique("plain")}}).must()


POD_EDITS = [
    (MERGE, {"metadata": {"labels": {"sandgate.dev/sandbox": None}}}),
    (MERGE, {"metadata": {"labels": None}}),
    (MERGE, {"metadata": {"labels": {"sandgate.dev/sandbox": "two"}}}),
    (MERGE, {"metadata": {"labels": {"sandgate.dev/network": "enabled"}}}),
    (MERGE, {"metadata": {"annotations": {"dev.gvisor.flag.debug": "true"}}}),
    (JSON_PATCH, [{"op": "remove", "path": "/metadata/labels"}]),
    (MERGE, {"metadata": {"finalizers": ["evil.example/keep"]}}),
    (MERGE, {"spec": {"activeDeadlineSeconds": 1}}),
    (
        "application/strategic-merge-patch+json",
        {"spec": {"containers": [{"name": "c", "image": "evil"}]}},
    ),
    (
        "application/strategic-merge-patch+json",
        {"metadata": {"labels": {"$patch": "replace", "a": "b"}}},
    ),
]


@pytest.mark.parametrize("content,edit", POD_EDITS, ids=str)
def test_nobody_else_changes_a_sandbox_pod(cluster, people, sandbox_pod, content, edit):
    before = cluster.get(sandbox_pod).must()
    for caller in (people["editor"], cluster):
        caller.patch(sandbox_pod, edit, content).refused("sandgate-pods")
    after = cluster.get(sandbox_pod).must()
    assert (after["metadata"]["labels"], after["spec"]) == (
        before["metadata"]["labels"],
        before["spec"],
    )


def test_an_ordinary_pod_does_not_become_a_sandbox(people, cluster):
    wait_for(
        lambda: cluster.get(core("serviceaccounts", TENANT, "default")).ok,
        "the default ServiceAccount",
    )
    name = (
        people["editor"]
        .create(core("pods", TENANT), pod(unique("plain")))
        .must()["metadata"]["name"]
    )
    people["editor"].patch(
        core("pods", TENANT, name), {"metadata": {"labels": {"sandgate.dev/sandbox": "one"}}}
    ).refused("sandgate-pods")
    people["editor"].patch(
        core("pods", TENANT, name, "status"),
        {"metadata": {"labels": {"sandgate.dev/sandbox": "one"}}},
    ).refused("sandgate-pods")


@pytest.mark.parametrize(
    "edit",
    [
        {"labels": {"sandgate.dev/sandbox": None}},
        {"labels": {"sandgate.dev/sandbox": "two"}},
        {"labels": {"sandgate.dev/network": "on"}},
        {"annotations": {"dev.gvisor.internal.x": "y"}},
        {"annotations": {"sandgate.dev/x": "y"}},
    ],
    ids=str,
)
def test_the_status_is_no_door_to_metadata(cluster, people, operator, sandbox_pod, edit):
    """PUT and PATCH of pods/status store labels and annotations as well."""
    kubelet = cluster.acting("system:serviceaccount:kube-system:some-plugin", ["system:masters"])
    for caller in (people["editor"], cluster, kubelet):
        caller.patch(sandbox_pod + "/status", {"metadata": edit}).refused(
            "sandgate-pods", "through their status"
        )
    whole = cluster.get(sandbox_pod).must()
    for key, values in edit.items():
        whole["metadata"][key] = {
            k: v for k, v in {**whole["metadata"].get(key, {}), **values}.items() if v is not None
        }
    cluster.replace(sandbox_pod + "/status", whole).refused("sandgate-pods", "through their status")


def test_the_status_itself_is_open_to_those_who_may(cluster, sandbox_pod):
    """The kubelet, the scheduler and network plugins work through it."""
    body = {
        "metadata": {"annotations": {"cni.example/podIP": "10.0.0.9"}},
        "status": {"conditions": [{"type": "PodScheduled", "status": "True"}]},
    }
    cluster.patch(sandbox_pod + "/status", body, "application/strategic-merge-patch+json").must()
    assert (
        cluster.get(sandbox_pod).must()["metadata"]["annotations"]["cni.example/podIP"]
        == "10.0.0.9"
    )


@pytest.mark.parametrize("via", ["pods/binding", "bindings"])
def test_a_binding_is_no_door_to_metadata(cluster, people, sandbox_pod, via):
    name = name_of(sandbox_pod)
    url = sandbox_pod + "/binding" if via == "pods/binding" else core("bindings", TENANT)
    for edit in (
        {"annotations": {"dev.gvisor.flag.debug": "true"}},
        {"labels": {"sandgate.dev/sandbox": "two"}},
        {"labels": {"sandgate.dev/network": "on"}},
    ):
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, **edit},
            "target": {"kind": "Node", "name": "n"},
        }
        for caller in (people["editor"], cluster):
            caller.create(url, body).refused("sandgate-bindings")
    plain = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": name, "labels": {"topology.kubernetes.io/zone": "a"}},
        "target": {"kind": "Node", "name": "n"},
    }
    assert cluster.create(url, plain).ok


def test_no_ephemeral_containers_and_no_resize(cluster, people, operator, sandbox_pod):
    debug = {
        "spec": {"ephemeralContainers": [{"name": "d", "image": "i", "targetContainerName": "c"}]}
    }
    size = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "20m"}}}]}}
    strategic = "application/strategic-merge-patch+json"
    for caller in (people["editor"], cluster, cluster.acting(OPERATOR, ["system:masters"])):
        caller.patch(sandbox_pod + "/ephemeralcontainers", debug, strategic).refused(
            "sandgate-pods"
        )
        caller.patch(sandbox_pod + "/resize", size, strategic).refused("sandgate-pods")


CONNECTS = [
    ("POST", "{pod}/exec?command=id&stdout=true"),
    ("GET", "{pod}/exec?command=id&stdout=true"),
    ("POST", "{pod}/attach?stdout=true"),
    ("GET", "{pod}/attach?stdout=true"),
    ("POST", "{pod}/portforward?ports=8443"),
    ("GET", "{pod}/portforward?ports=8443"),
    ("GET", "{pod}/proxy"),
    ("GET", "{pod}/proxy/"),
    ("GET", "{pod}/proxy/v1/info"),
    ("POST", "{pod}/proxy/v1/runs/x"),
    ("DELETE", "{pod}/proxy/x"),
    ("PUT", "{pod}/proxy/x"),
    ("GET", "{pod}:8443/proxy/"),
    ("GET", "{pods}http:{name}:8443/proxy/"),
    ("GET", "{pods}https:{name}:8443/proxy/"),
    ("GET", "{pods}:{name}:8443/proxy/"),
    ("GET", "{pods}https:{name}:/proxy/"),
    ("GET", "{pods}:{name}:/proxy/"),
    ("GET", "{pods}HTTPS:{name}:8443/proxy/"),
    ("GET", "{pods}%68ttp:{name}:8443/proxy/"),
    ("GET", "{pods}http%3A{name}%3A8443/proxy/"),
    ("GET", "{pods}%3A{name}%3A8443/proxy/"),
    ("PATCH", "{pods}:{name}:8443/proxy/x"),
    ("HEAD", "{pods}http:{name}:8443/proxy/"),
]


@pytest.mark.parametrize("method,url", CONNECTS)
def test_nobody_gets_into_a_sandbox(cluster, people, operator, gateway, sandbox_pod, method, url):
    url = url.format(pod=sandbox_pod, pods=core("pods", TENANT) + "/", name=name_of(sandbox_pod))
    body = {} if method in ("POST", "PUT", "PATCH") else None
    for caller in (people["editor"], cluster, cluster.acting(OPERATOR, ["system:masters"])):
        answer = caller.request(method, url, body)
        # A pod that no kubelet runs answers 5xx once a request has passed admission.
        assert answer.code == 403 or (answer.code in (400, 404) and "HTTPS:" in url), (
            answer.code,
            answer.message,
        )
        if answer.code == 403 and method != "HEAD":
            assert "sandgate-connect" in answer.message
    assert operator.request(method, url, body).code == 403
    assert gateway.request(method, url, body).code == 403


def test_kubectl_exec_says_why(cluster, sandbox_pod):
    code, output = kubectl("exec", "-n", TENANT, name_of(sandbox_pod), "--", "id")
    assert code != 0 and "nobody may exec into" in output, output


# --- the sandboxes' NetworkPolicies -----------------------------------------------------------------


def test_the_network_policies_are_the_operators(cluster, operator, people):
    url = f"/apis/networking.k8s.io/v1/namespaces/{TENANT}/networkpolicies"
    body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "sandgate-test"},
        "spec": {"podSelector": {}},
    }
    operator.create(url, body).must()
    for caller in (people["editor"], cluster):
        caller.delete(url + "/sandgate-test").refused("sandgate-network")
        caller.delete(url).refused("sandgate-network")  # deletecollection names no object
        caller.patch(url + "/sandgate-test", {"spec": {"ingress": [{}]}}).refused(
            "sandgate-network"
        )
        caller.create(url, {**body, "metadata": {"name": "sandgate-more"}}).refused(
            "sandgate-network"
        )
        caller.create(url, {**body, "metadata": {"generateName": "sandgate-"}}).refused(
            "sandgate-network"
        )
        caller.create(url, {**body, "metadata": {"name": unique("own")}}).must()
    operator.delete(url + "/sandgate-test").must()


def test_a_tenant_namespace_can_be_deleted(cluster, operator):
    """With everything of ours in it: the namespace controller may delete what nobody else may."""
    namespace = unique("leaving")
    cluster.create("/api/v1/namespaces", {"metadata": {"name": namespace}}).must()
    body = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "sandgate-test"},
        "spec": {"podSelector": {}},
    }
    operator.create(
        f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies", body
    ).must()
    made = cluster.create(path("executions", namespace), execution(namespace)).must()["metadata"][
        "name"
    ]
    cluster.create(path("sandboxes", namespace), sandbox(namespace)).must()
    operator.create(path("approvals", namespace), approval(namespace, AGENT, name=made)).must()
    cluster.delete(f"/api/v1/namespaces/{namespace}").must()
    wait_for(
        lambda: cluster.get(f"/api/v1/namespaces/{namespace}").code == 404, "the namespace is gone"
    )

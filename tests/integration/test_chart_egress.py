"""The chart's way out of sandboxes: the egress proxy's objects, and who may reach what."""

import ipaddress
import re

import pytest
from conftest import TENANT
from kubeapi import REPO, SYSTEM, kubectl
from test_chart import by_kind, helm, rendered

LABELS = {"app.kubernetes.io/part-of": "sandgate", "app.kubernetes.io/component": "egress-proxy"}
LISTS = {
    "allowedPrivateCIDRs": ["10.20.0.5/32", "fd12::/48"],
    "clusterCIDRs": ["203.0.114.0/24", "2a00:1450::/32", "10.0.0.0/8"],
    "resolver": ["10.96.0.10", "192.0.2.53:5353", "[2001:db8::53]:5354", "2001:db8::54"],
}


def given(**lists):
    return [
        word
        for name, values in lists.items()
        for word in ("--set-json", f"egress.{name}={values!r}".replace("'", '"'))
    ]


def deployment_of(documents):
    return by_kind(documents, "Deployment")["sandgate-egress"]["spec"]


def container_of(documents):
    (container,) = deployment_of(documents)["template"]["spec"]["containers"]
    return container


def policy_of(documents):
    return by_kind(documents, "NetworkPolicy")["sandgate-egress"]["spec"]


def blocks_of(documents):
    return [peer["ipBlock"] for peer in policy_of(documents)["egress"][0]["to"]]


def reaches(blocks, address):
    """As a network plugin reads ipBlocks."""
    address = ipaddress.ip_address(address)

    def within(cidr):
        network = ipaddress.ip_network(cidr)
        return network.version == address.version and address in network

    return any(
        within(block["cidr"]) and not any(within(one) for one in block.get("except", []))
        for block in blocks
    )


def classifier_ranges():
    """The ranges that the proxy itself refuses, from its own table."""
    text = (REPO / "libs/egress/address.cc").read_text()
    found = re.findall(r'^    \{"([0-9a-f:.]+/\d+)", "', text, re.MULTILINE)
    assert len(found) > 40
    return found


def test_without_it_nothing_of_it_is_there():
    text = helm("--set", "egress.enabled=false")[1]
    for document in rendered("--set", "egress.enabled=false"):
        assert document["metadata"]["name"] != "sandgate-egress"
    assert "--egress-service" not in text and "--ca-bundle" not in text


def test_the_proxy_has_no_rights_and_no_private_key_but_its_own():
    documents = rendered()
    pod = deployment_of(documents)["template"]["spec"]
    assert pod["serviceAccountName"] == "sandgate-egress"
    assert pod["automountServiceAccountToken"] is False
    account = by_kind(documents, "ServiceAccount")["sandgate-egress"]
    assert account["automountServiceAccountToken"] is False
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        for name, binding in by_kind(documents, kind).items():
            assert "sandgate-egress" not in [one["name"] for one in binding["subjects"]], name
    assert pod["volumes"] == [
        {"name": "tls", "secret": {"secretName": "sandgate-egress-tls", "defaultMode": 0o440}},
        {"name": "keys", "configMap": {"name": "sandgate-egress-keys"}},
    ]
    assert all(mount["readOnly"] for mount in container_of(documents)["volumeMounts"])


def test_pods_and_service_are_the_ones_that_runners_look_for():
    documents = rendered()
    spec = deployment_of(documents)
    service = by_kind(documents, "Service")["sandgate-egress"]["spec"]
    assert LABELS.items() <= spec["template"]["metadata"]["labels"].items()
    assert spec["template"]["metadata"]["labels"]["app.kubernetes.io/name"] == "sandgate"
    assert spec["selector"]["matchLabels"] == service["selector"] == LABELS
    assert service["ports"] == [{"name": "egress", "port": 8443, "targetPort": "egress"}]
    assert {"name": "egress", "containerPort": 8443} in container_of(documents)["ports"]


def test_it_is_spread_and_never_all_gone_at_once():
    documents = rendered()
    spec = deployment_of(documents)
    assert spec["replicas"] == 2
    (spread,) = spec["template"]["spec"]["topologySpreadConstraints"]
    assert spread["topologyKey"] == "kubernetes.io/hostname"
    assert spread["whenUnsatisfiable"] == "ScheduleAnyway"  # a cluster of one node has a way out too
    assert spread["labelSelector"]["matchLabels"] == LABELS
    budget = by_kind(documents, "PodDisruptionBudget")["sandgate-egress"]["spec"]
    assert budget == {"minAvailable": 1, "selector": {"matchLabels": LABELS}}
    # With one pod it would hold up every drain of its node.
    assert not by_kind(rendered("--set", "egress.replicas=1"), "PodDisruptionBudget")


@pytest.mark.parametrize("drain", [25, 600])
def test_a_pod_gets_the_time_that_its_connections_have(drain):
    documents = rendered("--set", f"egress.limits.drainSeconds={drain}")
    grace = deployment_of(documents)["template"]["spec"]["terminationGracePeriodSeconds"]
    assert f"--drain={drain}" in container_of(documents)["args"] and grace > drain


def test_values_become_the_programs_options():
    plain = container_of(rendered())["args"]
    assert plain == [
        "--tls-dir=/etc/sandgate/tls",
        "--client-ca=/etc/sandgate/tls/ca.crt",
        "--keys-dir=/etc/sandgate/keys",
        "--max-connections=10000",
        "--max-run-connections=1024",
        "--max-arrivals=256",
        "--idle-timeout=300",
        "--max-lifetime=3600",
        "--drain=25",
    ]
    more = container_of(
        rendered(*given(**LISTS), "--set", "egress.limits.maxConnections=1000000")
    )["args"]
    assert [one for one in more if one not in plain] == [
        "--resolver=10.96.0.10,192.0.2.53:5353,[2001:db8::53]:5354,2001:db8::54",
        "--allowed-private-cidrs=10.20.0.5/32,fd12::/48",
        "--cluster-cidrs=203.0.114.0/24,2a00:1450::/32,10.0.0.0/8",
        "--max-connections=1000000",
    ]
    usage = (REPO / "egress-proxy/options.cc").read_text()
    for one in plain + more:
        assert f"  {one.partition('=')[0]} " in usage, one


def operator_of(documents):
    pod = by_kind(documents, "Deployment")["sandgate-operator"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    return pod, container


def test_the_operator_knows_where_it_is():
    pod, container = operator_of(rendered())
    assert "--egress-service=sandgate-egress" in container["args"]
    assert "ca-bundle" not in str(pod)
    assert "sandgate-egress" in by_kind(rendered(), "Service")


def test_a_ca_bundle_is_a_configmap_of_the_deployments_own():
    bundle = "egress.caBundle.configMap=company-ca"
    pod, container = operator_of(rendered("--set", bundle))
    assert "--ca-bundle=/etc/sandgate/ca-bundle/bundle.pem" in container["args"]
    assert {
        "name": "ca-bundle",
        "mountPath": "/etc/sandgate/ca-bundle",
        "readOnly": True,
    } in container["volumeMounts"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == "ca-bundle"]
    assert volume["configMap"] == {
        "name": "company-ca",
        "optional": True,
        "items": [{"key": "ca.crt", "path": "bundle.pem"}],
    }
    pod, _ = operator_of(rendered("--set", bundle + ",egress.caBundle.key=tls-ca.pem"))
    (volume,) = [one for one in pod["volumes"] if one["name"] == "ca-bundle"]
    assert volume["configMap"]["items"] == [{"key": "tls-ca.pem", "path": "bundle.pem"}]
    assert "ca-bundle" not in str(operator_of(rendered("--set", bundle + ",egress.enabled=false")))


def test_who_may_connect():
    assert policy_of(rendered())["ingress"] == [
        {
            "ports": [{"port": 8443}],
            "from": [
                {
                    "namespaceSelector": {},
                    "podSelector": {
                        "matchLabels": {"sandgate.dev/network": "enabled"},
                        "matchExpressions": [{"key": "sandgate.dev/sandbox", "operator": "Exists"}],
                    },
                }
            ],
        },
        {"ports": [{"port": 8081}]},
    ]
    assert "sandgate-egress" not in by_kind(
        rendered("--set", "networkPolicy.enabled=false"), "NetworkPolicy"
    )


def test_it_reaches_what_the_proxy_judges_to_be_public_and_nothing_else():
    """The policy's table against the program's: each range at both ends, and one beyond."""
    blocks = blocks_of(rendered())
    ranges = [ipaddress.ip_network(cidr) for cidr in classifier_ranges()]

    def public(address):
        return not any(one.version == address.version and address in one for one in ranges)

    for network in ranges:
        first, last = network[0], network[-1]
        assert not reaches(blocks, first) and not reaches(blocks, last), network
        for address in (int(first) - 1, int(last) + 1):
            if 0 <= address < 1 << network.max_prefixlen:
                neighbour = type(first)(address)
                assert reaches(blocks, neighbour) == public(neighbour), neighbour
    for address in ("1.1.1.1", "9.255.255.255", "223.255.255.255", "2606:4700::1", "2a00::1"):
        assert reaches(blocks, address), address


def test_exceptions_and_cluster_ranges():
    blocks = blocks_of(rendered(*given(**LISTS)))
    for address in ("10.20.0.5", "fd12::1", "203.0.115.1"):
        assert reaches(blocks, address), address
    for address in ("10.20.0.6", "203.0.114.9", "2a00:1450::1", "fd13::1", "192.168.0.1"):
        assert not reaches(blocks, address), address


def test_ports_are_443_and_those_of_dns():
    web, dns = policy_of(rendered())["egress"]
    assert web["ports"] == [{"port": 443}]
    assert dns == {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}
    peer = "networkPolicy.resolverTo[0].ipBlock.cidr=192.0.2.53/32"
    _, dns = policy_of(rendered(*given(**LISTS), "--set", peer))["egress"]
    assert dns == {
        "ports": [
            {"port": port, "protocol": protocol}
            for port in (53, 5353, 5354)
            for protocol in ("UDP", "TCP")
        ],
        "to": [{"ipBlock": {"cidr": "192.0.2.53/32"}}],
    }


@pytest.mark.parametrize(
    "setting,word",
    [
        ("replicas=-1", "replicas"),
        ("resolvers={10.0.0.1}", "resolvers"),
        ("resolver={dns.example.com}", "resolver"),
        ("resolver={10.0.0.1:}", "resolver"),
        ("resolver={10.0.0.1 10.0.0.2}", "resolver"),
        ("allowedPrivateCIDRs={10.0.0.5}", "allowedPrivateCIDRs"),
        ("allowedPrivateCIDRs={0.0.0.0/0}", "allowedPrivateCIDRs"),
        ("allowedPrivateCIDRs={::/0}", "allowedPrivateCIDRs"),
        ("allowedPrivateCIDRs={10.0.0.0/33}", "allowedPrivateCIDRs"),
        ("allowedPrivateCIDRs=10.0.0.0/8", "allowedPrivateCIDRs"),
        ("clusterCIDRs={pods}", "clusterCIDRs"),
        ("limits.maxConnections=0", "maxConnections"),
        ("limits.idleSeconds=86401", "idleSeconds"),
        ("limits.drainSeconds=null", "drainSeconds"),
        ("caBundle.configMap=Not_A_Name", "configMap"),
        ("caBundle.key=../x", "key"),
        ("logLevel=loud", "logLevel"),
    ],
)
def test_a_wrong_value_is_named(setting, word):
    code, _, problem = helm("--set", f"egress.{setting}")
    assert code != 0 and word in problem, problem


def test_the_api_server_takes_every_list(cluster):
    """Its own rules for ipBlock, ports and disruption budgets, strictly."""
    documents = helm(*given(**LISTS), "--set", "crds.install=false,egress.replicas=3")[1]
    code, output = kubectl(
        "apply",
        "--server-side",
        "--force-conflicts",
        "--dry-run=server",
        "--validate=strict",
        "-f",
        "-",
        stdin=documents,
    )
    assert code == 0, output


EGRESS = f"system:serviceaccount:{SYSTEM}:sandgate-egress"
OPERATOR = f"system:serviceaccount:{SYSTEM}:sandgate-operator"


@pytest.mark.parametrize(
    "user,verb,resource,namespace,name,allowed",
    [
        (EGRESS, "get", "secrets", SYSTEM, "sandgate-egress-tls", False),
        (EGRESS, "get", "configmaps", SYSTEM, "sandgate-egress-keys", False),
        (EGRESS, "list", "pods", TENANT, "", False),
        (OPERATOR, "get", "secrets", SYSTEM, "sandgate-egress-tls", True),
        (OPERATOR, "update", "secrets", SYSTEM, "sandgate-egress-signing", True),
        (OPERATOR, "patch", "configmaps", SYSTEM, "sandgate-egress-keys", True),
        (OPERATOR, "get", "services", SYSTEM, "sandgate-egress", True),
        (OPERATOR, "get", "services", SYSTEM, "sandgate-gateway", False),
        (OPERATOR, "update", "services", SYSTEM, "sandgate-egress", False),
        (OPERATOR, "get", "services", TENANT, "sandgate-egress", False),
        (OPERATOR, "get", "secrets", TENANT, "sandgate-egress-signing", False),
    ],
)
def test_rights(cluster, user, verb, resource, namespace, name, allowed):
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "groups": ["system:serviceaccounts", "system:authenticated"],
            "resourceAttributes": {
                "verb": verb,
                "group": "",
                "resource": resource,
                "namespace": namespace,
                "name": name,
            },
        },
    }
    answer = cluster.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review).must()
    assert answer["status"]["allowed"] == allowed

"""The way out of sandboxes, set up for a test's own hosts and put back afterwards; and what the
proxies say of each connection."""

import contextlib
import copy
import json

from .cluster import SYSTEM

RELEASE = "sandgate"
CHART = "charts/sandgate"
CA_CONFIGMAP = "sandgate-ca-bundle-of-a-test"


@contextlib.contextmanager
def settings(cluster, *, resolver=None, allowed_private=None, cluster_cidrs=None, ca=None,
             registries=None, registry_urls=None, limits=None, replicas=None):
    """For the time of a `with`; what is not named stays as it is.

    resolver         DNS servers: ["198.18.77.2"], or with a port
    allowed_private  CIDRs that are reachable although they are not public: the test's hosts
    ca               PEM of authorities that code with network trusts, instead of the machine's
    registries       {"pypi": [hosts], "npm": [hosts]}; registry_urls {"pypi": "https://..."}
    limits           of the chart's egress.limits: {"idleSeconds": 5}
    """
    before = json.loads(_helm(cluster, "get", "values", RELEASE, "--output=json").stdout) or {}
    values = copy.deepcopy(before)
    egress = values.setdefault("egress", {})
    for name, value in (("resolver", resolver), ("allowedPrivateCIDRs", allowed_private),
                        ("clusterCIDRs", cluster_cidrs), ("replicas", replicas)):
        if value is not None:
            egress[name] = value
    if limits is not None:
        egress["limits"] = {**egress.get("limits", {}), **limits}
    network = (values.setdefault("policy", {}).setdefault("security", {})
               .setdefault("sandbox", {}).setdefault("network", {}))
    if registries is not None:
        network["allowed_registries"] = registries
        network.pop("registry_urls", None)
    if registry_urls is not None:
        network["registry_urls"] = registry_urls
    try:
        if ca is not None:
            egress["caBundle"] = {"configMap": CA_CONFIGMAP, "key": "ca.crt"}
            cluster.admin.create("configmaps", SYSTEM, {
                "metadata": {"name": CA_CONFIGMAP}, "data": {"ca.crt": ca}})
        _upgrade(cluster, values)
        yield
    finally:
        _upgrade(cluster, before)
        if ca is not None:
            cluster.admin.delete("configmaps", SYSTEM, CA_CONFIGMAP)


def connections(cluster, **members):
    """The proxies' audit lines, one for each connection that ended, with exactly these members:
    connections(cluster, execution="run-1", reason="NameNotAllowed")."""
    lines = []
    for text in cluster.logs("egress"):
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if line.get("msg") == "egress connection" and members.items() <= line.items():
            lines.append(line)
    return lines


def metric(cluster, name, **labels):
    """The sum over the proxies of a metric's value with these labels, among others."""
    total = 0.0
    for pod in cluster.pods("egress"):
        status, text = cluster.fetch(pod, "/metrics")
        assert status == 200, text
        for line in text.splitlines():
            key, _, value = line.rpartition(" ")
            if key.partition("{")[0] == name and all(
                    f'{label}="{wanted}"' in key for label, wanted in labels.items()):
                total += float(value)
    return total


def _upgrade(cluster, values):
    """Back when the new pods are Available; only Deployments that change get new ones."""
    _helm(cluster, "upgrade", RELEASE, CHART, "--reset-values", "--values=-", "--wait",
          "--timeout=180s", stdin=json.dumps(values))


def _helm(cluster, *arguments, **options):
    return cluster.run("helm", *arguments, f"--namespace={SYSTEM}", **options)

"""Sandgate in the cluster: its chart, and what callers need to know to use it."""

import base64
import json
import os
import pathlib
import shlex
import subprocess

from sandgate_dev import children, cluster, images, registries, state

RELEASE = "sandgate"
GATEWAY_SERVICE = "sandgate-gateway"
GATEWAY_SECRET = "sandgate-gateway-tls"
GATEWAY_IP = "10.96.0.80"
GATEWAY_CA = state.STATE / "gateway-ca.crt"
TOKEN_DURATION = "8h"
VALUES = state.STATE / "values.json"
CA_CONFIGMAP = "sandgate-ca-bundle"
DEFAULT_URLS = {"pypi": "https://{}/simple/", "npm": "https://{}/"}
USER_ROLES = {"approver": "alice", "second-approver": "bob", "viewer": "carol"}
ACCOUNT_ROLES = ("agent", "second-agent")


def egress_values():
    """What runs with network may reach here: the registries that this machine itself uses."""
    found = registries.find()
    network = {"allowed_registries": {name: hosts for name, (_, hosts) in found.items()}}
    urls = {name: url for name, (url, hosts) in found.items()
            if url != DEFAULT_URLS[name].format(hosts[0])}
    if urls:
        network["registry_urls"] = urls
    hosts = [host for _, hosts in found.values() for host in hosts]
    egress = {"allowedPrivateCIDRs": registries.private_addresses(hosts)}
    if pathlib.Path(registries.CA_BUNDLE).exists():
        egress["caBundle"] = {"configMap": CA_CONFIGMAP}
    return {"egress": egress, "policy": {"security": {"sandbox": {"network": network}}}}


def write_ca_bundle():
    """The machine's authorities, for code with network: its registries may be behind one of its own."""
    if not pathlib.Path(registries.CA_BUNDLE).exists():
        return
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": state.SYSTEM_NAMESPACE}},
        {"apiVersion": "v1", "kind": "ConfigMap",
         "metadata": {"name": CA_CONFIGMAP, "namespace": state.SYSTEM_NAMESPACE},
         "data": {"ca.crt": pathlib.Path(registries.CA_BUNDLE).read_text()}}]
    done = cluster.kubectl("apply", "--server-side", "--force-conflicts",
                           "--field-manager=dev-cluster", "-f", "-",
                           input="\n---\n".join(map(json.dumps, objects)), capture_output=True)
    if done.returncode != 0:
        state.die(f"the CA bundle was refused: {done.stderr.strip()}")


def install():
    """Helm's upgrade --install, then waits until operator, gateway and egress proxy are Available."""
    if not state.KUBECONFIG.exists():
        state.die("the cluster is not up: run dev/cluster up")
    built = images.build(["sandgate"])
    (reference, _), = built.items()
    repository, tag = reference.rsplit(":", 1)
    with cluster.locked():
        with cluster.stage("sandgate image"):
            images.load(built, cluster.environment())
        with cluster.stage("registries"):
            VALUES.write_text(json.dumps(egress_values(), indent=1))
            write_ca_bundle()
        with cluster.stage("helm upgrade --install"):
            done = subprocess.run(
                ["helm", "upgrade", "--install", RELEASE, str(state.ROOT / "charts" / "sandgate"),
                 f"--namespace={state.SYSTEM_NAMESPACE}", "--create-namespace",
                 # The tag holds a hash of the programs, so that a new build is a new rollout.
                 f"--set=image.repository={repository},image.tag={tag}",
                 # This machine has no DNS for Services: callers use the address.
                 f"--set=gateway.service.clusterIP={GATEWAY_IP},gateway.tls.hosts={{{GATEWAY_IP}}}",
                 # The Secret is not there until a test (or you) makes it, and is then taken up.
                 "--set=approvals.webhook.enabled=true,approvals.webhook.caKey=ca.crt",
                 f"--values={VALUES}",
                 "--wait", "--timeout=180s"],
                env=dict(cluster.environment_of_caller(), KUBECONFIG=str(state.KUBECONFIG)),
                capture_output=True, text=True, check=False)
            if done.returncode != 0:
                explain_failure(done.stderr)
        images.remove_other_tags(reference, cluster.environment())
    with cluster.stage("gateway answers"):
        if not children.wait_until(lambda: gateway() is not None, 60, step=0.2):
            state.die(f"Secret {GATEWAY_SECRET} did not appear; see the operator's log")


def explain_failure(reason):
    print("\n" + reason.strip())
    namespace = f"--namespace={state.SYSTEM_NAMESPACE}"
    cluster.kubectl("get", "pods", namespace, "-o", "wide")
    for component in ("operator", "gateway", "egress"):
        cluster.kubectl("logs", namespace, f"deployment/sandgate-{component}", "--tail=20")
    state.die("Sandgate did not become Available")


def _get(*arguments):
    done = cluster.kubectl("get", f"--namespace={state.SYSTEM_NAMESPACE}", "-o", "json", *arguments,
                           capture_output=True)
    return json.loads(done.stdout) if done.returncode == 0 else None


def gateway():
    """The gateway's URL, its CA written to GATEWAY_CA; None if Sandgate is not installed."""
    service, secret = _get("service", GATEWAY_SERVICE), _get("secret", GATEWAY_SECRET)
    if service is None or secret is None or "ca.crt" not in secret.get("data", {}):
        return None
    temporary = GATEWAY_CA.with_suffix(".new")
    temporary.write_bytes(base64.b64decode(secret["data"]["ca.crt"]))
    temporary.rename(GATEWAY_CA)
    port = service["spec"]["ports"][0]["port"]
    return f"https://{service['spec']['clusterIP']}:{port}"


def print_environment():
    """For eval "$(dev/cluster env)"; without Sandgate installed the gateway's two are not there."""
    if not state.KUBECONFIG.exists():
        state.die("the cluster is not up: run dev/cluster up")
    values = {"KUBECONFIG": str(state.KUBECONFIG),
              "PATH": cluster.tools_path() + ":" + os.environ["PATH"]}
    url = gateway()
    if url:
        values |= {"SANDGATE_URL": url, "SANDGATE_CA": str(GATEWAY_CA)}
    for name, value in values.items():
        print(f"export {name}={shlex.quote(value)}")


def print_token(role):
    if role in USER_ROLES:
        token = state.STATE / f"{USER_ROLES[role]}.token"
        if not token.exists():
            state.die("the cluster is not up: run dev/cluster up")
        print(token.read_text())
    elif role in ACCOUNT_ROLES:
        done = cluster.kubectl("create", "token", role, f"--namespace={state.DEMO_NAMESPACE}",
                               f"--duration={TOKEN_DURATION}", capture_output=True)
        if done.returncode != 0:
            state.die(f"no token for {role}: {done.stderr.strip()}")
        print(done.stdout.strip())
    else:
        state.die(f"no role {role}; there are: {' '.join([*ACCOUNT_ROLES, *USER_ROLES])}")

"""The parts of the cluster: for each the command line, and how to see that it is ready."""

import dataclasses
import json
import pathlib
import re
import typing

from sandgate_dev import access, certs, children, control_plane, machine, node, state

ETCD_PORT, ETCD_PEER_PORT = 2379, 2380
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
TOKENS = state.STATE / "tokens.csv"
CONFIG = state.STATE / "config"


@dataclasses.dataclass(frozen=True)
class Part:
    name: str
    command: list
    config: list  # files whose change calls for a restart
    ready: typing.Callable[[], bool]
    ready_seconds: int = 90
    restarts: int = 0  # how often one that ends at its start is started again


def authority():
    return certs.Authority(state.PKI)


def client_config(name, common_name, organization=None):
    """A kubeconfig for one part, with a certificate of its own."""
    crt, key = authority().issue(name, common_name, organization)
    path = CONFIG / f"{name}.kubeconfig"
    access.write_kubeconfig(path, state.API_SERVER, state.PKI / "ca.crt", name,
                            {"client-certificate": crt, "client-key": key})
    return path


def _write(name, content):
    """A configuration file, JSON unless it is text already. One that stays the same is not touched:
    kube-proxy ends when its file is written."""
    path = CONFIG / name
    text = content if isinstance(content, str) else json.dumps(content, indent=1)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
    return path


def api_ready():
    return children.https_ok(state.API_SERVER + "/readyz", state.PKI / "ca.crt")


def healthy_inside(url, env):
    """For the parts that listen inside the node only, with certificates that they made up."""
    curl = ["curl", "--silent", "--fail", "--insecure", "--max-time", "2", url]
    return lambda: node.run(curl, env, capture_output=True, check=False).returncode == 0


def etcd():
    command = control_plane.etcd(state.STATE / "etcd", ETCD_PORT, ETCD_PEER_PORT)
    # The API server is ready only when etcd is.
    return Part("etcd", command, [], lambda: True)


def apiserver():
    hosts = [state.NODE_IP, control_plane.SERVICE_IP, "127.0.0.1", "localhost", "kubernetes",
             "kubernetes.default", "kubernetes.default.svc",
             "kubernetes.default.svc.cluster.local"]
    command = control_plane.apiserver(
        authority(), state.STATE, address=state.NODE_IP, port=6443, etcd_port=ETCD_PORT, hosts=hosts,
        tokens=TOKENS, extra=["--kubelet-preferred-address-types=InternalIP,Hostname",
                              f"--kubelet-certificate-authority={state.PKI / 'ca.crt'}",
                              "--allow-privileged"])
    return Part("apiserver", command, [TOKENS, state.STATE / "audit-policy.json"], api_ready)


def controller_manager(env):
    config = client_config("controller-manager", "system:kube-controller-manager")
    command = control_plane.controller_manager(authority(), config, 10257)
    return Part("controller-manager", command, [],
                healthy_inside("https://127.0.0.1:10257/healthz", env))


def scheduler(env):
    config = client_config("scheduler", "system:kube-scheduler")
    command = ["kube-scheduler", f"--kubeconfig={config}", "--leader-elect=false",
               "--bind-address=127.0.0.1", f"--cert-dir={state.PKI}"]
    return Part("scheduler", command, [], healthy_inside("https://127.0.0.1:10259/healthz", env))


def containerd(env):
    runsc = _write("runsc.toml", '[runsc_config]\n  platform = "systrap"\n')
    template = (state.ROOT / "dev" / "lib" / "containerd.toml").read_text()
    values = {
        "ROOT": str(state.IMAGE_STORE),
        "SOCKET": CONTAINERD_SOCKET,
        "CNI_CONF": str(CONFIG / "cni"),
        "RUNSC_CONFIG": str(runsc),
        # Without the capability nothing may be made less likely to be killed than its parent.
        "RESTRICT_OOM": "false" if machine.has_capability(machine.CAP_SYS_RESOURCE) else "true",
    }
    config = _write("containerd.toml", re.sub(r"@(\w+)@", lambda m: values[m[1]], template))
    (CONFIG / "cni").mkdir(exist_ok=True)
    network = _write("cni/10-sandgate.conflist", {
        "cniVersion": "1.0.0", "name": "sandgate", "plugins": [
            {"type": "bridge", "bridge": "cni0", "isGateway": True, "ipMasq": True,
             "hairpinMode": True,
             "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam",
                      "ranges": [[{"subnet": state.POD_CIDR}]], "routes": [{"dst": "0.0.0.0/0"}]}},
            {"type": "portmap", "capabilities": {"portMappings": True}}]})

    def ready():
        ctr = ["ctr", f"--address={CONTAINERD_SOCKET}", "version"]
        return node.run(ctr, env, capture_output=True, check=False).returncode == 0

    return Part("containerd", ["containerd", f"--config={config}"], [config, runsc, network], ready)


def nameservers():
    """The machine's resolv.conf; a local resolver's own address means nothing inside the node, so
    then what that resolver itself asks."""
    text = pathlib.Path("/etc/resolv.conf").read_text()
    behind = pathlib.Path("/run/systemd/resolve/resolv.conf")
    return behind.read_text() if "nameserver 127." in text and behind.exists() else text


def kubelet(env):
    crt, key = authority().issue("kubelet-server", f"system:node:{state.NODE}", "system:nodes",
                                 hosts=[state.NODE_IP, state.NODE])
    resolv = _write("resolv.conf", nameservers())
    config = _write("kubelet.json", {
        "kind": "KubeletConfiguration", "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "address": state.NODE_IP, "tlsCertFile": str(crt), "tlsPrivateKeyFile": str(key),
        "authentication": {"anonymous": {"enabled": False}, "webhook": {"enabled": True},
                           "x509": {"clientCAFile": str(state.PKI / "ca.crt")}},
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs", "cgroupRoot": "/sandgate", "failCgroupV1": False,
        "failSwapOn": False, "resolvConf": str(resolv), "clusterDomain": "cluster.local",
        "podLogsDir": str(state.STATE / "pod-logs"),
        "volumePluginDir": str(state.STATE / "volume-plugins"),
        # A fork bomb in a pod must not become the machine's; a sandbox of many threads fits.
        "podPidsLimit": 2048,
        # A developer's disk is mostly full, and an image that was collected cannot be pulled again.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%",
                         "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
        "nodeStatusUpdateFrequency": "5s"})
    client = client_config("kubelet", f"system:node:{state.NODE}", "system:nodes")
    command = ["kubelet", f"--config={config}", f"--kubeconfig={client}",
               f"--root-dir={state.STATE / 'kubelet'}", f"--hostname-override={state.NODE}",
               f"--node-ip={state.NODE_IP}", f"--cert-dir={state.PKI}"]
    # It ends when containerd answers but is not done starting; elsewhere systemd starts it again.
    return Part("kubelet", command, [config], healthy_inside("http://127.0.0.1:10248/healthz", env),
                restarts=20)


def kube_proxy(env):
    client = client_config("kube-proxy", "system:kube-proxy")
    config = _write("kube-proxy.json", {
        "kind": "KubeProxyConfiguration", "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "mode": "nftables", "clusterCIDR": state.POD_CIDR, "hostnameOverride": state.NODE,
        "clientConnection": {"kubeconfig": str(client)},
        "bindAddress": state.NODE_IP, "metricsBindAddress": "127.0.0.1:10249",
        "healthzBindAddress": "127.0.0.1:10256",
        # The machine's own conntrack limits stay as they are.
        "conntrack": {"maxPerCore": 0, "min": 0}})
    return Part("kube-proxy", ["kube-proxy", f"--config={config}"], [config],
                healthy_inside("http://127.0.0.1:10256/healthz", env))


def kube_router(env):
    client = client_config("kube-router", "sandgate-dev:kube-router")
    command = ["kube-router", f"--kubeconfig={client}", "--run-router=false", "--run-firewall=true",
               "--run-service-proxy=false", "--run-loadbalancer=false",
               f"--hostname-override={state.NODE}", "--metrics-port=0",
               f"--service-cluster-ip-range={control_plane.SERVICE_CIDR}"]
    return Part("kube-router", command, [], healthy_inside("http://127.0.0.1:20244/healthz", env))

"""Command lines of etcd and the Kubernetes control plane, shared by dev/cluster and dev/testenv."""

import json
import pathlib

SERVICE_CIDR = "10.96.0.0/16"
SERVICE_IP = "10.96.0.1"
ISSUER = "https://kubernetes.default.svc"

# Every write is recorded, and reads of what Sandgate owns or must not touch. Bodies never are:
# the log would hold Secrets.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "resources": [{"group": "sandgate.dev"}]},
        {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}]},
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {"level": "None", "nonResourceURLs": ["/healthz*", "/readyz*", "/livez*"]},
        {"level": "Metadata"},
    ],
}


def etcd(data_dir, client_port, peer_port):
    peer = f"http://127.0.0.1:{peer_port}"
    client = f"http://127.0.0.1:{client_port}"
    return ["etcd", "--name=sandgate", f"--data-dir={data_dir}", f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=sandgate={peer}",
            # A development cluster may lose its last second in a power cut, and is faster for it.
            "--unsafe-no-fsync", "--log-level=warn"]


def apiserver(authority, directory, *, address, port, etcd_port, hosts, tokens, extra=()):
    """`directory` receives the audit policy and the audit log."""
    directory = pathlib.Path(directory)
    policy = directory / "audit-policy.json"
    policy.write_text(json.dumps(AUDIT_POLICY))
    crt, key = authority.issue("apiserver", "kube-apiserver", hosts=hosts)
    kubelet_crt, kubelet_key = authority.issue(
        "apiserver-kubelet-client", "kube-apiserver-kubelet-client", "system:masters")
    private, public = authority.signing_key("service-account")
    return ["kube-apiserver", f"--etcd-servers=http://127.0.0.1:{etcd_port}",
            f"--bind-address={address}", f"--advertise-address={address}", f"--secure-port={port}",
            f"--cert-dir={authority.directory}",
            f"--tls-cert-file={crt}", f"--tls-private-key-file={key}",
            f"--client-ca-file={authority.ca_crt}", f"--token-auth-file={tokens}",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
            f"--service-cluster-ip-range={SERVICE_CIDR}",
            f"--service-account-issuer={ISSUER}", f"--service-account-key-file={public}",
            f"--service-account-signing-key-file={private}",
            f"--kubelet-client-certificate={kubelet_crt}", f"--kubelet-client-key={kubelet_key}",
            f"--audit-policy-file={policy}", f"--audit-log-path={directory / 'audit.log'}",
            "--audit-log-maxsize=200", "--audit-log-maxbackup=2", *extra]


def controller_manager(authority, kubeconfig, port, extra=()):
    private, _ = authority.signing_key("service-account")
    return ["kube-controller-manager", f"--kubeconfig={kubeconfig}", "--bind-address=127.0.0.1",
            f"--secure-port={port}", f"--cert-dir={authority.directory}",
            f"--root-ca-file={authority.ca_crt}",
            f"--service-account-private-key-file={private}",
            "--use-service-account-credentials", "--leader-elect=false", *extra]

"""Where the cluster's state lies, its fixed addresses, and how its scripts stop with one line."""

import os
import pathlib
import sys

LIB = pathlib.Path(__file__).resolve().parent
ROOT = LIB.parent.parent.parent
TOOLS_BUILD = ROOT / "dev" / "tools" / "build"

HOME = pathlib.Path(os.environ.get("SANDGATE_HOME") or pathlib.Path.home() / ".cache" / "sandgate")
STATE = HOME / "cluster"
LOGS = STATE / "logs"
RUN = STATE / "run"  # one record a running part
PKI = STATE / "pki"
KUBECONFIG = STATE / "kubeconfig"
IMAGE_STORE = HOME / "containerd"  # survives `down`: importing images is slow

# The node is a set of namespaces. One pair of interfaces joins it to this machine.
NODE = "sandgate"
HOST_LINK = "sandgate0"
HOST_IP = "10.245.0.1"
NODE_IP = "10.245.0.2"
POD_CIDR = "10.244.0.0/16"
API_SERVER = f"https://{NODE_IP}:6443"

DEMO_NAMESPACE = "agents"
SYSTEM_NAMESPACE = "sandgate-system"


def die(text):
    """Ends the script with one line that says what is wrong and what to do."""
    sys.exit(f"dev/cluster: {text}")

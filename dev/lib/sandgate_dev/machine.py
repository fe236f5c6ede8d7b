"""What the cluster changes on the machine around its node, and puts back: a link, address
translation, sysctls, cgroups. And what the machine must have."""

import ipaddress
import json
import os
import pathlib
import shutil
import subprocess
import time

from sandgate_dev import state
from sandgate_dev.control_plane import SERVICE_CIDR

CAP_SYS_RESOURCE = 24
NEEDED_CAPABILITIES = {12: "CAP_NET_ADMIN", 18: "CAP_SYS_CHROOT", 19: "CAP_SYS_PTRACE",
                       21: "CAP_SYS_ADMIN", 27: "CAP_MKNOD"}
NEEDED_PROGRAMS = ["ip", "nft", "nsenter", "openssl", "runc", "iptables", "ipset", "mmdebstrap"]
NEEDED_GIB = 3
OLD_LINK_SECONDS = 10
NFT_TABLE = "sandgate"
# The kubelet sets the first five for the whole machine; forwarding is for the pods' way out.
SYSCTLS = ["vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
           "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes", "net/ipv4/ip_forward"]
SAVED_SYSCTLS = state.STATE / "sysctls.json"
# The kernel numbers links and never gives a number twice: so it tells whose the link is.
LINK_INDEX = state.STATE / "link.index"
CGROUPS = pathlib.Path("/sys/fs/cgroup")


def has_capability(number):
    status = pathlib.Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> number & 1)


def check():
    """Stops with one line if this machine cannot carry the cluster."""
    if os.geteuid() != 0:
        state.die("not root: the cluster makes namespaces and mounts; run it as root (or with sudo -E)")
    missing = [name for number, name in NEEDED_CAPABILITIES.items() if not has_capability(number)]
    if missing:
        state.die(f"root lacks {', '.join(missing)} here: grant it to this container or machine")
    missing = [program for program in NEEDED_PROGRAMS if not shutil.which(program)]
    if missing:
        state.die(f"missing programs: {' '.join(missing)}: run dev/deps")
    state.HOME.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(state.HOME).free >> 20
    if free < NEEDED_GIB << 10:
        state.die(f"{state.HOME} has {free} MiB free, {NEEDED_GIB} GiB are needed: free some, or set "
                  "SANDGATE_HOME to another disk")


def check_addresses():
    """Stops if the machine's own networks overlap the cluster's. For when the link is down."""
    ours = [ipaddress.ip_network(cidr, strict=False)
            for cidr in (state.POD_CIDR, SERVICE_CIDR, f"{state.HOST_IP}/30")]
    routes = json.loads(_output("ip", "-json", "-4", "route", "show", "table", "all") or "[]")
    for route in routes:
        destination = route.get("dst", "default")
        if destination == "default" or route.get("dev") == state.HOST_LINK:
            continue
        network = ipaddress.ip_network(destination, strict=False)
        for mine in ours:
            if network.overlaps(mine):
                state.die(f"this machine routes {destination} ({route.get('dev')}), which the cluster "
                          f"needs as {mine}: take that network down first")


def _output(*command):
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        state.die(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout


def _try(*command):
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def save_sysctls():
    """Once for a cluster's life: a second `up` must not record what the first one changed."""
    if SAVED_SYSCTLS.exists():
        return
    values = {name: pathlib.Path("/proc/sys", name).read_text().strip()
              for name in SYSCTLS if pathlib.Path("/proc/sys", name).exists()}
    temporary = SAVED_SYSCTLS.with_suffix(".new")
    temporary.write_text(json.dumps(values))
    temporary.rename(SAVED_SYSCTLS)


def changed():
    """Whether this cluster, and not another one, holds the link, the rules and the cgroup."""
    return SAVED_SYSCTLS.exists()


def restore_sysctls():
    for name, value in json.loads(SAVED_SYSCTLS.read_text()).items():
        pathlib.Path("/proc/sys", name).write_text(value)
    SAVED_SYSCTLS.unlink()


def _link_index():
    path = pathlib.Path("/sys/class/net", state.HOST_LINK, "ifindex")
    return path.read_text() if path.exists() else ""


def connect(init_pid, run_inside):
    """The link to the node, and its way out. Repairs what is half there."""
    up = _try("ip", "-4", "route", "get", state.NODE_IP, "oif", state.HOST_LINK)
    if not (up and run_inside(["ip", "link", "show", "eth0"])):
        _try("ip", "link", "del", state.HOST_LINK)
        _output("ip", "link", "add", state.HOST_LINK, "type", "veth", "peer", "name", "eth0",
                "netns", str(init_pid))
        LINK_INDEX.write_text(_link_index())
        _output("ip", "addr", "add", f"{state.HOST_IP}/30", "dev", state.HOST_LINK)
        _output("ip", "link", "set", state.HOST_LINK, "up")
        run_inside(["ip", "addr", "add", f"{state.NODE_IP}/30", "dev", "eth0"])
        run_inside(["ip", "link", "set", "eth0", "up"])
        run_inside(["ip", "route", "add", "default", "via", state.HOST_IP])
    # Services are reached from this machine too: the node translates their addresses.
    _output("ip", "route", "replace", SERVICE_CIDR, "via", state.NODE_IP)
    pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    rules = f"""
        table ip {NFT_TABLE}
        delete table ip {NFT_TABLE}
        table ip {NFT_TABLE} {{
          chain out {{
            type nat hook postrouting priority srcnat
            ip saddr {state.NODE_IP} oifname != "{state.HOST_LINK}" masquerade
          }}
        }}"""
    done = subprocess.run(["nft", "-f", "-"], input=rules, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        state.die(f"nft cannot set up address translation: {done.stderr.strip().splitlines()[0]}")


def wait_for_old_link():
    """A dead node's link goes with its namespace, and that with the last of its sockets: what was
    still to be sent to somebody who died as well is tried for minutes. So the link that this
    cluster made is taken away here; any other one that stays is in use."""
    if LINK_INDEX.exists() and _link_index() == LINK_INDEX.read_text():
        _try("ip", "link", "del", state.HOST_LINK)
    deadline = time.monotonic() + OLD_LINK_SECONDS
    while _try("ip", "link", "show", state.HOST_LINK):
        if time.monotonic() > deadline:
            state.die(f"the link {state.HOST_LINK} belongs to another running cluster: end it with "
                      f"`dev/cluster down` and its own SANDGATE_HOME, or `ip link del {state.HOST_LINK}`")
        time.sleep(0.05)


def disconnect():
    """Takes the link and the rules away, whatever is there of them."""
    _try("ip", "link", "del", state.HOST_LINK)
    _try("nft", "delete", "table", "ip", NFT_TABLE)


def _cgroup_roots():
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [path for path in CGROUPS.iterdir() if path.is_dir() and (path / "cgroup.procs").exists()]


def make_cgroups():
    for root in _cgroup_roots():
        ours = root / "sandgate"
        ours.mkdir(exist_ok=True)
        if (root / "cgroup.controllers").exists():  # v2: the kubelet wants all of them below
            for controller in (root / "cgroup.controllers").read_text().split():
                _hand_down(root, controller)
        # On v1 a new cpuset has no CPUs and takes no process until it gets its parent's.
        for name in ("cpuset.cpus", "cpuset.mems"):
            if (ours / name).exists() and not (ours / name).read_text().strip():
                (ours / name).write_text((root / name).read_text())


def _hand_down(root, controller):
    try:
        (root / "cgroup.subtree_control").write_text("+" + controller)
    except OSError:
        pass  # not one that can be; the kubelet names those it misses


def prune_cgroups():
    """Removes what holds no process, under /sandgate. A new kubelet waits three seconds for each
    container's cgroup whose container is gone."""
    for root in _cgroup_roots():
        for path, _, _ in os.walk(root / "sandgate", topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                pass  # in use


def remove_cgroups():
    """After the processes in them are dead; the kernel may still be at it for a moment."""
    deadline = time.monotonic() + 10
    while any((root / "sandgate").exists() for root in _cgroup_roots()):
        prune_cgroups()
        if time.monotonic() > deadline:
            return
        time.sleep(0.01)

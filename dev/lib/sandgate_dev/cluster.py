"""Bringing the cluster up, one stage after the other, and taking it down."""

import contextlib
import datetime
import fcntl
import json
import os
import shutil
import subprocess
import time

from sandgate_dev import access, children, images, machine, node, parts, state
from sandgate_dev.processes import Record, fingerprint_of

LANGUAGE_IMAGES = ["pause", "python", "node", "bash"]
STOP_GRACE_SECONDS = 5
RESTART_SECONDS = 0.5  # between two starts of a part that ended at once
PART_NAMES = ["etcd", "apiserver", "containerd", "controller-manager", "scheduler", "kubelet",
              "kube-proxy", "kube-router"]


@contextlib.contextmanager
def stage(name):
    """Prints the stage's name when it begins, and the time it took when it is done."""
    print(f"{name:<24}", end=" ", flush=True)
    started = time.monotonic()
    yield
    print(f"{time.monotonic() - started:6.1f} s", flush=True)


@contextlib.contextmanager
def locked():
    """One script at a time changes the cluster."""
    state.STATE.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(state.HOME / "cluster.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another dev/cluster is at work, waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def tools_path():
    shown = subprocess.run([state.TOOLS_BUILD, "--print-path"], check=True, capture_output=True,
                           text=True)
    return shown.stdout.strip()


def environment():
    return node.environment(tools_path())


def kubectl(*arguments, env=None, **kwargs):
    """As cluster-admin. Its output is the caller's, unless captured."""
    kwargs.setdefault("check", False)
    return subprocess.run(["kubectl", f"--kubeconfig={state.KUBECONFIG}", *arguments],
                          env=env or environment_of_caller(), text=True, **kwargs)


def environment_of_caller():
    return dict(os.environ, PATH=tools_path() + ":" + os.environ["PATH"])


def part(name, env):
    """A part by its name, its configuration files written."""
    makers = {
        "etcd": parts.etcd,
        "apiserver": parts.apiserver,
        "containerd": lambda: parts.containerd(env),
        "controller-manager": lambda: parts.controller_manager(env),
        "scheduler": lambda: parts.scheduler(env),
        "kubelet": lambda: parts.kubelet(env),
        "kube-proxy": lambda: parts.kube_proxy(env),
        "kube-router": lambda: parts.kube_router(env),
    }
    if name not in makers:
        state.die(f"no part {name}; there are: {' '.join(makers)}")
    return makers[name]()


def start_part(wanted, env):
    """Starts it unless it runs already just so; back when it is ready."""
    program = shutil.which(wanted.command[0], path=env["PATH"])
    if program is None:
        state.die(f"{wanted.command[0]} is not built: run dev/tools/build")
    command = [program, *map(str, wanted.command[1:])]
    fingerprint = fingerprint_of(command, wanted.config)
    record = Record.load(wanted.name)
    if record and record.alive() and record.fingerprint != fingerprint:
        record.stop(STOP_GRACE_SECONDS)
    log = state.LOGS / f"{wanted.name}.log"
    if not (record and record.alive()):
        if wanted.name == "kubelet":
            machine.prune_cgroups()
            machine.make_cgroups()
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        record = Record.save(wanted.name, node.spawn(command, log, env), fingerprint)
    for _ in range(wanted.restarts):
        ended_or_ready(wanted, record)
        if record.alive():
            break
        time.sleep(RESTART_SECONDS)
        record = Record.save(wanted.name, node.spawn(command, log, env), fingerprint)
    wait_ready(wanted, record, log)


def ended_or_ready(wanted, record):
    return children.wait_until(lambda: not record.alive() or wanted.ready(), wanted.ready_seconds)


def wait_ready(wanted, record, log):
    if ended_or_ready(wanted, record) and record.alive():
        return
    what = "is not ready" if record.alive() else "ended at its start"
    lines = log.read_text(errors="replace").strip().splitlines()[-4:]
    print("\n" + "\n".join(line[:300] for line in lines))
    state.die(f"{wanted.name} {what}; its log is {log}")


def prepare():
    """Directories, tokens and kubeconfigs of a new cluster; a no-op for an old one."""
    for directory in (state.STATE, state.LOGS, state.RUN, parts.CONFIG, state.PKI):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    authority = parts.authority()
    access.write_tokens(state.STATE)
    crt, key = authority.issue("admin", "admin", "system:masters")
    access.write_kubeconfig(state.KUBECONFIG, state.API_SERVER, authority.ca_crt, "admin",
                            {"client-certificate": crt, "client-key": key})
    access.write_user_kubeconfigs(state.STATE, state.API_SERVER, authority.ca_crt)


def start_node(env):
    """The namespaces, the link and the cgroups. Without a living init nothing of ours lives."""

    def inside(command):
        return node.run(command, env, capture_output=True, check=False).returncode == 0

    init = node.init()
    if init is not None and not inside(["true"]):
        node.stop()  # it was killed and is still on its way out
        init = None
    if init is None:
        machine.wait_for_old_link()
        machine.check_addresses()
    machine.save_sysctls()
    machine.make_cgroups()
    if init is None:
        init = node.start(env)
    machine.connect(init.pid, inside)


def node_ready():
    """Ready by word of the kubelet that runs now: what a killed one reported last still stands."""
    shown = kubectl("get", "node", state.NODE, "-o", "json", capture_output=True)
    if shown.returncode != 0:
        return False
    conditions = json.loads(shown.stdout).get("status", {}).get("conditions", [])
    ready = next((c for c in conditions if c["type"] == "Ready"), None)
    if ready is None or ready["status"] != "True":
        return False
    heard = datetime.datetime.fromisoformat(ready["lastHeartbeatTime"].replace("Z", "+00:00"))
    return heard.timestamp() >= int(Record.path("kubelet").stat().st_mtime)


def wait_node_ready():
    if not children.wait_until(node_ready, 90, step=0.2):
        kubectl("describe", "node", state.NODE)
        state.die(f"the node is not Ready after 90 s; see {state.LOGS}/kubelet.log")


def bootstrap():
    done = kubectl("apply", "--server-side", "--field-manager=dev-cluster", "-f",
                   str(state.ROOT / "dev/lib/bootstrap.yaml"), capture_output=True)
    if done.returncode != 0:
        state.die(f"the first objects were refused: {done.stderr.strip()}")


def up():
    with stage("packages"):
        subprocess.run([state.ROOT / "dev/deps"], check=True)
    machine.check()
    print("tools", flush=True)
    subprocess.run([state.TOOLS_BUILD], check=True)
    built = images.build(LANGUAGE_IMAGES)
    with locked():
        prepare()
        env = environment()
        with stage("node namespaces"):
            start_node(env)
        for name in ("etcd", "containerd", "apiserver"):
            with stage(name):
                start_part(part(name, env), env)
        with stage("images"):
            images.forget_containers_of_an_earlier_cluster(env)
            images.load(built, env)
        with stage("roles and demo accounts"):
            bootstrap()
        for name in ("controller-manager", "scheduler", "kubelet", "kube-proxy"):
            with stage(name):
                start_part(part(name, env), env)
        with stage("node Ready"):
            wait_node_ready()
        with stage("kube-router"):  # it looks for its node at its start
            start_part(part("kube-router", env), env)


def down():
    """Everything but the image store and the last logs goes away."""
    if os.geteuid() != 0:
        state.die("not root: run it as the user who ran `up`")
    with locked():
        with stage("stop"):
            # Servers first and gently, so that etcd closes its files; then init, and with it all.
            for name in reversed(PART_NAMES):
                record = Record.load(name)
                if record:
                    record.stop(STOP_GRACE_SECONDS if name == "etcd" else 0)
            node.stop()
        with stage("clean up"):
            if machine.changed():
                machine.disconnect()
                machine.remove_cgroups()
                machine.restore_sysctls()
            for path in state.STATE.iterdir():
                if path != state.LOGS:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def stop_part(name):
    with locked():
        if name not in PART_NAMES:
            state.die(f"no part {name}; there are: {' '.join(PART_NAMES)}")
        record = Record.load(name)
        if record:
            record.stop(STOP_GRACE_SECONDS)


def restart_part(name):
    stop_part(name)
    with locked():
        if node.init() is None:
            state.die("the cluster is not up: run dev/cluster up")
        env = environment()
        with stage(name):
            start_part(part(name, env), env)


def run_inside(command):
    """For a person who looks for something, and for tests; returns the exit code."""
    if node.init() is None:
        state.die("the cluster is not up: run dev/cluster up")
    return node.run(command, environment(), check=False).returncode


def status():
    """Prints a line for each part; whether all of them run and the node is Ready."""
    good = True
    for name in ["init", *PART_NAMES]:
        record = Record.load(name)
        alive = record is not None and record.alive()
        good = good and alive
        print(f"{name:<20} {'running, pid ' + str(record.pid) if alive else 'not running'}")
    ready = good and node_ready()
    print(f"{'node':<20} {'Ready' if ready else 'not Ready'}")
    return ready

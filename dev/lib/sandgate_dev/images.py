"""Images: built by dev/images/build, imported into containerd once."""

import json
import subprocess

from sandgate_dev import node, parts, state


def build(names):
    """{reference: tar path}; builds what is missing and says so."""
    shown = subprocess.run([state.ROOT / "dev/images/build", *names], check=True, text=True,
                           stdout=subprocess.PIPE)
    return dict(line.split(" ", 1) for line in shown.stdout.splitlines())


def _ctr(env, *arguments, check=True):
    command = ["ctr", f"--address={parts.CONTAINERD_SOCKET}", "--namespace=k8s.io", *arguments]
    done = node.run(command, env, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        state.die(f"containerd refused `ctr {' '.join(arguments[:2])}`: {done.stderr.strip()[-300:]}")
    return done.stdout


def load(built, env):
    """Imports each image whose tar is not the one imported last. Tar names hold a content hash."""
    stamps = state.IMAGE_STORE / "imported.json"
    try:
        imported = json.loads(stamps.read_text())
    except (OSError, ValueError):
        imported = {}
    present = set(_ctr(env, "images", "list", "-q").split())
    for reference, tar in built.items():
        if imported.get(reference) == tar and reference in present:
            continue
        _ctr(env, "images", "import", "--local", tar)
        imported[reference] = tar
        temporary = stamps.with_suffix(".new")
        temporary.write_text(json.dumps(imported))
        temporary.rename(stamps)


def remove_other_tags(reference, env):
    """Every build of Sandgate's programs is an image of its own; only the newest is of use."""
    repository = reference.rsplit(":", 1)[0]
    for present in _ctr(env, "images", "list", "-q").split():
        if present.startswith(repository + ":") and present != reference:
            _ctr(env, "images", "remove", present, check=False)


def forget_containers_of_an_earlier_cluster(env):
    """The image store survives `down`, and records of that cluster's containers with it. This
    cluster's kubelet would spend its first minute on burying strangers."""
    marker = state.STATE / "containers-are-ours"
    if marker.exists():
        return
    containers = _ctr(env, "containers", "list", "-q").split()
    sandboxes = _ctr(env, "sandboxes", "list", check=False).splitlines()[1:]
    for container in containers:
        _ctr(env, "containers", "remove", container, check=False)
    for line in sandboxes:
        _ctr(env, "sandboxes", "remove", "--force", line.split()[0], check=False)
    marker.touch()
    return bool(containers or sandboxes)

"""The node: PID, mount and network namespaces of its own, held by one init process.

Whatever the cluster's parts mount, listen on, filter or leave running is inside. When init dies, the
kernel kills all the rest and takes mounts, interfaces and rules away: nothing can be left behind,
whoever killed what. Outside there is one link, one table of address translation, a few sysctls that
are put back, and the cgroup /sandgate.
"""

import ctypes
import os
import pathlib
import subprocess
import sys
import time

from sandgate_dev import state
from sandgate_dev.processes import Record

CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x00020000, 0x20000000, 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def environment(tools_path):
    """What every part of the cluster sees; proxies and such of the caller's are not among it."""
    return {"PATH": tools_path + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}


def init():
    """The record of the running init, or None."""
    record = Record.load("init")
    return record if record and record.alive() else None


def start(env):
    """Makes the namespaces; back when they are ready for parts."""
    ready = state.RUN / "init.ready"
    ready.unlink(missing_ok=True)
    command = [sys.executable, str(state.LIB / "node_init.py"), str(ready), state.POD_CIDR]
    pid = _fork_into(lambda: _check(_libc.unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET),
                                    "unshare"), command, state.LOGS / "init.log", env)
    record = Record.save("init", pid, "")
    deadline = time.monotonic() + 30
    while not ready.exists():
        if not record.alive() or time.monotonic() > deadline:
            log = (state.LOGS / "init.log").read_text().strip().splitlines()
            state.die(f"the node's namespaces could not be made: {log[-1] if log else 'no output'}")
        time.sleep(0.01)
    return record


def spawn(command, log, env):
    """Starts a process inside that outlives this script; returns its pid as seen outside."""
    return _fork_into(lambda: _enter(init().pid), command, log, env)


def run(command, env, **kwargs):
    """Runs a command inside to its end, like subprocess.run."""
    pid = init().pid
    entered = ["nsenter", f"--target={pid}", "--mount", "--net", "--pid", "--wd=/", "--", *command]
    return subprocess.run(entered, env=env, **kwargs)


def _enter(pid):
    # All three are opened before the first is entered: /proc changes with the mount namespace.
    kinds = [("pid", CLONE_NEWPID), ("net", CLONE_NEWNET), ("mnt", CLONE_NEWNS)]
    opened = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), flag) for name, flag in kinds]
    for fd, flag in opened:
        _check(_libc.setns(fd, flag), "setns")


def _fork_into(enter, command, log, env):
    """Forks twice: only the child of a process that entered a PID namespace is in it."""
    reading, writing = os.pipe()
    log_fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    middle = os.fork()
    if middle == 0:
        try:
            os.close(reading)
            os.setsid()
            enter()
            child = os.fork()
            if child == 0:
                _exec(command, log_fd, env)
            os.write(writing, str(child).encode())
            os._exit(0)
        except OSError as problem:
            os.write(log_fd, f"{problem}\n".encode())
        finally:
            os._exit(1)
    os.close(writing)
    os.close(log_fd)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    os.waitpid(middle, 0)
    if not answer:
        last = pathlib.Path(log).read_text(errors="replace").strip().splitlines()[-1:]
        state.die(f"cannot start {command[0]}: {''.join(last)}")
    return int(answer)


def _exec(command, log_fd, env):
    try:
        os.setsid()
        os.chdir("/")
        null = os.open("/dev/null", os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(log_fd, 1)
        os.dup2(log_fd, 2)
        # What the caller had open is not this part's: it outlives the caller, and would hold a
        # lock of it for as long.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        os.execvpe(command[0], command, env)
    except OSError as problem:
        os.write(2, f"{command[0]}: {problem}\n".encode())
    finally:
        os._exit(127)


def stop():
    """Ends init and with it everything inside."""
    record = Record.load("init")
    if record:
        record.stop(grace_seconds=0)

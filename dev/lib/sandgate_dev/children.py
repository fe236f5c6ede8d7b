"""Child processes that cannot outlive the script that started them."""

import ctypes
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import ssl

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def _die_with_parent():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_ports(count):
    """Ports of 127.0.0.1 that were free a moment ago; another process may still take one first."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


class Child:
    """A server of ours: killed with SIGKILL by the kernel when this script dies, however it dies."""

    def __init__(self, command, log, env):
        self.name = command[0]
        self.log = log
        with open(log, "ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env,
                start_new_session=True, preexec_fn=_die_with_parent)

    def running(self):
        return self.process.poll() is None

    def tail(self, lines=5):
        with open(self.log, errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    def kill(self):
        self.process.kill()
        self.process.wait()


def https_ok(url, ca_crt, bearer=None):
    """Whether a GET answers 200. Not reachable, a bad certificate and any other status are no."""
    request = urllib.request.Request(url)
    if bearer:
        request.add_header("Authorization", "Bearer " + bearer)
    context = ssl.create_default_context(cafile=str(ca_crt))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=5) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


def wait_until(condition, seconds, step=0.05):
    """Polls; False after the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True

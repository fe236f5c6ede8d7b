"""dev/testenv gives a command a real API server, and leaves nothing behind however it ends."""

import os
import pathlib
import signal
import subprocess
import time

import pytest

TESTENV = pathlib.Path(__file__).resolve().parents[2] / "dev" / "testenv"


def start(*command):
    return subprocess.Popen([TESTENV, *command], stdout=subprocess.PIPE, text=True)


def servers_of(directory):
    """Pids of processes that have this environment's directory in their command line."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if directory.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            pass  # ended meanwhile
    return found


def wait_until_none(directory):
    deadline = time.monotonic() + 60
    while servers_of(directory):
        assert time.monotonic() < deadline, f"still running: {servers_of(directory)}"
        time.sleep(0.05)


def test_the_commands_exit_code_and_output_are_its_own():
    script = "kubectl --kubeconfig $SANDGATE_TESTENV/carol.kubeconfig auth whoami -o json; exit 7"
    done = subprocess.run([TESTENV, "bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 7
    assert '"carol"' in done.stdout and '"sandgate-viewers"' in done.stdout


def test_what_the_command_started_with_is_gone_afterwards():
    done = subprocess.run([TESTENV, "bash", "-c", "echo $SANDGATE_TESTENV"], capture_output=True,
                          text=True, check=True)
    directory = done.stdout.strip()
    assert directory and not pathlib.Path(directory).exists()
    assert not servers_of(directory)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_the_servers_too(number):
    running = start("bash", "-c", "echo $SANDGATE_TESTENV; echo $$; exec sleep 600")
    directory = running.stdout.readline().strip()
    command = int(running.stdout.readline())
    assert len(servers_of(directory)) == 2
    running.send_signal(number)
    code = running.wait()
    running.stdout.close()
    wait_until_none(directory)
    if number == signal.SIGTERM:
        assert code == 128 + signal.SIGTERM
        assert not pathlib.Path(directory).exists()
    else:  # nobody was left to end the command, nor to remove the directory: the next run does
        os.kill(command, signal.SIGKILL)


def test_a_command_that_does_not_exist_is_named():
    done = subprocess.run([TESTENV, "no-such-program"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no-such-program" in done.stderr

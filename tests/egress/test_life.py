"""Starting, stopping, dying and changing certificates, with connections open."""

import os
import signal
import socket
import subprocess

import pytest

from test_limits import open_tunnel
from world import BIN, PATIENCE, read_all, wait_for


def echoes(tunnel):
    tunnel.send(b"still there")
    return tunnel.receive(11) == b"still there"


def test_a_stop_lets_open_tunnels_finish(world):
    with world.proxy("--drain", "60") as proxy:
        tunnel = open_tunnel(world, proxy)
        proxy.process.terminate()
        wait_for(lambda: not accepts(proxy), "end of accepting")
        assert "end" in proxy.unready()
        assert echoes(tunnel)
        assert proxy.process.poll() is None
        tunnel.close()
        assert proxy.process.wait(PATIENCE) == 0
    line = next(line for line in proxy.wait_audit() if line["runId"])  # beside those that only tried
    assert line["verdict"] == "allowed" and line["reason"] in ("Closed", "Reset")


def accepts(proxy):
    try:
        with socket.create_connection(("127.0.0.1", proxy.port)):
            return True
    except ConnectionRefusedError:
        return False


def test_a_stop_ends_those_that_do_not(world):
    with world.proxy("--drain", "1") as proxy:
        tunnel = open_tunnel(world, proxy)
        waiting = world.connect(proxy)  # before its request
        proxy.process.terminate()
        assert proxy.process.wait(PATIENCE) == 0
        assert b" 503 Shutdown" in read_all(waiting)
        assert tunnel.outer.recv(1) == b""
    lines = proxy.wait_audit(2)
    assert [line["reason"] for line in lines] == ["Shutdown"] * 2
    assert sorted(line["verdict"] for line in lines) == ["allowed", "refused"]


def test_a_killed_proxy_leaves_nothing_behind(world):
    """State is in the grants: another process takes over in the middle of a run."""
    with world.proxy() as first:
        tunnel = open_tunnel(world, first)
        os.kill(first.process.pid, signal.SIGKILL)
        assert first.process.wait(PATIENCE) == -signal.SIGKILL
        with pytest.raises((OSError, ConnectionError)):
            while True:
                echoes(tunnel)
    with world.proxy("--listen", f"127.0.0.1:{first.port}") as second:
        second.port = first.port
        assert echoes(open_tunnel(world, second))


def test_certificates_are_replaced_under_open_tunnels(world):
    with world.proxy() as proxy:
        before = open_tunnel(world, proxy)
        serial = before.outer.getpeercert()["serialNumber"]
        world.new_server_certificate("proxy-2")

        def replaced():
            with world.connect(proxy) as outer:
                return outer.getpeercert()["serialNumber"] != serial
        wait_for(replaced, "new certificate")
        assert echoes(before)
        (world.tls / "tls.crt").write_text("broken")
        try:
            proxy.wait_log("not loaded; the last good ones stay")
            assert echoes(open_tunnel(world, proxy))
        finally:
            world.new_server_certificate("proxy-3")


@pytest.mark.parametrize("arguments,message", [
    ([], "--tls-dir is missing"),
    (["--tls-dir", "x"], "--client-ca is missing"),
    (["--nothing"], "unknown option --nothing"),
    (["--listen", "here"], "--listen must be ADDRESS:PORT"),
    (["--cluster-cidrs", "10.0.0.1/8"], "no range of addresses"),
    (["--max-connections", "0"], "must be a number from 1"),
    (["--drain"], "--drain needs a value"),
])
def test_bad_options(arguments, message):
    done = subprocess.run([BIN / "sandgate-egress", *arguments], capture_output=True, text=True)
    assert done.returncode == 2 and message in done.stderr and "usage:" in done.stderr


def test_help_and_version():
    for option, text in (("--help", "--allowed-private-cidrs"), ("--version", "sandgate-egress ")):
        done = subprocess.run([BIN / "sandgate-egress", option], capture_output=True, text=True)
        assert done.returncode == 0 and text in done.stdout


@pytest.mark.parametrize("spoil,message", [
    (["--tls-dir", "/nonexistent"], "tls.crt: cannot be read"),
    (["--client-ca", "/dev/null"], "cannot be read"),
    (["--resolver", "not-an-address"], "DNS servers"),
    (["--listen", "127.0.0.1:443"], "listening on 127.0.0.1:443"),
])
def test_what_it_cannot_start_with(world, spoil, message):
    command = [BIN / "sandgate-egress", "--tls-dir", world.tls, "--client-ca", world.client_ca,
               "--keys-dir", world.keys, "--listen", "127.0.0.1:0", "--health", "127.0.0.1:0", *spoil]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1 and message in done.stderr

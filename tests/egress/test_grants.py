"""Who asks, and what the operator's word is worth."""

import json
import os
import socket
import ssl
import time

import pytest

import pki
from world import read_all, wait_for


def ask(world, proxy, token, identity=None):
    before = len(proxy.audit)
    with world.connect(proxy, identity) as outer:
        outer.sendall(world.request(token=token))
        answer = outer.recv(65536)
        if not answer.startswith(b"HTTP/1.1 200"):
            answer += read_all(outer)
    (line,) = proxy.wait_audit(after=before)
    if answer.startswith(b"HTTP/1.1 200"):
        return "Allowed"
    refusal = json.loads(answer.split(b"\r\n\r\n", 1)[1])
    assert refusal["code"] == line["reason"] and answer.startswith(b"HTTP/1.1 403")
    assert refusal["allowed"] == []
    return refusal["code"]


NOW = int(time.time())
ROWS = {
    "expired": (lambda w: w.key.grant(nbf=NOW - 700, exp=NOW - 60), "GrantExpired"),
    "not yet": (lambda w: w.key.grant(nbf=NOW + 3600, exp=NOW + 4000), "GrantNotYet"),
    "forged with another key": (lambda w: w.other_key.grant(), "GrantForged"),
    "forged under our key's name": (lambda w: w.other_key.grant(key_id=w.key.id), "GrantForged"),
    "changed payload": (lambda w: changed_payload(w), "GrantForged"),
    "of another sandbox": (lambda w: w.key.grant(sbx="box-2"), "GrantSandbox"),
    "another audience": (lambda w: w.key.grant(aud="sandgate-runner"), "GrantAudience"),
    "another version": (lambda w: w.key.grant(prefix="sgeg2"), "GrantMalformed"),
    "too long a life": (lambda w: w.key.grant(exp=NOW + 90_000), "GrantMalformed"),
    "no domains": (lambda w: w.key.grant(dom=[]), "GrantMalformed"),
    "a star for a domain": (lambda w: w.key.grant(dom=["*"]), "GrantMalformed"),
    "an address for a domain": (lambda w: w.key.grant(dom=["127.0.0.1"]), "GrantMalformed"),
    "a member more": (lambda w: w.key.grant(admin=True), "GrantMalformed"),
    "a number as text": (lambda w: w.key.grant(max="1"), "GrantMalformed"),
    "no bytes": (lambda w: w.key.grant(max=0), "GrantMalformed"),
    "a word": (lambda w: "x", "GrantMalformed"),
    "a JWT without algorithm": (lambda w: pki.b64(b'{"alg":"none"}') + "." + pki.b64(b"{}") + ".",
                                "GrantMalformed"),
    "too long": (lambda w: "sgeg1." + "a" * 9000, "GrantMalformed"),
}


def changed_payload(world):
    parts = world.key.grant().split(".")
    other = world.key.grant(dom=["evil.test", "allowed.test"]).split(".")
    return ".".join(parts[:2] + [other[2], parts[3]])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.replace(" ", "-"))
def test_refused(world, proxy, row):
    make, reason = ROWS[row]
    assert ask(world, proxy, make(world)) == reason


def test_allowed(world, proxy):
    assert ask(world, proxy, world.key.grant()) == "Allowed"


def test_another_sandbox_cannot_use_it(world, proxy):
    other = world.ours.issue("box-9", pki.sandbox_uri("box-9"))
    assert ask(world, proxy, world.token, other) == "GrantSandbox"


@pytest.mark.parametrize("names", [
    "URI:spiffe://sandgate.dev/operator", "URI:spiffe://sandgate.dev/sandbox/", "DNS:box-1", "",
    "URI:spiffe://sandgate.dev/sandbox/box-1,URI:spiffe://sandgate.dev/sandbox/box-2",
    "URI:spiffe://elsewhere.test/sandbox/box-1"])
def test_certificates_that_name_no_sandbox(world, proxy, names):
    identity = world.ours.issue(f"odd-{abs(hash(names))}", names)
    assert ask(world, proxy, world.token, identity) == "NotASandbox"


def handshake_refused(world, proxy, identity):
    before = len(proxy.audit)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        with world.connect(proxy, identity) as outer:  # TLS 1.3 tells with the first read
            outer.sendall(world.request())
            if not outer.recv(1):
                raise ConnectionResetError
    (line,) = proxy.wait_audit(after=before)
    assert line["verdict"] == "refused" and line["reason"] == "TlsHandshake"
    assert line["sandboxUid"] == ""


def test_no_certificate(world, proxy):
    handshake_refused(world, proxy, ())


def test_a_foreign_certificate(world, proxy):
    handshake_refused(world, proxy, world.outside.issue("box-f", pki.sandbox_uri("box-1")))


def test_a_server_certificate_is_no_clients(world, proxy):
    handshake_refused(world, proxy,
                      world.ours.issue("box-s", pki.sandbox_uri("box-1"), "serverAuth"))


def test_no_tls_at_all(world, proxy):
    before = len(proxy.audit)
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=60) as raw:
        raw.sendall(world.request())
        read_all(raw)
    (line,) = proxy.wait_audit(after=before)
    assert line["reason"] == "TlsHandshake"


def test_keys_rotate_without_a_break(world, tmp_path):
    """The new key counts beside the old one, then alone; what is broken changes nothing."""
    new = pki.GrantKey(world.directory, "new")
    (tmp_path / "one.pem").write_bytes(world.key.public_pem)
    with world.proxy("--keys-dir", tmp_path) as proxy:
        tokens = world.key.grant(), new.grant()
        assert [ask(world, proxy, token) for token in tokens] == ["Allowed", "GrantForged"]
        (tmp_path / "two.pem").write_bytes(new.public_pem)
        wait_for(lambda: proxy.metric("sandgate_egress_grant_keys") == 2, "second key")
        assert [ask(world, proxy, token) for token in tokens] == ["Allowed", "Allowed"]
        failed = 'sandgate_egress_reloads_total{result="failed"}'
        (tmp_path / "three.pem").write_text("no key")
        wait_for(lambda: proxy.metric(failed) == 1, "refusal of a broken key")
        assert [ask(world, proxy, token) for token in tokens] == ["Allowed", "Allowed"]
        os.unlink(tmp_path / "three.pem")
        os.unlink(tmp_path / "one.pem")
        wait_for(lambda: proxy.metric("sandgate_egress_grant_keys") == 1, "one key")
        assert [ask(world, proxy, token) for token in tokens] == ["GrantForged", "Allowed"]


def test_without_keys_it_is_not_ready_and_believes_nobody(world, tmp_path):
    with world.proxy("--keys-dir", tmp_path) as proxy:
        assert "no public key" in proxy.unready()
        assert ask(world, proxy, world.token) == "GrantForged"

"""Requests that are refused: each row says what is sent, and the reason in answer and audit line."""

import json

import pytest

from world import read_all

CONNECT = "CONNECT allowed.test:443 HTTP/1.1\r\n"
HOST = "Host: allowed.test:443\r\n"


def raw(head):
    """The head with the world's grant where GRANT stands."""
    return lambda world: head.replace("GRANT", f"Sandgate-Grant: {world.token}\r\n").encode("latin-1")


def to(target, **options):
    return lambda world: world.request(target, **options)


ROWS = {
    # Another kind of request.
    "plain HTTP, absolute form": (
        raw("GET http://allowed.test/ HTTP/1.1\r\nGRANTHost: allowed.test\r\n\r\n"), 403, "PlainHttp"),
    "absolute form with https": (
        raw("GET https://allowed.test/ HTTP/1.1\r\nGRANTHost: allowed.test\r\n\r\n"), 403, "PlainHttp"),
    "origin form": (raw("GET / HTTP/1.1\r\nGRANTHost: allowed.test\r\n\r\n"), 403, "PlainHttp"),
    "POST with a body": (
        raw("POST http://allowed.test/ HTTP/1.1\r\nGRANTHost: allowed.test\r\n"
            "Content-Length: 0\r\n\r\n"), 403, "PlainHttp"),
    "lower-case method": (raw("connect allowed.test:443 HTTP/1.1\r\nGRANT" + HOST + "\r\n"), 403,
                          "PlainHttp"),
    "HTTP/2 preface": (raw("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400, "Malformed"),
    "HTTP/0.9": (raw("CONNECT allowed.test:443\r\n\r\n"), 400, "Malformed"),
    "HTTP/1.2": (raw("CONNECT allowed.test:443 HTTP/1.2\r\nGRANT" + HOST + "\r\n"), 400, "Malformed"),
    # Bodies.
    "Content-Length": (raw(CONNECT + "GRANT" + HOST + "Content-Length: 3\r\n\r\nabc"), 400,
                       {"Body", "Pipelined"}),
    "Content-Length 0": (raw(CONNECT + "GRANT" + HOST + "Content-Length: 0\r\n\r\n"), 400, "Body"),
    "chunked": (raw(CONNECT + "GRANT" + HOST + "Transfer-Encoding: chunked\r\n\r\n"), 400, "Body"),
    "TE and CL": (raw(CONNECT + "GRANT" + HOST + "Transfer-Encoding: chunked\r\n"
                      "Content-Length: 4\r\n\r\n"), 400, "Body"),
    "CL and TE": (raw(CONNECT + "GRANT" + HOST + "Content-Length: 4\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n"), 400, "Body"),
    "two lengths": (raw(CONNECT + "GRANT" + HOST + "Content-Length: 4\r\nContent-Length: 5\r\n\r\n"),
                    400, "Body"),
    "negative length": (raw(CONNECT + "GRANT" + HOST + "Content-Length: -1\r\n\r\n"), 400, "Body"),
    "Expect": (raw(CONNECT + "GRANT" + HOST + "Expect: 100-continue\r\n\r\n"), 400, "Body"),
    "Upgrade": (raw(CONNECT + "GRANT" + HOST + "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n"), 400,
                "Body"),
    # Bytes too early.
    "pipelined CONNECT": (raw((CONNECT + "GRANT" + HOST + "\r\n") * 2), 400, "Pipelined"),
    "a byte before the answer": (raw(CONNECT + "GRANT" + HOST + "\r\n\x16"), 400, "Pipelined"),
    # Lines.
    "bare LF": (raw("CONNECT allowed.test:443 HTTP/1.1\nGRANT" + HOST + "\r\n"), 400, "Malformed"),
    "bare CR": (raw(CONNECT + "GRANT" + HOST + "X: a\rb\r\n\r\n"), 400, "Malformed"),
    "folded line": (raw(CONNECT + "GRANT" + HOST + "X: a\r\n b\r\n\r\n"), 400, "Malformed"),
    "folded grant": (raw(CONNECT + "GRANT x\r\n" + HOST + "\r\n"), 400, "Malformed"),
    "space before colon": (raw(CONNECT + "GRANT" + HOST + "X : a\r\n\r\n"), 400, "Malformed"),
    "no colon": (raw(CONNECT + "GRANT" + HOST + "X\r\n\r\n"), 400, "Malformed"),
    "NUL in a header": (raw(CONNECT + "GRANT" + HOST + "X: a\0b\r\n\r\n"), 400, "Malformed"),
    "high byte in a header": (raw(CONNECT + "GRANT" + HOST + "X: \xe9\r\n\r\n"), 400, "Malformed"),
    "NUL in the name": (raw("CONNECT allowed.test\0.evil.test:443 HTTP/1.1\r\nGRANT\r\n"), 400,
                        "Malformed"),
    "CR LF in the name": (raw("CONNECT allowed.test\r\n.evil.test:443 HTTP/1.1\r\nGRANT\r\n"), 400,
                          "Malformed"),
    "IDN in the name": (raw("CONNECT b\xfccher.test:443 HTTP/1.1\r\nGRANT\r\n"), 400, "Malformed"),
    "two spaces": (raw("CONNECT  allowed.test:443 HTTP/1.1\r\nGRANT" + HOST + "\r\n"), 400,
                   "Malformed"),
    "too many headers": (raw(CONNECT + "GRANT" + HOST + "X: a\r\n" * 40 + "\r\n"), 431, "TooLarge"),
    "too large a head": (raw(CONNECT + "GRANT" + HOST + "X: " + "a" * 20_000 + "\r\n\r\n"), 431,
                         "TooLarge"),
    "a head without an end": (raw(CONNECT + "GRANT" + HOST + "X: " + "a" * 40_000), 431, "TooLarge"),
    # Host.
    "no Host in HTTP/1.1": (to("allowed.test:443", host=""), 400, "Malformed"),
    "another Host": (to("allowed.test:443", host="Host: evil.test:443\r\n"), 400, "Malformed"),
    "two Hosts": (to("allowed.test:443", extra=HOST), 400, "Malformed"),
    # Targets.
    "no port": (to("allowed.test"), 400, "Malformed"),
    "empty port": (to("allowed.test:"), 400, "Malformed"),
    "port 0": (to("allowed.test:0"), 400, "Malformed"),
    "port too large": (to("allowed.test:65979"), 400, "Malformed"),  # 443 modulo 65536
    "port with sign": (to("allowed.test:+443"), 400, "Malformed"),
    "port with letters": (to("allowed.test:https"), 400, "Malformed"),
    "port 80": (to("allowed.test:80"), 403, "Port"),
    "port 22": (to("allowed.test:22"), 403, "Port"),
    "port 8443": (to("allowed.test:8443"), 403, "Port"),
    "userinfo": (to("allowed.test@evil.test:443"), 400, "BadName"),
    "userinfo with password": (to("a:b@allowed.test:443"), 400, "BadName"),
    "percent": (to("allowed%2etest:443"), 400, "BadName"),
    "slash": (to("allowed.test/evil.test:443"), 400, "BadName"),
    "backslash": (to("evil.test\\.allowed.test:443"), 400, {"BadName", "Malformed"}),
    "fragment": (to("evil.test#allowed.test:443"), 400, "BadName"),
    "underscore": (to("_x.wild.test:443"), 400, "BadName"),
    "two trailing dots": (to("allowed.test..:443"), 400, "BadName"),
    "empty label": (to("a..wild.test:443"), 400, "BadName"),
    "single label": (to("localhost:443"), 400, "BadName"),
    "empty host": (to(":443"), 400, {"BadName", "Malformed"}),
    # Addresses in every notation.
    "dotted": (to("127.0.0.1:443"), 403, "AddressLiteral"),
    "metadata": (to("169.254.169.254:443"), 403, "AddressLiteral"),
    "dotted with a final dot": (to("127.0.0.1.:443"), 403, "AddressLiteral"),
    "decimal": (to("2130706433:443"), 403, "AddressLiteral"),
    "octal": (to("0177.0.0.1:443"), 403, "AddressLiteral"),
    "octal in one": (to("017700000001:443"), 403, "AddressLiteral"),
    "hex": (to("0x7f000001:443"), 403, "AddressLiteral"),
    "hex dotted": (to("0x7f.0x0.0x0.0x1:443"), 403, "AddressLiteral"),
    "short": (to("127.1:443"), 403, "AddressLiteral"),
    "IPv6": (to("[::1]:443"), 403, "AddressLiteral"),
    "IPv6 without brackets": (to("::1:443"), 403, "AddressLiteral"),
    "mapped": (to("[::ffff:127.0.0.1]:443"), 403, "AddressLiteral"),
    "zone": (to("[fe80::1%25eth0]:443"), 403, "AddressLiteral"),
    "public IPv4": (to("8.8.8.8:443"), 403, "AddressLiteral"),
    # Names that are not in the grant.
    "another name": (to("evil.test:443"), 403, "NameNotAllowed"),
    "a subdomain": (to("www.allowed.test:443"), 403, "NameNotAllowed"),
    "a longer name": (to("notallowed.test:443"), 403, "NameNotAllowed"),
    "allowed as a prefix": (to("allowed.test.evil.test:443"), 403, "NameNotAllowed"),
    "wildcard at its apex": (to("wild.test:443"), 403, "NameNotAllowed"),
    "wildcard two labels deep": (to("a.b.wild.test:443"), 403, "NameNotAllowed"),
    "the wildcard itself": (to("*.wild.test:443"), 400, "BadName"),
    # Grants in the request.
    "no grant": (to("allowed.test:443", token=None), 403, "GrantMissing"),
    "an empty grant": (to("allowed.test:443", token=" "), 403, "GrantMissing"),
    "two grants": (to("allowed.test:443", extra="sandgate-grant: x\r\n"), 400, "Malformed"),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.replace(" ", "-"))
def test_refused(world, proxy, row):
    make, status, reasons = ROWS[row]
    reasons = {reasons} if isinstance(reasons, str) else reasons
    before, accepted = len(proxy.audit), world.far.accepted
    with world.connect(proxy) as outer:
        outer.sendall(make(world))
        answer = read_all(outer)
    head, body = answer.split(b"\r\n\r\n", 1)
    refusal = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d %s\r\n" % (status, refusal["code"].encode())), head
    assert refusal["code"] in reasons and refusal["message"]
    (line,) = proxy.wait_audit(after=before)
    assert line["verdict"] == "refused" and line["reason"] == refusal["code"]
    assert world.far.accepted == accepted
    if line["runId"]:  # a valid grant: the agent is told what would be allowed
        assert refusal["allowed"] == ["allowed.test", "*.wild.test"]
    else:
        assert refusal["allowed"] == []


def test_the_grant_is_in_no_log_and_no_answer(world, proxy):
    before = len(proxy.audit)
    with world.connect(proxy) as outer:
        outer.sendall(world.request("evil.test:443"))
        answer = read_all(outer).decode()
    proxy.wait_audit(after=before)
    secret = world.token.rsplit(".", 1)[1]
    assert secret not in answer
    assert not any(secret in str(line) for line in proxy.lines)


def test_an_audit_line_cannot_be_forged_by_a_host(world, proxy):
    before = len(proxy.audit)
    with world.connect(proxy) as outer:
        outer.sendall(world.request('x","verdict":"allowed","a":"b.test:443'))
        read_all(outer)
    (line,) = proxy.wait_audit(after=before)
    assert line["verdict"] == "refused"

"""The beginning of the tunnelled connection: one plain ClientHello for the name that was asked for."""

import ssl
import struct

import pytest

import hello
from hello import ECH, EARLY_DATA, SERVER_NAME, message, real, record, records, server_names
from world import read_all, read_head

GOOD = server_names(b"allowed.test")
ACCESS_DENIED, UNRECOGNIZED_NAME = 49, 112


def sni(data):
    return records(real().without(SERVER_NAME).with_extension(SERVER_NAME, data).bytes())


def with_extension(kind, data=b""):
    return records(real().with_extension(kind, data).bytes())


def padded_to(size):
    """A ClientHello whose message is exactly so long."""
    text = real()
    text.with_extension(0x0A0A, b"\0" * (size - len(text.bytes()) - 4))  # of no meaning
    assert len(text.bytes()) == size
    return text.bytes()


def longer_than_it_is():
    text = real().bytes()
    return records(b"\x01" + struct.pack(">I", 70_000)[1:] + text[4:])


ROWS = {
    "another name": (lambda: record("evil.test"), "SniOther"),
    "a subdomain": (lambda: record("www.allowed.test"), "SniOther"),
    "a final dot": (lambda: sni(server_names(b"allowed.test.")), "SniOther"),
    "NUL in the name": (lambda: sni(server_names(b"allowed.test\0.evil.test")), "SniOther"),
    "missing": (lambda: record(None), "SniMissing"),
    "missing in TLS 1.2": (lambda: record(None, ssl.TLSVersion.TLSv1_2), "SniMissing"),
    "two names": (lambda: sni(server_names(b"allowed.test", b"evil.test")), "SniAmbiguous"),
    "the same name twice": (lambda: sni(server_names(b"allowed.test", b"allowed.test")),
                            "SniAmbiguous"),
    "another kind of name": (lambda: sni(server_names(b"allowed.test", kind=1)), "HelloMalformed"),
    "an empty name": (lambda: sni(server_names(b"")), "HelloMalformed"),
    "an empty list": (lambda: sni(b"\0\0"), "HelloMalformed"),
    "an empty extension": (lambda: sni(b""), "HelloMalformed"),
    "a list shorter than its extension": (lambda: sni(GOOD + b"\0"), "HelloMalformed"),
    "a list longer than its extension": (lambda: sni(b"\0\xff" + GOOD[2:]), "HelloMalformed"),
    "a name longer than its list": (lambda: sni(GOOD[:3] + b"\0\xff" + GOOD[5:]), "HelloMalformed"),
    "two server name extensions": (
        lambda: records(real().with_extension(SERVER_NAME, server_names(b"evil.test")).bytes()),
        "HelloMalformed"),
    "another name in the second record": (
        lambda: records(message(record("evil.test")), (40, 16384)), "SniOther"),
    "another name over many records": (
        lambda: records(message(record("evil.test")), (1,)), "SniOther"),
    "a second hello behind the first": (lambda: record() + record("evil.test"), "HelloTrailing"),
    "a second hello in the same record": (
        lambda: records(real().bytes() + real("evil.test").bytes()), "HelloTrailing"),
    "early data behind it": (lambda: record() + records(b"x" * 50, kind=23), "HelloTrailing"),
    "ECH": (lambda: with_extension(ECH, b"\0" * 50), "EncryptedHello"),
    "ECH in GREASE": (lambda: with_extension(ECH, b"\0\0\1\0\1\x5c\0\x20" + b"g" * 32 + b"\0\x40"
                                             + b"p" * 64), "EncryptedHello"),
    "ECH, empty": (lambda: with_extension(ECH), "EncryptedHello"),
    "ESNI": (lambda: with_extension(0xFFCE, b"\0" * 20), "EncryptedHello"),
    "early data": (lambda: with_extension(EARLY_DATA), "EarlyData"),
    "plain HTTP": (lambda: b"GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n", "NotTls"),
    "another CONNECT": (lambda: b"CONNECT evil.test:443 HTTP/1.1\r\n\r\n", "NotTls"),
    "SSH": (lambda: b"SSH-2.0-x\r\n", "NotTls"),
    "SSL 2": (lambda: b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + b"\0" * 40, "NotTls"),
    "change_cipher_spec first": (lambda: b"\x14\3\3\0\1\1" + record(), "NotTls"),
    "an alert first": (lambda: b"\x15\3\3\0\2\1\0" + record(), "NotTls"),
    "another major version": (lambda: records(message(record()), version=b"\x02\x00"), "NotTls"),
    "an empty record": (lambda: b"\x16\3\1\0\0" + record(), "HelloMalformed"),
    "a record too long": (lambda: b"\x16\3\1\x48\x01" + b"a" * 20_000, "HelloMalformed"),
    "another handshake message": (lambda: records(b"\x02" + message(record())[1:]), "HelloMalformed"),
    "a message too long": (longer_than_it_is, "HelloTooLarge"),
    "a byte more than allowed": (lambda: records(padded_to(16_385)), "HelloTooLarge"),
    "many tiny records": (lambda: records(padded_to(16_000), (1,)), "HelloTooLarge"),
    "cut short": (lambda: records(message(record())[:-1] + b""), None),
    "nonsense inside": (lambda: records(b"\x01\0\0\x30" + b"\xff" * 48), "HelloMalformed"),
}


def offer(world, proxy, data, target="allowed.test:443", half_close=False):
    before = len(proxy.audit)
    with world.connect(proxy) as outer:
        outer.sendall(world.request(target))
        assert read_head(outer).startswith(b"HTTP/1.1 200")
        outer.sendall(data)
        if half_close:
            try:
                outer.unwrap()
            except (OSError, ssl.SSLError):
                pass
        answer = read_all(outer) if not half_close else b""
    (line,) = proxy.wait_audit(after=before)
    return answer, line


@pytest.mark.parametrize("row", [r for r in ROWS if ROWS[r][1]], ids=lambda row: row.replace(" ", "-"))
def test_refused(world, proxy, row):
    make, reason = ROWS[row]
    answer, line = offer(world, proxy, make())
    assert line["verdict"] == "refused" and line["reason"] == reason
    alert = UNRECOGNIZED_NAME if reason in ("SniMissing", "SniOther") else ACCESS_DENIED
    assert answer == b"\x15\x03\x03\x00\x02\x02" + bytes([alert])
    assert line["bytesUp"] == line["bytesDown"] == "0", "nothing of it reached the far side"


def test_cut_short(world, proxy):
    _, line = offer(world, proxy, ROWS["cut short"][0](), half_close=True)
    assert line["verdict"] == "refused" and line["reason"] == "HelloMalformed"


@pytest.mark.parametrize("name,reason", [
    ("evil.test", "NameNotAllowed"), ("wild.test", "NameNotAllowed"), ("a.b.wild.test", "NameNotAllowed"),
    ("by-sni.invalid", "NameNotAllowed"), ("127.0.0.1", "AddressLiteral"), ("localhost", "BadName")])
def test_by_sni(world, proxy, name, reason):
    """Without a name in the request the one in the ClientHello is judged, as strictly."""
    data = sni(server_names(name.encode()))
    accepted = world.far.accepted
    answer, line = offer(world, proxy, data, "by-sni.invalid:443")
    assert line["verdict"] == "refused" and line["reason"] == reason
    assert line["host"] == name and answer[:6] == b"\x15\x03\x03\x00\x02\x02"
    assert world.far.accepted == accepted


def test_the_largest_hello_passes(world, proxy):
    """16 KiB of message, in two records."""
    before = len(proxy.audit)
    with world.connect(proxy) as outer:
        outer.sendall(world.request())
        read_head(outer)
        outer.sendall(records(padded_to(16_384), (16_000, 384)))
        assert outer.recv(65536)  # the server has an opinion; it was asked
    (line,) = proxy.wait_audit(after=before)
    assert line["verdict"] == "allowed" and int(line["bytesUp"]) >= 16_394, line


def retry_hello(name="allowed.test"):
    """A ClientHello for TLS 1.3 whose only key share is of no group: the server asks again."""
    text = real(name)
    return text.without(hello.KEY_SHARE).with_extension(hello.KEY_SHARE, b"\0\0")


@pytest.mark.parametrize("name,reason", [("allowed.test", None), ("evil.test", "SniOther"),
                                         (None, "SniMissing")])
@pytest.mark.parametrize("ccs", [b"", b"\x14\3\3\0\1\1"], ids=["plain", "ccs"])
def test_the_hello_after_a_retry_is_read_too(world, proxy, name, reason, ccs):
    before = len(proxy.audit)
    first = retry_hello()
    second = retry_hello(name or "allowed.test")
    second.head = first.head
    if name is None:
        second.without(SERVER_NAME)
    with world.connect(proxy) as outer:
        outer.sendall(world.request())
        read_head(outer)
        outer.sendall(records(first.bytes()))
        answer = outer.recv(65536)
        assert answer[0] == 22 and b"\xcf\x21\xad\x74" in answer, "a HelloRetryRequest"
        outer.sendall(ccs + records(second.bytes()))
        rest = read_all(outer)
    (line,) = proxy.wait_audit(after=before)
    if reason:
        assert line["reason"] == "SecondHello" and line["detail"] == reason
        assert rest[:6] == b"\x15\x03\x03\x00\x02\x02"
    else:
        assert line["reason"] != "SecondHello" and rest[:1] == b"\x15"  # the server's own alert

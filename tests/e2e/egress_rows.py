"""The bypass table, as code inside of a sandbox tries it: the proxy's own table (tests/egress), with
the grant added by the runner, and the rows that only a name's addresses or port 443 make."""

import base64
import json
import pathlib
import sys
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "egress"))

import test_hello as hellos  # noqa: E402
import test_names as names  # noqa: E402
import test_requests as requests  # noqa: E402
from world import World  # noqa: E402

PROXY, CAUGHT = 3128, 443  # the run's own ports
GRANT_OF_TESTS = b"Sandgate-Grant: FROM-INSIDE\r\n"
ALERTS = {hellos.UNRECOGNIZED_NAME, hellos.ACCESS_DENIED}


class Inside:
    """Where the tables ask for a grant, the code has none: the runner adds it."""

    token = "FROM-INSIDE"
    request = World.request


class Row:
    """What the code sends to a port of its own, and the reason that answer and audit line give."""

    def __init__(self, reasons, send, port=PROXY, then=None, host=None):
        self.reasons = {reasons} if isinstance(reasons, str) else set(reasons)
        self.send, self.port, self.then, self.host = send, port, then, host

    def as_json(self):
        def text(data):
            return None if data is None else base64.b64encode(data).decode()
        return {"port": self.port, "send": text(self.send), "then": text(self.then)}


def request(target, **options):
    return Inside().request(target, **options).replace(GRANT_OF_TESTS, b"")


def _requests():
    for name, (make, _, reasons) in requests.ROWS.items():
        if name in ("no grant", "an empty grant"):
            continue  # no code can leave out what it does not add
        yield f"request: {name}", Row(reasons, make(Inside()).replace(GRANT_OF_TESTS, b""))
    yield "request: a grant of the code's own", Row(
        "Malformed", request("allowed.test:443", extra="Sandgate-Grant: sgeg1.a.b.c\r\n"))


def _hellos():
    for name, (make, reason) in hellos.ROWS.items():
        if reason:
            yield f"hello: {name}", Row(reason, request("allowed.test:443"), then=make())
    for name in ("evil.test", "wild.test", "a.b.wild.test", "127.0.0.1", "localhost"):
        reason = {"127.0.0.1": "AddressLiteral", "localhost": "BadName"}.get(name, "NameNotAllowed")
        data = hellos.sni(hellos.server_names(name.encode()))
        yield f"port 443: {name}", Row(reason, data, port=CAUGHT, host=name)
    yield "port 443: no name", Row("SniMissing", hellos.record(None), port=CAUGHT)
    yield "port 443: ECH", Row("EncryptedHello", hellos.with_extension(hellos.ECH), port=CAUGHT)
    yield "port 443: plain HTTP", Row("NotTls", b"GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
                                      port=CAUGHT)


def forbidden(cluster_addresses):
    """{name: address} that the test's DNS answers with."""
    addresses = {kind: address for kind, address in names.FORBIDDEN.items() if kind != "cluster"}
    addresses.update(cluster_addresses)
    return {f"n{number}.wild.test": (kind, address)
            for number, (kind, address) in enumerate(addresses.items())}


def table(cluster_addresses):
    rows = dict(_requests()) | dict(_hellos())
    for name, (kind, _) in forbidden(cluster_addresses).items():
        rows[f"address: {kind}"] = Row("AddressNotAllowed", request(f"{name}:443"), host=name)
    rows["rebinding: the second answer is private"] = Row(
        "AddressNotAllowed", request("rebinding.wild.test:443"), host="rebinding.wild.test")
    rows["no such name"] = Row("NameNotFound", request("nobody.wild.test:443"))
    return rows


# Runs in the sandbox: every row, one after the other; prints what came back.
DRIVER = r'''
import base64, json, socket
def talk(row):
    answer = b""
    with socket.create_connection(("127.0.0.1", row["port"]), timeout=30) as s:
        try:
            s.sendall(base64.b64decode(row["send"]))
            if row["then"] is not None:
                while b"\r\n\r\n" not in answer:
                    more = s.recv(65536)
                    if not more:
                        return answer
                    answer += more
                s.sendall(base64.b64decode(row["then"]))
            while more := s.recv(65536):
                answer += more
        except OSError as problem:
            answer += repr(problem).encode()
    return answer
print(json.dumps([base64.b64encode(talk(row)).decode() for row in ROWS]))
'''


def program(rows):
    packed = zlib.compress(json.dumps([row.as_json() for row in rows]).encode(), 9)
    text = base64.b64encode(packed).decode()  # some rows are large, and code is at most 256 KiB
    return f"import base64, json, zlib\nROWS = json.loads(zlib.decompress(base64.b64decode('{text}')))\n{DRIVER}"


def answers(stdout):
    return [base64.b64decode(one) for one in json.loads(stdout)]


def refused_as(row, answer):
    """The word of a refusal, however it was said; an alert says none."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if row.then is not None:
        assert head.startswith(b"HTTP/1.1 200"), answer
        answer = body
    elif row.port == PROXY:
        refusal = json.loads(body)
        assert head.split(b"\r\n")[0].split()[2].decode() == refusal["code"], head
        return refusal["code"]
    assert answer[:6] == b"\x15\x03\x03\x00\x02\x02" and answer[6] in ALERTS, answer
    return None

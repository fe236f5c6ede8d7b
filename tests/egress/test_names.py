"""What DNS answers, and where the proxy then connects: to checked addresses and no other."""

import ipaddress
import itertools
import json

import pytest

import dns
import upstream
from world import Tunnel, read_all, read_head

FORBIDDEN = {
    "private": "10.1.2.3", "private B": "172.16.0.1", "private C": "192.168.1.1",
    "loopback": "127.0.0.2", "this network": "0.0.0.0", "metadata": "169.254.169.254",
    "link-local": "169.254.1.1", "CGNAT": "100.64.0.1", "cluster": "52.7.1.1",
    "documentation": "203.0.113.5", "benchmarking": "198.18.0.1", "multicast": "224.0.0.1",
    "reserved": "240.0.0.1", "broadcast": "255.255.255.255",
    "IPv6 unspecified": "::", "mapped": "::ffff:127.0.0.1", "mapped public": "::ffff:8.8.8.8",
    "compatible": "::7f00:1", "NAT64": "64:ff9b::7f00:1", "NAT64 public": "64:ff9b::808:808",
    "local NAT64": "64:ff9b:1::7f00:1", "6to4": "2002:7f00:1::", "Teredo": "2001::1",
    "unique local": "fd00::1", "IPv6 metadata": "fd00:ec2::254", "IPv6 link-local": "fe80::1",
    "IPv6 multicast": "ff02::1", "IPv6 documentation": "2001:db8::1",
}


def ask(world, proxy, target="allowed.test:443"):
    before = len(proxy.audit)
    with world.connect(proxy) as outer:
        outer.sendall(world.request(target))
        answer = read_all(outer)
    (line,) = proxy.wait_audit(after=before)
    refusal = json.loads(answer.split(b"\r\n\r\n", 1)[1])
    assert refusal["code"] == line["reason"]
    return int(answer.split()[1]), line


@pytest.fixture
def answers(world):
    """Sets what allowed.test resolves to, for one test."""
    before = dict(world.dns.names)
    yield lambda value: world.dns.names.update({"allowed.test": value})
    world.dns.names.clear()
    world.dns.names.update(before)


@pytest.mark.parametrize("kind", FORBIDDEN, ids=lambda kind: kind.replace(" ", "-"))
@pytest.mark.parametrize("beside", [[], ["127.0.0.1"]], ids=["alone", "beside-an-allowed-one"])
def test_forbidden_addresses(world, proxy, answers, kind, beside):
    """One is enough to refuse the name, wherever it stands; nobody is connected to."""
    answers(beside + [FORBIDDEN[kind]])
    accepted = world.far.accepted
    status, line = ask(world, proxy)
    assert (status, line["reason"]) == (403, "AddressNotAllowed")
    assert ipaddress.ip_address(line["address"]) == ipaddress.ip_address(FORBIDDEN[kind])
    assert line["detail"]
    assert world.far.accepted == accepted


def test_rebinding_between_check_and_use(world, proxy, answers):
    """The first answer is allowed, all later ones are not: the connection goes where the check
    went, since the name is looked up once."""
    count = itertools.count()
    answers(lambda kind: ["127.0.0.1"] if kind == dns.A and next(count) == 0 else
            (["127.0.0.2"] if kind == dns.A else []))
    before = len(proxy.audit)
    outer = world.connect(proxy)
    outer.sendall(world.request())
    assert read_head(outer).startswith(b"HTTP/1.1 200")
    inner = Tunnel(outer, "allowed.test", world.outside.crt)
    inner.send(b"ping")
    assert inner.receive(4) == b"ping"
    inner.close()
    (line,) = proxy.wait_audit(after=before)
    assert line["address"] == "127.0.0.1" and next(count) == 1, "one lookup"
    status, line = ask(world, proxy)  # nothing is cached: the next answer is what counts
    assert (status, line["reason"]) == (403, "AddressNotAllowed")


@pytest.mark.parametrize("value,status,reason", [
    (dns.NXDOMAIN, 502, "NameNotFound"), ([], 502, "NameNotFound"), (dns.SERVFAIL, 502, "Resolver"),
    (["127.0.0.3"], 502, "ConnectFailed"),  # nobody listens there
    ([f"127.0.1.{i}" for i in range(1, 40)], 502, "TooManyAddresses"),
])
def test_failures(world, proxy, answers, value, status, reason):
    answers(value)
    got, line = ask(world, proxy)
    assert (got, line["reason"]) == (status, reason)


def test_a_resolver_that_never_answers(world, proxy, answers):
    answers(None)
    status, line = ask(world, proxy)
    assert (status, line["reason"]) == (504, "ResolverTimeout")


def test_names_not_granted_are_never_looked_up(world, proxy):
    del world.dns.questions[:]
    for target in ("evil.test:443", "deep.er.wild.test:443", "allowed.test:80", "127.0.0.1:443",
                   "data-to-leak.evil.test:443"):
        ask(world, proxy, target)
    assert world.dns.questions == []


def tunnel_address(world, proxy):
    before = len(proxy.audit)
    outer = world.connect(proxy)
    outer.sendall(world.request())
    assert read_head(outer).startswith(b"HTTP/1.1 200")
    inner = Tunnel(outer, "allowed.test", world.outside.crt)
    inner.send(b"ping")
    assert inner.receive(4) == b"ping"
    inner.close()
    return proxy.wait_audit(after=before)[0]["address"]


def test_the_next_address_when_one_is_dead(world, proxy, answers):
    answers(["127.0.0.3", "127.0.0.1", "::1"])  # IPv6 first: nobody there either
    assert tunnel_address(world, proxy) == "127.0.0.1"


def test_ipv6_comes_first(world, proxy, answers):
    answers(["127.0.0.1", "::1"])
    server = upstream.Server("::1", *world.far_certificate)
    try:
        assert tunnel_address(world, proxy) == "::1"
    finally:
        server.close()

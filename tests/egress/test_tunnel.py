"""What is allowed works: TLS through the proxy, to the byte."""

import os
import ssl

import pytest

import hello
from world import Tunnel, read_head


def tunnel(world, proxy, target="allowed.test:443", name="allowed.test", request=None, **options):
    outer = world.connect(proxy)
    outer.sendall(request or world.request(target))
    head = read_head(outer)
    assert head == b"HTTP/1.1 200 Connection established\r\n\r\n", head
    return Tunnel(outer, name, world.outside.crt, **options)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_bytes_come_back(world, proxy, version):
    before = len(proxy.audit)
    inner = tunnel(world, proxy, maximum=version)
    data = os.urandom(300_000)
    for at in range(0, len(data), 50_000):
        inner.send(data[at:at + 50_000])
        assert inner.receive(50_000) == data[at:at + 50_000]
    inner.close()
    (line,) = proxy.wait_audit(after=before)
    assert line["verdict"] == "allowed" and line["reason"] in ("Closed", "Reset")
    assert line["host"] == "allowed.test" and line["address"] == "127.0.0.1"
    assert line["runId"] == "run-1" and line["sandboxUid"] == "box-1"
    assert line["namespace"] == "agents" and line["execution"] == "fetch"
    assert int(line["bytesUp"]) > 300_000 and int(line["bytesDown"]) > 300_000


@pytest.mark.parametrize("target,name", [
    ("a.wild.test:443", "a.wild.test"),
    ("ALLOWED.Test:443", "allowed.test"),
    ("allowed.test.:443", "allowed.test"),
    ("by-sni.invalid:443", "allowed.test"),
    ("by-sni.invalid:443", "a.wild.test"),
])
def test_names(world, proxy, target, name):
    before = len(proxy.audit)
    inner = tunnel(world, proxy, target, name)
    inner.send(b"ping")
    assert inner.receive(4) == b"ping"
    inner.close()
    (line,) = proxy.wait_audit(after=before)
    assert line["verdict"] == "allowed" and line["host"] == name


def test_http_1_0_without_host_as_python_sends_it(world, proxy):
    request = world.request(version="1.0", host="")
    inner = tunnel(world, proxy, request=request)
    inner.send(b"ping")
    assert inner.receive(4) == b"ping"
    inner.close()


@pytest.mark.parametrize("sizes", [(1,), (5, 16384), (100,), (4, 1, 16384)])
def test_a_hello_over_many_records_and_segments(world, proxy, sizes):
    """However it is cut, it is one ClientHello with one name; the server must like it as well."""
    outer = world.connect(proxy)
    outer.sendall(world.request())
    read_head(outer)
    cut = hello.records(hello.message(hello.record()), sizes)
    for at in range(0, len(cut), 7):
        outer.sendall(cut[at:at + 7])
    answer = outer.recv(65536)
    assert answer[:1] == b"\x16", answer  # the server's handshake, not an alert
    outer.close()

"""ClientHellos: real ones, as Python's OpenSSL sends them, taken apart and put together again with
all lengths right. What is wrong in them is what a test made wrong."""

import ssl
import struct

SERVER_NAME, EARLY_DATA, KEY_SHARE, SUPPORTED_VERSIONS, ECH = 0, 42, 51, 43, 0xFE0D


def record(name="allowed.test", maximum=None, context=None):
    """The records of a real ClientHello for `name` (None: without a server name)."""
    if context is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        if maximum:
            context.maximum_version = maximum
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def message(records):
    """The handshake message inside the records."""
    out = b""
    while records:
        size = struct.unpack(">H", records[3:5])[0]
        out += records[5:5 + size]
        records = records[5 + size:]
    return out


def records(text, sizes=(16384,), kind=22, version=b"\x03\x01"):
    """`text` as records of these payload sizes, the last of which repeats."""
    out, sizes = b"", list(sizes)
    while text:
        size = sizes[0]
        if len(sizes) > 1:
            sizes.pop(0)
        part, text = text[:size], text[size:]
        out += bytes([kind]) + version + struct.pack(">H", len(part)) + part
    return out


class Hello:
    """A ClientHello message as its parts; `extensions` is a list of (type, bytes)."""

    def __init__(self, text):
        assert text[0] == 1
        body = text[4:]
        at = 34
        at += 1 + body[at]
        at += 2 + struct.unpack(">H", body[at:at + 2])[0]
        at += 1 + body[at]
        self.head = body[:at]
        self.extensions, at = [], at + 2
        while at < len(body):
            kind, size = struct.unpack(">HH", body[at:at + 4])
            self.extensions.append((kind, body[at + 4:at + 4 + size]))
            at += 4 + size

    def bytes(self):
        extensions = b"".join(struct.pack(">HH", kind, len(data)) + data
                              for kind, data in self.extensions)
        body = self.head + struct.pack(">H", len(extensions)) + extensions
        return b"\x01" + struct.pack(">I", len(body))[1:] + body

    def without(self, kind):
        self.extensions = [e for e in self.extensions if e[0] != kind]
        return self

    def with_extension(self, kind, data):
        self.extensions.insert(0, (kind, data))
        return self


def server_names(*names, kind=0):
    entries = b"".join(bytes([kind]) + struct.pack(">H", len(n)) + n for n in names)
    return struct.pack(">H", len(entries)) + entries


def real(name="allowed.test"):
    return Hello(message(record(name)))

"""A DNS server that says what a test wants it to say (RFC 1035, UDP)."""

import ipaddress
import socket
import struct
import threading

A, AAAA = 1, 28
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


class Server:
    """`names` maps a name to a list of addresses, an error code, None (no answer at all), or a
    function that returns one of these for each question it is asked."""

    def __init__(self, address="127.0.0.1", port=0):
        self.names = {}
        self.questions = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        self.address = "%s:%d" % self._socket.getsockname()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self._socket.close()

    def _serve(self):
        while True:
            try:
                query, client = self._socket.recvfrom(4096)
            except OSError:
                return
            answer = self._answer(query)
            if answer:
                self._socket.sendto(answer, client)

    def _answer(self, query):
        name, at = [], 12
        while query[at]:
            name.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        kind = struct.unpack(">H", query[at + 1:at + 3])[0]
        question, name = query[12:at + 5], ".".join(name).lower()
        self.questions.append((name, kind))
        value = self.names.get(name, NXDOMAIN)
        if callable(value):
            value = value(kind)
        if value is None:
            return None
        code, addresses = (value, []) if isinstance(value, int) else (NOERROR, value)
        records = b""
        count = 0
        for text in addresses:
            address = ipaddress.ip_address(text)
            if (A if address.version == 4 else AAAA) == kind:
                records += b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 1, len(address.packed))
                records += address.packed
                count += 1
        header = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, count, 0, 0)
        return header + question + records

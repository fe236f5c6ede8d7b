"""Package registries as a host of the outside world: a resolver at port 53, HTTPS at port 443.

A program of its own, since it lives in a network namespace of a test's own:

    registry_host.py DIR ADDRESS NAME...    says "ready" when it serves

DIR has tls.crt and tls.key for the names, pages.json ({"host/path": base64 of the page}), and gets
asked.log: a line "host path" for each request. Every NAME has ADDRESS."""

import base64
import http.server
import json
import pathlib
import socket
import ssl
import struct
import sys
import threading

A = 1
NOERROR, NXDOMAIN = 0, 3


def answer(query, names, address):
    """RFC 1035: the names have one address of IPv4, and nothing else is there."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    kind = struct.unpack(">H", query[at + 1:at + 3])[0]
    known = ".".join(labels).lower() in names
    record = b""
    if known and kind == A:
        record = b"\xc0\x0c" + struct.pack(">HHIH", A, 1, 1, 4) + socket.inet_aton(address)
    head = query[:2] + struct.pack(">HHHHH", 0x8180 | (NOERROR if known else NXDOMAIN), 1, bool(record), 0, 0)
    return head + query[12:at + 5] + record


def serve_names(address, names):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((address, 53))
    while True:
        query, peer = udp.recvfrom(4096)
        try:
            udp.sendto(answer(query, names, address), peer)
        except (IndexError, struct.error):
            continue  # no question


def serve_pages(directory, address):
    pages = {place: base64.b64decode(text)
             for place, text in json.loads((directory / "pages.json").read_text()).items()}
    log, lock = open(directory / "asked.log", "a", encoding="utf-8"), threading.Lock()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            host, path = self.headers["Host"].partition(":")[0], self.path.partition("?")[0]
            with lock:
                print(host, path, file=log, flush=True)
            page = pages.get(host + path)
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Type", "text/html" if path.endswith("/") else "application/octet-stream")
            self.send_header("Content-Length", str(len(page or b"")))
            self.end_headers()
            self.wfile.write(page or b"")

        def log_message(self, *_):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

        def get_request(self):
            connection, client = super().get_request()
            return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), client

        def handle_error(self, *_):  # a client that broke off
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "tls.crt", directory / "tls.key")
    server = Server((address, 443), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def main(directory, address, *names):
    serve_pages(pathlib.Path(directory), address)
    threading.Thread(target=serve_names, args=(address, set(names)), daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Where approvers' messages go in the tests: an HTTPS server outside the cluster."""

import json
import pathlib
import queue
import subprocess
import tempfile
import threading

from .nethost import HOST, NetHost
from .wait import until

PATH = "/hook/T0KEN-that-nobody-logs"
URL = f"https://{HOST}{PATH}"

# Writes each request as a line of JSON. The first attempt of each message is turned away.
SERVER = """
import http.server, json, ssl, sys
seen = set()
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        delivery = self.headers["Sandgate-Delivery"]
        first = delivery not in seen
        seen.add(delivery)
        print(json.dumps({"path": self.path, "headers": dict(self.headers), "body": body,
                          "answer": 503 if first else 200}), flush=True)
        self.send_response(503 if first else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("%(host)s", 443), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("%(certificate)s", "%(key)s")
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()
"""


class Receiver:
    """For the time of a `with`."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        here = pathlib.Path(self.directory.name)
        certificate, key = here / "tls.crt", here / "tls.key"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "1", "-subj", "/CN=receiver", "-addext",
             f"subjectAltName=IP:{HOST}", "-keyout", str(key), "-out", str(certificate)],
            check=True, capture_output=True)
        self.ca = certificate.read_text()
        self.host = NetHost(SERVER % {"host": HOST, "certificate": certificate, "key": key})
        self.lines = queue.SimpleQueue()
        self.messages = []

    def __enter__(self):
        self.host.__enter__()
        threading.Thread(target=self._read, args=(self.host.server.stdout,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.host.__exit__()
        self.directory.cleanup()

    def _read(self, stream):
        for line in stream:
            self.lines.put(json.loads(line))

    def collect(self):
        while not self.lines.empty():
            self.messages.append(self.lines.get())

    def wait(self, event, name):
        """The first accepted message of that event about that Approval."""
        def there():
            self.collect()
            for message in self.messages:
                body = json.loads(message["body"])
                if (message["answer"] == 200 and body["event"] == event
                        and body["approval"]["name"] == name):
                    return message
            return None
        return until(there, f"{event} about {name} arrives")

    def attempts(self, delivery):
        return [m for m in self.messages if m["headers"]["Sandgate-Delivery"] == delivery]

"""An HTTPS server of the outside world that clients of all kinds can use: a page, a Python index,
an npm registry and a git repository."""

import base64
import hashlib
import http.server
import io
import json
import pathlib
import ssl
import subprocess
import tarfile
import threading
import zipfile

PACKAGE, VERSION = "sandgate-demo", "1.0.0"


def wheel():
    files = {
        "sandgate_demo.py": "answer = 42\n",
        f"sandgate_demo-{VERSION}.dist-info/METADATA":
            f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: {VERSION}\n",
        f"sandgate_demo-{VERSION}.dist-info/WHEEL":
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"sandgate_demo-{VERSION}.dist-info/RECORD": "",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


def tarball():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, text in (("package.json", json.dumps({"name": PACKAGE, "version": VERSION})),
                           ("index.js", "exports.answer = 42;\n")):
            data = text.encode()
            info = tarfile.TarInfo("package/" + name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def repository(directory):
    """A bare git repository that any web server can serve, as a map of paths to bytes."""
    work, bare = directory / "work", directory / "demo.git"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(directory), "GIT_CONFIG_NOSYSTEM": "1"}
    who = ["-c", "user.name=t", "-c", "user.email=t@t.test"]

    def git(*arguments, at=work):
        subprocess.run(["git", *who, *map(str, arguments)], cwd=at, env=environment, check=True,
                       capture_output=True)
    work.mkdir()
    git("init", "-q")
    (work / "file").write_text("forty-two\n")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    git("clone", "-q", "--bare", work, bare, at=directory)
    git("update-server-info", at=bare)
    return {"/demo.git/" + str(path.relative_to(bare)): path.read_bytes()
            for path in bare.rglob("*") if path.is_file()}


class Server:
    def __init__(self, address, certificate, key, host, directory):
        archive = tarball()
        registry = {"name": PACKAGE, "dist-tags": {"latest": VERSION}, "versions": {VERSION: {
            "name": PACKAGE, "version": VERSION, "dist": {
                "tarball": f"https://{host}/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz",
                "integrity": "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode(),
            }}}}
        name = f"sandgate_demo-{VERSION}-py3-none-any.whl"
        digest = hashlib.sha256(wheel()).hexdigest()
        self.pages = {
            "/": b"hello from outside\n",
            f"/simple/{PACKAGE}/": f'<a href="/files/{name}#sha256={digest}">{name}</a>'.encode(),
            f"/files/{name}": wheel(),
            f"/{PACKAGE}": json.dumps(registry).encode(),
            f"/{PACKAGE}/-/{PACKAGE}-{VERSION}.tgz": archive,
        }
        if directory:
            self.pages.update(repository(pathlib.Path(directory)))
        self.asked = []  # (Host, path) of each request
        self.accepted = 0  # TCP connections
        self.actions = {}  # first part of a path: what answers, called with the request's handler
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.split("?")[0]
                web.asked.append((self.headers["Host"], path))
                action = web.actions.get(path.split("/")[1])
                if action:
                    return action(self)
                data = web.pages.get(path)
                kind = "text/html" if "/simple/" in path else "application/octet-stream"
                self.answer(404 if data is None else 200, data or b"", ("Content-Type", kind))

            def answer(self, status, body, *headers):
                self.send_response(status)
                for name, value in [*headers, ("Content-Length", str(len(body)))]:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 1024

            def get_request(self):
                connection, client = super().get_request()
                web.accepted += 1
                return web.context.wrap_socket(connection, server_side=True,
                                               do_handshake_on_connect=False), client

            def handle_error(self, *_):  # a client that broke off
                pass

        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self._server = Listener((address, 443), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

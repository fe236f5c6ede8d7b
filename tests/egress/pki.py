"""Certificates and grants, made with the openssl program: what the operator does, done by others."""

import base64
import hashlib
import json
import os
import pathlib
import subprocess
import time


def openssl(*args, data=None):
    return subprocess.run(["openssl", *map(str, args)], input=data, check=True,
                          capture_output=True).stdout


def _new_key(path, kind="EC"):
    extra = ["-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "EC" else []
    path.write_bytes(openssl("genpkey", "-algorithm", kind, *extra))
    return path


class Authority:
    def __init__(self, directory, name):
        self.directory = pathlib.Path(directory)
        self.key = _new_key(self.directory / f"{name}-ca.key")
        self.crt = self.directory / f"{name}-ca.crt"
        self.crt.write_bytes(openssl(
            "req", "-x509", "-new", "-key", self.key, "-subj", f"/CN={name}", "-days", "1",
            "-addext", "keyUsage=critical,keyCertSign"))

    def issue(self, name, alternative_names, usage="clientAuth"):
        """(crt, key) paths. `alternative_names` as openssl writes them: "URI:...,DNS:..."."""
        key = _new_key(self.directory / f"{name}.key")
        extensions = self.directory / f"{name}.ext"
        extensions.write_text("basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
                              f"extendedKeyUsage={usage}\n"
                              + (f"subjectAltName={alternative_names}\n" if alternative_names else ""))
        request = openssl("req", "-new", "-key", key, "-subj", f"/CN={name}")
        crt = self.directory / f"{name}.crt"
        crt.write_bytes(openssl("x509", "-req", "-CA", self.crt, "-CAkey", self.key, "-days", "1",
                                "-set_serial", "0x" + os.urandom(16).hex(), "-extfile", extensions,
                                data=request))
        return crt, key


def sandbox_uri(uid):
    return f"URI:spiffe://sandgate.dev/sandbox/{uid}"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class GrantKey:
    def __init__(self, directory, name):
        directory = pathlib.Path(directory)
        self.private = _new_key(directory / f"{name}.key", "ED25519")
        self.public_pem = openssl("pkey", "-in", self.private, "-pubout")
        raw = openssl("pkey", "-in", self.private, "-pubout", "-outform", "DER")[-32:]
        self.id = hashlib.sha256(raw).hexdigest()[:16]
        self._scratch = directory / f"{name}.text"

    def sign(self, text):
        self._scratch.write_text(text)
        return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.private, "-in", self._scratch)

    def grant(self, prefix="sgeg1", key_id=None, **members):
        payload = {"aud": "sandgate-egress", "sbx": "box-1", "run": "run-1", "ns": "agents",
                   "exe": "fetch", "dom": ["allowed.test", "*.wild.test"],
                   "nbf": int(time.time()) - 1, "exp": int(time.time()) + 600, "max": 1 << 40}
        payload.update(members)
        text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
        signed = f"{prefix}.{key_id or self.id}.{b64(text.encode())}"
        return f"{signed}.{b64(self.sign(signed))}"

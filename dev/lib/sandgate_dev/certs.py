"""A small certificate authority, made with the openssl program."""

import os
import pathlib
import subprocess
import tempfile

DAYS = "3650"


def _openssl(*args, **kwargs):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, **kwargs).stdout


def _write(path, data, mode):
    """Writes the file whole or not at all, never readable for others in between."""
    path = pathlib.Path(path)
    temporary = path.with_name(path.name + ".new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
    temporary.rename(path)


def _new_key():
    return _openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


class Authority:
    """A CA in a directory: ca.crt, ca.key, and a NAME.crt + NAME.key for each certificate issued."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.ca_crt = self.directory / "ca.crt"
        self.ca_key = self.directory / "ca.key"
        if not self.ca_crt.exists():
            _write(self.ca_key, _new_key(), 0o600)
            _write(self.ca_crt, _openssl(
                "req", "-x509", "-new", "-key", str(self.ca_key), "-subj", "/CN=sandgate-dev-ca",
                "-days", DAYS, "-addext", "keyUsage=critical,keyCertSign,digitalSignature"), 0o644)

    def issue(self, name, common_name, organization=None, hosts=()):
        """Returns (crt, key) paths. Good for clients, and with `hosts` (names, IPs) for servers too."""
        crt, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        if crt.exists():
            return crt, key
        extensions = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature",
                      "extendedKeyUsage=clientAuth" + (",serverAuth" if hosts else "")]
        if hosts:
            is_ip = [all(c in "0123456789.:" for c in host) for host in hosts]
            extensions.append("subjectAltName=" + ",".join(
                ("IP:" if ip else "DNS:") + host for host, ip in zip(hosts, is_ip)))
        subject = (f"/O={organization}" if organization else "") + f"/CN={common_name}"
        key_pem = _new_key()
        with tempfile.TemporaryDirectory(dir=self.directory) as scratch:
            key_file, ext_file = pathlib.Path(scratch, "key"), pathlib.Path(scratch, "ext")
            _write(key_file, key_pem, 0o600)
            ext_file.write_text("\n".join(extensions) + "\n")
            request = _openssl("req", "-new", "-key", str(key_file), "-subj", subject)
            crt_pem = _openssl(
                "x509", "-req", "-CA", str(self.ca_crt), "-CAkey", str(self.ca_key), "-days", DAYS,
                "-set_serial", "0x" + os.urandom(16).hex(), "-extfile", str(ext_file),
                input=request)
        _write(key, key_pem, 0o600)
        _write(crt, crt_pem, 0o644)  # last: it says that both are there
        return crt, key

    def signing_key(self, name):
        """Returns (private, public) PEM paths of a key pair, for ServiceAccount tokens."""
        private, public = self.directory / f"{name}.key", self.directory / f"{name}.pub"
        if not public.exists():
            _write(private, _new_key(), 0o600)
            _write(public, _openssl("pkey", "-in", str(private), "-pubout"), 0o644)
        return private, public

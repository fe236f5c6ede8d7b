#!/usr/bin/env python3
"""Packages made on the spot, and what a registry serves of them: no real registry is asked.

    package_index.py DIR     writes the example packages as an index that pip reads from file://DIR/simple/

Wheels and source archives for pip (PEP 427, 503, 517), tarballs and packuments for npm."""

import base64
import gzip
import hashlib
import io
import json
import pathlib
import sys
import tarfile
import zipfile

# One moment for all archives: the same packages have the same digests on every day.
MOMENT = (2026, 1, 1, 0, 0, 0)


def _tar_gz(files):
    """{path: text or (text, mode)} as the bytes of a .tar.gz."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for path, content in files.items():
            text, mode = content if isinstance(content, tuple) else (content, 0o644)
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(text.encode()), mode
            archive.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue(), mtime=0)


class PipPackage:
    """One archive of one version; `file_name` and `data` are what a registry has."""

    def __init__(self, name, version, file_name, data):
        self.name, self.version, self.file_name, self.data = name, version, file_name, data

    @property
    def sha256(self):
        return hashlib.sha256(self.data).hexdigest()


def wheel(name, version, modules, requires=(), scripts=None):
    """`modules`: {path: text}; `scripts`: {command: "module:function"}."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    files = dict(modules)
    files[f"{info}/METADATA"] = metadata
    files[f"{info}/WHEEL"] = ("Wheel-Version: 1.0\nGenerator: sandgate-tests\n"
                              "Root-Is-Purelib: true\nTag: py3-none-any\n")
    if scripts:
        lines = "".join(f"{command} = {target}\n" for command, target in scripts.items())
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{lines}"
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record += f"{path},sha256={digest.decode()},{len(text.encode())}\n"
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, MOMENT), text)
    return PipPackage(name, version, f"{stem}-py3-none-any.whl", out.getvalue())


def source(name, version, setup, files=None):
    """A source archive, whose setup.py runs while it is installed."""
    stem = f"{name}-{version}"
    files = {"setup.py": setup,
             "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
             **(files or {})}
    data = _tar_gz({f"{stem}/{path}": text for path, text in files.items()})
    return PipPackage(name, version, f"{stem}.tar.gz", data)


def simple_page(packages, files_url):
    """PEP 503: the page of one name."""
    links = "".join(f'<a href="{files_url}{one.file_name}#sha256={one.sha256}">{one.file_name}</a>\n'
                    for one in packages)
    return f"<!DOCTYPE html><html><body>\n{links}</body></html>\n"


def write_simple(packages, directory):
    """An index of static files: simple/<name>/index.html and files/."""
    root = pathlib.Path(directory)
    (root / "files").mkdir(parents=True)
    for one in packages:
        (root / "files" / one.file_name).write_bytes(one.data)
    for name in {one.name for one in packages}:
        page = root / "simple" / name / "index.html"
        page.parent.mkdir(parents=True)
        page.write_text(simple_page([one for one in packages if one.name == name], "../../files/"))


def pip_pages(packages, files_url):
    """{path: bytes}: the index at /simple/, the archives at /files/, which is `files_url`."""
    pages = {f"/files/{one.file_name}": one.data for one in packages}
    for name in {one.name for one in packages}:
        versions = [one for one in packages if one.name == name]
        pages[f"/simple/{name}/"] = simple_page(versions, files_url).encode()
    return pages


class NpmPackage:
    """One version. `manifest` is what its package.json says beside name and version."""

    def __init__(self, name, version, files, **manifest):
        self.name, self.version = name, version
        self.manifest = {"name": name, "version": version, **manifest}
        self.data = _tar_gz({"package/package.json": json.dumps(self.manifest),
                             **{f"package/{path}": text for path, text in files.items()}})

    @property
    def integrity(self):
        return "sha512-" + base64.b64encode(hashlib.sha512(self.data).digest()).decode()

    @property
    def file_name(self):
        return f"{self.name.split('/')[-1]}-{self.version}.tgz"


def packument(versions, files_url):
    """What an npm registry says of one name; the last version is the latest."""
    def entry(one):
        dist = {"tarball": files_url + one.file_name, "integrity": one.integrity,
                "shasum": hashlib.sha1(one.data).hexdigest()}
        scripts = one.manifest.get("scripts", {})
        install = {"hasInstallScript": True} if {"preinstall", "install", "postinstall"} & set(scripts) else {}
        return {**one.manifest, "dist": dist, **install}
    return {"name": versions[0].name, "dist-tags": {"latest": versions[-1].version},
            "versions": {one.version: entry(one) for one in versions}}


def npm_pages(packages, url):
    """{path: bytes}: a registry whose address is `url`."""
    pages = {f"/tarballs/{one.file_name}": one.data for one in packages}
    for name in {one.name for one in packages}:
        versions = [one for one in packages if one.name == name]
        pages["/" + name.replace("/", "%2f")] = json.dumps(packument(versions, url + "tarballs/")).encode()
    return pages


GREETING = """import helper_lib
VERSION = "{version}"
def greet():
    print("greeting", VERSION, helper_lib.NAME)
"""

# What it finds while it is built becomes a module that later runs can read.
SPY_SETUP = """import json, os, sys
from setuptools import setup
seen = {"workspace": sorted(os.listdir("/workspace")), "home": os.environ["HOME"],
        "variables": sorted(os.environ), "path": sys.path, "modules": sorted(str(getattr(one, "__file__", "")) for one in list(sys.modules.values()))}
try:
    open("/workspace/planted", "w").close()
    seen["wrote"] = True
except OSError as error:
    seen["wrote"] = str(error)
with open("spy.py", "w") as module:
    module.write("SEEN = " + repr(json.dumps(seen)))
setup(name="spy", version="1.0", py_modules=["spy"])
"""

# Once pip has written its report, this replaces it.
FORGER_SETUP = """import os, sys
from setuptools import setup
report = "/workspace/.sandgate/python/report.json"
if os.path.exists(report):
    os.unlink(report)
    {forge}
setup(name="{name}", version="1.0")
"""
LISTED = ('{"install": [' + ",".join('{"metadata": {"name": "p%d", "version": "1"}}' % i for i in range(600)) + "]}")
FORGERIES = {
    "forger-gone": "pass",
    "forger-text": "open(report, 'w').write('done')",
    "forger-names": """open(report, 'w').write('{"install": [{"metadata": {"name": "a b", "version": "1"}}]}')""",
    "forger-link": "os.symlink('/etc/passwd', report)",
    "forger-fifo": "os.mkfifo(report)",
    "forger-huge": "open(report, 'w').truncate(64 << 20)",
    "forger-many": f"open(report, 'w').write('{LISTED}')",
}

RUNAWAY_SETUP = """import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(1000)",
                  "runaway-child"], start_new_session=True)
while True: pass
"""


def forger(name):
    return source(name, "1.0", FORGER_SETUP.replace("{forge}", FORGERIES[name]).replace("{name}", name))


def examples():
    """greeting needs helper-lib and has a command; version 1.0 has a module that 2.0 has not."""
    return [
        source("runaway", "1.0", RUNAWAY_SETUP),
        *map(forger, FORGERIES),
        wheel("helper-lib", "1.0", {"helper_lib.py": 'NAME = "helper"\n'}),
        wheel("greeting", "1.0", {"greeting.py": GREETING.format(version="1.0"),
                                  "greeting_old.py": ""},
              requires=["helper-lib>=1"], scripts={"greet": "greeting:greet"}),
        wheel("greeting", "2.0", {"greeting.py": GREETING.format(version="2.0")},
              requires=["helper-lib>=1"], scripts={"greet": "greeting:greet"}),
        source("spy", "1.0", SPY_SETUP),
    ]


# What it finds while it is installed stays in its own directory.
SPY_SCRIPT = """
const fs = require("fs");
const seen = {workspace: fs.readdirSync("/workspace"), variables: Object.keys(process.env).sort(),
              home: process.env.HOME, user: process.getuid()};
try { require("planted-module"); seen.planted = true; } catch (error) { seen.planted = error.code; }
try { fs.writeFileSync("/workspace/planted", ""); seen.wrote = true; } catch (error) { seen.wrote = error.code; }
require("https").get("https://web.test/", () => done("reached")).on("error", error => done(error.code));
function done(how) { seen.elsewhere = how; fs.writeFileSync("seen.json", JSON.stringify(seen)); }
"""
RUNAWAY_SCRIPT = "process.on('SIGTERM', () => {}); for (;;) {}"
GREEDY_SCRIPT = "const held = []; for (;;) held.push(Buffer.alloc(1 << 24, 1));"


def npm_examples():
    def module(name, version, **manifest):
        text = f"exports.name = '{name}'; exports.version = '{version}';\n"
        return NpmPackage(name, version, {"index.js": text}, **manifest)

    def scripted(name, script):
        return NpmPackage(name, "1.0.0", {"install.js": script}, scripts={"postinstall": "node install.js"})
    return [
        module("right", "1.0.0"),
        NpmPackage("left", "1.0.0", {
            "index.js": "exports.version = '1.0.0'; exports.right = require('right').version;\n",
            "cli.js": ("#!/usr/bin/env node\nconsole.log('left', require('./index.js').version);\n", 0o755)},
            dependencies={"right": "^1.0.0"}, bin={"left": "cli.js"}),
        NpmPackage("left", "2.0.0", {
            "index.js": "exports.version = '2.0.0'; exports.right = require('right').version;\n",
            "cli.js": ("#!/usr/bin/env node\nconsole.log('left', require('./index.js').version);\n", 0o755)},
            dependencies={"right": "^1.0.0"}, bin={"left": "cli.js"}),
        module("@team/tool", "3.1.4"),
        NpmPackage("only-esm", "1.0.0", {"index.mjs": "export const version = '1.0.0';\n"},
                   type="module", exports="./index.mjs"),
        scripted("spy", SPY_SCRIPT), scripted("runaway", RUNAWAY_SCRIPT), scripted("greedy", GREEDY_SCRIPT),
        NpmPackage("broken", "1.0.0", {}, scripts={"postinstall": "echo no >&2; exit 3"}),
    ]


if __name__ == "__main__":
    write_simple(examples(), sys.argv[1])

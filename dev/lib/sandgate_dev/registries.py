"""Which package registries this machine itself uses, found when it is asked: nothing of it is written
anywhere in the repository. A registry that is not configured, or does not answer, is none."""

import ipaddress
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import urllib.parse
import urllib.request

SECONDS = 15
MAX_PAGE_BYTES = 8 << 20
CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
# Pages that any index has.
PYPI_PACKAGE, NPM_PACKAGE = "pip", "isarray"
PIP_DEFAULT = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)"


def _output(*command):
    """What a program prints; "" where it is not there, fails or hangs."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=SECONDS, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout if done.returncode == 0 else ""


def pip_index():
    """As pip would take it: its environment, its configuration, its own default."""
    configured = {}
    for line in _output("pip3", "config", "list").splitlines():
        name, _, value = line.partition("=")
        configured[name] = value.strip("'\"")
    for name in (":env:.index-url", "install.index-url", "global.index-url"):
        if name in configured:
            return configured[name]
    for python in (*_interpreter_of("pip3"), "python3"):
        if index := _output(python, "-c", PIP_DEFAULT).strip():
            return index
    return ""


def _interpreter_of(program):
    """The Python of a script's first line, if that names one."""
    path = shutil.which(program)
    if path is None:
        return []
    with open(path, "rb") as script:
        first = re.match(r"#!\s*(\S*python[0-9.]*)\s*$", script.readline().decode(errors="replace"))
    return [first[1]] if first else []


def npm_registry():
    return _output("npm", "config", "get", "registry").strip()


def _page(url, accept):
    """The text of a page, or "" where there is none."""
    context = ssl.create_default_context(
        cafile=CA_BUNDLE if os.path.exists(CA_BUNDLE) else None)
    request = urllib.request.Request(url, headers={"Accept": accept})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}),
                                         urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=SECONDS) as answer:
            return answer.read(MAX_PAGE_BYTES).decode(errors="replace")
    except (OSError, ValueError):
        return ""


def _hosts(base, links):
    """The hosts of https links on a page, the page's own first."""
    own = urllib.parse.urlsplit(base).hostname
    found = {urllib.parse.urlsplit(urllib.parse.urljoin(base, link)).hostname for link in links}
    return [own, *sorted(found - {own, None})]


def _usable(url):
    """What a sandbox can reach at all: https, on the usual port, without a password in it (which
    would land in the policy)."""
    parts = urllib.parse.urlsplit(url)
    return (parts.scheme == "https" and parts.hostname and parts.port in (None, 443)
            and "@" not in parts.netloc)


def pypi():
    """(URL of the index, hosts of the index and of its files); None."""
    index = pip_index()
    if not _usable(index):
        return None
    base = index.rstrip("/") + "/" + PYPI_PACKAGE + "/"
    page = _page(base, "text/html")
    links = re.findall(r'href="([^"#]+)', page)
    return (index.rstrip("/") + "/", _hosts(base, links)) if links else None


def npm():
    """(URL of the registry, hosts of the registry and of its tarballs); None."""
    registry = npm_registry()
    if not _usable(registry):
        return None
    base = registry.rstrip("/") + "/"
    try:
        page = json.loads(_page(base + NPM_PACKAGE, "application/vnd.npm.install-v1+json"))
        links = [version["dist"]["tarball"] for version in page["versions"].values()]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return (base, _hosts(base, links)) if links else None


def private_addresses(hosts):
    """Of these hosts' addresses those that are not public, as CIDRs: exceptions to what the egress
    proxy judges."""
    found = set()
    for host in hosts:
        try:
            entries = socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)
        except OSError:
            continue
        addresses = {ipaddress.ip_address(entry[4][0].partition("%")[0]) for entry in entries}
        found |= {f"{address}/{address.max_prefixlen}" for address in addresses
                  if not address.is_global}
    return sorted(found)


def find():
    """{"pypi": (URL, hosts), "npm": (URL, hosts)}, with those alone that answer."""
    return {name: registry for name, registry in (("pypi", pypi()), ("npm", npm())) if registry}

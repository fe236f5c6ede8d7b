"""Package registries of a test's own, outside of the cluster, and the way there."""

import contextlib
import json
import pathlib
import sys
import tempfile

from . import egress, nethost, outside
from .nethost import HOST

TESTS = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(TESTS / "support"))

import package_index  # noqa: E402

# The guide's placeholders, as harness/guide.py names them; "own" is a registry beside the standard ones.
INDEX, FILES = "pypi-index.example.com", "pypi-files.example.com"
NPM, OWN, ELSEWHERE = "npm-registry.example.com", "own-index.example.com", "elsewhere.example.com"
GUIDE = TESTS / "e2e" / "guide"
REQUESTS = """import urllib.request
__version__ = "2.31.0"
class Response:
    def __init__(self, status_code): self.status_code = status_code
def get(url):
    with urllib.request.urlopen(url) as answer:
        return Response(answer.status)
"""


def guides_packages():
    """What stands for the packages that the usage guide installs."""
    return [package_index.wheel("requests", "2.31.0", {"requests.py": REQUESTS}),
            package_index.wheel("pandas", "2.0.0", {"pandas.py": (GUIDE / "pandas.py").read_text()})]


def guides_modules():
    return [package_index.NpmPackage("axios", "1.6.0", {"index.js": "module.exports = () => {};\n"})]


def _pages():
    """{path: bytes} of all hosts: no two have the same path."""
    python = package_index.examples() + guides_packages()
    strayed = package_index.wheel("strayed", "1.0", {"strayed.py": ""})
    strayed_module = [package_index.NpmPackage("strayed", "1.0.0", {})]
    own = package_index.wheel("team-tool", "1.0", {"team_tool.py": "WHOSE = 'ours'\n"})
    npm = package_index.npm_examples() + guides_modules()
    return {
        "/": b"hello\n",
        **package_index.pip_pages(python, f"https://{FILES}/files/"),
        **package_index.pip_pages([strayed], f"https://{ELSEWHERE}/files/"),
        **package_index.npm_pages(npm, f"https://{NPM}/"),
        "/strayed": json.dumps(package_index.packument(strayed_module, f"https://{ELSEWHERE}/")).encode(),
        **{f"/team{path}": page for path, page in
           package_index.pip_pages([own], f"https://{OWN}/team/files/").items()},
    }


@contextlib.contextmanager
def registries(cluster):
    """For the time of a `with`, the deployment's registries are these: pypi, npm, and own. Gives the
    web server; its `asked` are the (host, path) of the requests that reached it."""
    names = (INDEX, FILES, NPM, OWN, ELSEWHERE)
    with tempfile.TemporaryDirectory(prefix="sandgate-registry-") as directory, \
            nethost.NetHost(outside.IDLE) as host:
        authority = outside.pki.Authority(directory, "registries")
        identity = authority.issue("server", ",".join(f"DNS:{name}" for name in names), "serverAuth")
        resolver = outside.netns.within(host.name, lambda: outside.dns.Server(HOST, nethost.DNS_PORT))
        server = outside.netns.within(
            host.name, lambda: outside.web.Server(HOST, *identity, NPM, None))
        resolver.names.update({name: [HOST] for name in names})
        server.pages = _pages()
        try:
            with egress.settings(
                    cluster, resolver=[HOST], allowed_private=[f"{HOST}/32"], ca=authority.crt.read_text(),
                    registries={"pypi": [INDEX, FILES], "npm": [NPM], "own": [OWN]},
                    registry_urls={"own": f"https://{OWN}/team/simple/"}):
                yield server
        finally:
            server.close()
            resolver.close()

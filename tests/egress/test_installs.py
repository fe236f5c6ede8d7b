"""Installs through the runner and the egress proxy, from registries that the test makes; what
earlier code left, and what packages do of themselves."""

import json
import pathlib
import shutil
import sys

import pytest

import web
from runner import Runner

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import package_index  # noqa: E402

RUN_PATH = "/usr/local/bin:/usr/bin:/bin"
PYPI, NPM = "https://pypi.test/simple/", "https://npm.test/"
PYPI_HOSTS, NPM_HOSTS = ("pypi.test", "files.test"), ("npm.test",)


@pytest.fixture(scope="module")
def registry(world):
    """One server under the names of a Python index, of its files, and of an npm registry."""
    names = ("pypi.test", "files.test", "npm.test")
    for name in names:
        world.dns.names[name] = ["127.0.0.4"]
    certificate = world.outside.issue("registry", ",".join(f"DNS:{name}" for name in names), "serverAuth")
    server = web.Server("127.0.0.4", *certificate, "npm.test", None)
    strayed = package_index.wheel("strayed", "1.0", {"strayed.py": ""})
    server.pages = {
        **package_index.pip_pages(package_index.examples(), "https://files.test/files/"),
        **package_index.pip_pages([strayed], "https://web.test/files/"),
        **package_index.npm_pages(package_index.npm_examples(), NPM),
    }
    strayed = [package_index.NpmPackage("strayed", "1.0.0", {})]
    server.pages["/strayed"] = json.dumps(package_index.packument(strayed, "https://web.test/")).encode()
    yield server
    server.close()


@pytest.fixture
def runner(world, registry):
    registry.asked.clear()
    running = Runner(world)
    yield running
    running.close()


@pytest.fixture
def pip(proxy, runner):
    if runner.run("python3 -m pip --version").exit_code != 0:
        pytest.skip("this machine's own python3 has no pip")

    def install(package, **options):
        return runner.install(package, "pip", PYPI, runner.network(proxy.port, PYPI_HOSTS), **options)
    return install


@pytest.fixture
def npm(proxy, runner):
    if not shutil.which("npm", path=RUN_PATH):
        pytest.skip("there is no npm here")

    def install(package, **options):
        return runner.install(package, "npm", NPM, runner.network(proxy.port, NPM_HOSTS), **options)
    return install


def listed(run):
    return [f"{one['name']} {one['version']}" for one in run.packages]


def test_pip_installs_and_later_runs_import(pip, runner):
    run = pip("greeting==1.0")
    assert run.exit_code == 0 and run.error_code == "", run
    assert listed(run) == ["greeting 1.0", "helper-lib 1.0"]
    hashes = {one.name: one.sha256 for one in package_index.examples() if one.version == "1.0"}
    assert [one["hash"] for one in run.packages] == [
        "sha256:" + hashes[name] for name in ("greeting", "helper-lib")]
    used = runner.run("import greeting; greeting.greet()", "python")
    assert used.out == "greeting 1.0 helper\n", used
    assert runner.run("greet").out == "greeting 1.0 helper\n"


def test_npm_installs_and_later_runs_require_and_import(npm, runner):
    run = npm("left@1.0.0")
    assert run.exit_code == 0 and run.error_code == "", run
    assert listed(run) == ["left 1.0.0", "right 1.0.0"]
    integrity = {(one.name, one.version): one.integrity for one in package_index.npm_examples()}
    assert run.packages[0]["hash"] == integrity["left", "1.0.0"]
    used = runner.run("const l = require('left'); console.log(l.version, l.right)\n"
                      "import('left').then(m => console.log(m.default.version))", "javascript")
    assert used.out == "1.0.0 1.0.0\n1.0.0\n", used
    # A file of the agent's own, anywhere in the workspace; and the package's command.
    used = runner.run("mkdir -p a/b; echo \"import left from 'left'; console.log(left.version)\" >a/b/c.mjs\n"
                      "node a/b/c.mjs; left")
    assert used.out == "1.0.0\nleft 1.0.0\n", used


def test_npm_keeps_what_was_installed_and_tells_what_is_new(npm, runner):
    assert npm("left@1.0.0").exit_code == 0
    assert listed(npm("@team/tool")) == ["@team/tool 3.1.4"]
    assert listed(npm("only-esm@^1.0.0")) == ["only-esm 1.0.0"]
    assert listed(npm("left@2.0.0")) == ["left 2.0.0"]
    assert listed(npm("left@2.0.0")) == []
    used = runner.run("console.log(require('left').version, require('@team/tool').version)\n"
                      "import('only-esm').then(m => console.log(m.version))", "javascript")
    assert used.out == "2.0.0 3.1.4\n1.0.0\n", used
    assert runner.run("left").out == "left 2.0.0\n"


def test_a_failed_install_says_why_and_changes_nothing(npm, pip, runner):
    assert npm("left@1.0.0").exit_code == 0 and pip("greeting==1.0").exit_code == 0
    run = npm("nowhere")
    assert run.outcome == "Exited" and run.exit_code == 1 and "404" in run.err and not run.packages, run
    run = npm("broken")
    assert run.exit_code not in (0, -1) and "exit 3" in run.err, run
    run = pip("nowhere")
    assert run.exit_code == 1 and "No matching distribution" in run.err, run
    assert runner.run("left; greet").out == "left 1.0.0\ngreeting 1.0 helper\n"
    assert listed(npm("@team/tool")) == ["@team/tool 3.1.4"]


PLANT = """
mkdir -p node_modules/right node_modules/planted-module node_modules/.bin bin .npm
cat >package.json <<'X'
{"name": "mine", "version": "0.0.1", "dependencies": {"left": "file:./evil", "right": "9.9.9"},
 "scripts": {"preinstall": "touch /workspace/ran", "install": "touch /workspace/ran", "prepare": "touch /workspace/ran"}}
X
echo '{"name": "right", "version": "9.9.9"}' >node_modules/right/package.json
echo 'require("fs").writeFileSync("/workspace/ran", "")' | tee node_modules/planted-module/index.js >index.js
for f in .npmrc .npm/npmrc npmrc; do printf 'registry=https://web.test/\n@team:registry=https://web.test/\nscript-shell=/workspace/bin/sh\nnode-options=--require=/workspace/index.js\nignore-scripts=true\nhttps-proxy=http://127.0.0.1:1\ncafile=/workspace/none\nprefix=/workspace\n' >$f; done
printf '#!/bin/sh\ntouch /workspace/ran\n' | tee bin/sh bin/node bin/git node_modules/.bin/node-gyp node_modules/.bin/node >/dev/null
chmod +x bin/* node_modules/.bin/*
cp package.json /workspace/before.json
"""


def test_npm_takes_nothing_from_the_workspace_and_leaves_it_alone(npm, runner, registry):
    assert runner.run(PLANT).exit_code == 0
    before = sorted(str(path) for path in runner.workspace.rglob("*"))
    run = npm("left@1.0.0")
    assert run.exit_code == 0 and listed(run) == ["left 1.0.0", "right 1.0.0"], run
    assert listed(npm("@team/tool")) == ["@team/tool 3.1.4"]
    assert not (runner.workspace / "ran").exists()
    assert {host for host, _ in registry.asked} == {"npm.test"}
    assert runner.run("cmp package.json before.json").exit_code == 0
    after = sorted(str(path) for path in runner.workspace.rglob("*")
                   if ".sandgate" not in path.parts)
    assert after == before


def test_an_npm_script_runs_and_sees_the_packages_alone(npm, runner, proxy):
    assert runner.run(PLANT + "echo secret >data.csv").exit_code == 0
    audited = len(proxy.audit)
    run = npm("spy")
    assert run.exit_code == 0, run
    assert not (runner.workspace / "ran").exists() and not (runner.workspace / "planted").exists()
    seen = json.loads((runner.workspace / ".sandgate/node/node_modules/spy/seen.json").read_text())
    assert seen["workspace"] == [".sandgate"] and seen["home"] == "/tmp", seen
    assert seen["planted"] == "MODULE_NOT_FOUND" and seen["wrote"] in ("EROFS", "EACCES"), seen
    # Node's https goes to 127.0.0.1:443 by /etc/hosts, where only the registry's names stand.
    assert seen["elsewhere"] in ("ENOTFOUND", "EAI_AGAIN"), seen
    assert {line["host"] for line in proxy.audit[audited:]} == {"npm.test"}


@pytest.mark.parametrize("installer,index,hosts", [("pip", PYPI, PYPI_HOSTS), ("npm", NPM, NPM_HOSTS)])
def test_an_archive_at_another_host_is_not_reached(proxy, runner, pip, npm, installer, index, hosts):
    """The index may say what it wants: the way out leads to the policy's hosts."""
    audited = len(proxy.audit)
    run = runner.install("strayed", installer, index, runner.network(proxy.port, hosts))
    assert run.outcome == "Exited" and run.exit_code != 0 and not run.packages, run
    refused = [line for line in proxy.audit[audited:] if line["reason"] == "NameNotAllowed"]
    assert refused and {line["host"] for line in refused} == {"web.test"}, proxy.audit[audited:]
    assert "web.test" in run.err, run


def test_an_install_runs_under_a_runs_limits(npm, runner):
    run = npm("runaway", timeout=15)
    assert run.outcome == "TimedOut" and run.exit_code == -1 and not run.packages, run
    run = npm("greedy", memory=200 << 20)
    assert run.outcome == "MemoryExceeded" and not run.packages, run
    assert runner.run("ps -e -o args | grep -c '[i]nstall.js'").out == "0\n"
    assert npm("left@1.0.0").exit_code == 0


def test_without_its_network_an_install_is_refused(runner):
    status, answer = runner.call("POST", "/v1/runs/none", {
        "bootId": runner.boot, "operation": "InstallPackage", "timeoutMillis": 1000, "graceMillis": 0,
        "memoryBytes": 1 << 28, "outputBytes": 1000,
        "install": {"installer": "pip", "package": "greeting", "indexUrl": PYPI}})
    assert status == 400 and answer["error"]["field"] == "network", answer

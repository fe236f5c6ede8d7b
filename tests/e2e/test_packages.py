"""Packages: from registries that the test makes, through the egress proxy, into sandboxes."""

import json
import re

import pytest

from harness import egress
from harness.registry import ELSEWHERE, FILES, INDEX, NPM, OWN, package_index, registries
from harness.tenant import unique
from harness.wait import until

ONLINE = {"enabled": True}
INSTALL_SECONDS = 120
MEMBERS = {"success", "sandbox_id", "package", "registry", "stdout", "stderr", "error", "packages",
           "execution"}
SPY = "/workspace/.sandgate/node/node_modules/spy/seen.json"


@pytest.fixture(scope="module")
def registry(cluster):
    with registries(cluster) as running:
        yield running


@pytest.fixture(scope="module")
def boxes(tenant, registry):
    """One sandbox a language for the tests that do not care what is installed in it."""
    made = {}

    def box(language):
        if language not in made:
            made[language] = tenant.new_box(language, network=ONLINE)
        return made[language]
    yield box
    for one in made.values():
        one.delete()


@pytest.fixture
def fresh(tenant, registry):
    """New sandboxes, for one test."""
    made = []

    def box(language, **spec):
        made.append(tenant.new_box(language, network=ONLINE, **spec))
        return made[-1]
    yield box
    for one in made:
        one.delete()


@pytest.fixture
def tool(tenant):
    gateway = tenant.gateway()

    def call(box, package, **parameters):
        """code_install_package's result."""
        parameters.setdefault("timeout", INSTALL_SECONDS)
        answer = gateway.tool("code_install_package",
                              {"sandbox_id": box.name, "package": package, **parameters})
        assert answer.code == 200, answer
        assert set(answer.json) == MEMBERS, answer
        return answer.json
    return call


def install(box, package, registry=None, **options):
    """The same with an Execution object, as kubectl makes it."""
    member = {"package": package, **({"registry": registry} if registry else {})}
    options.setdefault("timeout", INSTALL_SECONDS)
    return box.start_operation("InstallPackage", member, **options).finish()


def connected(cluster, run, **members):
    """The proxies' audit lines of a run's connections, once there are any: each comes when its
    connection has ended."""
    return until(lambda: egress.connections(cluster, execution=run.name, **members),
                 f"the audit lines of {run.name}")


def listed(packages):
    return [f"{one['name']} {one['version']}" for one in packages]


def test_a_python_package(tenant, fresh, tool):
    box = fresh("python")
    result = tool(box, "greeting==1.0")
    assert result["success"] is True and result["error"] is None, result
    assert result["package"] == "greeting==1.0" and result["registry"] == "pypi"
    assert "Successfully installed greeting-1.0 helper-lib-1.0" in result["stdout"], result
    assert result["stderr"] == "", result
    hashes = {(one.name, one.version): one.sha256 for one in package_index.examples()}
    assert result["packages"] == [
        {"name": name, "version": version, "hash": "sha256:" + hashes[name, version]}
        for name, version in (("greeting", "1.0"), ("helper-lib", "1.0"))]
    used = box.run("import greeting; greeting.greet(); print(greeting.__file__)")
    assert used.stdout.startswith("greeting 1.0 helper\n/workspace/.sandgate/"), used
    # Its command; and a later run has no network of it.
    assert box.run("greet", "shell").stdout == "greeting 1.0 helper\n"
    tried = box.run(f"import urllib.request; urllib.request.urlopen('https://{INDEX}/')")
    assert tried.phase == "Failed" and "urlopen error" in tried.stderr, tried
    # Another version, of which nothing of the first is left; what fits is not installed again.
    run = install(box, "greeting>1")
    assert run.phase == "Succeeded" and listed(run.status["packages"]) == ["greeting 2.0"], run
    used = box.run("import importlib.metadata, importlib.util, greeting; greeting.greet()\n"
                   "print(importlib.metadata.version('greeting'), importlib.util.find_spec('greeting_old'))")
    assert used.stdout == "greeting 2.0 helper\n2.0 None\n", used


def test_an_npm_package(fresh, tool):
    box = fresh("javascript")
    result = tool(box, "left@1.0.0", registry="npm")
    assert result["success"] is True and result["registry"] == "npm", result
    integrity = {(one.name, one.version): one.integrity for one in package_index.npm_examples()}
    assert result["packages"] == [
        {"name": name, "version": "1.0.0", "hash": integrity[name, "1.0.0"]} for name in ("left", "right")]
    used = box.run("const l = require('left'); console.log(l.version, l.right)\n"
                   "import('left').then(m => console.log(m.default.version))")
    assert used.stdout == "1.0.0 1.0.0\n1.0.0\n", used
    assert box.run("left", "shell").stdout == "left 1.0.0\n"
    assert listed(tool(box, "@team/tool", registry="npm")["packages"]) == ["@team/tool 3.1.4"]
    assert listed(tool(box, "left@2", registry="npm")["packages"]) == ["left 2.0.0"]
    used = box.run("console.log(require('left').version, require('@team/tool').version)")
    assert used.stdout == "2.0.0 3.1.4\n", used


def test_the_approver_sees_the_package_and_the_registrys_hosts(tenant, boxes):
    run = install(boxes("python"), "greeting==1.0")
    assert run.phase == "Succeeded" and run.exit_code == 0, run
    assert run.status["risk"]["level"] == "HIGH", run.status
    request = tenant.approver.seen[run.name]["spec"]["request"]
    assert request["summary"]["package"] == "greeting==1.0"
    assert request["summary"]["domains"] == [INDEX, FILES]


def test_another_registry_is_critical_and_has_an_address_of_its_own(tenant, boxes, registry):
    box = boxes("python")
    run = install(box, "team-tool", "own")
    assert run.phase == "Succeeded" and listed(run.status["packages"]) == ["team-tool 1.0"], run
    assert run.status["risk"]["level"] == "CRITICAL", run.status
    assert tenant.approver.seen[run.name]["spec"]["request"]["summary"]["domains"] == [OWN]
    assert (OWN, "/team/simple/team-tool/") in registry.asked
    assert box.run("import team_tool; print(team_tool.WHOSE)").stdout == "ours\n"
    refused = install(box, "team-tool", "another")
    assert refused.phase == "Failed" and refused.error == "RegistryNotAllowed", refused


def test_a_denied_install_reaches_nobody(tenant, boxes, registry):
    box = boxes("python")
    before = list(registry.asked)
    with tenant.approver.denying():
        run = install(box, "greeting==1.0")
    assert run.phase == "Denied", run
    assert registry.asked == before


FAILURES = {
    "no such package, pip": ("python", "nowhere", "pypi", "No matching distribution found"),
    "no such version, pip": ("python", "greeting==9", "pypi", "No matching distribution found"),
    "no such package, npm": ("javascript", "nowhere", "npm", "404"),
    "no such version, npm": ("javascript", "left@9", "npm", "No matching version"),
    "a failing script": ("javascript", "broken", "npm", "exit 3"),
}


@pytest.mark.parametrize("row", FAILURES, ids=lambda row: row.replace(" ", "-"))
def test_a_failed_install_says_why(boxes, tool, row):
    language, package, name, says = FAILURES[row]
    result = tool(boxes(language), package, registry=name)
    assert result["success"] is False and result["packages"] == [], result
    assert re.match(r"InstallFailed: The installer exited with \d+: stderr says why", result["error"]), result
    assert says in result["stderr"], result


@pytest.mark.parametrize("language,registry_name,program", [("python", "npm", "npm"),
                                                            ("javascript", "pypi", "python3")])
def test_an_image_without_the_installer(boxes, tool, language, registry_name, program):
    result = tool(boxes(language), "greeting" if registry_name == "pypi" else "left", registry=registry_name)
    assert result["success"] is False, result
    assert result["error"].startswith(f"RunRefused: The install could not be started: cannot find {program} "
                                      "in the image"), result


@pytest.mark.parametrize("language,name,hosts", [("python", "pypi", {INDEX}), ("javascript", "npm", {NPM})])
def test_an_archive_elsewhere_is_not_reached(cluster, boxes, registry, language, name, hosts):
    """An index may say what it wants: the way out leads to the policy's hosts."""
    run = install(boxes(language), "strayed", name)
    assert run.phase == "Failed" and run.error == "InstallFailed", run
    assert ELSEWHERE in run.stderr, run
    refused = connected(cluster, run, reason="NameNotAllowed")
    assert {line["host"] for line in refused} == {ELSEWHERE}, refused
    assert all(host != ELSEWHERE for host, _ in registry.asked)
    carried = [line["host"] for line in connected(cluster, run) if line not in refused]
    assert set(carried) == hosts, carried


# Everything that is known to lead pip, npm or their interpreters elsewhere, where earlier code can put it.
PLANT = r"""
mkdir -p node_modules/right node_modules/planted-module bin .config/pip .local/bin pip
evil='open("/workspace/ran", "a").write(__file__)'
for f in sitecustomize.py usercustomize.py pip/__init__.py pip/__main__.py site.py ssl.py setuptools.py; do
  echo "$evil" >$f
done
for f in pip.conf .config/pip/pip.conf setup.cfg .pydistutils.cfg; do
  printf '[global]\nindex-url = https://elsewhere.example.com/\ntarget = /workspace\n' >$f
done
printf 'registry=https://elsewhere.example.com/\n@team:registry=https://elsewhere.example.com/\nscript-shell=/workspace/bin/sh\nnode-options=--require=/workspace/index.js\nprefix=/workspace\n' >.npmrc
echo '{"name": "mine", "dependencies": {"left": "file:./evil"}, "scripts": {"preinstall": "touch /workspace/ran"}}' >package.json
echo '{"name": "right", "version": "9.9.9"}' >node_modules/right/package.json
echo 'require("fs").writeFileSync("/workspace/ran", "")' | tee node_modules/planted-module/index.js >index.js
printf '#!/bin/sh\ntouch /workspace/ran\n' | tee bin/sh bin/node bin/git .local/bin/python3 .local/bin/node >/dev/null
chmod +x bin/* .local/bin/*
echo secret >data.csv
find . -type f | sort | xargs sha256sum >/tmp/sums && cp /tmp/sums sums
"""
SAME = r"""grep -v ' ./sums$' sums | sha256sum --check --quiet && echo same; ls ran 2>/dev/null"""


@pytest.mark.parametrize("language,package,name", [("python", "greeting==1.0", "pypi"),
                                                   ("javascript", "left@1.0.0", "npm")])
def test_what_earlier_code_left_is_neither_used_nor_touched(fresh, registry, language, package, name):
    box = fresh(language)
    assert box.run(PLANT, "shell").phase == "Succeeded"
    mark = len(registry.asked)
    run = install(box, package, name)
    assert run.phase == "Succeeded" and len(run.status["packages"]) == 2, run
    assert {host for host, _ in registry.asked[mark:]} <= {INDEX, FILES, NPM}
    assert box.run(SAME, "shell").stdout == "same\n"


def test_a_script_sees_the_packages_alone_and_the_registry_alone(cluster, fresh, registry):
    box = fresh("javascript")
    assert box.run(PLANT, "shell").phase == "Succeeded"
    run = install(box, "spy", "npm")
    assert run.phase == "Succeeded", run
    seen = json.loads(box.read_file(SPY).content)
    assert seen["workspace"] == [".sandgate"] and seen["home"] == "/tmp", seen
    assert seen["planted"] == "MODULE_NOT_FOUND" and seen["wrote"] == "EROFS", seen
    assert seen["user"] == 1000 and seen["elsewhere"] in ("ENOTFOUND", "EAI_AGAIN"), seen
    assert {line["host"] for line in connected(cluster, run)} == {NPM}
    assert box.run(SAME, "shell").stdout == "same\n"


TOUCH = r"""cd /workspace
p=$(readlink -f .sandgate/python/packages)
mkdir other
for try in "echo x >>$p/greeting.py" "touch $p/evil.py" "rm -rf .sandgate" "rm $p/greeting.py" "rmdir .sandgate" \
    "mv .sandgate elsewhere" "mv -T other .sandgate" "ln -sfn /tmp .sandgate" "chmod -R 777 .sandgate" \
    "mv $p/greeting.py ." "ln $p/greeting.py hard" "mount -o remount,rw,bind $PWD/.sandgate" "umount .sandgate" \
    "truncate -s 0 $p/greeting.py" "touch -d 2001-01-01 $p/greeting.py"; do
  (eval "$try") >/dev/null 2>&1 && echo "held not: $try"
done
python3 - <<'PY'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for flags in (0, 1, 2):
    if libc.renameat2(-100, b"/workspace/other", -100, b"/workspace/.sandgate", flags) == 0:
        print("held not: renameat2", flags)
fd = os.open("/workspace/.sandgate", os.O_RDONLY)
for attempt in (lambda: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=fd),
                lambda: os.open("/proc/self/fd/%d/x" % fd, os.O_CREAT | os.O_WRONLY),
                lambda: os.rename("/workspace/other", "../.sandgate/other", dst_dir_fd=fd)):
    try:
        attempt()
        print("held not: by descriptor")
    except OSError:
        pass
PY
greet"""


def test_code_cannot_touch_what_is_installed(fresh):
    box = fresh("python")
    assert install(box, "greeting==1.0").phase == "Succeeded"
    assert box.run(TOUCH, "shell").stdout == "greeting 1.0 helper\n"
    for path in (".sandgate/x", ".sandgate/python/packages/greeting.py"):
        assert box.write_file(path, "x").error == "PermissionDenied"
    assert b"VERSION" in box.read_file(".sandgate/python/packages/greeting.py").content


def test_an_occupied_place_is_refused(fresh):
    box = fresh("python")
    assert box.run("mkdir .sandgate", "shell").phase == "Succeeded"
    run = install(box, "greeting==1.0")
    assert run.phase == "Failed" and run.error == "RunRefused", run
    assert "/workspace/.sandgate is in the way" in run.status["error"]["message"], run
    assert box.run("rmdir .sandgate", "shell").phase == "Succeeded"
    assert install(box, "greeting==1.0").phase == "Succeeded"


def test_an_install_is_under_a_runs_limits(fresh):
    box = fresh("javascript")
    run = install(box, "runaway", "npm", timeout=15)
    assert run.phase == "TimedOut" and run.error == "TimeoutError" and run.exit_code == -1, run
    run = install(box, "greedy", "npm")
    assert run.phase == "Failed" and run.error == "MemoryLimitExceeded", run
    assert "packages" not in run.status, run
    assert install(box, "left@1.0.0", "npm").phase == "Succeeded"


def test_a_forged_record_is_a_failed_install(fresh):
    """A package's own program may write what the runner reads when the install is over."""
    box = fresh("python")
    for package in ("forger-gone", "forger-text", "forger-names", "forger-link", "forger-fifo", "forger-huge"):
        run = install(box, package)
        assert run.phase == "Failed" and run.error == "InstallFailed", run
        assert "cannot be told" in run.status["error"]["message"], run
        assert "packages" not in run.status, run


def test_a_cancelled_install_ends(boxes):
    run = boxes("javascript").start_operation(
        "InstallPackage", {"package": "runaway", "registry": "npm"}, timeout=INSTALL_SECONDS,
        name=unique("cancelled"))
    run.wait("Running")
    run.cancel()
    assert run.finish().phase == "Cancelled", run

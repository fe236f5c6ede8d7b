"""The usage guide's examples, and the client that they are written for.

The texts run unchanged: what they import is made here, over the gateway's REST interface. Only how
the client comes to be is another; every call is the tool's own."""

import ast
import asyncio
import contextlib
import dataclasses
import enum
import io
import pathlib
import re
import sys
import types

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "guide" / "examples.md"
# A deployment names its registries; these stand for the guide's placeholders and lead nowhere.
HOSTS = {"PYPI_INDEX_HOST": "pypi-index.example.com", "PYPI_FILES_HOST": "pypi-files.example.com",
         "NPM_REGISTRY_HOST": "npm-registry.example.com"}


def blocks():
    """{heading: (language, text)}"""
    found = re.findall(r"^## ([^\n]+)\n\n```(\w+)\n(.*?)^```$", EXAMPLES.read_text(), re.M | re.S)
    assert len(found) == EXAMPLES.read_text().count("\n## "), "a heading has no block"
    return {heading: (language, text) for heading, language, text in found}


def named_hosts(text):
    for placeholder, host in HOSTS.items():
        text = text.replace(placeholder, host)
    return text


class DockerManager:
    """Kubernetes and the operator are there already: nothing is to be started."""

    async def start(self):
        pass

    async def stop(self):
        pass


class SandboxManager:
    def __init__(self, docker_manager, runtime="runsc", **limits):
        assert isinstance(docker_manager, DockerManager) and runtime == "runsc"
        self.limits = limits

    async def start(self):
        pass

    async def stop(self):
        pass


class ToolError(Exception):
    """An answer that is no result of the tool."""


class CodeExecutionTools:
    """The guide's six methods, each one call of the gateway; `results` has what came back."""

    gateway = None  # a subclass of each test has one

    def __init__(self, sandbox_manager):
        self.limits = sandbox_manager.limits
        self.results = []

    async def _call(self, tool, parameters):
        answer = await asyncio.to_thread(self.gateway.tool, tool, parameters)
        if answer.code != 200:
            raise ToolError(repr(answer))
        self.results.append((tool, answer.json))
        return answer.json

    async def code_execute(self, language, code, **parameters):
        if "sandbox_id" not in parameters and self.limits:
            parameters["limits"] = self.limits
        return await self._call("code_execute", {"language": language, "code": code, **parameters})

    async def code_install_package(self, sandbox_id, package, **parameters):
        return await self._call("code_install_package",
                                {"sandbox_id": sandbox_id, "package": package, **parameters})

    async def code_write_file(self, sandbox_id, file_path, content, **parameters):
        return await self._call("code_write_file", {"sandbox_id": sandbox_id, "content": content,
                                                    "file_path": file_path, **parameters})

    async def code_read_file(self, sandbox_id, file_path, **parameters):
        return await self._call("code_read_file", {"sandbox_id": sandbox_id,
                                                   "file_path": file_path, **parameters})

    async def code_list_files(self, sandbox_id, **parameters):
        return await self._call("code_list_files", {"sandbox_id": sandbox_id, **parameters})

    async def code_destroy_sandbox(self, sandbox_id):
        return await self._call("code_destroy_sandbox", {"sandbox_id": sandbox_id})


class RiskLevel(enum.Enum):
    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


@dataclasses.dataclass
class HITLRule:
    tools: list
    risk: RiskLevel
    conditions: list
    timeout: int
    description: str


@dataclasses.dataclass
class RiskClassifier:
    rules: list


class HITLGate:
    """`policy_rules`: the same rules as the policy's security.hitl.rules has them."""

    def __init__(self, classifier):
        self.policy_rules = [{**dataclasses.asdict(rule), "risk": rule.risk.value}
                             for rule in classifier.rules]


def get_sandbox_hitl_rules():
    """The default rules are the policy's own: nothing is to be added for them."""
    return []


def _modules(tools):
    return {
        "harombe.security.docker_manager": {"DockerManager": DockerManager},
        "harombe.security.sandbox_manager": {"SandboxManager": SandboxManager},
        "harombe.tools.code_execution": {"CodeExecutionTools": tools},
        "harombe.security.hitl": {"HITLGate": HITLGate, "RiskClassifier": RiskClassifier,
                                  "HITLRule": HITLRule, "RiskLevel": RiskLevel},
        "harombe.security.sandbox_risk": {"get_sandbox_hitl_rules": get_sandbox_hitl_rules},
    }


@contextlib.contextmanager
def importable(tools):
    names = _modules(tools)
    for name in list(names):
        for parent in (name.split(".")[0], name.rsplit(".", 1)[0]):
            names.setdefault(parent, {})
    try:
        for name, members in names.items():
            module = sys.modules[name] = types.ModuleType(name)
            module.__dict__.update(members)
        yield
    finally:
        for name in names:
            del sys.modules[name]


def run(text, imported, /, **names):
    """Runs an example: a whole program, or lines with `await`, to which `names` are known as in the
    guide's text around them; `imported` is the CodeExecutionTools that it imports. Gives back (its names afterwards, what it printed)."""
    names = {"__name__": "__main__", **names}
    printed = io.StringIO()
    code = compile(text, "<example>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    with importable(imported), contextlib.redirect_stdout(printed):
        awaits = eval(code, names)
        if awaits is not None:
            asyncio.run(awaits)
    return names, printed.getvalue()

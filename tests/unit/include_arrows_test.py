"""Holds the arrows between the folders over every #include line.

    base <- api <- policy;  api <- audit;  base <- http;  base <- egress;  http and egress <- tunnel;
    base <- rest <- kube (kube speaks the API's objects, so it includes api too);  everything in libs
    <- the programs, which never include each other.

Third-party libraries have one folder each, so that replacing one is a change of one folder.
Usage: include_arrows_test.py ROOT
"""

import pathlib
import re
import sys
import tempfile

ARROWS = {
    "libs/base": set(),
    "libs/api": {"libs/base"},
    "libs/audit": {"libs/base", "libs/api"},
    "libs/policy": {"libs/base", "libs/api"},
    "libs/http": {"libs/base"},
    "libs/egress": {"libs/base"},
    "libs/tunnel": {"libs/base", "libs/http", "libs/egress"},
    "libs/rest": {"libs/base"},
    "libs/kube": {"libs/base", "libs/api", "libs/rest"},
}
LIBRARIES = set(ARROWS)
PROGRAMS = {"operator", "api-gateway", "runner", "egress-proxy"}
for program in PROGRAMS:
    ARROWS[program] = LIBRARIES

# An include that matches the pattern may stand in these folders alone.
THIRD_PARTY = [
    (re.compile(r"(cpprest|pplx)/"), {"libs/rest"}),
    (re.compile(r"boost/"), {"libs/http", "libs/tunnel", "egress-proxy"}),
    (re.compile(r"ares"), {"egress-proxy"}),
    (re.compile(r"(idn2|libpsl)\.h"), {"libs/egress"}),
    (re.compile(r"yaml-cpp/"), {"libs/policy", "libs/kube"}),  # kube: kubeconfig files
    (re.compile(r"re2/"), {"libs/policy"}),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.MULTILINE)
SOURCES = {".h", ".cc"}


def folder_of(path):
    """The folder with a rule that a path from the root belongs to, or None."""
    parts = pathlib.PurePosixPath(path).parts
    for length in (2, 1):
        if "/".join(parts[:length]) in ARROWS:
            return "/".join(parts[:length])
    return None


def judge(folder, include):
    """Why `folder` must not include that, or None."""
    if include.startswith(".") or "/../" in include:
        return "include paths start at the repository's root"
    if pathlib.PurePosixPath(include).parts[0] == "tests":
        return "product code never includes tests"
    target = folder_of(include)
    if target is not None and target != folder and target not in ARROWS[folder]:
        return f"no arrow from {target} to {folder}"
    for pattern, allowed in THIRD_PARTY:
        if pattern.match(include) and folder not in allowed:
            return f"only {', '.join(sorted(allowed))} may include it"
    return None


def violations(root):
    """One line for every include that breaks a rule, and how many includes were read."""
    found, seen = [], 0
    for folder in sorted(ARROWS):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in SOURCES:
                continue
            for include in INCLUDE.findall(path.read_text(encoding="utf-8")):
                seen += 1
                reason = judge(folder, include)
                if reason:
                    found.append(f"{path.relative_to(root)}: {include}: {reason}")
    return found, seen


# What must be found: a file, a line planted in it, and whether the rules refuse it.
PLANTED = [
    ("libs/base/x.h", '#include "libs/api/json.h"', True),
    ("libs/api/x.h", '#include "libs/policy/policy.h"', True),
    ("libs/http/x.cc", '#include "libs/api/json.h"', True),
    ("libs/egress/x.cc", '#include "libs/http/tls.h"', True),
    ("libs/egress/x.cc", '#include "libs/tunnel/splice.h"', True),
    ("libs/tunnel/x.cc", '#include "libs/api/json.h"', True),
    ("libs/rest/x.cc", '#include "libs/kube/api.h"', True),
    ("libs/policy/x.cc", '#include "libs/kube/api.h"', True),
    ("libs/audit/x.cc", '#include "libs/kube/api.h"', True),
    ("libs/kube/x.cc", '#include "operator/main.h"', True),
    ("operator/x.cc", '#include "api-gateway/routes.h"', True),
    ("runner/deep/x.cc", '  #  include "operator/plan.h"', True),
    ("api-gateway/x.cc", "#include <cpprest/http_client.h>", True),
    ("operator/x.cc", "#include <boost/asio.hpp>", True),
    ("operator/x.cc", "#include <yaml-cpp/yaml.h>", True),
    ("libs/kube/x.cc", "#include <re2/re2.h>", True),
    ("operator/x.cc", '#include "../libs/kube/api.h"', True),
    ("operator/x.cc", '#include "tests/support/fake.h"', True),
    ("libs/kube/x.cc", '#include "libs/api/json.h"', False),
    ("libs/kube/x.cc", "#include <yaml-cpp/yaml.h>", False),
    ("libs/rest/x.cc", "#include <pplx/threadpool.h>", False),
    ("operator/x.cc", '#include "libs/policy/policy.h"', False),
    ("egress-proxy/x.cc", '#include "libs/http/server.h"', False),
    ("egress-proxy/x.cc", "#include <boost/asio.hpp>", False),
    ("operator/x.cc", "#include <ares.h>", True),
    ("egress-proxy/x.cc", "#include <idn2.h>", True),
    ("libs/base/x.cc", "#include <vector>", False),
]


def self_check():
    """The rules must find what is planted, and only that."""
    wrong = []
    for name, line, refused in PLANTED:
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / name
            path.parent.mkdir(parents=True)
            path.write_text(line + "\n", encoding="utf-8")
            found, _ = violations(pathlib.Path(directory))
            if bool(found) != refused:
                wrong.append(f"self-check: {name}: {line}: refused is {bool(found)}")
    return wrong


def main():
    root = pathlib.Path(sys.argv[1])
    problems = self_check()
    found, seen = violations(root)
    problems += found
    if seen == 0:
        problems.append(f"{root}: no include lines at all: wrong root?")
    print("\n".join(problems) or f"{seen} includes follow the arrows")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

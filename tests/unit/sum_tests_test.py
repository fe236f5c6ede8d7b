"""dev/lib/sum_tests.py: what counts as passed, failed and skipped. Usage: sum_tests_test.py ROOT"""

import json
import pathlib
import subprocess
import sys
import tempfile


def gtest(*results):
    return json.dumps({"testsuites": [{"testsuite": [
        {"name": "t", "status": "NOTRUN" if r == "NOTRUN" else "RUN",
         "result": "SKIPPED" if r == "SKIPPED" else "COMPLETED",
         **({"failures": [{"failure": "x"}]} if r == "FAILED" else {})} for r in results]}]})


def junit(*children):
    cases = "".join(f"<testcase name='t'>{child}</testcase>" for child in children)
    return f"<testsuites><testsuite>{cases}</testsuite></testsuites>"


# files of the directory, last line, exit code
CASES = [
    ({}, "0 passed, 0 failed, 0 skipped", 1),  # nothing ran is no success
    ({"passed-steps": "a\n"}, "1 passed, 0 failed, 0 skipped", 0),
    ({"passed-steps": "a\n", "failed-steps": "b\n"}, "1 passed, 1 failed, 0 skipped", 1),
    ({"gtest-started": "a\n", "a.gtest.json": gtest("OK", "FAILED", "SKIPPED", "NOTRUN")},
     "1 passed, 1 failed, 1 skipped", 1),
    ({"gtest-started": "a\n", "passed-steps": "b\n"}, "1 passed, 1 failed, 0 skipped", 1),  # crash
    ({"gtest-started": "a\n", "a.gtest.json": '{"testsuites"'}, "0 passed, 1 failed, 0 skipped", 1),
    ({"pytest-started": "p\n", "p.junit.xml": junit("", "", "<skipped/>")},
     "2 passed, 0 failed, 1 skipped", 0),
    ({"pytest-started": "p\n", "p.junit.xml": junit("", "<failure/>", "<error/>")},
     "1 passed, 2 failed, 0 skipped", 1),
    ({"pytest-started": "p\n"}, "0 passed, 1 failed, 0 skipped", 1),
    ({"pytest-started": "p\n", "p.junit.xml": junit("<skipped/>")},
     "0 passed, 0 failed, 1 skipped", 1),
]


def main():
    program = pathlib.Path(sys.argv[1], "dev/lib/sum_tests.py")
    bad = 0
    for files, last_line, code in CASES:
        with tempfile.TemporaryDirectory() as directory:
            for name, text in files.items():
                pathlib.Path(directory, name).write_text(text)
            done = subprocess.run([sys.executable, "-B", program, directory],
                                  capture_output=True, text=True, check=False)
        got = done.stdout.splitlines()[-1:], done.returncode
        if got != ([last_line], code):
            bad += 1
            print(f"{files}: {got}, not {last_line!r}, {code}; {done.stderr}")
    print(f"{len(CASES) - bad} of {len(CASES)} cases hold")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())

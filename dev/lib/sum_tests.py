"""Sums the results that dev/test left in a directory and prints the one last line.

Exit code 0: something passed and nothing failed. What was started and left no results (a crash)
counts as a failure.
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def from_gtest(path):
    """(passed, failed, skipped) of one program."""
    counts = [0, 0, 0]
    for suite in json.loads(path.read_text())["testsuites"]:
        for test in suite["testsuite"]:
            if test["status"] == "NOTRUN":  # left out by the filter, or disabled
                continue
            result = 1 if test.get("failures") else 2 if test["result"] == "SKIPPED" else 0
            counts[result] += 1
    return counts


def from_junit(path):
    counts = [0, 0, 0]
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        tags = {child.tag for child in case}
        counts[1 if tags & {"failure", "error"} else 2 if "skipped" in tags else 0] += 1
    return counts


def main():
    directory = pathlib.Path(sys.argv[1])
    total = [len(lines(directory / "passed-steps")), len(lines(directory / "failed-steps")), 0]
    for started, ending, read in (("gtest-started", "gtest.json", from_gtest),
                                  ("pytest-started", "junit.xml", from_junit)):
        for name in lines(directory / started):
            try:
                counts = read(directory / f"{name}.{ending}")
            except (OSError, ValueError, KeyError, ElementTree.ParseError):
                print(f"{name} ended without results")
                counts = [0, 1, 0]
            total = [a + b for a, b in zip(total, counts)]
    print(f"{total[0]} passed, {total[1]} failed, {total[2]} skipped")
    return 0 if total[0] and not total[1] else 1


if __name__ == "__main__":
    sys.exit(main())

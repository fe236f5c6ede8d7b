"""The guide's check of the webhook's signature, run as a receiver would copy it.

Usage: webhook_snippet_test.py ROOT
"""

import pathlib
import re
import sys
import time

BODY = b'{"id":"1.pending"}'
KEY = "0123456789abcdef"
# As tests/unit/operator_webhook_logic_test.cc has it: the operator's own bytes, for "{}" at that second.
VECTOR_TIME = 1893456015


def guide_snippet(root):
    guide = (root / "docs/guide/platform-teams.md").read_text(encoding="utf-8")
    code, = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    names = {}
    exec(code, names)  # our own documentation
    return names["verify"]


def vector(root):
    text = (root / "tests/unit/operator_webhook_logic_test.cc").read_text(encoding="utf-8")
    return re.findall(rf'"(t={VECTOR_TIME},v1=[0-9a-f]{{64}})"', text)[0]


def main():
    root = pathlib.Path(sys.argv[1])
    verify = guide_snippet(root)
    ours = vector(root)
    digest = ours.rsplit("=", 1)[1]
    age = 10 ** 12  # the vector's second is not now

    def check(signature, body=b"{}", key=KEY, tolerance=age):
        return verify({"Sandgate-Signature": signature}, body, key, tolerance)

    cases = [
        ("the operator's own bytes", check(ours), True),
        ("a second key", check(f"t={VECTOR_TIME},v1={'0' * 64},v1={digest}"), True),
        ("another body", check(ours, body=BODY), False),
        ("another key", check(ours, key=KEY + "x"), False),
        ("another time", check(ours.replace("015,", "016,")), False),
        ("too old or too new", check(ours, tolerance=300), abs(time.time() - VECTOR_TIME) <= 300),
        ("no signature", verify({}, b"{}", KEY), False),
        ("no time", check(f"v1={digest}"), False),
        ("two times", check(f"t={VECTOR_TIME},t={VECTOR_TIME},v1={digest}"), False),
        ("no number", check(f"t=x,v1={digest}"), False),
        ("no digest", check(f"t={VECTOR_TIME}"), False),
        ("an empty digest", check(f"t={VECTOR_TIME},v1="), False),
        ("not ASCII", check(f"t={VECTOR_TIME},v1=\u00e9"), False),
        ("garbage", check("=,=,,v1,t"), False),
    ]
    wrong = [why for why, got, expected in cases if got is not expected]
    for why in wrong:
        print(f"wrong: {why}")
    print(f"{len(cases) - len(wrong)} of {len(cases)} checks of the guide's snippet hold")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

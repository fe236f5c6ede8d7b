"""What code writes comes back as it was written, apart, bounded and marked."""

import base64
import hashlib

import pytest

LIMIT = 1_048_576
MARK = "[OUTPUT TRUNCATED]"

# code -> what it must give back. Language, code, stdout, stderr, exit code.
EXACT = [
    ("python", "import sys\nsys.stdout.write('out\\n')\nsys.stderr.write('err\\n')",
     "out\n", "err\n", 0),
    ("python", "pass", "", "", 0),
    ("python", "import sys; sys.stdout.write('no newline')", "no newline", "", 0),
    ("python", "import sys; sys.stdout.buffer.write(bytes(range(128)))",
     bytes(range(128)).decode(), "", 0),
    ("python", "import sys; sys.stdout.buffer.write('h\u00e9 \u2603 \U0001f600\\r\\n'.encode())",
     "h\u00e9 \u2603 \U0001f600\r\n", "", 0),
    ("python", "print('<&>\"\\\\ {}')", "<&>\"\\ {}\n", "", 0),
    ("python", "import sys; sys.exit(3)", "", "", 3),
    ("python", "import sys; sys.exit(255)", "", "", 255),
    ("python", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "", "", 137),
    ("python", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "", "", 139),
    ("javascript", "console.log('out'); console.error('err'); process.exit(4)",
     "out\n", "err\n", 4),
    ("shell", "echo out; echo err >&2; exit 5", "out\n", "err\n", 5),
    ("shell", "printf 'a\\tb\\n'; kill -TERM $$", "a\tb\n", "", 143),
    ("shell", "[[ $BASH_VERSION == 5.2* ]] && echo yes", "yes\n", "", 0),
]


@pytest.mark.parametrize("language,code,out,err,exit_code", EXACT)
def test_streams_come_back_apart_and_byte_exact(tenant, language, code, out, err, exit_code):
    run = tenant.box(language).run(code)
    assert (run.stdout, run.stderr, run.exit_code) == (out, err, exit_code), run
    assert run.phase == ("Succeeded" if exit_code == 0 else "Failed")
    assert not run.status.get("stdoutReplaced") and not run.status.get("stdoutTruncated")


@pytest.mark.parametrize("language,code,version", [
    ("python", "import sys; print(sys.version)", "3.11"),
    ("javascript", "console.log(process.version)", "v20."),
    ("shell", "echo $BASH_VERSION", "5.2"),
])
def test_the_three_languages_are_the_promised_versions(tenant, language, code, version):
    run = tenant.box(language).run(code)
    assert run.stdout.startswith(version), run


def test_a_traceback_is_on_stderr_and_the_exit_code_is_the_interpreters(python_box):
    run = python_box.run("print('before')\nraise ValueError('told')")
    assert (run.stdout, run.exit_code, run.phase) == ("before\n", 1, "Failed")
    assert "ValueError: told" in run.stderr


@pytest.mark.parametrize("stream,field", [("stdout", "stdoutReplaced"),
                                          ("stderr", "stderrReplaced")])
def test_bytes_that_are_not_utf8_are_replaced_and_the_result_says_so(python_box, stream, field):
    run = python_box.run(f"import sys; sys.{stream}.buffer.write(b'a\\xff\\xfeb\\xc3')")
    text = run.stream(stream)
    assert text.startswith("a\ufffd") and "b\ufffd" in text, run
    assert run.status.get(field) is True, run
    other = "stderrReplaced" if stream == "stdout" else "stdoutReplaced"
    assert not run.status.get(other)


def test_fifty_megabytes_of_output_keep_the_first_mebibyte_and_the_mark(python_box, tenant):
    code = ("import sys\n"
            "line = b'0123456789abcdef' * 4096\n"
            "for _ in range(800): sys.stdout.buffer.write(line)\n"
            "sys.stderr.write('done')\n")
    result = tenant.gateway().execute(code, sandbox_id=python_box.name)
    kept, mark, rest = result["stdout"].partition(MARK)
    assert mark == MARK and rest.strip() == ""
    assert kept.rstrip("\n") == ("0123456789abcdef" * (LIMIT // 16))
    assert result["stderr"] == "done" and result["exit_code"] == 0
    assert result["success"] is True
    run = python_box.run("print('the sandbox still works')")
    assert run.stdout == "the sandbox still works\n"


def test_the_truncated_flag_is_set_on_the_stream_that_was_cut(python_box):
    run = python_box.run("import sys\nsys.stderr.write('e' * 1048577)\nsys.stdout.write('o')")
    assert run.status.get("stderrTruncated") is True, run
    assert not run.status.get("stdoutTruncated")
    assert run.stderr.startswith("e" * LIMIT) and MARK in run.stderr


def test_a_smaller_limit_of_the_sandbox_counts(tenant):
    box = tenant.new_box("shell", limits={"outputBytes": 10})
    run = box.run("printf 0123456789X; printf 0123456789 >&2")
    assert run.stdout.startswith("0123456789") and MARK in run.stdout and "X" not in \
        run.stdout.replace(MARK, "")
    assert run.stderr == "0123456789" and not run.status.get("stderrTruncated")
    box.delete()


# What is larger than 32 KiB is kept apart, and is the same text by every way.
@pytest.mark.parametrize("label,make", [
    ("just inline", "'x' * 32768"),
    ("just not", "'x' * 32769"),
    ("random, so gzip does not help",
     "__import__('base64').b64encode(__import__('random').Random(7).randbytes(700000)).decode()"),
    ("costly to escape", "'<' * 400000"),
])
def test_large_outputs_overflow_and_come_back_whole(python_box, tenant, label, make):
    expected = {"just inline": "x" * 32768, "just not": "x" * 32769,
                "costly to escape": "<" * 400000}.get(label)
    if expected is None:
        import random
        expected = base64.b64encode(random.Random(7).randbytes(700000)).decode()
    code = f"import sys\nsys.stdout.write({make})"
    run = python_box.run(code)
    assert run.exit_code == 0, run
    assert bool(run.status.get("stdoutRef")) == (len(expected) > 32768), run
    assert hashlib.sha256(run.stdout.encode()).digest() == \
        hashlib.sha256(expected.encode()).digest()
    answer = tenant.gateway().execution(run.name)
    assert answer.code == 200, answer
    assert answer.json["stdout"] == expected


def test_overflow_config_maps_are_immutable_and_go_with_the_execution(python_box, tenant):
    from harness.wait import until
    run = python_box.run("print('y' * 100000)")
    names = run.status["stdoutRef"]["configMaps"]
    for name in names:
        stored = tenant.admin.get("configmaps", tenant.namespace, name)
        assert stored["immutable"] is True
        owners = [owner["uid"] for owner in stored["metadata"]["ownerReferences"]]
        assert owners == [run.last["metadata"]["uid"]]
    tenant.admin.delete("executions", tenant.namespace, run.name)
    until(lambda: not any(tenant.admin.find("configmaps", tenant.namespace, name)
                          for name in names), "its ConfigMaps are collected")

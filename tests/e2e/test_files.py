"""WriteFile, ReadFile and ListFiles as objects: exact bytes, and no way out of /workspace."""

import random

import pytest

OUTSIDE = "PathOutsideWorkspace"


def refused(run, code, *words):
    """It failed with that code, nothing of a result is there, and the message says what."""
    assert (run.phase, run.error) == ("Failed", code), run
    message = run.status["error"]["message"]
    for word in words:
        assert word in message, message
    for member in ("exitCode", "stdout", "stderr", "files", "contentEncoding"):
        assert member not in run.status, run
    return message


def done(run):
    assert run.phase == "Succeeded" and "error" not in run.status, run
    assert run.exit_code is None, run
    return run


@pytest.fixture(scope="module")
def box(tenant):
    return tenant.box("python")


@pytest.fixture(scope="module")
def trap(box):
    """What earlier code leaves for the operations that come after it."""
    planted = box.run("""
import os, socket
os.makedirs('real/sub')
open('real/f', 'w').write('inside')
for name, target in {
    'in_dir': 'real', 'in_abs': '/workspace/real', 'in_file': 'real/f', 'in_up': 'real/sub/../f',
    'out_up': '..', 'out_etc': '/etc', 'out_passwd': '/etc/passwd', 'out_root': '/',
    'out_proc': '/proc/self', 'out_environ': '/proc/self/environ', 'out_fd': '/proc/self/fd/0',
    'out_zero': '/dev/zero', 'out_deep': 'real/sub/../../../etc/passwd',
    'out_chain': 'out_up', 'out_sandgate': '/sandgate', 'out_dot': '/workspace/../etc',
    'loop': 'loop2', 'loop2': 'loop', 'dangling': 'nowhere',
}.items():
    os.symlink(target, name)
os.mkfifo('fifo')
socket.socket(socket.AF_UNIX).bind('sock')
os.mkdir('directory')
try:
    os.mknod('device', 0o20666, os.makedev(1, 5))
    print('made a device')
except PermissionError:
    pass
""")
    assert (planted.phase, planted.stdout) == ("Succeeded", ""), planted
    return box


# --- bytes ---------------------------------------------------------------------------------------

CONTENTS = {
    "text": "one\ntwo\n",
    "empty": "",
    "text with NUL": "a\0b",
    "line ends": "a\r\nb\rc",
    "unicode": "gr\u00fc\u00df \U0001f40d \u2028 \ufffd \ufeff",
    "what JSON escapes": "<>&\"\\\x01\x1f\x7f",
    "every byte": bytes(range(256)) * 8,
    "almost text": b"a" * 5000 + b"\xff",
    "surrogates": b"\xed\xa0\x80",
    "above the inline limit": "0123456789abcdef" * 4096,
    "above it, as bytes": random.Random(1).randbytes(100_000),
    "the largest": random.Random(2).randbytes(512 * 1024),
}


@pytest.mark.parametrize("label", CONTENTS)
def test_a_file_comes_back_as_it_was_written(box, label):
    content = CONTENTS[label]
    exact = content.encode() if isinstance(content, str) else content
    done(box.write_file(f"bytes/{label}", content))
    read = done(box.read_file(f"bytes/{label}"))
    assert read.content == exact
    assert read.status["contentEncoding"] == ("text" if isinstance(content, str) else "base64")
    assert done(box.read_file(f"bytes/{label}", encoding="base64")).content == exact


def test_code_and_file_operations_see_the_same_files(box):
    done(box.write_file("/workspace/shared/tool.sh", "#!/bin/sh\necho hello $1\n", mode="0755"))
    run = box.run("import os, subprocess\n"
                  "print(subprocess.run(['shared/tool.sh', 'you'], capture_output=True).stdout)\n"
                  "print(oct(os.stat('shared/tool.sh').st_mode & 0o7777), os.getuid() == "
                  "os.stat('shared/tool.sh').st_uid)\n"
                  "open('shared/by_code', 'wb').write(bytes(range(256)))")
    assert run.stdout == "b'hello you\\n'\n0o755 True\n", run
    assert done(box.read_file("shared/by_code")).content == bytes(range(256))


def test_write_replaces_and_append_appends(box):
    done(box.write_file("log", "one\n", append=True))
    done(box.write_file("log", "two\n", append=True))
    assert done(box.read_file("log")).content == b"one\ntwo\n"
    done(box.write_file("log", "new"))
    assert done(box.read_file("log")).content == b"new"


def test_a_file_above_the_output_limit_is_refused_and_never_cut(tenant, box):
    box.run("f = open('huge', 'wb'); f.truncate(1 << 29)\nopen('big', 'wb').write(b'x' * 1048577)")
    refused(box.read_file("huge"), "FileTooLarge", "536870912", "1048576")
    refused(box.read_file("big"), "FileTooLarge", "1048577", "1048576")
    box.run("import os; os.remove('huge'); os.truncate('big', 1048576)")
    assert done(box.read_file("big")).content == b"x" * 1048576


# --- paths ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("path", [
    "../etc/passwd", "..", "a/../../etc/passwd", "real/../../etc/passwd", "/etc/passwd", "/",
    "/workspace/../etc/passwd", "/workspacex", "/proc/self/environ", "/proc/self/root/etc/passwd",
    "/proc/self/cwd/../etc/passwd", "/dev/zero", "/dev/stdin", "/sandgate/tls.key", "//etc/passwd",
    "./../../etc/passwd", "/./etc/passwd"])
def test_no_path_leads_out(trap, path):
    for run in (trap.read_file(path), trap.list_files(path), trap.write_file(path, "x"),
                trap.write_file(path, "x", append=True)):
        refused(run, OUTSIDE)


@pytest.mark.parametrize("link", [
    "out_passwd", "out_environ", "out_fd", "out_zero", "out_deep", "out_etc/passwd", "out_up/etc",
    "out_root/etc/passwd", "out_proc/environ", "out_proc/root/etc/passwd", "out_chain/etc/passwd",
    "out_sandgate/tls.key", "out_dot/passwd"])
def test_no_planted_link_leads_out(trap, link):
    refused(trap.read_file(link), OUTSIDE, link, "symbolic link")
    refused(trap.list_files(link), OUTSIDE)
    refused(trap.write_file(link + "/new", "x"), OUTSIDE)
    refused(trap.write_file(link + "/new", "x", append=True), OUTSIDE)


def test_links_inside_the_workspace_work(trap):
    for link in ("in_dir/f", "in_abs/f", "in_file", "in_up"):
        assert done(trap.read_file(link)).content == b"inside", link
    assert set(done(trap.list_files("in_dir")).files) == {b"f", b"sub"}
    done(trap.write_file("in_dir/g", "through"))
    assert done(trap.read_file("real/g")).content == b"through"
    trap.run("import os; os.remove('real/g')")
    refused(trap.read_file("loop"), "InvalidPath", "too many symbolic links")
    refused(trap.read_file("dangling"), "FileNotFound")


def test_a_write_replaces_a_link_and_never_follows_it(trap):
    refused(trap.write_file("out_passwd", "x", append=True), "NotARegularFile", "symbolic link")
    trap.run("import os; os.symlink('/etc/hostname', 'here'); os.symlink('real/f', 'there')")
    before = trap.run("print(open('/etc/hostname').read())").stdout
    for link in ("here", "there"):
        done(trap.write_file(link, "mine"))
        assert done(trap.read_file(link)).content == b"mine"
    assert trap.run("print(open('/etc/hostname').read())").stdout == before
    assert done(trap.read_file("real/f")).content == b"inside"


@pytest.mark.parametrize("path, read, write", [
    ("missing", "FileNotFound", None),
    ("directory", "IsADirectory", "IsADirectory"),
    ("directory/", "IsADirectory", "IsADirectory"),
    (".", "IsADirectory", "IsADirectory"),
    ("/workspace", "IsADirectory", "IsADirectory"),
    ("real/f/x", "NotADirectory", "NotADirectory"),
    ("fifo", "NotARegularFile", "NotARegularFile"),
    ("sock", "NotARegularFile", "NotARegularFile"),
    ("n" * 256, "InvalidPath", "InvalidPath"),
    ("d/" + "n" * 300, "InvalidPath", "InvalidPath"),
    ("d/" * 300 + "f", "InvalidPath", "InvalidPath"),
    ("d/" * 2047 + "f", "InvalidPath", "InvalidPath"),
])
def test_what_is_no_file_says_so(trap, path, read, write):
    refused(trap.read_file(path), read)
    if write:
        refused(trap.write_file(path, "x"), write)
        refused(trap.write_file(path, "x", append=True), write)


def test_the_longest_name_and_a_deep_path_work(box):
    for path in ("n" * 255, "\u00fc" * 127, "deep/" * 200 + "f", "a b/'c'/\"d\"/$(e)/*\n\t"):
        done(box.write_file(path, path))
        assert done(box.read_file(path)).content == path.encode(), path


def test_a_message_shows_a_path_harmlessly(box):
    message = refused(box.read_file("no\x1b[2Jne\n\u202efdp.exe"), "FileNotFound")
    assert message.isprintable() and "\\x1b[2Jne\\x0a" in message


def test_what_may_not_be_read_says_so(box):
    done(box.write_file("sealed", "x", mode="000"))
    refused(box.read_file("sealed"), "PermissionDenied", "sealed")
    box.run("import os; os.mkdir('closed'); os.chmod('closed', 0)")
    refused(box.list_files("closed"), "PermissionDenied")
    refused(box.write_file("closed/f", "x"), "PermissionDenied")


# --- listings ------------------------------------------------------------------------------------

def test_a_listing_has_name_type_size_and_time(trap):
    files = done(trap.list_files()).files
    assert list(files) == sorted(files)
    assert files[b"real"]["type"] == "directory"
    assert files[b"out_passwd"]["type"] == "symlink"
    assert files[b"fifo"]["type"] == files[b"sock"]["type"] == "other"
    assert b"device" not in files
    entry = done(trap.list_files("real")).files[b"f"]
    assert (entry["type"], entry["size"]) == ("file", 6) and entry["mtime"].startswith("20")
    refused(trap.list_files("real/f"), "NotADirectory")
    refused(trap.list_files("fifo"), "NotADirectory")
    refused(trap.list_files("missing"), "FileNotFound")
    empty = done(trap.list_files("directory"))
    assert not empty.files and "filesCursor" not in empty.status


def test_names_that_are_not_utf8_are_exact_and_times_are_bounded(box):
    names = [b"a\xff", b"\xc3\x28", b"\xed\xa0\x80", "gr\u00fc\u00df".encode(), b"new\nline"]
    box.run(f"import os\nos.mkdir('odd')\nfor n in {names!r}:\n  open(b'odd/' + n, 'w')\n"
            "os.utime(b'odd/a\\xff', (0, 1 << 40))")
    run = done(box.list_files("odd"))
    assert list(run.files) == sorted(names)
    assert "nameBase64" not in run.files[b"new\nline"]
    # gVisor's own clock wraps round before ours ends
    assert 1970 <= int(run.files[b"a\xff"]["mtime"][:4]) <= 2261


def test_as_many_files_as_a_workspace_may_have_come_in_pages(tenant):
    """Neither the memory nor the time of one run is used up, and no entry is missed."""
    box = tenant.new_box("python")
    made = box.run("import os\nos.mkdir('many')\n"
                   "for i in range(65_000): os.close(os.open(f'many/{i:06}', os.O_CREAT))",
                   timeout=300)
    assert made.phase == "Succeeded", made
    seen, cursor, pages, slowest = 0, {}, 0, 0
    while True:
        page = done(box.list_files("many", limit=4096, **cursor))
        assert list(page.files) == [f"{i:06}".encode() for i in range(seen, seen + len(page.files))]
        seen, pages = seen + len(page.files), pages + 1
        slowest = max(slowest, page.status["executionTimeMillis"])
        if "filesCursor" not in page.status:
            break
        assert page.status["filesTruncated"] is True
        cursor = {"cursor": page.status["filesCursor"]}
    assert (seen, pages) == (65_000, 16)
    print(f"slowest page: {slowest} ms")
    assert len(done(box.list_files("many")).files) == 1000
    refused(box.list_files("many", cursor="Zg_____"), "InvalidCursor")
    box.delete()


# --- limits --------------------------------------------------------------------------------------

def test_a_full_disk_leaves_the_old_file_and_no_draft(tenant):
    box = tenant.new_box("shell", resources={"disk": "16Mi", "memory": "128Mi"})
    done(box.write_file("kept", "old"))
    filled = box.run("mkdir d; dd if=/dev/zero of=fill bs=64k 2>/dev/null; true")
    assert filled.phase == "Succeeded", filled
    big = random.Random(3).randbytes(512 * 1024)
    refused(box.write_file("kept", big), "DiskFull", "kept", "full")
    refused(box.write_file("kept", big, append=True), "DiskFull")
    refused(box.write_file("d/made", big), "DiskFull")
    refused(box.write_file("d/added", big, append=True), "DiskFull")
    assert done(box.read_file("kept")).content == b"old"
    assert set(done(box.list_files()).files) == {b"kept", b"fill", b"d"}
    assert not done(box.list_files("d")).files
    box.run("rm fill")
    done(box.write_file("kept", big))
    assert done(box.read_file("kept")).content == big
    box.delete()


# --- what the approver and others see ------------------------------------------------------------

def test_the_approver_sees_path_size_and_beginning(tenant, box):
    run = box.write_file("data/config.json", '{"timeout": 30}')
    request = tenant.approver.seen[run.name]["spec"]["request"]
    assert request["risk"] == "MEDIUM"
    summary = request["summary"]
    assert summary["tool"] == "code_write_file" and summary["path"] == "data/config.json"
    assert summary["codeExcerpt"] == '{"timeout": 30}' and summary["codeBytes"] == 15
    assert "data/config.json" in summary["text"] and "15 bytes" in summary["text"]


def test_an_executable_file_is_high_and_the_rest_is_medium(tenant, box):
    def risk(run):
        assert done(run)
        return run.status["risk"]["level"]
    assert risk(box.write_file("tool.py", "x")) == "HIGH"
    assert risk(box.write_file("tool", "x", mode="0755")) == "HIGH"
    assert risk(box.write_file("notes.txt", "x")) == "MEDIUM"
    assert risk(box.read_file("notes.txt")) == "MEDIUM"
    assert risk(box.list_files()) == "MEDIUM"


def test_a_denied_write_writes_nothing(tenant, box):
    with tenant.approver.denying():
        run = box.write_file("denied", "x")
    assert (run.phase, run.error) == ("Denied", "ApprovalDenied"), run
    refused(box.read_file("denied"), "FileNotFound")


def test_nobody_is_asked_about_a_path_that_cannot_be(tenant, box):
    run = box.write_file("../f", "x")
    refused(run, OUTSIDE)
    assert run.name not in tenant.approver.seen


def test_another_agent_has_no_part_in_it(tenant, box):
    run = box.start_operation("ReadFile", {"path": "log"}, user=tenant.second_agent).finish()
    refused(run, "SandboxNotYours")

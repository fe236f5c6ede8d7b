"""The file tools through the gateway: bytes in, the same bytes out, and clear errors."""

import base64
import hashlib

import pytest

from harness.files import Files
from harness.tenant import unique

KIB = 1024
EVERY_BYTE = bytes(range(256)) * 3
# Above what the status of an Execution holds inline.
LONG_TEXT = "".join(f"line {number} — naïve ✓ 😀\n" for number in range(6000))


@pytest.fixture
def files(tenant, python_box):
    return Files(tenant.gateway(), python_box.name)


@pytest.fixture
def folder(files):
    """A name that no other test uses."""
    return unique("folder")


# --- bytes, both ways ---

CONTENTS = {
    "text": "a,b\n1,2\n",
    "no line end": "x",
    "empty": "",
    "line ends of Windows": "a\r\nb\r\n",
    "emoji and accents": "naïve café ✓ 😀 \U0010ffff \u202e\u2028",
    "a NUL and other control characters": "a\x00b\x01\x1b[31m\x7f",
    "what JSON and HTML escape": "\"\\/<script>&amp;</script>\u2028",
    "all of 512 KiB": "y" * 512 * KIB,
    "512 KiB of what costs six bytes in JSON": "<" * 512 * KIB,
    "a long text of many bytes": LONG_TEXT,
}


@pytest.mark.parametrize("label", CONTENTS)
def test_text_comes_back_as_it_was(files, folder, label):
    files.write(f"{folder}/file", CONTENTS[label])
    assert files.read(f"{folder}/file") == CONTENTS[label]
    assert files.read(f"{folder}/file", encoding="base64") == CONTENTS[label].encode()


BYTES = {
    "every byte": EVERY_BYTE,
    "empty": b"",
    "one that is no UTF-8": b"\xff",
    "half a character": "ok é".encode()[:-1],
    "a surrogate in UTF-8": b"\xed\xa0\x80",
    "31 KiB and 33 KiB around what fits inline": EVERY_BYTE * 43,
    "all of 512 KiB": bytes(reversed(range(256))) * (2 * KIB),
}


@pytest.mark.parametrize("label", BYTES)
def test_bytes_come_back_as_they_were(files, folder, label):
    files.write(f"{folder}/file", BYTES[label])
    assert files.read(f"{folder}/file", encoding="base64") == BYTES[label]
    seen = files.read(f"{folder}/file")
    assert (seen if isinstance(seen, bytes) else seen.encode()) == BYTES[label]
    said = files.run(f"import hashlib\n"
                     f"print(hashlib.sha256(open('{folder}/file', 'rb').read()).hexdigest())")
    assert said == hashlib.sha256(BYTES[label]).hexdigest() + "\n"


@pytest.mark.parametrize("size", [32 * KIB - 1, 32 * KIB, 32 * KIB + 1, 200 * KIB, 512 * KIB])
def test_what_code_wrote_is_read_around_the_inline_limit(files, folder, size):
    files.run(f"import os\nos.mkdir('{folder}')\n"
              f"open('{folder}/out', 'wb').write((bytes(range(251)) * 2100)[:{size}])")
    wanted = (bytes(range(251)) * 2100)[:size]
    assert len(wanted) == size
    assert files.read(f"{folder}/out") == wanted


def test_reading_one_more_byte_than_may_be_read_is_refused(files, folder):
    files.run(f"import os\nos.mkdir('{folder}')\nopen('{folder}/out', 'wb').write(bytes(40 << 20))")
    assert files.error("code_read_file", file_path=f"{folder}/out").startswith("FileTooLarge: ")


# --- writing ---


def test_parent_folders_are_made_and_files_replaced(files, folder):
    path = f"{folder}/a/b/c/d.txt"
    files.write(path, "one, which is long")
    files.write(path, "two")
    assert files.read(path) == "two"
    assert files.names(f"{folder}/a/b") == ["c"]


def test_append_adds_to_the_end_and_makes_the_file(files, folder):
    for part in ("one\n", "two\n"):
        files.write(f"{folder}/log", part, append=True)
    files.write(f"{folder}/log", b"\xff", append=True)
    assert files.read(f"{folder}/log") == b"one\ntwo\n\xff"


@pytest.mark.parametrize("mode", ["0755", "755"])
def test_a_file_with_mode_755_is_a_program(tenant, shell_box, mode):
    files = Files(tenant.gateway(), shell_box.name)
    path = f"bin/{unique('hello')}"
    files.write(path, "#!/usr/bin/env bash\necho hello from $0\n", mode=mode)
    assert files.run(f"./{path}", "shell") == f"hello from ./{path}\n"


def test_without_a_mode_it_is_no_program(files, folder):
    files.write(f"{folder}/data", "x")
    assert files.run(f"import os, stat\n"
                     f"print(oct(stat.S_IMODE(os.stat('{folder}/data').st_mode)))") == "0o644\n"


def test_absolute_paths_beneath_the_workspace_are_the_same_files(files, folder):
    files.write(f"/workspace/{folder}/f", "here")
    assert files.read(f"{folder}/f") == files.read(f"./{folder}//f") == "here"


# --- listing ---


def test_a_listing_has_names_types_sizes_and_times(files, folder):
    files.write(f"{folder}/b.txt", "12345")
    files.write(f"{folder}/a/x", "")
    files.run(f"import os\nos.symlink('b.txt', '{folder}/link')\nos.mkfifo('{folder}/pipe')")
    result = files.good("code_list_files", path=folder)
    assert set(result) == {"success", "sandbox_id", "path", "files", "entries", "error",
                           "execution"}
    assert result["path"] == folder and result["files"] == ["a", "b.txt", "link", "pipe"]
    types = {entry["name"]: entry["type"] for entry in result["entries"]}
    assert types == {"a": "directory", "b.txt": "file", "link": "symlink", "pipe": "other"}
    (entry,) = [entry for entry in result["entries"] if entry["name"] == "b.txt"]
    assert entry["size"] == 5 and entry["mtime"].startswith("20") and entry["mtime"].endswith("Z")


def test_the_workspace_itself_is_listed_by_default(files, folder):
    files.write(f"{folder}/x", "")
    result = files.good("code_list_files")
    assert result["path"] == "." and folder in result["files"]


def test_an_empty_folder_is_an_empty_list(files, folder):
    files.run(f"import os\nos.mkdir('{folder}')")
    result = files.good("code_list_files", path=folder)
    assert result["files"] == result["entries"] == [] and "truncated" not in result


def test_pages_give_every_name_once(files, folder):
    files.run(f"import os\nos.mkdir('{folder}')\n"
              f"for n in range(25): open(f'{folder}/file-{{n:02}}', 'w').close()")
    seen, cursor = [], {}
    while True:
        page = files.good("code_list_files", path=folder, limit=10, **cursor)
        assert len(page["files"]) <= 10
        seen += page["files"]
        if "next_cursor" not in page:
            assert "truncated" not in page
            break
        assert page["truncated"] is True
        cursor = {"cursor": page["next_cursor"]}
    assert seen == [f"file-{n:02}" for n in range(25)]


def test_names_of_any_bytes_are_listed(files, folder):
    files.run(f"import os\nos.mkdir('{folder}')\n"
              f"for name in (b'\\xff\\xfe', 'né😀'.encode(), b'a\\nb', b'<>'):\n"
              f"    open(b'{folder}/' + name, 'w').close()")
    entries = files.good("code_list_files", path=folder)["entries"]
    exact = {base64.b64decode(entry["name_base64"]) if "name_base64" in entry
             else entry["name"].encode() for entry in entries}
    assert exact == {b"\xff\xfe", "né😀".encode(), b"a\nb", b"<>"}


# --- the contract around a call ---


def test_a_file_tool_can_be_asked_for_later(files, folder):
    files.write(f"{folder}/f", "later")
    answer = files.gateway.tool("code_read_file", {"sandbox_id": files.sandbox,
                                                   "file_path": f"{folder}/f"},
                                {"Prefer": "respond-async"})
    assert answer.code == 202, answer
    done = files.gateway.send("GET", answer.headers["Location"] + "?wait=2m")
    assert done.code == 200 and done.json["content"] == "later", done


def test_an_idempotency_key_appends_once(files, folder):
    call = {"sandbox_id": files.sandbox, "file_path": f"{folder}/log", "content": "x",
            "append": True}
    key = {"Idempotency-Key": unique("key")}
    first, second = (files.gateway.tool("code_write_file", call, key).json for _ in range(2))
    assert first == second and first["success"], (first, second)
    assert files.read(f"{folder}/log") == "x"
    other = files.gateway.tool("code_write_file", {**call, "content": "y"}, key)
    assert other.code == 409 and other.error["field"] == "Idempotency-Key", other


def test_files_and_entries_are_risks_of_their_own(tenant, files, folder):
    """MEDIUM for files, HIGH for those that are programs."""
    risks = {}
    for name in ("data.csv", "tool.sh", "tool.py", "run.js", "a.exe", "a.bin"):
        result = files.write(f"{folder}/{name}", "x")
        run = tenant.agent.get("executions", tenant.namespace, result["execution"])
        risks[name] = run["status"]["risk"]["level"]
    assert risks == {"data.csv": "MEDIUM", **dict.fromkeys(
        ("tool.sh", "tool.py", "run.js", "a.exe", "a.bin"), "HIGH")}

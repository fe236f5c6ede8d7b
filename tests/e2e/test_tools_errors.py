"""What the tools cannot do, they say: in the tool's own result, with a code and a reason."""

import pytest

from harness.files import Files

KIB = 1024


@pytest.fixture
def files(tenant, python_box):
    return Files(tenant.gateway(), python_box.name)


SETUP = """
import os
os.makedirs('errors/folder', exist_ok=True)
open('errors/file', 'w').write('x')
for name, make in (('pipe', lambda p: os.mkfifo(p)), ('out', lambda p: os.symlink('/etc', p)),
                   ('passwd', lambda p: os.symlink('/etc/passwd', p)),
                   ('up', lambda p: os.symlink('../..', p)),
                   ('loop', lambda p: os.symlink('loop', p))):
    if not os.path.lexists('errors/' + name): make('errors/' + name)
"""

# What is asked for, and the codes that say why not.
OUTSIDE = ("PathOutsideWorkspace",)
NO_LINKS = OUTSIDE + ("NotARegularFile", "NotADirectory", "InvalidPath")
READS = {
    "missing": ("errors/nothing", ("FileNotFound",)),
    "missing folder": ("errors/no/such", ("FileNotFound",)),
    "a folder": ("errors/folder", ("IsADirectory",)),
    "the workspace": (".", ("IsADirectory",)),
    "a file as a folder": ("errors/file/x", ("NotADirectory",)),
    "a FIFO": ("errors/pipe", ("NotARegularFile",)),
    "parent": ("../etc/passwd", OUTSIDE),
    "parent, deep": ("errors/folder/../../../etc/passwd", OUTSIDE),
    "absolute": ("/etc/passwd", OUTSIDE),
    "itself in proc": ("/proc/self/environ", OUTSIDE),
    "the runner's key": ("/var/run/sandgate/tls.key", OUTSIDE),
    "a device": ("/dev/zero", OUTSIDE),
    "a link out": ("errors/passwd", NO_LINKS),
    "a folder's link out": ("errors/out/passwd", NO_LINKS),
    "a link up": ("errors/up/etc/passwd", NO_LINKS),
    "a link to itself": ("errors/loop", NO_LINKS),
    "a name of 300 characters": ("n" * 300, ("InvalidPath",)),
    "a thousand folders": ("a/" * 1000 + "f", ("InvalidPath", "FileNotFound")),
}


@pytest.fixture
def errors(files):
    files.run(SETUP)
    return files


def code_of(error):
    code, _, message = error.partition(": ")
    assert message, error
    return code


@pytest.mark.parametrize("label", READS)
def test_what_cannot_be_read_says_why(errors, label):
    path, codes = READS[label]
    result = errors.call("code_read_file", file_path=path)
    assert result["success"] is False and result["content"] == "", result
    assert code_of(result["error"]) in codes, result


WRITES = {label: READS[label] for label in READS
          if label not in ("missing", "missing folder", "a folder", "the workspace", "a FIFO",
                           "a link to itself", "a link out", "a thousand folders")}
WRITES.update({"onto a folder": ("errors/folder", ("IsADirectory",)),
               "onto the workspace": (".", ("IsADirectory", "InvalidPath")),
               "as a folder": ("errors/new/", ("IsADirectory", "InvalidPath"))})


@pytest.mark.parametrize("label", WRITES)
def test_what_cannot_be_written_says_why(errors, label):
    path, codes = WRITES[label]
    error = errors.error("code_write_file", file_path=path, content="written by a test")
    assert code_of(error) in codes, error


LISTS = {"missing": ("errors/nothing", ("FileNotFound",)),
         "a file": ("errors/file", ("NotADirectory",)),
         "parent": ("..", OUTSIDE),
         "absolute": ("/etc", OUTSIDE),
         "a link out": ("errors/out", NO_LINKS)}


@pytest.mark.parametrize("label", LISTS)
def test_what_cannot_be_listed_says_why(errors, label):
    path, codes = LISTS[label]
    result = errors.call("code_list_files", path=path)
    assert result["success"] is False and result["files"] == result["entries"] == [], result
    assert code_of(result["error"]) in codes, result


def test_a_cursor_of_ones_own_making_is_refused(files):
    answer = files.gateway.tool("code_list_files", {"sandbox_id": files.sandbox,
                                                    "cursor": "not a cursor"})
    assert answer.code == 422 or "InvalidCursor: " in answer.json["error"], answer


def test_a_full_disk_is_an_error_and_the_old_file_stays(tenant):
    box = tenant.new_box("python", resources={"disk": "1Mi"})
    files = Files(tenant.gateway(), box.name)
    files.write("kept", "old")
    files.run("open('/workspace/most', 'wb').write(bytes(900 * 1024))")
    assert files.error("code_write_file", file_path="kept",
                       content="n" * 512 * KIB).startswith("DiskFull: ")
    assert files.read("kept") == "old" and files.names() == ["kept", "most"]
    box.delete()


TOOLS = {
    "code_install_package": ({"package": "requests==2.31.0"},
                             {"package": "requests==2.31.0", "registry": "pypi", "stdout": "",
                              "stderr": "", "packages": []}),
    "code_write_file": ({"file_path": "f", "content": "c"}, {"file_path": "f"}),
    "code_read_file": ({"file_path": "f"}, {"file_path": "f", "content": "", "encoding": "text"}),
    "code_list_files": ({}, {"path": ".", "files": [], "entries": []}),
    "code_destroy_sandbox": ({}, {}),
}


@pytest.mark.parametrize("tool", TOOLS)
def test_an_absent_sandbox_is_not_found_in_the_tools_own_shape(tenant, tool):
    parameters, shape = TOOLS[tool]
    answer = tenant.gateway().tool(tool, {"sandbox_id": "sandbox-000000000000", **parameters})
    assert answer.code == 200, answer
    assert answer.json == {"success": False, "sandbox_id": "sandbox-000000000000",
                           "error": "Sandbox not found", **shape}


@pytest.mark.parametrize("tool", ["code_write_file", "code_read_file", "code_list_files"])
def test_a_denied_call_is_a_result_of_that_tool(tenant, files, tool):
    parameters, shape = TOOLS[tool]
    with tenant.approver.denying():
        result = files.call(tool, **parameters)
    assert result["success"] is False and "Denied" in result["error"], result
    assert set(result) == {"success", "sandbox_id", "error", "execution", *shape}


def test_an_install_into_a_sandbox_without_network_is_refused(files):
    result = files.call("code_install_package", package="requests==2.31.0")
    assert result["error"] == "Network access required for package installation", result
    assert result["success"] is False and result["package"] == "requests==2.31.0"

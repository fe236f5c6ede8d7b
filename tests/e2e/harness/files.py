"""The file tools as a caller of the gateway has them, in one sandbox."""

import base64


class Files:
    """The file tools in one sandbox. A result that is no success is a failed test, unless it is
    looked for."""

    def __init__(self, gateway, sandbox):
        self.gateway, self.sandbox = gateway, sandbox

    def call(self, tool, **parameters):
        answer = self.gateway.tool(tool, {"sandbox_id": self.sandbox, **parameters})
        assert answer.code == 200, answer
        return answer.json

    def good(self, tool, **parameters):
        result = self.call(tool, **parameters)
        assert result["success"] is True and result["error"] is None, result
        assert result["sandbox_id"] == self.sandbox and result["execution"]
        return result

    def error(self, tool, **parameters):
        result = self.call(tool, **parameters)
        assert result["success"] is False and isinstance(result["error"], str), result
        return result["error"]

    def write(self, path, content, **more):
        if isinstance(content, bytes):
            content, more["encoding"] = base64.b64encode(content).decode(), "base64"
        result = self.good("code_write_file", file_path=path, content=content, **more)
        assert set(result) == {"success", "sandbox_id", "file_path", "error", "execution"}
        assert result["file_path"] == path
        return result

    def read(self, path, **more):
        """Text, or bytes where it comes as base64."""
        result = self.good("code_read_file", file_path=path, **more)
        assert set(result) == {"success", "sandbox_id", "file_path", "content", "encoding", "error",
                               "execution"}
        assert result["file_path"] == path
        if result["encoding"] == "text":
            return result["content"]
        assert result["encoding"] == "base64"
        return base64.b64decode(result["content"], validate=True)

    def names(self, path="."):
        return self.good("code_list_files", path=path)["files"]

    def run(self, code, language="python"):
        result = self.gateway.execute(code, language, sandbox_id=self.sandbox)
        assert result["success"], result
        return result["stdout"]

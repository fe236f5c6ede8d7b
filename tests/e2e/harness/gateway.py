"""The gateway's REST interface, as an agent calls it."""

import http.client
import json
import ssl
import urllib.parse

CALL_SECONDS = 660  # the gateway itself answers after 10 minutes


class Answer:
    def __init__(self, code, headers, text):
        self.code, self.headers, self.text = code, headers, text

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def error(self):
        return self.json["error"]

    def __repr__(self):
        return f"{self.code} {self.text[:500]}"


class Gateway:
    """One caller. A new connection for every call: threads may share it."""

    def __init__(self, url, ca_file, token=None, namespace=None):
        self.url = urllib.parse.urlsplit(url)
        self.context = ssl.create_default_context(cafile=ca_file)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        if namespace:
            self.headers["Sandgate-Namespace"] = namespace

    def connect(self, seconds=CALL_SECONDS):
        return http.client.HTTPSConnection(self.url.hostname, self.url.port or 443,
                                           timeout=seconds, context=self.context)

    def send(self, method, path, body=None, headers=None, seconds=CALL_SECONDS):
        """`body`: an object (sent as JSON), or bytes as they are."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {k: v for k, v in {**self.headers, **(headers or {})}.items() if v is not None}
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        connection = self.connect(seconds)
        try:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def tool(self, name, parameters, headers=None):
        return self.send("POST", f"/v1/tools/{name}", parameters, headers)

    def execute(self, code, language="python", headers=None, **parameters):
        """The result object of code_execute; any other answer than 200 is a failed test."""
        answer = self.tool("code_execute", {"language": language, "code": code, **parameters},
                           headers)
        assert answer.code == 200, answer
        return answer.json

    def destroy(self, sandbox_id):
        return self.tool("code_destroy_sandbox", {"sandbox_id": sandbox_id})

    def execution(self, name, wait=None):
        query = f"?wait={wait}" if wait else ""
        return self.send("GET", f"/v1/executions/{name}{query}")

"""The egress proxy's audit lines, as its pods log them."""

import json

from .wait import until


class Mark:
    """A moment: the lines of one sandbox's connections that ended after it."""

    def __init__(self, cluster, pod_ip):
        self.cluster, self.pod_ip = cluster, pod_ip
        self.before = len(self._all())

    def _all(self):
        lines = []
        for text in self.cluster.logs("egress"):
            try:
                line = json.loads(text)
            except ValueError:
                continue
            if line.get("msg") == "egress connection" and line["client"] == self.pod_ip:
                lines.append(line)
        return sorted(lines, key=lambda line: line["time"])

    def lines(self, count):
        """Exactly so many, in the order in which the connections ended."""
        def there():
            found = self._all()[self.before:]
            return found if len(found) >= count else None
        found = until(there, f"{count} audit lines for {self.pod_ip}")
        assert len(found) == count, found[count:]
        return found

"""The egress proxy's audit lines of one sandbox, from a moment on."""

from . import egress
from .wait import until


class Mark:
    """A moment: the lines of the connections of one pod that ended after it."""

    def __init__(self, cluster, pod_ip):
        self.cluster, self.pod_ip = cluster, pod_ip
        self.before = len(self._all())

    def _all(self):
        lines = egress.connections(self.cluster, client=self.pod_ip)
        return sorted(lines, key=lambda line: line["time"])

    def lines(self, count):
        """Exactly so many, in the order in which the connections ended."""
        def there():
            found = self._all()[self.before:]
            return found if len(found) >= count else None
        found = until(there, f"{count} audit lines for {self.pod_ip}")
        assert len(found) == count, found[count:]
        return found

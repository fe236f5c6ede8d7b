"""The egress proxy's audit lines of one sandbox, from a moment on."""

import datetime

from . import egress
from .wait import until


def began(line):
    """When the connection was accepted: its end, which is when the line was written, can come after
    the next one's."""
    ended = datetime.datetime.fromisoformat(line["time"].replace("Z", "+00:00"))
    return ended - datetime.timedelta(milliseconds=int(line["durationMs"]))


class Mark:
    """A moment: the lines of the connections of one pod that ended after it."""

    def __init__(self, cluster, pod_ip):
        self.cluster, self.pod_ip = cluster, pod_ip
        self.before = len(self._all())

    def _all(self):
        return sorted(egress.connections(self.cluster, client=self.pod_ip), key=began)

    def lines(self, count):
        """Exactly so many, in the order in which the connections began."""
        def there():
            found = self._all()[self.before:]
            return found if len(found) >= count else None
        found = until(there, f"{count} audit lines for {self.pod_ip}")
        assert len(found) == count, found[count:]
        return found

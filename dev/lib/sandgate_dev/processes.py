"""Processes that outlive this script: recorded by pid and start time, so that a pid that the
kernel has given to somebody else is never taken for ours."""

import dataclasses
import hashlib
import json
import os
import pathlib
import signal
import time

from sandgate_dev import state


def _boot_id():
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_time(pid):
    """Clock ticks between the machine's boot and the process's start; None if it is gone or a
    zombie."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2:].split()  # the name before may hold spaces and brackets
    return None if fields[0] in "ZX" else int(fields[19])


@dataclasses.dataclass(frozen=True)
class Record:
    """A part that was started: RUN/NAME.json."""

    name: str
    pid: int
    started: int
    boot: str
    fingerprint: str

    @staticmethod
    def path(name):
        return state.RUN / f"{name}.json"

    @classmethod
    def load(cls, name):
        """None if there is none, or only half of one."""
        try:
            return cls(**json.loads(cls.path(name).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    @classmethod
    def save(cls, name, pid, fingerprint):
        record = cls(name, pid, start_time(pid) or 0, _boot_id(), fingerprint)
        path = cls.path(name)
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(dataclasses.asdict(record)))
        temporary.rename(path)
        return record

    def alive(self):
        return self.boot == _boot_id() and start_time(self.pid) == self.started

    def stop(self, grace_seconds):
        """SIGTERM, then SIGKILL after the grace; back when the process is gone."""
        if self.alive() and grace_seconds > 0:
            self._send(signal.SIGTERM)
            self._wait(grace_seconds)
        if self.alive():
            self._send(signal.SIGKILL)
            self._wait(30)
        if self.alive():
            state.die(f"process {self.pid} ({self.name}) does not end, not even by SIGKILL: see dmesg")
        self.path(self.name).unlink(missing_ok=True)

    def _send(self, number):
        try:
            # A descriptor for the process, taken before the check, cannot come to mean another one.
            fd = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive():
                signal.pidfd_send_signal(fd, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(fd)

    def _wait(self, seconds):
        deadline = time.monotonic() + seconds
        while self.alive() and time.monotonic() < deadline:
            time.sleep(0.02)


def fingerprint_of(command, files=()):
    """Changes when the command line or one of its configuration files does."""
    digest = hashlib.sha256("\0".join(map(str, command)).encode())
    for file in files:
        digest.update(pathlib.Path(file).read_bytes())
    return digest.hexdigest()[:16]

# What the run may be: no capability, no new privilege, no higher limit, no foreign descriptor.
import mmap, resource, stat, subprocess, threading

# First, before this program opens anything itself.
open_fds = []
for fd in range(3, 1024):
    try:
        os.fstat(fd)
    except OSError:
        continue
    open_fds.append(fd)
(broken if open_fds else held)("no descriptor but 0, 1 and 2", str(open_fds))

PRCTL, CAPSET, SETUID, SETGID, SETGROUPS = 157, 126, 105, 106, 116
PR_GET_NO_NEW_PRIVS, PR_CAPBSET_READ, PR_CAP_AMBIENT, PR_GET_DUMPABLE = 39, 23, 47, 3

with open("/proc/self/status") as file:
    status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    (held if int(status.get(name, "1"), 16) == 0 else broken)(f"{name} is empty", status.get(name))
(held if status.get("Seccomp") == "2" else broken)("a filter is on", status.get("Seccomp"))
(held if call(PRCTL, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 else broken)("no_new_privs")
for capability in range(0, 41):
    try:
        if call(PRCTL, PR_CAPBSET_READ, capability, 0, 0, 0) != 0:
            broken(f"capability {capability} is in the bounding set")
    except OSError:
        break
refused("raise an ambient capability", call, PRCTL, PR_CAP_AMBIENT, 2, 21, 0, 0)
header, data = struct.pack("Ii", 0x20080522, 0), struct.pack("IIIIII", 1, 1, 0, 0, 0, 0)
refused("take a capability", call, CAPSET, header, data)
refused("become uid 0", call, SETUID, 0)
refused("become gid 0", call, SETGID, 0)
refused("set groups", call, SETGROUPS, 1, struct.pack("I", 0))
for path in ("/usr/bin/su", "/usr/bin/mount", "/usr/bin/passwd", "/usr/bin/newgrp"):
    if os.path.exists(path) and os.stat(path).st_mode & stat.S_ISUID:
        held(f"{path} is set-uid", "and a run of it stays uid " + str(os.getuid()))
        child_refused(f"gain by {path}", lambda: os.execv(path, [path, "--version"])
                      if os.geteuid() == 0 else os._exit(1))
for name in ("uid_map", "gid_map", "setgroups"):
    refused(f"write {name}", lambda: os.write(os.open(f"/proc/self/{name}", os.O_WRONLY),
                                              b"allow" if name == "setgroups" else b"0 0 1"))
refused("make a device", os.mknod, "/tmp/disk", 0o600 | stat.S_IFBLK, os.makedev(8, 0))
refused("raw socket", socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)
refused("packet socket", socket.socket, socket.AF_PACKET, socket.SOCK_RAW, 3)
for name, number, arguments in (
        ("keyctl", 250, (0, 0, 0)), ("add_key", 248, (b"user", b"a", b"b", 1, -3)),
        ("bpf", 321, (0, 0, 0)), ("userfaultfd", 323, (0,)), ("perf_event_open", 298, (0, 0, -1, -1, 0)),
        ("open_by_handle_at", 304, (-100, 0, 0)), ("io_uring_setup", 425, (8, 0)),
        ("init_module", 175, (0, 0, 0)), ("kexec_load", 246, (0, 0, 0, 0)), ("reboot", 169, (0, 0, 0, 0)),
        ("sethostname", 170, (b"x", 1)), ("swapon", 167, (b"/tmp/x", 0)), ("acct", 163, (0,))):
    refused(name, call, number, *arguments)

for name in ("NPROC", "NOFILE", "FSIZE", "CORE", "AS"):
    limit = getattr(resource, f"RLIMIT_{name}")
    soft, hard = resource.getrlimit(limit)
    if hard == resource.RLIM_INFINITY:
        broken(f"a limit on {name}", "there is none")
    else:
        refused(f"raise {name}", resource.setrlimit, limit, (hard + 1, hard + 1))

for fd, kind in ((0, stat.S_ISCHR), (1, stat.S_ISFIFO), (2, stat.S_ISFIFO)):
    (held if kind(os.fstat(fd).st_mode) else broken)(f"descriptor {fd} is what it should be")
expected = {"PATH", "HOME", "LANG", "TMPDIR", "PYTHONUNBUFFERED", "PYTHONPATH", "NODE_PATH", "LC_CTYPE"}
(broken if set(os.environ) - expected else held)("a clean environment", str(set(os.environ) - expected))

# And what honest code needs still works.
threads = [threading.Thread(target=time.sleep, args=(0.2,)) for _ in range(60)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
held("sixty threads run")
memory = mmap.mmap(-1, 256 << 20)
for offset in range(0, len(memory), 1 << 20):
    memory[offset] = 1
memory.close()
held("a map of 256 MiB works")
assert subprocess.run(["sh", "-c", "echo $$ | cat"], capture_output=True).returncode == 0
held("a pipeline of processes works")
done()

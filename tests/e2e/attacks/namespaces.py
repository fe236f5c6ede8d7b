# Other namespaces, other mounts, another root: by every call that makes them.
FLAGS = {"mount": 0x00020000, "cgroup": 0x02000000, "uts": 0x04000000, "ipc": 0x08000000,
         "user": 0x10000000, "pid": 0x20000000, "net": 0x40000000, "time": 0x80}
CLONE, UNSHARE, SETNS, CLONE3 = 56, 272, 308, 435
MOUNT, UMOUNT2, PIVOT_ROOT, CHROOT = 165, 166, 155, 161
FSOPEN, FSMOUNT, FSPICK, MOVE_MOUNT, OPEN_TREE, MOUNT_SETATTR = 430, 432, 433, 429, 428, 442
MS_REMOUNT, MS_BIND, MS_REC, MS_MOVE = 32, 4096, 16384, 8192
X32 = 0x40000000

for name, flag in FLAGS.items():
    child_refused(f"unshare {name}", lambda: call(UNSHARE, flag))
    if name != "time":  # in clone that bit is part of the exit signal
        child_refused(f"unshare user and {name}", lambda: call(UNSHARE, FLAGS["user"] | flag))

        def clone(flags):
            pid = call(CLONE, flags | signal.SIGCHLD, 0, 0, 0, 0)
            if pid == 0:
                os._exit(0)
            os.waitpid(pid, 0)
        refused(f"clone {name}", clone, flag)
        refused(f"clone user and {name}", clone, FLAGS["user"] | flag)
        # The kernel takes the flags from a whole register.
        refused(f"clone {name} with high bits", clone, flag | 1 << 40)

try:
    call(CLONE3, 0, 0)
    broken("clone3")
except OSError as error:
    (held if error.errno == errno.ENOSYS else broken)("clone3", str(error))

for name in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
    for pid in ("self", "1"):
        def enter():
            call(SETNS, os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), 0)
        child_refused(f"setns {name} of {pid}", enter)

os.makedirs("/tmp/m", exist_ok=True)
for name, arguments in {
    "mount tmpfs": (b"none", b"/tmp/m", b"tmpfs", 0, 0),
    "mount proc": (b"none", b"/tmp/m", b"proc", 0, 0),
    "mount cgroup": (b"none", b"/tmp/m", b"cgroup", 0, b"memory"),
    "mount cgroup2": (b"none", b"/tmp/m", b"cgroup2", 0, 0),
    "mount overlay over what is hidden": (b"none", b"/tmp/m", b"overlay", 0, b"lowerdir=/"),
    "mount bind": (b"/", b"/tmp/m", None, MS_BIND | MS_REC, 0),
    "mount move": (b"/proc", b"/tmp/m", None, MS_MOVE, 0),
    "mount remount read-write": (None, b"/", None, MS_REMOUNT | MS_BIND, 0),
    "mount over /etc": (b"none", b"/etc", b"tmpfs", 0, 0),
}.items():
    refused(name, call, MOUNT, *[0 if a is None else a for a in arguments])
for path in (b"/proc", b"/tmp", b"/dev/shm", b"/workspace", b"/", b"/dev/null"):
    refused(f"umount {path.decode()}", call, UMOUNT2, path, 2)
refused("pivot_root", call, PIVOT_ROOT, b"/tmp/m", b"/tmp/m")
refused("chroot", call, CHROOT, b"/tmp/m")
refused("fsopen", call, FSOPEN, b"tmpfs", 0)
refused("fsmount", call, FSMOUNT, 0, 0, 0)
refused("fspick", call, FSPICK, -100, b"/", 0)
refused("open_tree", call, OPEN_TREE, -100, b"/", 1)
refused("move_mount", call, MOVE_MOUNT, -100, b"/proc", -100, b"/tmp/m", 0)
refused("mount_setattr", call, MOUNT_SETATTR, -100, b"/", 0, b"\0" * 32, 32)

# The same call through the x32 table, where a filter that only compares numbers is blind.
child_refused("unshare user through x32", lambda: call(UNSHARE | X32, FLAGS["user"]))
child_refused("clone user through x32", lambda: call(CLONE | X32, FLAGS["user"] | 17, 0, 0, 0, 0))


def by_int80():
    # mov eax, 310 (unshare of i386); mov ebx, CLONE_NEWUSER; int 0x80; ret
    code = b"\xb8\x36\x01\x00\x00\xbb" + struct.pack("<I", FLAGS["user"]) + b"\xcd\x80\xc3"
    import mmap
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if ctypes.CFUNCTYPE(ctypes.c_int)(address)() != 0:
        raise OSError(errno.EPERM, "refused")


child_refused("unshare user through int 0x80", by_int80)

# What was never bound into the run's root.
for path in ("/sandgate", "/sandgate/identity", "/sandgate/secret", "/sandgate/bin", "/sys/fs/cgroup",
             "/dev/termination-log", "/var/run/secrets/kubernetes.io", "/dev/mqueue"):
    (broken if os.path.lexists(path) else held)(f"absent: {path}")
for path in ("/root_file", "/etc/x", "/usr/x", "/run/x", "/run/code/x", "/dev/x", "/sys/x", "/var/tmp/x", "/etc/hosts", "/etc/hostname",
             "/etc/resolv.conf"):
    refused(f"write {path}", open, path, "a")
done()

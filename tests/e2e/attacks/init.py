# The init of the run's namespaces: look into it, signal it, change it.
INIT = 1
PTRACE, KILL, TKILL, TGKILL, SIGQUEUE, TGSIGQUEUE = 101, 62, 200, 234, 129, 297
VM_READ, VM_WRITE, KCMP, PIDFD_OPEN, PIDFD_SEND, PIDFD_GETFD = 310, 311, 312, 434, 424, 438
PRLIMIT, SETAFFINITY, SETSCHEDULER, SETPRIORITY, ROBUST, MADVISE = 302, 203, 144, 141, 274, 440
F_SETOWN, F_SETSIG, F_SETOWN_EX, FIOSETOWN, SIOCSPGRP = 8, 10, 15, 0x8901, 0x8902
PTRACE_TRACEME, PTRACE_ATTACH, PTRACE_SEIZE = 0, 16, 0x4206

for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD,
               signal.SIGSEGV):
    refused(f"kill init with {number.name}", os.kill, INIT, number)
    refused(f"kill init with {number.name}, high bits set", call, KILL, INIT | 1 << 32, number)
    refused(f"tkill init with {number.name}", call, TKILL, INIT, number)
    refused(f"tgkill init with {number.name}", call, TGKILL, INIT, INIT, number)
    info = ctypes.create_string_buffer(struct.pack("<iii", number, 0, -1), 128)
    refused(f"queue {number.name} to init", call, SIGQUEUE, INIT, number, ctypes.byref(info))
    refused(f"queue {number.name} to init's thread", call, TGSIGQUEUE, INIT, INIT, number,
            ctypes.byref(info))
# kill(-1) means everybody but the init; its own group has no other name.
in_child(lambda: (signal.signal(signal.SIGTERM, signal.SIG_IGN), os.setsid()))

refused("pidfd of init", call, PIDFD_OPEN, INIT, 0)
refused("signal init by a directory of /proc",
        lambda: call(PIDFD_SEND, os.open("/proc/1", os.O_RDONLY | os.O_DIRECTORY), 9, 0, 0))
refused("pidfd_getfd", call, PIDFD_GETFD, 0, 0, 0)

left, right = socket.socketpair()
refused("own a descriptor for init", fcntl.fcntl, left, F_SETOWN, INIT)
refused("own a descriptor for init (ex)", fcntl.fcntl, left, F_SETOWN_EX, struct.pack("ii", 1, INIT))
for name, request in (("FIOSETOWN", FIOSETOWN), ("SIOCSPGRP", SIOCSPGRP)):
    refused(f"own a socket for init by {name}", fcntl.ioctl, left, request, struct.pack("i", INIT))

refused("trace init", call, PTRACE, PTRACE_ATTACH, INIT, 0, 0)
refused("seize init", call, PTRACE, PTRACE_SEIZE, INIT, 0, 0)
child_refused("be traced", lambda: call(PTRACE, PTRACE_TRACEME, 0, 0, 0))
buffer = ctypes.create_string_buffer(64)
local = struct.pack("QQ", ctypes.addressof(buffer), 64)
remote = struct.pack("QQ", 0x400000, 64)
refused("read the memory of init", call, VM_READ, INIT, local, 1, remote, 1, 0)
refused("write the memory of init", call, VM_WRITE, INIT, local, 1, remote, 1, 0)
refused("compare with init", call, KCMP, INIT, os.getpid(), 1, 0, 0)
refused("advise the memory of init", call, MADVISE, 3, 0, 0, 0, 0)
refused("limit init", call, PRLIMIT, INIT, 0, struct.pack("QQ", 1, 1), 0)
refused("read init's limits", call, PRLIMIT, INIT, 0, 0, ctypes.byref(ctypes.create_string_buffer(16)))
refused("pin init", call, SETAFFINITY, INIT, 8, struct.pack("Q", 1))
refused("schedule init", call, SETSCHEDULER, INIT, 0, struct.pack("i", 0))
refused("renice init", call, SETPRIORITY, 0, INIT, 19)

for name in ("mem", "environ", "maps", "auxv", "task/1/mem"):
    def look(path):
        with open(path, "rb") as file:
            if name == "mem" or name == "task/1/mem":
                file.seek(0x400000)
            data = file.read(16)
        if not data:  # some of these are readable and empty
            raise OSError(errno.ENODATA, "empty")
        return data
    refused(f"read /proc/1/{name}", look, f"/proc/1/{name}")
refused("write /proc/1/mem", lambda: open("/proc/1/mem", "r+b"))
refused("write the oom score of init", lambda: os.write(os.open("/proc/1/oom_score_adj", os.O_WRONLY), b"1000"))
for name in ("root", "cwd"):
    refused(f"list /proc/1/{name}", os.listdir, f"/proc/1/{name}/")
for number in range(8):
    refused(f"open descriptor {number} of init", os.open, f"/proc/1/fd/{number}", os.O_RDONLY)
    refused(f"open descriptor {number} of init to write", os.open, f"/proc/1/fd/{number}", os.O_WRONLY)

others = [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (INIT, os.getpid())]
(broken if others else held)("nobody else is in /proc", " ".join(others))
done()

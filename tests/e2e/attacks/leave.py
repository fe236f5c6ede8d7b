# Leaves behind whatever can be left, in processes that do not want to end.
import ctypes, os, signal, socket, subprocess, time

libc = ctypes.CDLL(None, use_errno=True)
KEY = 0x5347
assert libc.shmget(KEY, 1 << 20, 0o1666) >= 0
assert libc.semget(KEY, 1, 0o1666) >= 0
libc.msgget(KEY, 0o1666)
for path in ("/dev/shm/left", "/tmp/left", "/workspace/kept"):
    open(path, "w").write("x" * 1000)
os.mkfifo("/workspace/fifo")


def daemon(action):
    if os.fork() != 0:
        return
    os.setsid()
    if os.fork() != 0:
        os._exit(0)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    action()
    os._exit(0)


def listener(address):
    def serve():
        server = socket.socket(socket.AF_UNIX)
        server.bind(address)
        server.listen()
        while True:
            server.accept()
    return serve


def cycle():
    """A socket that holds itself, and stdout: no process need hold either."""
    left, right = socket.socketpair(socket.AF_UNIX)
    socket.send_fds(left, [b"x"], [left.fileno(), right.fileno(), 1, 2])


daemon(listener("\0left"))
daemon(listener("/workspace/socket"))
daemon(lambda: open("/workspace/fifo").read())
daemon(lambda: os.kill(os.getpid(), signal.SIGSTOP))
daemon(lambda: time.sleep(100_000))
daemon(lambda: os.execvp("sh", ["sh", "-c", "trap '' TERM; while :; do sleep 1; done"]))
cycle()
# An orphaned process group with a stopped member: the kernel sends it SIGHUP.
if os.fork() == 0:
    os.setpgid(0, 0)
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    os._exit(0)
while not os.path.exists("/workspace/socket"):
    time.sleep(0.01)
print("left", flush=True)

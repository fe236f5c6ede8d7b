# A tree that does not want to end: it must be gone after the timeout, and the output kept.
import os, signal, subprocess, time

print("so far", flush=True)
IGNORED = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
for number in IGNORED:
    signal.signal(number, signal.SIG_IGN)
os.makedirs("/workspace/t", exist_ok=True)
if not os.path.exists("/workspace/t/fifo"):
    os.mkfifo("/workspace/t/fifo")


def child(action):
    if os.fork() == 0:
        action()
        os._exit(0)


def nested(depth):
    os.setsid()
    if depth:
        child(lambda: nested(depth - 1))
    time.sleep(100_000)


child(lambda: os.kill(os.getpid(), signal.SIGSTOP))
child(lambda: nested(8))
child(lambda: open("/workspace/t/fifo").read())  # blocked in open
child(lambda: subprocess.call(["sleep", "100000"]))  # a vfork that waits for its child
child(lambda: os.execvp("sh", ["sh", "-c", "trap '' TERM HUP; kill -STOP $$; sleep 100000"]))
while True:
    pass

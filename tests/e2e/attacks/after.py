# After another run in the same sandbox: its files in /workspace are there, and nothing else is.
KEY = 0x5347
for name in ("shmget", "semget", "msgget"):
    if getattr(LIBC, name)(KEY, 0, 0) >= 0:
        broken(f"no SysV object by {name}")
    else:
        held(f"no SysV object by {name}", os.strerror(ctypes.get_errno()))
for path in ("/tmp", "/dev/shm"):
    (broken if os.listdir(path) else held)(f"{path} is empty", " ".join(os.listdir(path)))
for address in ("\0left", "/workspace/socket"):
    def connect():
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(2)
            client.connect(address)
            return "connected"
    refused(f"connect to {address!r}", connect)
if os.path.exists("/workspace/fifo"):
    refused("a reader on the FIFO", os.open, "/workspace/fifo", os.O_WRONLY | os.O_NONBLOCK)
processes = [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (1, os.getpid())]
(broken if processes else held)("no other process", " ".join(processes))
with open("/workspace/works", "w") as file:
    file.write("x" * 4096)
held("the workspace can be written")
if os.path.exists("/workspace/kept"):
    held("an earlier run's file is there", str(os.path.getsize("/workspace/kept")))
done()

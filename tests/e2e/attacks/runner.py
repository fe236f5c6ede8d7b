# The runner: its key, its program, its port, its processes.
import glob

for path in glob.glob("/proc/[0-9]*/cmdline"):
    with open(path, "rb") as file:
        if b"\0serve\0" in file.read():
            broken("the runner is out of sight", path)
held("the runner is out of sight")

MARK = b"PRIVATE " + b"KEY-----"
SKIP = ("/proc", "/usr", "/lib", "/bin", "/sbin", "/run/code", "/etc/ssl/certs")
found = []
for directory, names, files in os.walk("/"):
    names[:] = [n for n in names if not os.path.join(directory, n).startswith(SKIP)]
    for name in files:
        path = os.path.join(directory, name)
        try:
            if os.path.isfile(path) and MARK in open(path, "rb").read(1 << 20):
                found.append(path)
        except OSError:
            pass
(broken if found else held)("no key in any file", " ".join(found))
for path in ("/proc/self/mountinfo", "/proc/self/mounts"):
    text = open(path).read()
    (broken if "sandgate" in text or "secret" in text else held)(f"{path} names nothing of the runner's")

addresses = {"127.0.0.1"}
if os.path.exists("/etc/hosts"):
    file = open("/etc/hosts")
    addresses.update(line.split()[0] for line in file if line[:1].isdigit())
for address in sorted(addresses):
    def connect(port):
        with socket.create_connection((address, port), timeout=2):
            return "connected"
    refused(f"the runner's port at {address}", connect, 8443)


def listen():
    """On the runner's port, to be taken for it. In here it may: nobody outside sees it."""
    with socket.socket() as server:
        server.bind(("0.0.0.0", 8443))
        server.listen()
        return server.getsockname()


held("a listener on the runner's port is in another network namespace", str(listen()))
done()

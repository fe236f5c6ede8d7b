# From within a run with network: the grant, the key, the relay, and any other way out than the two.
import glob
import json
import time

TOKEN = b"sge" + b"g1."  # put together here: this very text must not be found
KEY = b"PRIVATE " + b"KEY-----"
DOORS = (3128, 443)


# --- what there is to see -------------------------------------------------------------------------
def memory_has(mark):
    """Whether this process's own memory, made from its init's, holds it anywhere but in `mark`."""
    with open("/proc/self/maps", encoding="ascii") as maps, open("/proc/self/mem", "rb") as mem:
        for line in maps:
            span, rights = line.split()[:2]
            if not rights.startswith("rw"):
                continue
            low, high = (int(part, 16) for part in span.split("-"))
            try:
                mem.seek(low)
                data = mem.read(min(high - low, 64 << 20))
            except (OSError, ValueError, OverflowError):
                continue
            at = data.find(mark)
            while at >= 0:
                if data[at + len(mark):at + len(mark) + 8].isalnum():  # a key ID follows it
                    return True
                at = data.find(mark, at + 1)
    return False


(broken if memory_has(TOKEN) else held)("no grant in this process's memory")


fds = sorted(int(name) for name in os.listdir("/proc/self/fd"))
(held if len(fds) == 4 and fds[:3] == [0, 1, 2] else broken)("three descriptors, and the listing's",
                                                             str(fds))
for name, value in os.environ.items():
    if TOKEN.decode() in value or "8443" in value:
        broken("nothing in the environment", name)
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        continue
    if TOKEN in data:
        broken(f"nothing in {path}")
for number in range(16):
    refused(f"descriptor {number} of the init", os.open, f"/proc/1/fd/{number}", os.O_RDWR)
    refused(f"pidfd_getfd of {number}", call, 438, 3, number, 0)
with open("/proc/net/unix", encoding="ascii") as file:
    sockets = file.read().splitlines()[1:]
# gVisor shows all there are: the pair between the runner and its stage, which has no name.
named = [line for line in sockets if len(line.split()) > 7]
(broken if named or len(sockets) > 2 else held)("no socket of its making is left", str(sockets))

found = []
for root in ("/run", "/workspace", "/tmp", "/dev/shm"):  # the rest is the image's
    for directory, _, files in os.walk(root):
        for path in (os.path.join(directory, name) for name in files):
            with open(path, "rb") as file:
                data = file.read()
            if TOKEN in data or KEY in data:
                found.append(path)
(held if not found else broken)("neither grant nor key in any file", " ".join(found))


# --- what the relay says --------------------------------------------------------------------------
def talk(port, data, wait=5):
    with socket.create_connection(("127.0.0.1", port), timeout=wait) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)  # nothing waits for more
        answer = b""
        try:
            while more := client.recv(65536):
                answer += more
        except OSError:
            pass
        return answer


for name, request in {
    "TRACE": b"TRACE / HTTP/1.1\r\nHost: x.test\r\nMax-Forwards: 0\r\n\r\n",
    "GET of the proxy itself": b"GET / HTTP/1.1\r\nHost: 127.0.0.1:3128\r\n\r\n",
    "OPTIONS": b"OPTIONS * HTTP/1.1\r\nHost: x.test\r\n\r\n",
    "a header that is folded": b"CONNECT x.test:443 HTTP/1.1\r\n x\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n",
    "a request in the request line": b"CONNECT x.test:443 HTTP/1.1\r\r\nHost: x.test\r\n\r\n",
    "binary": b"\n\n\n\n\x00\xff\r\n\r\n",
}.items():
    answer = talk(3128, request)
    (broken if TOKEN in answer else held)(f"{name} is no mirror", answer[:40].decode("latin-1"))
answer = talk(443, b"GET / HTTP/1.1\r\nHost: x.test\r\n\r\n")
(broken if TOKEN in answer or b"HTTP" in answer else held)("port 443 says nothing of HTTP", answer.hex())
with socket.create_connection(("127.0.0.1", 3128)) as client:
    (held if client.getpeername() == ("127.0.0.1", 3128) else broken)("the peer is the door alone")


# --- other ends of it -----------------------------------------------------------------------------
def take(port, address, *options):
    server = socket.socket()
    for option in options:
        server.setsockopt(socket.SOL_SOCKET, option, 1)
    server.bind((address, port))
    server.listen()
    return server


for port in DOORS:
    for address in ("127.0.0.1", "0.0.0.0"):
        for options in ((), (socket.SO_REUSEADDR,), (socket.SO_REUSEPORT,),
                        (socket.SO_REUSEADDR, socket.SO_REUSEPORT)):
            refused(f"listen at {address}:{port} with {options}", take, port, address, *options)
for host, port in (("127.0.0.1", 8443), ("127.0.0.1", 8080), ("169.254.169.254", 80),
                   ("10.96.0.1", 443), ("192.0.2.1", 443), ("198.51.100.1", 443)):
    refused(f"tcp to {host}:{port}", socket.create_connection, (host, port), 2)


def datagram(host, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(2)
        client.connect((host, port))
        client.send(b"x")
        time.sleep(0.1)
        client.send(b"x")  # now it is known that nobody is there
        return client.recv(1)


for host, port in (("127.0.0.1", 53), ("127.0.0.1", 443), ("10.96.0.10", 53), ("192.0.2.1", 53),
                   ("192.0.2.1", 443)):
    refused(f"udp to {host}:{port}", datagram, host, port)
names = [name for _, name in socket.if_nameindex()]
(held if names == ["lo"] else broken)("loopback is the only interface", str(names))
refused("write the names", lambda: os.write(os.open("/etc/hosts", os.O_WRONLY), b"x"))
refused("replace the names", os.rename, "/run/network/hosts", "/run/network/gone")
refused("mount over the names", call, 165, b"/dev/null", b"/etc/hosts", 0, 4096, 0)

# --- and it is there ------------------------------------------------------------------------------
answer = talk(3128, b"CONNECT elsewhere.test:443 HTTP/1.1\r\nHost: elsewhere.test:443\r\n\r\n", 30)
said = json.loads(answer.partition(b"\r\n\r\n")[2] or b"{}").get("code")
(held if said == "NameNotAllowed" else broken)("the proxy is reached and says no", str(said))

# Whatever is left open now must be nobody's later.
keep = [socket.create_connection(("127.0.0.1", port)) for port in DOORS for _ in range(8)]
if os.fork() == 0:
    os.setsid()
    time.sleep(1000)
done()

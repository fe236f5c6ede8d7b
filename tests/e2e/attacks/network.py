# The air gap from within: one loopback interface, and every other address is unreachable.
names = [name for _, name in socket.if_nameindex()]
(held if names == ["lo"] else broken)("loopback is the only interface", str(names))

with socket.socket() as server:
    server.bind(("127.0.0.1", 0))
    server.listen()
    with socket.create_connection(server.getsockname(), timeout=5):
        held("loopback works")

TARGETS = ["169.254.169.254:80", "10.96.0.1:443", "10.0.0.1:443", "192.0.2.1:80", "198.51.100.1:53",
           "203.0.113.1:443", "172.17.0.1:80"]
for target in TARGETS:
    host, port = target.rsplit(":", 1)

    def tcp():
        with socket.create_connection((host, int(port)), timeout=2):
            return "connected"
    refused(f"tcp to {target}", tcp)

    def udp():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            return probe.sendto(b"x", (host, int(port)))
    refused(f"udp to {target}", udp)
refused("tcp over IPv6", lambda: socket.create_connection(("2001:db8::1", 80), timeout=2))


def resolve():
    try:
        return socket.getaddrinfo("sandgate.example", 80)
    except socket.gaierror as error:
        raise OSError(str(error))


refused("a name", resolve)
done()

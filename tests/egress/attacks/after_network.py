# After a run with network, in a run without: nothing of it is there.
def reach(port):
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        return "connected"


for port in (3128, 443):
    refused(f"the door at {port}", reach, port)
(broken if os.path.exists("/run/network") else held)("no directory of a network")
left = [name for name in os.environ if "proxy" in name.lower()]
(broken if left else held)("no variables of a network", " ".join(left))
names = [name for _, name in socket.if_nameindex()]
(held if names == ["lo"] else broken)("loopback is the only interface", str(names))
done()

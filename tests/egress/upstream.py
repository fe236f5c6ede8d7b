"""Servers of the outside world, on port 443: they echo."""

import selectors
import socket
import ssl
import threading


class Server:
    def __init__(self, address, certificate, key, port=443):
        self._accepted = 0  # TCP connections of others
        self._marks = {}  # of our own: their address, and who waits for it to be accepted
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((address, port))
        self._socket.listen(1024)
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def accepted(self):
        """TCP connections that were made so far, whether this machine had time to accept them or
        not: they are accepted in order, so one of our own comes behind all of them."""
        with socket.socket(self._socket.family) as mark:
            seen = threading.Event()
            mark.bind((self._socket.getsockname()[0], 0))
            self._marks[mark.getsockname()] = seen
            mark.connect(self._socket.getsockname())
            assert seen.wait(60), "the server accepts no connection"
        return self._accepted

    def close(self):
        self._socket.close()

    def _serve(self):
        while True:
            try:
                connection, address = self._socket.accept()
            except OSError:
                return
            if seen := self._marks.pop(address, None):
                seen.set()
                connection.close()
                continue
            self._accepted += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        try:
            with self._context.wrap_socket(connection, server_side=True) as tls:
                while data := tls.recv(65536):
                    tls.sendall(data)
        except OSError:
            connection.close()


class RawEcho:
    """The far side of many connections in one thread: says what it hears. A ClientHello that comes
    back is no HelloRetryRequest, and that is all the proxy wants to know."""

    def __init__(self, address):
        self._selector = selectors.DefaultSelector()
        listener = socket.create_server((address, 443), backlog=4096)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ)
        self._end, end = socket.socketpair()
        self._selector.register(end, selectors.EVENT_READ)
        self._listener, self.open = listener, 0
        self._thread = threading.Thread(target=self._serve, args=(end,), daemon=True)
        self._thread.start()

    def close(self):
        self._end.close()
        self._thread.join()
        self._listener.close()

    def _serve(self, end):
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is end:
                    return
                if key.fileobj is self._listener:
                    connection, _ = self._listener.accept()
                    self._selector.register(connection, selectors.EVENT_READ)
                    self.open += 1
                    continue
                try:
                    data = key.fileobj.recv(4096)
                    key.fileobj.sendall(data)
                except OSError:
                    data = b""
                if not data:
                    self._selector.unregister(key.fileobj)
                    key.fileobj.close()

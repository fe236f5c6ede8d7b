"""A TLS server of the outside world, on port 443: it echoes."""

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

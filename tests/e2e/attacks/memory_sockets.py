# The same in socket buffers.
import os, socket, time

for _ in range(100):
    if os.fork() == 0:
        held = []
        try:
            while True:
                left, right = socket.socketpair()
                left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
                left.setblocking(False)
                held.append((left, right))
                try:
                    while True:
                        left.send(b"x" * 65536)
                except BlockingIOError:
                    pass
        except OSError:
            time.sleep(1000)
time.sleep(1000)

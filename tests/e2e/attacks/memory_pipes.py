# Memory that belongs to no process: full pipes, as large as they get.
import fcntl, os, time

for _ in range(100):
    if os.fork() == 0:
        try:
            while True:
                reader, writer = os.pipe()
                os.set_blocking(writer, False)
                try:
                    fcntl.fcntl(writer, 1031, 1 << 20)  # F_SETPIPE_SZ
                except OSError:
                    pass
                try:
                    while True:
                        os.write(writer, b"x" * 65536)
                except BlockingIOError:
                    pass
        except OSError:
            time.sleep(1000)
time.sleep(1000)

# 700 MB that no process maps any more: SysV segments, memfds, files in /tmp.
import ctypes, os, time

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
libc.shmat.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
SIZE = 20 << 20
for i in range(12):
    segment = libc.shmget(0, SIZE, 0o1600)
    address = libc.shmat(segment, None, 0)
    ctypes.memset(address, 1, SIZE)
    libc.shmdt(ctypes.c_void_p(address))
held = []
for i in range(12):
    fd = os.memfd_create("x")
    for _ in range(20):
        os.write(fd, b"x" * (1 << 20))
    held.append(fd)
for i in range(12):
    with open(f"/tmp/f{i}", "wb") as file:
        for _ in range(20):
            file.write(b"x" * (1 << 20))
print("BROKEN 700 MB of shared memory: all of it")

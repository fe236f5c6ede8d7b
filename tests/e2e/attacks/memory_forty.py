import os, time

children = []
for _ in range(40):
    child = os.fork()
    if child == 0:
        held = bytearray(b"y" * 20_000_000)
        time.sleep(30)
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
print("BROKEN forty processes of 20 MB: all of them")

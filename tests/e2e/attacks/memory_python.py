held = []
for _ in range(70):
    held.append(bytearray(b"x" * 10_000_000))
print("BROKEN 700 MB in Python: all of it")

# Empty files in the workspace: heap of the sandbox's kernel that the disk's size does not count.
import os

os.makedirs("/workspace/many", exist_ok=True)
for i in range(600_000):
    os.close(os.open(f"/workspace/many/f{i}", os.O_CREAT | os.O_WRONLY))
print("BROKEN files in the workspace: all of them")

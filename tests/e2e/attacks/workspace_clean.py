import os, shutil

shutil.rmtree("/workspace/many")
print("HELD the next run can clean up")

# 600,000 empty files, which no process shows and no size limit counts.
for directory in ("/dev/shm", "/tmp"):
    made = 0
    try:
        for made in range(600_000):
            os.close(os.open(f"{directory}/f{made}", os.O_CREAT | os.O_WRONLY))
    except OSError as error:
        (held if error.errno == errno.ENOSPC else broken)(f"files in {directory}",
                                                          f"{made}, then {error}")
    else:
        broken(f"files in {directory}", "all of them")
done()

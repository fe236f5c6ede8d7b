import ctypes, errno, fcntl, os, signal, socket, struct, sys, time

LIBC = ctypes.CDLL(None, use_errno=True)
BROKEN = []


def held(what, why=""):
    print("HELD", what, f"({why})" if why else "", flush=True)


def broken(what, how="it succeeded"):
    BROKEN.append(what)
    print(f"BROKEN {what}: {how}", flush=True)


def call(number, *arguments):
    """A system call by its number; raises OSError as Python's own wrappers do."""
    arguments = [ctypes.c_char_p(a) if isinstance(a, bytes) else
                 ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *arguments)
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def refused(what, attempt, *arguments):
    """The attempt must fail. What it returns on success is shown."""
    try:
        result = attempt(*arguments)
    except (OSError, PermissionError, ValueError) as error:
        held(what, str(error))
        return
    broken(what, f"it returned {result!r}")


def in_child(attempt):
    """Runs the attempt in a child; returns its wait status (0: it succeeded)."""
    pid = os.fork()
    if pid == 0:
        try:
            attempt()
            os._exit(0)
        except OSError as error:
            os._exit(error.errno if 0 < (error.errno or 0) < 256 else 255)
        except BaseException:
            os._exit(255)
    return os.waitpid(pid, 0)[1]


def child_refused(what, attempt):
    status = in_child(attempt)
    if status == 0:
        broken(what)
    else:
        held(what, f"wait status {status}")


def done():
    sys.exit(1 if BROKEN else 0)

"""The ways in which this app can be broken. Chosen at start by name: in the environment variable
BREAK or a file BREAK in the release, as a comma list. ../README.md says what each one does."""

import os
import re
import socket
import sys
import threading
import time

NAMES = set(
    "exit0 exit1 exit_after crash_after_switch hang_port health_hang health_slow_body "
    "health_redirect_loop health_10mb health_flap slow_start all_500 errors ignore_sigterm "
    "double_fork zombies log_flood long_line ansi wrong_version no_keepalive leak_memory "
    "listen_wrong_port".split()
)
GRANDCHILD_S = 600
LEAK_BYTES_MAX = 2 * 1024 * 1024 * 1024
LEAK_STEP = 1024 * 1024
FLOOD_MIB = 2048
LONG_LINE_BYTES = 64 * 1024 * 1024
ZOMBIES = 50


def read(*texts):
    """A dict from name to number (0 if none was given). An unknown name ends the app: a test that
    breaks nothing would pass for the wrong reason."""
    broken = {}
    for item in re.split(r"[,\s]+", ",".join(texts)):
        if not item:
            continue
        name, _, value = item.partition("=")
        if name not in NAMES or (value and not value.isdecimal()):
            print(f"unknown breakage: {item}", file=sys.stderr)
            sys.exit(64)
        broken[name] = int(value or 0)
    return broken


def leave(code, line):
    os.write(2, line.encode() + b"\n")
    os._exit(code)


def later(milliseconds, action, *arguments):
    timer = threading.Timer(milliseconds / 1000, action, arguments)
    timer.daemon = True
    timer.start()


def start(broken, asked_to_stop):
    """Breaks what is to be broken from the start; false: the app was stopped before it listened."""
    if "exit0" in broken:
        leave(0, "nothing to do: leaving with 0")
    if "exit1" in broken:
        leave(1, "fatal: cannot reach the database at db.invalid:5432")
    if "exit_after" in broken:
        later(broken["exit_after"], leave, 1, "fatal: gave up after a while")
    # Before any thread: a fork takes only its own with it.
    if "double_fork" in broken:
        double_fork(GRANDCHILD_S)
    if "zombies" in broken:
        for _ in range(ZOMBIES):
            zombie()
    aside = {
        "leak_memory": leak,
        "log_flood": lambda: flood(broken["log_flood"] or FLOOD_MIB),
        "long_line": lambda: long_line(broken["long_line"] or LONG_LINE_BYTES),
    }
    for name, action in aside.items():
        if name in broken:
            threading.Thread(target=action, daemon=True).start()
    if "ansi" in broken:
        ansi()
    if "hang_port" in broken:
        hang(asked_to_stop)
        return False
    return not asked_to_stop.wait(broken.get("slow_start", 0) / 1000)


def hang(asked_to_stop):
    """Accepts connections, reads nothing, answers nothing."""
    address = (os.environ.get("HOST", "127.0.0.1"), int(os.environ.get("PORT", "3000")))
    server, held = socket.create_server(address), []
    server.settimeout(0.1)
    while not asked_to_stop.is_set():
        try:
            held.append(server.accept())
        except TimeoutError:
            continue


def double_fork(seconds):
    """A process in a session of its own whose parent is gone."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(null, descriptor)
    code = f"import time; time.sleep({seconds})  # example-app-grandchild"
    os.execv(sys.executable, [sys.executable, "-c", code])


def zombie():
    """A child that has ended and is never waited for, and an orphan that ends."""
    if os.fork() == 0:
        os._exit(0)
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            time.sleep(0.1)
        os._exit(0)
    os.waitpid(child, 0)


def leak():
    leaked = []
    while len(leaked) * LEAK_STEP < LEAK_BYTES_MAX:
        # Filled, so that the pages are really there.
        leaked.append(bytearray(b"x" * LEAK_STEP))
        time.sleep(0.01)
    threading.Event().wait()


def flood(mebibytes):
    block = b"a line of a flood that nobody will ever read\n" * 1000
    left = mebibytes * 1024 * 1024
    while left > 0:
        left -= os.write(1, block)


def long_line(size):
    while size > 0:
        size -= os.write(1, b"x" * min(size, 65536))
    os.write(1, b"\n")


def ansi():
    os.write(1, b"\x1b[2J\x1b[1;1H\x1b[31mred\x1b[0m \x1b]0;new title\x07 ")
    os.write(1, b"\x1b]8;;http://x\x1b\\link\n")
    os.write(1, bytes([0x9B, 0x33, 0x31, 0x6D, 0x00, 0xFF, 0xFE, 0x08, 0x0D, 0x0A]))


def health(broken, count, handler):
    """Answers a health request in the chosen way; false: nothing is chosen."""
    if "health_hang" in broken:
        threading.Event().wait()
    if "health_redirect_loop" in broken:
        handler.start(302, {"location": "/api/health", "content-length": "0"})
        handler.wfile.flush()
        return True
    if "health_slow_body" in broken:
        handler.start(200, {"content-type": "application/json", "content-length": "3600"})
        for _ in range(3600):
            handler.wfile.flush()
            time.sleep(1)
            handler.wfile.write(b" ")
        handler.wfile.flush()
        return True
    if "health_10mb" in broken:
        padding = b"x" * (10 * 1024 * 1024)
        body = b'{"status":"healthy","padding":"' + padding + b'"}'
        handler.answer(200, "application/json", body)
        return True
    if "health_flap" in broken and count % 3 != 0:
        handler.answer(503, "application/json", b'{"status":"unhealthy"}')
        return True
    return False


def request(broken, count):
    """Called for each request that is not about health."""
    if count == 1 and "crash_after_switch" in broken:
        later(broken["crash_after_switch"], leave, 1, "fatal: died of the first real requests")


def fails(broken, count):
    """Whether the request is to fail: all, or an even share of them."""
    if "all_500" in broken:
        return True
    return "errors" in broken and (count * broken["errors"]) % 100 < broken["errors"]

"""An example app for `cutover`: the standard library alone, and every way to misbehave that its
tests need (breakage.py). Its twins in ../node and ../rust answer the same."""

import json
import os
import pathlib
import signal
import socket
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import breakage
import websocket

STOP_WITHIN_S = 4.5
EVENT_EVERY_S = 0.1
BYTES_MAX = 64 * 1024 * 1024
IDLE_S = 75
STARTED = time.monotonic()


def beside(name):
    """The content of a file beside the program or in the working directory, if there is one."""
    for directory in (pathlib.Path(__file__).resolve().parent, pathlib.Path.cwd()):
        try:
            return (directory / name).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            continue
    return ""


BROKEN = breakage.read(os.environ.get("BREAK", ""), beside("BREAK"))
# The file wins: it shows which content runs, whatever the environment says.
VERSION = (
    "0.0.0-wrong"
    if "wrong_version" in BROKEN
    else beside("VERSION") or os.environ.get("CUTOVER_VERSION") or "0.0.0"
)


class State:
    """What the requests of all threads share."""

    def __init__(self):
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.posts = {}
        self.post_count = 0
        self.requests = 0
        self.health = 0
        self.busy = 0
        self.idle = set()

    def note_post(self, identifier):
        with self.lock:
            self.post_count += 1
            self.posts[identifier] = self.posts.get(identifier, 0) + 1
        if path := os.environ.get("POST_LOG"):
            # One write of one line to a file opened for appending never mixes with another's.
            with open(path, "ab", buffering=0) as log:
                log.write(identifier.encode() + b"\n")

    def count(self, name):
        with self.lock:
            value = getattr(self, name) + 1
            setattr(self, name, value)
            return value


STATE = State()


class CutBody(Exception):
    """The client went away within its body: that is no POST."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One write per response, sent at once.
    wbufsize = 64 * 1024
    disable_nagle_algorithm = True
    timeout = IDLE_S

    def handle_one_request(self):
        """As the base class does, but known as idle while no request has begun."""
        with STATE.lock:
            if STATE.stopping.is_set():
                self.close_connection = True
                return
            STATE.idle.add(self.connection)
        try:
            began = self.rfile.peek(1)
        except OSError:
            began = b""
        with STATE.lock:
            STATE.idle.discard(self.connection)
            STATE.busy += 1
        try:
            if began:
                super().handle_one_request()
            else:
                self.close_connection = True
        except (CutBody, ConnectionError, BrokenPipeError):
            self.close_connection = True
        finally:
            with STATE.lock:
                STATE.busy -= 1

    def do_GET(self):
        self.serve()

    def do_POST(self):
        self.serve()

    def serve(self):
        self.body = self.read_body()
        if self.path.startswith("/api/health"):
            return self.serve_health()
        number = STATE.count("requests")
        breakage.request(BROKEN, number)
        if breakage.fails(BROKEN, number):
            return self.send_json(500, {"error": "broken on purpose", "version": VERSION})
        return self.route(self.path.split("?")[0])

    def route(self, target):
        if self.command == "POST":
            if target == "/echo":
                return self.echo()
            return self.send_json(405, {"error": "method not allowed"})
        exact = {
            "/": lambda: self.answer(200, "text/plain", greeting()),
            "/api/version": lambda: self.send_json(200, version_document()),
            "/api/deployment/status": lambda: self.send_json(200, deployment_document()),
            "/posts": lambda: self.send_json(200, posts_document()),
            "/events": self.events,
            "/ws": self.websocket,
        }
        if target in exact:
            return exact[target]()
        kind, _, digits = target[1:].partition("/")
        if digits.isdecimal() and len(digits) < 10:
            number = int(digits)
            if kind == "slow":
                time.sleep(number / 1000)
                return self.send_json(200, {"slept_ms": number, "version": VERSION})
            if kind == "bytes" and number <= BYTES_MAX:
                return self.pattern(number)
        return self.send_json(404, {"error": "not found"})

    def serve_health(self):
        if breakage.health(BROKEN, STATE.count("health"), self):
            return None
        kind = self.path.removeprefix("/api/health")
        if kind == "/ready":
            return self.send_json(200, {"status": "ready", "checks": {"warmup": "pass"}})
        if kind == "/live":
            return self.send_json(200, {"status": "alive", "pid": os.getpid()})
        return self.send_json(200, health_document())

    def read_body(self):
        if "chunked" in self.headers.get("transfer-encoding", "").lower():
            parts = []
            while length := int(self.read_line().split(b";")[0], 16):
                parts.append(self.read_exactly(length))
                self.read_exactly(2)
            while self.read_line():
                pass
            return b"".join(parts)
        return self.read_exactly(int(self.headers.get("content-length", 0)))

    def read_line(self):
        line = self.rfile.readline(65537)
        if not line.endswith(b"\r\n"):
            raise CutBody
        return line[:-2]

    def read_exactly(self, length):
        body = self.rfile.read(length)
        if len(body) < length:
            raise CutBody
        return body

    def echo(self):
        identifier = self.headers.get("x-request-id", "")
        STATE.note_post(identifier)
        crc32 = f"{zlib.crc32(self.body):08x}"
        document = {"length": len(self.body), "crc32": crc32, "id": identifier}
        self.send_json(200, {**document, "version": VERSION})

    def pattern(self, length):
        body = (bytes(range(251)) * (length // 251 + 1))[:length]
        crc32 = f"{zlib.crc32(body):08x}"
        self.answer(200, "application/octet-stream", body, {"x-crc32": crc32})

    def events(self):
        self.start(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        number = 0
        while True:
            number += 1
            event = f'id: {number}\ndata: {{"version":"{VERSION}"}}\n\n'.encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
            if STATE.stopping.wait(EVENT_EVERY_S):
                break
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()
        self.close_connection = True

    def websocket(self):
        self.close_connection = True
        key = self.headers.get("sec-websocket-key")
        if not key or self.headers.get("upgrade", "").lower() != "websocket":
            return self.send_json(400, {"error": "a WebSocket is asked for here"})
        accept = websocket.accept(key)
        self.start(101, {"upgrade": "websocket", "sec-websocket-accept": accept}, "Upgrade")
        self.wfile.flush()
        return websocket.echo(self.connection, self.rfile, STATE.stopping)

    def send_json(self, status, document):
        self.answer(status, "application/json", json.dumps(document).encode())

    def answer(self, status, kind, body, headers=None):
        fields = {"content-type": kind, "content-length": str(len(body)), **(headers or {})}
        self.start(status, fields)
        self.wfile.write(body)
        self.wfile.flush()

    def start(self, status, headers, connection=None):
        self.send_response(status)
        self.send_header("x-app-version", VERSION)
        for name, value in headers.items():
            self.send_header(name, value)
        if connection is None and (STATE.stopping.is_set() or "no_keepalive" in BROKEN):
            connection = "close"
        if connection:
            self.send_header("connection", connection)
        self.end_headers()

    def log_message(self, *_):
        """No access log: the proxy keeps one."""


def greeting():
    return f"Hello from python, version {VERSION}\n".encode()


def version_document():
    release, slot = os.environ.get("CUTOVER_RELEASE"), os.environ.get("CUTOVER_SLOT")
    return {"version": VERSION, "release": release, "slot": slot, "pid": os.getpid()}


def deployment_document():
    deployed = os.environ.get("CUTOVER_DEPLOYED_AT")
    return {**version_document(), "status": "active", "deployed_at": deployed}


def posts_document():
    with STATE.lock:
        return {"count": STATE.post_count, "duplicates": STATE.post_count - len(STATE.posts)}


def health_document():
    release, slot = os.environ.get("CUTOVER_RELEASE"), os.environ.get("CUTOVER_SLOT")
    return {
        "status": "healthy",
        "version": VERSION,
        "uptime": round(time.monotonic() - STARTED, 3),
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "deployment": {"slot": slot, "release": release},
        "checks": {"http": "pass", "memory": "pass"},
    }


class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        """A client that goes away is nothing to print a trace for."""


def stop(server):
    """Stops accepting, closes idle connections, lets requests in flight end."""
    server.shutdown()
    server.server_close()
    deadline = time.monotonic() + STOP_WITHIN_S
    with STATE.lock:
        STATE.stopping.set()
        for connection in STATE.idle:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
    while STATE.busy and time.monotonic() < deadline:
        time.sleep(0.01)
    sys.stdout.flush()
    os._exit(0)


def main():
    asked = threading.Event()
    # Before anything slow: a stop that comes early must not be met by the default.
    signal.signal(signal.SIGTERM, lambda *_: None if "ignore_sigterm" in BROKEN else asked.set())
    if not breakage.start(BROKEN, asked):
        return
    port = 0 if "listen_wrong_port" in BROKEN else int(os.environ.get("PORT", "3000"))
    try:
        server = Server((os.environ.get("HOST", "127.0.0.1"), port), Handler)
    except OSError as error:
        sys.exit(f"cannot listen: {error}")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    print("listening on {}:{}".format(*server.server_address), flush=True)
    asked.wait()
    stop(server)


if __name__ == "__main__":
    main()

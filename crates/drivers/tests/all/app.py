"""An application for the tests: how it behaves is told by MODE."""

import http.server
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time

MODE = os.environ.get("MODE", "good")
PORT = int(os.environ.get("PORT", "0"))
ASKED = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"ok", headers=()):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        global ASKED
        if self.path == "/env":
            return self.answer(200, json.dumps(dict(os.environ)).encode())
        if self.path == "/where":
            about = {"cwd": os.getcwd(), "argv": sys.argv[1:], "uid": os.getuid()}
            return self.answer(200, json.dumps(about).encode())
        if self.path == "/version":
            about = {"version": os.environ["CUTOVER_VERSION"], "release": os.environ["CUTOVER_RELEASE"]}
            return self.answer(200, json.dumps(about).encode())
        if self.path == "/broken":
            return self.answer(500)
        if self.path == "/slow":
            time.sleep(0.4)
            return self.answer(200)
        if self.path != "/health":
            return self.answer(200)
        ASKED += 1
        if MODE == "hangs":
            time.sleep(60)
        elif MODE == "redirects":
            self.answer(302, b"", [("Location", "/health")])
        elif MODE == "insists":
            self.answer(301, b"", [("Location", "https://localhost/health")])
        elif MODE == "big":
            self.answer(200, b"x" * (10 * 1024 * 1024))
        elif MODE == "drips":
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            for _ in range(600):
                self.wfile.write(b"x")
                time.sleep(0.1)
        elif MODE == "flaps":
            self.answer(200 if ASKED % 3 == 0 else 503)
        elif MODE == "warms":
            self.answer(200 if ASKED > 2 else 503)
        elif MODE == "degraded":
            self.answer(200, b'{"status": "degraded", "checks": {"db": "ok", "cache": "down"}}')
        elif MODE == "unhealthy":
            self.answer(503, b"database is down")
        elif MODE == "garbage":
            self.wfile.write(b"this is not http\r\n\r\n")
            self.close_connection = True
        else:
            self.answer(200)


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    allow_reuse_address = True


def serve(port):
    Server(("127.0.0.1", port), Handler).serve_forever()


def main():
    print(f"begun in mode {MODE}", flush=True)
    if MODE == "exits":
        print("\x1b[31mthere is no database\x1b[0m", file=sys.stderr, flush=True)
        sys.exit(3)
    if MODE == "misses":
        import a_module_that_is_not_there
    if MODE == "ends":
        sys.exit(0)
    if MODE == "works":
        def quiet(*_):
            print("quiet", flush=True)
            sys.exit(0)

        signal.signal(signal.SIGUSR1, quiet)
        print(f"working as {os.getpid()}", flush=True)
        time.sleep(600)
    if MODE == "sleeps":
        time.sleep(600)
    if MODE == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    if MODE == "elsewhere":
        serve(0)
    if MODE == "slow":
        time.sleep(1.5)
    if MODE == "notifies":
        time.sleep(0.3)
        threading.Thread(target=serve, args=(PORT,), daemon=True).start()
        time.sleep(0.5)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            # A leading @ stands for the NUL of a name that is on no disk.
            notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
        time.sleep(600)
    if MODE == "dies":
        threading.Timer(float(os.environ["DIES_AFTER"]), lambda: os._exit(9)).start()
    serve(PORT)


main()

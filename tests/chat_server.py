"""A real server on 127.0.0.1 that speaks the chat-completions protocol, and misbehaves as told."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def reply(text, finish="stop", usage=(100, 20), logprobs=None):
    """The body of a chat completion."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    if logprobs is not None:
        top = [{"token": t, "logprob": v} for t, v in logprobs]
        choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}] if top else []}
    body = {"id": "x", "object": "chat.completion", "model": "m", "choices": [choice]}
    if usage is not None:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
    return body


class Drop:
    """Close the connection without a word."""


class Half:
    """Announce a body and break off in the middle of it."""


class Drip:
    """Send a byte now and then, for ever."""


class Raw:
    """Send these bytes as the body."""

    def __init__(self, raw, status=200, headers=()):
        self.raw, self.status, self.headers = raw, status, dict(headers)

    def __repr__(self):
        return f"status {self.status}, {len(self.raw)} bytes"


class ChatServer:
    """``script(request, nth)`` gives, for the nth request from 0, a body, ``Raw``, or a way to misbehave.

    Kept: ``requests`` (bodies), ``headers``, ``paid`` (user messages that were answered with a status of 200), the
    peak of concurrent requests.
    """

    def __init__(self, script):
        self.script = script
        self.requests, self.headers, self.paid, self.times = [], [], [], []
        self.now = self.peak = 0
        self.lock = threading.Lock()
        self.arrived = threading.Condition(self.lock)
        self.closing = threading.Event()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def wait_for(self, n, seconds=20):
        """Block until n requests have arrived."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= n, seconds), f"{len(self.requests)} arrived"


@contextmanager
def serving(script):
    server = ChatServer(script)
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.http.shutdown()
        thread.join()
        server.http.server_close()


def _handler(server):  # noqa: C901
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.arrived:
                nth = len(server.requests)
                server.requests.append(request)
                server.headers.append(dict(self.headers))
                server.times.append(time.monotonic())
                server.now += 1
                server.peak = max(server.peak, server.now)
                server.arrived.notify_all()
            try:
                assert self.path == "/v1/chat/completions"
                what = server.script(request, nth)
            finally:  # before the answer leaves: its reader may send the next question at once
                with server.lock:
                    server.now -= 1
            try:
                self.answer(request, what)
            except OSError:
                self.close_connection = True

        def answer(self, request, what):
            self.close_connection = what in (Drop, Half, Drip)
            if what in (Half, Drip):
                self.begin(200, 1000)
                self.wfile.write(b'{"choices": [')
                while what is Drip and not server.closing.wait(0.02):
                    self.wfile.write(b" ")
                    self.wfile.flush()
            elif what is not Drop:
                raw = what if isinstance(what, Raw) else Raw(json.dumps(what).encode())
                if raw.status == 200:  # before the bytes leave: a client that has its answer may look at once
                    with server.lock:
                        server.paid.append(request["messages"][-1]["content"])
                self.begin(raw.status, len(raw.raw), raw.headers)
                self.wfile.write(raw.raw)
                self.wfile.flush()

        def begin(self, status, length, headers=()):
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(length),
                **dict(headers),
            }.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *args):
            return

    return Handler


def error(status, message="try later", headers=(), code=None):
    return Raw(json.dumps({"error": {"message": message, "code": code}}).encode(), status, headers)

"""A web server that takes webhooks, and keeps what it was sent."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """`answers` are the statuses of the next messages, 204 after them. Cleared, `answering` holds
    all messages until it is set.
    """

    url: str = ""
    answers: list[int] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    answering: threading.Event = field(default_factory=threading.Event)
    _arrived: threading.Condition = field(default_factory=threading.Condition)

    def until(self, condition) -> list[Message]:
        """All messages, once they fulfil the condition."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: condition(self.messages), 60), self.statuses
        return self.messages

    @property
    def statuses(self) -> list[str]:
        return [message.prediction["status"] for message in self.messages]

    def took(self, message: Message) -> int:
        with self._arrived:
            self.messages.append(message)
            self._arrived.notify_all()
            return self.answers.pop(0) if self.answers else 204


@dataclass(frozen=True)
class Message:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def prediction(self):
        return json.loads(self.body)


@contextlib.contextmanager
def receiving():
    receiver = Receiver()
    receiver.answering.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = receiver.took(Message(self.path, dict(self.headers), body))
            receiver.answering.wait(60)
            with contextlib.suppress(ConnectionError):
                self.send_response(status)
                self.send_header("Content-Length", "0")
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield receiver
    finally:
        receiver.answering.set()
        server.shutdown()
        server.server_close()
        thread.join()

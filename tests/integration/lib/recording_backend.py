"""A backend that reads requests as carelessly as the worst of real ones, and counts them.

What the proxy forwards must be one request even to such a reader: a smuggled request shows up here
as one request too many.
"""

import threading

from .scripted_backend import ScriptedBackend, answer
from .waiting import wait_until
from .wire import read_lenient_request


class RecordingBackend(ScriptedBackend):
    """Answers every request with 200 and its own name, or with what `respond(request)` returns.

    `.requests` are the requests in the order they were read; each has .peer_index, the number of
    the connection it came on.
    """

    def __init__(self, name="backend", respond=None, **settings):
        self.name = name
        self.respond = respond or (lambda request: answer(name.encode()))
        self.requests = []
        self.lock = threading.Lock()
        super().__init__(self.record, **settings)

    def record(self, peer):
        while True:
            request = read_lenient_request(peer)
            if request is None:
                return
            request.peer_index = peer.index
            with self.lock:
                self.requests.append(request)
            reply = self.respond(request)
            if reply is None:
                return
            peer.send(reply)
            if "close" in (request.get("connection") or "").lower():
                return

    @property
    def count(self):
        return len(self.requests)

    @property
    def last(self):
        return self.requests[-1]

    def wait_for_requests(self, count):
        wait_until(lambda: self.count >= count, f"{count} requests reach backend {self.name}")
        return self.requests[:count]

"""A backend whose failure can be switched on, off and over while it runs.

    a = stage.failing("a")
    a.mood = "503"          # from the next request on
    a.mood = "good"

Moods: "good" (200 with its name), a status ("503"), "reset" and "close" (before an answer),
"garbage" (no HTTP), "truncated" (cut in the middle of the body), "hold" (no answer until
`release`), or a function of the request that returns bytes, or None to close.

Health checks ask the same backend under /health and are answered with `health`, a status, whatever
the mood: traffic can fail while health says fine, and the other way round.
"""

import threading

from .scripted_backend import ScriptedBackend, answer
from .waiting import DEADLINE_S, wait_until

TRUNCATED = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly the begin"
GARBAGE = b"\x16\x03\x01 this is not HTTP\r\n\r\n"
PATIENT_S = DEADLINE_S * 2


class FailingBackend(ScriptedBackend):
    def __init__(self, name, **settings):
        self.name = name
        self.mood = "good"
        self.health = 200
        self.requests = []  # traffic, in order
        self.checks = 0
        self.held = 0  # held at this moment
        self.most_held = 0
        self.changed = threading.Condition()
        self.permits = 0
        super().__init__(self.play, **settings)

    # ---- what a test asks ----

    @property
    def count(self):
        return len(self.requests)

    @property
    def paths(self):
        return [request.target for request in list(self.requests)]

    def wait_for_requests(self, count):
        wait_until(lambda: self.count >= count, f"{count} requests reach {self.name}")
        return self.requests[:count]

    def wait_held(self, count):
        wait_until(lambda: self.held >= count, f"{self.name} holds {count} requests")

    def release(self, count=1_000_000):
        """Lets so many held requests, of now or later, be answered."""
        with self.changed:
            self.permits += count
            self.changed.notify_all()

    def stop(self):
        with self.changed:
            self.stopping = True
            self.changed.notify_all()
        super().stop()

    # ---- the script ----

    def play(self, peer):
        while True:
            request = peer.read_request()
            if request.target.startswith("/health"):
                self.checks += 1
                peer.send(answer(b"health", f"{self.health} as told"))
                continue
            with self.changed:
                self.requests.append(request)
            if not self.behave(peer, request, self.mood):
                return

    def behave(self, peer, request, mood):
        """True when the connection goes on."""
        if callable(mood):
            reply = mood(request)
            if reply is None:
                return False
            peer.send(reply)
            return True
        if mood == "hold":
            self.hold()
        elif mood == "reset":
            peer.reset()
            return False
        elif mood in ("garbage", "truncated", "close"):
            peer.send({"garbage": GARBAGE, "truncated": TRUNCATED, "close": b""}[mood])
            return False
        status = mood if mood.isdigit() else "200"
        peer.send(answer(self.name.encode(), f"{status} as told"))
        return True

    def hold(self):
        with self.changed:
            self.held += 1
            self.most_held = max(self.most_held, self.held)
            self.changed.wait_for(lambda: self.permits > 0 or self.stopping, PATIENT_S)
            self.permits -= 1
            self.held -= 1

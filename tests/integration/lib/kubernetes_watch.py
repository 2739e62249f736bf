"""One watch: a chunked answer that goes on, a JSON object in a line for each event."""

import json
import select
import socket
import ssl
import time

from .kubernetes_cluster import BadRequest, Expired
from .kubernetes_documents import bookmark, status, table
from .waiting import DEADLINE_S

LOOK_S = 0.2  # so often it is seen whether the client is still there


def head(code, *fields):
    # Whatever the reason phrase says, nobody reads it.
    lines = [f"HTTP/1.1 {code} Answer", "Audit-Id: 6b8f2c1e-5f0f-4c52-8c3b-1d8a6d1f6f11",
             "Cache-Control: no-cache, private", "Content-Type: application/json", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


class Cut(Exception):
    """As many bytes as this watch may say have been said."""


class Watch:
    """Runs in the thread of its connection. `words`, put there under the cluster's lock, are what
    the test wants of it: "end", "break", "bookmark", or bytes that are no event of the cluster's."""

    def __init__(self, server, peer, asked, wanted):
        self.server, self.cluster, self.peer = server, server.cluster, peer
        self.asked, self.wanted = asked, wanted
        self.words = []
        self.columns_are_said = False
        self.version = 0  # all up to here has been said
        self.budget = server.cuts.pop(0) if server.cuts else None
        timeout_s = float(asked.query.get("timeoutSeconds") or 0)
        self.deadline = time.monotonic() + timeout_s if timeout_s else None

    # ---- what is said first ----

    def begin(self):
        """The events it begins with. Without a version, or with "0": everything there is now, each
        as ADDED. With one: what happened after it."""
        given = self.asked.query.get("resourceVersion", "")
        with self.cluster.changed:
            if given in ("", "0"):
                self.version = self.cluster.version
                return [("ADDED", one) for one in self.cluster.at(self.version)
                        if self.wanted(one)]
            if not given.isdigit():
                raise BadRequest(f'resourceVersion: Invalid value: "{given}"')
            self.version = int(given)
            return self.news()

    def refuse_expired(self):
        self.words.append("end")
        return [("ERROR", status(410, "Expired", "too old resource version"))]

    def news(self):
        """The events since the last time."""
        writes, reached = self.cluster.since(self.version)
        self.version = max(self.version, reached)
        seen = (write.seen_by(self.wanted) for write in writes)
        return [event for event in seen if event]

    # ---- what is said then ----

    def run(self, events):
        """False: the connection is of no more use."""
        try:
            self.peer.send(head(200, "Transfer-Encoding: chunked"))
            while True:
                for event in events:
                    self.say(*event)
                events, word = self.wait()
                if word == "bookmark":
                    self.say_bookmark()
                elif isinstance(word, bytes):
                    self.write(chunk(word))
                elif word == "end":
                    self.server.forget_watch(self)
                    self.write(chunk(b""))
                    return True
                elif word == "break":
                    return False
        except Cut:
            return False

    def wait(self):
        """(events, word)"""
        while True:
            with self.cluster.changed:
                self.cluster.changed.wait_for(self.has_something, LOOK_S)
                mute = not self.server.speaking.is_set()
                word = self.words.pop(0) if self.words and not mute else ""
                events = [] if mute else self.news_or_error()
            if events or word:
                return events, word
            if self.server.stopping or self.client_has_gone():
                return [], "break"
            if not mute and self.deadline and time.monotonic() >= self.deadline:
                return [], "end"

    def has_something(self):
        return self.server.stopping or (self.server.speaking.is_set() and (
            self.words or self.cluster.version > self.version))

    def news_or_error(self):
        try:
            return self.news()
        except Expired:
            # It was mute for so long that what it has missed is forgotten.
            return self.refuse_expired()

    def client_has_gone(self):
        if not select.select([self.peer.sock], [], [], 0)[0]:
            return False
        try:
            self.peer.sock.settimeout(0)
            data = self.peer.sock.recv(4096)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        finally:
            self.peer.sock.settimeout(DEADLINE_S)
        self.peer.buffer += data
        return not data

    # ---- how it is said ----

    def say(self, kind, one):
        if self.asked.as_table and kind != "ERROR":
            one = table([one], {"resourceVersion": one["metadata"]["resourceVersion"]},
                        not self.columns_are_said,
                        self.asked.query.get("includeObject", "Metadata"))
            self.columns_are_said = True
        line = json.dumps({"type": kind, "object": one}, separators=(",", ":")).encode() + b"\n"
        size = self.server.chunk_bytes or len(line)
        for at in range(0, len(line), size):
            self.write(chunk(line[at:at + size]))

    def say_bookmark(self):
        if self.asked.query.get("allowWatchBookmarks") in ("1", "true"):
            self.say("BOOKMARK", bookmark(self.version))

    def write(self, data):
        if self.budget is not None and len(data) > self.budget:
            self.peer.send(data[:self.budget])
            # Both directions, and not a reset: what was sent is to arrive.
            self.peer.sock.shutdown(socket.SHUT_RDWR)
            raise Cut
        self.peer.send(data)
        if self.budget is not None:
            self.budget -= len(data)

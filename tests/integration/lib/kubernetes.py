"""A Kubernetes API server as far as its documentation says what one does for EndpointSlices: list in
pages, watch, Status objects, tables, bearer tokens and client certificates. test_kubernetes_fake.py
shows the real kubectl working with it.

    server = stage.ending(KubernetesServer(tls=certificates.server_context(leaf)))
    server.cluster.put(slice_of("web-1", "web", [endpoint("10.0.0.1")], port("http", 8080)))
    server.tokens = {"s3cret": "system:serviceaccount:default:evergate"}

What goes wrong in real clusters is switched on while it runs:

    server.go_down(); server.come_up()          the process
    server.cluster.forget()                     compaction: 410
    server.tokens = {"new": "user"}             rotation: older ones get 401
    server.allowed = set()                      RBAC: 403 for everybody but those named
    server.forbidden = {"watch"}                RBAC: 403 to verbs
    server.refusal = (429, "TooManyRequests", "later")
    server.mute(); server.speak()               half open: takes everything in and says nothing
    server.cuts.append(100)                     the next watch ends without a word after 100 bytes
    server.end_watches(); server.break_watches()
    server.bookmark()                           on every watch that wants them
    server.interject(b"anything")               on every watch, as a chunk
    server.drip_bytes = 50                      answers come in pieces, slowly
    server.expired_as = "status"                410 as the watch's status, not as its ERROR event
    server.before = function                    is called with each request before it is answered
"""

import contextlib
import json
import re
import threading
import urllib.parse

from .kubernetes_cluster import (GROUP, BadRequest, Cluster, Expired, TooNew, make_continue,
                                 read_continue, selector)
from .kubernetes_documents import ROOTS, listing, status, table
from .kubernetes_watch import Watch, chunk, head
from .scripted_backend import ScriptedBackend
from .waiting import DEADLINE_S, wait_until

ANONYMOUS = "system:anonymous"
RESOURCE = re.compile(
    rf"^/apis/{GROUP}/v1(/namespaces/(?P<namespace>[^/]+))?/endpointslices(/(?P<name>[^/]+))?$")
CHUNKED_FROM = 2048  # Go's server knows the length of what fits its buffer


class Asked:
    """One request: .verb is "get", "list" or "watch" for EndpointSlices, else ""."""

    def __init__(self, request, user):
        path, _, query = request.target.partition("?")
        self.request, self.user, self.path = request, user, urllib.parse.unquote(path)
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        found = RESOURCE.match(self.path)
        self.namespace = (found["namespace"] or "") if found else ""
        self.name = (found["name"] or "") if found else ""
        self.watching = self.query.get("watch") in ("1", "true")
        self.verb = ""
        if found:
            self.verb = "watch" if self.watching else "get" if self.name else "list"

    @property
    def as_table(self):
        """What is asked for first counts: kubectl names tables before plain JSON."""
        first = (self.request.get("accept") or "").split(",")[0].replace(" ", "").split(";")
        return "as=Table" in first and "g=meta.k8s.io" in first and "v=v1" in first


class Refused(Exception):
    def __init__(self, code, reason, message, **more):
        super().__init__(message)
        self.code, self.body = code, status(code, reason, message, **more)


class KubernetesServer(ScriptedBackend):
    def __init__(self, cluster=None, **settings):
        self.cluster = cluster or Cluster()
        self.tokens = None   # None: nobody is asked who it is; else users by token
        self.allowed = None  # None: everybody may read; else who
        self.forbidden = set()
        self.refusal = None
        self.before = lambda asked: None
        self.cuts = []
        self.expired_as = "event"
        self.chunk_bytes = None  # None: an event is a chunk
        self.drip_bytes = None
        self.asked = []
        self.watches = []  # that run
        self.speaking = threading.Event()
        self.speaking.set()
        super().__init__(self.converse, remember=False, **settings)

    # ---- what a test asks and does ----

    def count(self, verb):
        return sum(asked.verb == verb for asked in list(self.asked))

    def wait_for(self, verb, count=1):
        wait_until(lambda: self.count(verb) >= count, f"there are {count} of {verb}")
        return [asked for asked in list(self.asked) if asked.verb == verb]

    def wait_watched(self, count=1):
        wait_until(lambda: len(self.watches) == count, f"{count} watches run")

    def mute(self):
        self.speaking.clear()

    def speak(self):
        self.speaking.set()

    def end_watches(self):
        """As when their time is over."""
        self.tell_watches("end")

    def break_watches(self):
        """As when a proxy between restarts: in the middle of the chunked body."""
        self.tell_watches("break")

    def bookmark(self):
        self.tell_watches("bookmark")

    def interject(self, data):
        self.tell_watches(data)

    def tell_watches(self, word):
        with self.cluster.changed:
            for watch in self.watches:
                watch.words.append(word)
            self.cluster.changed.notify_all()

    def stop(self):
        self.speak()
        self.tell_watches("break")
        super().stop()

    # ---- one connection ----

    def converse(self, peer):
        while True:
            request = peer.read_request()
            asked = Asked(request, self.user_of(peer, request))
            with self.cluster.changed:
                self.asked.append(asked)
            assert self.speaking.wait(DEADLINE_S * 4)
            self.before(asked)
            try:
                if not self.answer(peer, asked):
                    return
            except Refused as refused:
                self.send(peer, refused.code, refused.body)

    def user_of(self, peer, request):
        """None: the credentials are no good."""
        scheme, _, token = (request.get("authorization") or "").partition(" ")
        if self.tokens is not None and scheme.lower() == "bearer":
            return self.tokens.get(token.strip())
        certificate = peer.sock.getpeercert() if self.tls else None
        for field in (certificate or {}).get("subject", ()):
            if field[0][0] == "commonName":
                return field[0][1]
        return ANONYMOUS

    def answer(self, peer, asked):
        """True when the connection goes on."""
        if self.refusal:
            raise Refused(*self.refusal)
        if asked.user is None:
            raise Refused(401, "Unauthorized", "Unauthorized")
        if asked.request.method != "GET":
            raise Refused(405, "MethodNotAllowed", "nothing can be written here")
        if asked.path in ROOTS:
            self.send(peer, 200, ROOTS[asked.path])
            return True
        if not asked.verb:
            raise Refused(404, "NotFound", "the server could not find the requested resource")
        self.authorize(asked)
        with translated(asked):
            wanted = selector(asked.query, asked.namespace, asked.name)
            if asked.verb == "watch":
                return self.watch(peer, asked, wanted)
            self.send(peer, 200, self.get(asked, wanted) if asked.name
                      else self.list(asked, wanted))
        return True

    def authorize(self, asked):
        nobody = self.tokens is not None and asked.user == ANONYMOUS
        stranger = self.allowed is not None and asked.user not in self.allowed
        if nobody or stranger or asked.verb in self.forbidden:
            where = f'in the namespace "{asked.namespace}"' if asked.namespace \
                else "at the cluster scope"
            raise Refused(403, "Forbidden",
                          f'endpointslices.{GROUP} is forbidden: User "{asked.user}" cannot '
                          f'{asked.verb} resource "endpointslices" in API group "{GROUP}" {where}',
                          details={"group": GROUP, "kind": "endpointslices"})

    # ---- answers ----

    def get(self, asked, wanted):
        found = [one for one in self.cluster.at(self.cluster.version) if wanted(one)]
        if not found:
            raise Refused(404, "NotFound", f'endpointslices.{GROUP} "{asked.name}" not found',
                          details={"name": asked.name, "group": GROUP, "kind": "endpointslices"})
        if asked.as_table:
            metadata = {"resourceVersion": found[0]["metadata"]["resourceVersion"]}
            return table(found, metadata, include=asked.query.get("includeObject", "Metadata"))
        return found[0]

    def list(self, asked, wanted):
        found, version, token, remaining = self.cluster.page(asked.query, wanted)
        metadata = {"resourceVersion": str(version)}
        if token:
            metadata["continue"] = token
            if not asked.query.get("labelSelector"):  # else nobody has counted them
                metadata["remainingItemCount"] = remaining
        if asked.as_table:
            return table(found, metadata, include=asked.query.get("includeObject", "Metadata"))
        return listing(found, metadata)

    def watch(self, peer, asked, wanted):
        watch = Watch(self, peer, asked, wanted)
        try:
            begun = watch.begin()
        except Expired:
            if self.expired_as == "status":
                raise
            begun = watch.refuse_expired()
        with self.cluster.changed:
            self.watches.append(watch)
        try:
            return watch.run(begun)
        finally:
            self.forget_watch(watch)

    def forget_watch(self, watch):
        """Before its client can know: the next one is not to be taken for this one."""
        with self.cluster.changed:
            if watch in self.watches:
                self.watches.remove(watch)

    def send(self, peer, code, body):
        """An object as a whole answer."""
        data = json.dumps(body, separators=(",", ":")).encode() + b"\n"
        if len(data) <= CHUNKED_FROM:
            later = ["Retry-After: 1"] if code in (429, 503) else []
            whole = head(code, f"Content-Length: {len(data)}", *later) + data
        else:
            chunks = [chunk(data[at:at + 4096]) for at in range(0, len(data), 4096)]
            whole = head(code, "Transfer-Encoding: chunked") + b"".join(chunks) + chunk(b"")
        peer.drip(whole, self.drip_bytes or len(whole))


@contextlib.contextmanager
def translated(asked):
    """What the cluster refuses, as the API says it."""
    try:
        yield
    except BadRequest as wrong:
        raise Refused(400, "BadRequest", str(wrong)) from wrong
    except Expired as gone:
        raise Refused(410, "Expired", str(gone), metadata=fresh_continue(asked)) from gone
    except TooNew as early:
        raise Refused(504, "Timeout", str(early), details={
            "causes": [{"reason": "ResourceVersionTooLarge",
                        "message": "Too large resource version"}],
            "retryAfterSeconds": 1}) from early


def fresh_continue(asked):
    """With an expired continue token comes one for the rest of the list as it is now, for clients
    that would rather have an inconsistent list than begin again."""
    if not asked.query.get("continue"):
        return {}
    _, start = read_continue(asked.query["continue"])
    return {"continue": make_continue(None, start)}

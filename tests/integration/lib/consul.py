"""A Consul agent as its HTTP API is documented, since Consul itself is no Debian package.

    consul = stage.ending(FakeConsul())
    consul.catalog.register("a", port=8080)

Blocking queries with their index, wait and jitter, datacenters, tags, ACL tokens, services with TTL
checks that are registered over the API; and what goes wrong in real life: no leader, answers that
are late, cut, no JSON or never come (`.mood`), an agent that is killed (`go_down`, `come_up`).
Several agents may share one catalog.
"""

import contextlib
import json
import re
import threading
import time
from urllib.parse import parse_qs, unquote, urlsplit

from .consul_catalog import Catalog
from .scripted_backend import ScriptedBackend
from .waiting import DEADLINE_S, PATIENCE, wait_until
from .wire import read_lenient_request

DEFAULT_WAIT_S, MAX_WAIT_S = 300, 600
REASONS = {200: "OK", 400: "Bad Request", 403: "Forbidden", 404: "Not Found",
           405: "Method Not Allowed", 429: "Too Many Requests", 500: "Internal Server Error"}


AT_ONCE = ("hasty", "garbage", "cut")


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status, self.text = status, text


class Asked:
    """One request."""

    def __init__(self, request):
        parts = urlsplit(request.target)
        self.method = request.method
        self.segments = [unquote(segment) for segment in parts.path.split("/")[1:]]
        self.parameters = parse_qs(parts.query, keep_blank_values=True)
        self.token = request.get("x-consul-token")
        self.body = request.body

    @property
    def path(self):
        return "/" + "/".join(self.segments)

    def parameter(self, name, default=None):
        return self.parameters.get(name, [default])[0]

    @property
    def index(self):
        text = self.parameter("index", "0")
        if not text.isdigit():
            raise Refused(400, "Invalid index")
        return int(text)

    @property
    def wait_s(self):
        text = self.parameter("wait")
        return DEFAULT_WAIT_S if text is None else min(seconds(text), MAX_WAIT_S)


class FakeConsul(ScriptedBackend):
    """`tokens` by their text: what each may, of "read" and "write"; None: there are no ACLs.

    `.mood` is what happens to each request from now on: "well"; (status, text); "silent", "cut",
    "slow", "garbage"; "quoting" (403 with the token in its text); "hasty" (never blocks, and each
    answer has a new index); "indexless". Queries that wait by then are answered well.
    """

    def __init__(self, catalog=None, others=(), tokens=None, reap_minimum_s=60, **settings):
        self.catalog = catalog or Catalog()
        self.catalogs = {c.datacenter: c for c in (self.catalog, *others)}
        self.tokens = tokens
        self.mood = "well"
        self.asked = []
        self.held = 0  # queries that wait for something newer
        self.ttl = {}  # check id: {"service", "ttl_s", "due", "reap_s", "critical_since"}
        self.reap_minimum_s = reap_minimum_s
        self.lock = threading.RLock()
        super().__init__(self.serve_requests, **settings)
        threading.Thread(target=self.watch_ttls, daemon=True).start()

    # ---- for tests ----

    @property
    def queries(self):
        """Those of the health of a service."""
        return [a for a in self.asked if a.segments[:3] == ["v1", "health", "service"]]

    def wait_held(self, count=1):
        """Until so many queries are held back: then whoever asks has heard all there is."""
        wait_until(lambda: self.held >= count, f"{count} blocking queries wait")

    def wait_asked(self, *segments, count=1):
        """Until there were so many requests whose path begins so."""
        def found():
            return [a for a in list(self.asked) if a.segments[:len(segments)] == list(segments)]
        wait_until(lambda: len(found()) >= count, f"{count} requests for {'/'.join(segments)}")
        return found()

    def forget_services(self):
        """The agent was restarted without its data."""
        with self.lock:
            for known in self.ttl.values():
                self.catalog.deregister(known["service"])
            self.ttl.clear()

    def go_down(self):
        super().go_down()
        wait_until(lambda: self.held == 0, "no query waits any more")

    def stop(self):
        for catalog in self.catalogs.values():
            catalog.close()
        super().stop()

    # ---- a connection ----

    def serve_requests(self, peer):
        while True:
            request = read_lenient_request(peer)
            if request is None:
                return
            asked = Asked(request)
            self.asked.append(asked)
            mood = self.mood
            if mood == "silent":
                peer.wait_gone()
                return
            status, body, headers = self.answer(asked, mood, lambda: gone(peer))
            if not self.send(peer, mood, status, body, headers):
                return
            if "close" in (request.get("connection") or "").lower():
                return

    def send(self, peer, mood, status, body, headers):
        """False: that was all of this connection."""
        head = [f"HTTP/1.1 {status} {REASONS[status]}", *(f"{n}: {v}" for n, v in headers)]
        if len(body) > 2048:  # as Go does where no length was said
            head.append("Transfer-Encoding: chunked")
            body = chunked(body)
        else:
            head.append(f"Content-Length: {len(body)}")
        data = "\r\n".join(head).encode() + b"\r\n\r\n" + body
        if mood == "cut":
            peer.send(data[:len(data) - len(body) // 2 - 1])
            return False
        if mood == "slow":
            peer.drip(data, piece=97)
        else:
            peer.send(data)
        return True

    def answer(self, asked, mood, given_up):
        text = [("Content-Type", "text/plain; charset=utf-8"), ("Vary", "Accept-Encoding")]
        try:
            if isinstance(mood, tuple):
                raise Refused(*mood)
            if mood == "quoting":
                raise Refused(403, f"{asked.token}: no such token {asked.token}")
            index, found = self.route(asked, given_up)
        except Refused as refused:
            return refused.status, refused.text.encode(), text
        if mood == "garbage":
            return 200, b"<html>proxy error</html>", text
        headers = [("Content-Type", "application/json"), ("Vary", "Accept-Encoding")]
        if index is not None and mood != "indexless":
            headers += [("X-Consul-Effective-Consistency", "leader"),
                        ("X-Consul-Index", str(index)), ("X-Consul-Knownleader", "true"),
                        ("X-Consul-Lastcontact", "0")]
        # Whoever is nobody is not told even that.
        if asked.segments[1] == "health" and asked.token and not self.may(asked, "read"):
            headers.append(("X-Consul-Results-Filtered-By-ACLs", "true"))
        return 200, b"" if found is None else json.dumps(found).encode(), headers

    # ---- ACLs ----

    def may(self, asked, what):
        if self.tokens is None:
            return True
        if asked.token and asked.token not in self.tokens:
            raise Refused(403, "ACL not found")
        return what in self.tokens.get(asked.token or "", ())

    def demand_write(self, asked):
        if not self.may(asked, "write"):
            raise Refused(403, "Permission denied: token lacks permission 'service:write'")

    # ---- requests ----

    def route(self, asked, given_up):
        """(index or None, the answer's JSON or None for an empty body)"""
        handlers = {
            ("v1", "health", "service"): ("GET", self.health),
            ("v1", "agent", "services"): ("GET", self.services),
            ("v1", "agent", "service", "register"): ("PUT", self.register),
            ("v1", "agent", "service", "deregister"): ("PUT", self.deregister),
            ("v1", "agent", "check", "pass"): ("PUT", self.check_update),
            ("v1", "agent", "check", "warn"): ("PUT", self.check_update),
            ("v1", "agent", "check", "fail"): ("PUT", self.check_update),
        }
        for prefix, (method, handler) in handlers.items():
            if tuple(asked.segments[:len(prefix)]) == prefix:
                if asked.method != method:
                    raise Refused(405, f"method {asked.method} not allowed")
                return handler(asked, asked.segments[len(prefix):], given_up)
        raise Refused(404, "404 page not found")

    def health(self, asked, rest, given_up):
        datacenter = asked.parameter("dc", self.catalog.datacenter)
        catalog = self.catalogs.get(datacenter)
        if len(rest) != 1 or not rest[0]:
            raise Refused(400, "Missing service name")
        if catalog is None:
            raise Refused(500, "No path to datacenter")
        self.may(asked, "read")  # a token that is not known is refused at once
        if asked.index and self.mood not in AT_ONCE:
            self.hold(catalog, rest[0], asked, given_up)
        index, found = catalog.health(rest[0], asked.parameters.get("tag", ()))
        if self.mood == "hasty":
            index += len(self.asked)
        return index, found if self.may(asked, "read") else []

    def hold(self, catalog, service, asked, given_up):
        if catalog.index_of(service) > asked.index:
            return
        with self.lock:
            self.held += 1
        try:
            if not catalog.wait(service, asked.index, asked.wait_s, given_up):
                raise ConnectionResetError("nobody waits any more")
        finally:
            with self.lock:
                self.held -= 1

    # ---- this agent's own services ----

    def services(self, asked, rest, given_up):
        listed = {i: e["Service"] for (_, i), e in self.catalog.services.items()}
        return None, listed if self.may(asked, "read") else {}

    def register(self, asked, rest, given_up):
        self.demand_write(asked)
        try:
            said = json.loads(asked.body)
            name = said["Name"]
        except (ValueError, KeyError, TypeError) as wrong:
            raise Refused(400, f"Request decode failed: {wrong}") from wrong
        service_id = said.get("ID") or name
        wanted = said.get("Check") or {}
        with self.lock:
            self.catalog.register(service_id, name, status=None, port=said.get("Port", 0),
                                  address=said.get("Address", ""), tags=said.get("Tags") or [],
                                  meta=said.get("Meta") or {})
            if "TTL" in wanted:
                self.add_ttl(service_id, wanted)
        return None, None

    def add_ttl(self, service_id, wanted):
        check_id = wanted.get("CheckID") or f"service:{service_id}"
        ttl_s = seconds(wanted["TTL"]) * PATIENCE
        reap_s = seconds(wanted.get("DeregisterCriticalServiceAfter", "0s"))
        status = wanted.get("Status") or "critical"
        now = time.monotonic()
        self.ttl[check_id] = {"service": service_id, "ttl_s": ttl_s, "due": now + ttl_s,
                              "reap_s": reap_s and max(reap_s, self.reap_minimum_s),
                              "critical_since": now if status == "critical" else None}
        self.catalog.set_check(service_id, status, check_id=check_id, name=wanted.get("Name"))

    def deregister(self, asked, rest, given_up):
        self.demand_write(asked)
        service_id = "/".join(rest)
        with self.lock:
            self.ttl = {i: t for i, t in self.ttl.items() if t["service"] != service_id}
            if not self.catalog.deregister(service_id):
                raise Refused(404, f'Unknown service ID "{service_id}". Ensure that the service ID '
                                   "is passed, not the service name.")
        return None, None

    def check_update(self, asked, rest, given_up):
        self.demand_write(asked)
        status = {"pass": "passing", "warn": "warning", "fail": "critical"}[asked.segments[3]]
        check_id = "/".join(rest)
        with self.lock:
            known = self.ttl.get(check_id)
            if known is None:
                raise Refused(404, f'Unknown check ID "{check_id}". Ensure that the check ID is '
                                   "passed, not the check name.")
            self.set_ttl_status(check_id, known, status)
            known["due"] = time.monotonic() + known["ttl_s"]
        return None, None

    def set_ttl_status(self, check_id, known, status):
        now = time.monotonic()
        known["critical_since"] = now if status == "critical" else None
        entry = self.catalog.services.get(("n1", known["service"]))
        if entry and entry["Checks"][check_id]["Status"] != status:
            self.catalog.set_check(known["service"], status, check_id=check_id)

    def watch_ttls(self):
        while not self.stopping:
            time.sleep(0.05)
            with self.lock:
                for check_id, known in list(self.ttl.items()):
                    self.expire(check_id, known)

    def expire(self, check_id, known):
        now = time.monotonic()
        since = known["critical_since"]
        if since is None and now > known["due"]:
            self.set_ttl_status(check_id, known, "critical")
        elif since is not None and known["reap_s"] and now > since + known["reap_s"]:
            del self.ttl[check_id]
            self.catalog.deregister(known["service"])


def gone(peer):
    """Has the other side of a connection that is to be answered closed it?"""
    try:
        peer.sock.settimeout(0.001)
        return not peer.fill()
    except TimeoutError:
        return False
    except OSError:
        return True
    finally:
        with contextlib.suppress(OSError):
            peer.sock.settimeout(DEADLINE_S)


def chunked(body, piece=1000):
    pieces = [body[i:i + piece] for i in range(0, len(body), piece)]
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


def seconds(text):
    """A duration of Go's: "5m", "1500ms", "1h30m"."""
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not parts or "".join(n + u for n, u in parts) != text:
        raise Refused(400, "Invalid wait time")
    return sum(float(number) * units[unit] for number, unit in parts)

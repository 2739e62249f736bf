"""Changing a running instance: reloads by signal and over the API, and what to change.

    reloader = Reloader(proxy)
    reloader.by_api(config)           # writes the file, reloads, waits; the answer
    reloader.by_signal(config)        # the same by SIGHUP
"""

import json
import pathlib
import signal

from . import libconfig
from .failover import ADMIN, group
from .management import Management
from .raw_client import head
from .real_servers import free_port
from .waiting import PATIENCE, wait_until


def elsewhere(port=None):
    """An address for a listener that comes and goes: nobody's outgoing connection can have it, as
    those on 127.0.0.1 might meanwhile."""
    return f"127.0.0.2:{port or free_port()}"


class Reloader:
    def __init__(self, proxy, admin=None):
        self.proxy = proxy
        self.admin = admin or Management(proxy)

    def generation(self):
        return self.admin.json("/api/v1/status")["config"]["generation"]

    def by_api(self, config=None):
        """Reloads what must be good."""
        answered = self.ask(config)
        assert answered.status == 200, answered
        return json.loads(answered.body)

    def ask(self, config=None):
        """Reloads what may be refused: the answer as a message."""
        if config is not None:
            self.proxy.write_config(config)
        return self.admin.ask("/api/v1/reload", "POST")

    def by_signal(self, config):
        """`config` differs from what is served, or this waits in vain."""
        before = self.generation()
        self.proxy.reload(config)
        wait_until(lambda: self.generation() > before, "SIGHUP has brought a new generation")

    def refused_by_signal(self, config):
        """The lines of the log that the refusal came with."""
        known = len(self.proxy.log_lines())
        self.proxy.reload(config)
        wait_until(lambda: len(self.proxy.log_lines()) > known, "the refusal is in the log")
        return self.proxy.log_lines()[known:]


class Site:
    """A proxy with one listener and one pool, and its configuration, which a test changes in place:

        site = Site(stage, a, b)
        site.backends.append(group(c))
        site.reload()
    """

    def __init__(self, stage, *backends, listener=None, routes=None, pools=(), top=None,
                 env=None, **pool_settings):
        self.config = libconfig.simple(
            [b if isinstance(b, dict) else group(b) for b in backends], listener=listener,
            pool_settings=pool_settings, routes=routes, admin=ADMIN, **(top or {}))
        self.config["pools"] += pools
        self.proxy = stage.evergate(self.config, env=env)
        self.admin = Management(self.proxy)
        self.reloader = Reloader(self.proxy, self.admin)

    @property
    def pool(self):
        return self.config["pools"][0]

    @property
    def backends(self):
        return self.pool["backends"]

    def serve_from(self, *backends):
        """The pool's backends are these from the next reload on."""
        self.pool["backends"] = [b if isinstance(b, dict) else group(b) for b in backends]

    def reload(self):
        return self.reloader.by_api(self.config)

    def refused(self):
        """The error of a reload that must be refused, whose generation must not count."""
        before = self.reloader.generation()
        answered = self.reloader.ask(self.config)
        assert answered.status == 422, answered
        assert self.reloader.generation() == before
        return json.loads(answered.body)["error"]

    def endpoint(self, name, pool="app"):
        return self.admin.json(f"/api/v1/pools/{pool}/endpoints/{name}")

    def endpoints(self, pool="app"):
        """The ids that are listed."""
        return [e["id"] for e in self.admin.json(f"/api/v1/pools/{pool}/endpoints")["endpoints"]]

    def listeners(self):
        """Addresses by name, of those that are served now."""
        return {listener["name"]: listener["address"]
                for listener in self.admin.json("/api/v1/status")["listeners"]}


class Tour:
    """Configurations of which each differs from the one before, in a way that leaves some of it
    alone: the route and the pool of the WebSockets, and the listener "edge".

    `backends` are addresses of equal servers by name, `echo` the WebSockets' server.
    """

    #: Who is in the pool: added, removed, everybody replaced.
    CASTS = ("ab", "abc", "abcd", "bcd", "bd", "abd", "ac", "acd", "cd")
    ALGORITHMS = ("round_robin", "weighted", "least_connections", "random", "consistent_hash")

    def __init__(self, backends, echo, guest_port, workers=libconfig.DEFAULT_WORKERS):
        self.backends, self.echo = backends, echo
        self.guest_port, self.workers = guest_port, workers
        self.period = len(self.CASTS)

    def config(self, step):
        listeners = [{"name": "edge", "bind": "127.0.0.1:0"}]
        if step % 4 in (1, 2):
            listeners.append({"name": "guest", "bind": elsewhere(self.guest_port)})
        pools = [self.app(step), libconfig.pool("talk", [self.echo])]
        routes = [{"name": "talk", "path": "/talk", "pool": "talk"},
                  {"name": f"note-{step % 7}", "path": f"/note-{step % 7}",
                   "respond": {"status": 200, "body": f"step {step}"}}]
        if step % 3 == 1:
            pools.append(libconfig.pool("extra", [self.backends["a"]], outlier=None))
            routes.append({"name": "extra", "path": "/extra", "pool": "extra"})
        routes.append({"name": "all", "pool": "app"})
        return {"workers": self.workers, "listeners": listeners, "routes": routes, "pools": pools,
                "admin": ADMIN,
                # Few, so that their memory is full soon and does not look like growth.
                "supervision": {"events": 128},
                "log": {"level": "info", "access": "off", "format": "json"}}

    def app(self, step):
        groups = [{"id": f"server-{name}", "address": self.backends[name],
                   "weight": 1 + (step + position) % 3}
                  for position, name in enumerate(self.CASTS[step % len(self.CASTS)])]
        # One endpoint whose address changes under the same id.
        groups.append({"id": "roaming", "address": self.backends["abcd"[step % 4]]})
        return libconfig.pool(
            "app", groups, algorithm=self.ALGORITHMS[step // 5 % len(self.ALGORITHMS)],
            hash_key="uri",
            max_connections=1000 + step % 2,
            health={"type": "tcp", "interval": "200ms", "timeout": f"{int(2 * PATIENCE)}s"})


class Footprint:
    """What a process holds at this moment."""

    def __init__(self, pid):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":", 1) for line in status.splitlines())
        self.rss_kb = int(fields["VmRSS"].split()[0])
        self.threads = int(fields["Threads"])
        self.descriptors = len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))

    def __repr__(self):
        return f"{self.rss_kb} kB, {self.descriptors} descriptors, {self.threads} threads"


def held(stage, proxy, backend, path="/hold", name="edge"):
    """A client whose request `backend` (a FailingBackend in the mood "hold") holds."""
    before = backend.held
    client = stage.client(proxy, name=name)
    client.send(head(path=path))
    backend.wait_held(before + 1)
    return client

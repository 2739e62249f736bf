"""The ways to fail. Each builds its backends, breaks some and repairs them.

`broken` are the endpoints that fail, `names` all of them; `settings` go to the pool on top of
COMMON, `top` to the file.
"""

import signal
import time

from lib import libconfig
from lib.certificates import CertificateFactory
from lib.failover import ADMIN
from lib.postgres import PostgresPair
from lib.redis import MASTER_NAME, RedisSentinel

from backends import Network, NodeBackend, RemoteNginx, Skipped, TlsNginx, nginx_on

#: Defaults everywhere, but for checks and a time limit, which everybody should set.
COMMON = {
    "timeouts": {"response": "1s"},
    "health": {"type": "http", "path": "/health", "interval": "1s", "timeout": "500ms"},
}


def configuration(groups, settings, workers, **top):
    """As it is when nobody says more. The integration tests' own pools are patient with machines
    that halt for a moment; here stalls are what is measured."""
    config = libconfig.simple(groups, pool_settings=settings, admin=ADMIN, workers=workers, **top)
    config["log"]["access"] = "off"
    for pool in config["pools"]:
        if "stall_min" not in settings.get("outlier", {}):
            del pool["outlier"]["stall_min"]
    return config


class Scenario:
    title = ""
    names = ("a", "b", "c")
    broken = ("a",)
    settings = {}
    top = {}
    fault_lasts_s = 6.0
    returns = True  # what was broken gets its share again after the repair
    note = ""

    def __init__(self, stage):
        self.stage = stage
        self.servers = {}

    @property
    def fit(self):
        """Who is healthy before anything breaks."""
        return self.names

    def build(self):
        """Backend groups for the configuration."""
        for name in self.names:
            self.servers[name] = nginx_on(self.stage, name)
        return [self.group(name) for name in self.names]

    def group(self, name):
        return {"id": name, "address": self.servers[name].address}

    def fail(self):
        raise NotImplementedError

    def repair(self):
        raise NotImplementedError

    def kill(self, name):
        self.servers[name].kill()

    def start_again(self, name):
        port = int(self.servers[name].address.rpartition(":")[2])
        self.servers[name] = nginx_on(self.stage, name, port)


class Kill(Scenario):
    title = "kill -9"

    def fail(self):
        for name in self.broken:
            self.kill(name)

    def repair(self):
        for name in self.broken:
            self.start_again(name)


class Stop(Scenario):
    title = "SIGSTOP: accepts, never answers"

    def fail(self):
        self.servers["a"].process.send_signal(signal.SIGSTOP)

    def repair(self):
        self.servers["a"].process.send_signal(signal.SIGCONT)


class Mood(Scenario):
    """a is a node server that is told how to behave."""
    mood = "fine"

    def build(self):
        groups = super().build()
        self.servers["a"].stop()
        self.servers["a"] = self.stage.ending(NodeBackend(self.stage.room("node"), "a"))
        groups[0] = self.group("a")
        return groups

    def fail(self):
        self.servers["a"].say(self.mood)

    def repair(self):
        self.servers["a"].say("fine")


class HalfDead(Mood):
    title = "one in three answers is a 500 (a 500 is an answer: not retried)"
    mood = "half"


class HalfDeadTuned(HalfDead):
    title = "the same, with outlier.error_percent = 20 and 500 in retry.on"
    settings = {"outlier": {"error_percent": 20},
                "retry": {"on": ["connect", "reset", "timeout", "stall", "500", "502-504"]}}


class Slow(Mood):
    title = "answers after 10 s"
    mood = "slow"


class Cut(Mood):
    title = "resets in the middle of the answer"
    mood = "cut"


class Garbage(Mood):
    title = "answers with something that is not HTTP"
    mood = "garbage"


class HealthLies(Mood):
    title = "health says fine while every request is a 503"
    mood = "error"


class RefusesTls(Scenario):
    title = "refuses TLS handshakes"

    def build(self):
        factory = CertificateFactory(self.stage.room("tls"))
        leaf = factory.leaf("app.test")
        self.settings = {"tls": {"sni": "app.test", "ca": factory.ca}}
        for name in self.names:
            self.servers[name] = self.stage.ending(
                TlsNginx(self.stage.room(f"nginx-{name}-"), name, leaf))
        return [self.group(name) for name in self.names]

    def fail(self):
        self.servers["a"].refuse(True)

    def repair(self):
        self.servers["a"].refuse(False)


class BlackHole(Scenario):
    title = "the network swallows every packet"

    def build(self):
        groups = super().build()
        self.servers["a"].stop()
        self.network = self.stage.ending(Network(1))
        self.servers["a"] = self.stage.ending(
            RemoteNginx(self.stage.room("remote"), "a", self.network))
        groups[0] = self.group("a")
        return groups

    def fail(self):
        self.network.drop()

    def repair(self):
        self.network.pass_again()


class AllDown(Kill):
    title = "all down, and back"
    broken = ("a", "b", "c")
    fault_lasts_s = 4.0


class Flapping(Kill):
    title = "flapping: down and up every 1.5 s, five times"
    fault_lasts_s = 0.0

    def fail(self):
        for _ in range(5):
            self.kill("a")
            time.sleep(1.5)
            self.start_again("a")
            time.sleep(1.5)

    def repair(self):
        pass


class TierLost(Kill):
    title = "tier 1 of 2 killed"
    names = ("a", "b", "c", "d")
    broken = ("a", "b")

    def group(self, name):
        return {**super().group(name), "priority": 1 if name in self.broken else 2}


class ZoneLost(Kill):
    title = "the own zone killed"
    names = ("a", "b", "c", "d")
    broken = ("a", "b")
    settings = {"locality": "prefer"}
    top = {"region": "east", "zone": "east-1"}

    def group(self, name):
        zone = "east-1" if name in self.broken else "east-2"
        return {**super().group(name), "region": "east", "zone": zone}


class Database(Scenario):
    """Two services, each beside a database of its own that it needs; only the one whose database is
    the primary may serve. evergate asks the databases."""
    names = ("a", "b")
    fault_lasts_s = 5.0
    returns = False
    checks = {"interval": "500ms", "fast_interval": "100ms", "rise": 1, "fall": 2}
    fit = ("a",)

    def start_databases(self):
        """The pair, and the addresses of both."""
        raise NotImplementedError

    def promotion(self):
        """Kills the primary; until there is another."""
        raise NotImplementedError

    def fail(self):
        begin_s = time.monotonic()
        self.promotion()
        self.note = f"there was no primary for {time.monotonic() - begin_s:.1f} s"

    def build(self):
        self.pair, self.addresses = self.start_databases()
        groups = []
        for name, address in zip(self.names, self.addresses):
            self.servers[name] = self.stage.ending(
                NodeBackend(self.stage.room("node"), name, address))
            groups.append({**self.group(name), "check_address": address})
        return groups

    def repair(self):
        pass


class PostgresLost(Database):
    title = "PostgreSQL primary killed, standby promoted by hand at once"
    settings = {"health": {"type": "postgres", "role": "primary", **Database.checks}}

    def start_databases(self):
        try:
            pair = self.stage.ending(PostgresPair())
        except AssertionError as missing:
            raise Skipped(str(missing)) from missing
        return pair, (pair.primary.address, pair.standby.address)

    def promotion(self):
        self.pair.kill_primary()
        self.pair.promote()


class RedisLost(Database):
    title = "Redis master killed, Sentinels promote the replica (0.5 s to notice)"

    def start_databases(self):
        try:
            pair = self.stage.ending(RedisSentinel())
        except FileNotFoundError as missing:
            raise Skipped("Redis is not installed") from missing
        self.settings = {"health": {"type": "redis", "role": "primary", "master": MASTER_NAME,
                                    "sentinels": pair.sentinel_addresses, **Database.checks}}
        return pair, (pair.primary.address, pair.replica.address)

    def promotion(self):
        self.pair.kill_primary()
        self.pair.wait_promoted()


SCENARIOS = {
    "kill": Kill, "stop": Stop, "half_dead": HalfDead, "half_dead_tuned": HalfDeadTuned,
    "slow": Slow, "cut": Cut, "tls": RefusesTls, "garbage": Garbage, "health_lies": HealthLies,
    "black_hole": BlackHole, "all_down": AllDown, "flapping": Flapping, "tier": TierLost,
    "zone": ZoneLost, "postgres": PostgresLost, "redis": RedisLost,
}

"""Redis: a primary, a replica and Sentinels that watch them, on ports of their own.

    with RedisSentinel() as redis:
        redis.primary.address, redis.replica.address, redis.sentinel_addresses
        redis.kill_primary()                  # kill -9; the Sentinels promote the replica
        redis.wait_promoted()

A Sentinel is the same program as the server; its own Debian package only adds a service.
"""

import pathlib
import socket

from .real_servers import free_port
from .unprivileged import OwnProcess, OwnServer, PrivateRoom, other_user
from .waiting import wait_until

PROGRAM = "/usr/bin/redis-server"
CLIENT_TIMEOUT_S = 5
MASTER_NAME = "mymaster"

SERVER = """
bind 127.0.0.1
port {port}
unixsocket {room}/{name}.sock
dir {room}
dbfilename {name}.rdb
save ""
appendonly no
repl-diskless-sync-delay 0
repl-timeout 5
{more}
"""

#: A primary counts as lost after half a second, and the next try at a failover comes soon.
SENTINEL = """
bind 127.0.0.1
port {port}
dir {room}
sentinel monitor {master} 127.0.0.1 {master_port} {quorum}
sentinel down-after-milliseconds {master} 500
sentinel failover-timeout {master} 3000
{more}
"""


def decode(file):
    """One reply of RESP 2 as str, int, None, list or an exception object."""
    line = file.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the server hung up")
    kind, rest = line[:1], line[1:-2].decode()
    if kind == b"+":
        return rest
    if kind == b"-":
        return RuntimeError(rest)
    if kind == b":":
        return int(rest)
    if int(rest) < 0:
        return None
    if kind == b"$":
        return file.read(int(rest) + 2)[:-2].decode()
    return [decode(file) for _ in range(int(rest))]


def encode(words):
    parts = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


class RedisServer(OwnServer):
    """A server or a Sentinel, by its settings."""

    PORT_TAKEN = "in use"

    def __init__(self, room, name, template=SERVER, password="", **values):
        super().__init__(room, name)
        self.template = template
        self.password = password
        self.values = {"more": "", **values}

    def offer_tls(self, leaf):
        """Starts anew, with TLS on a port of its own; returns that address."""
        self.stop()
        port = free_port()
        files = {}
        for kind in ("cert", "key"):
            text = pathlib.Path(leaf[kind]).read_text()
            files[kind] = self.room.write(f"{self.name}.{kind}", text)
        self.values["more"] += (f"\ntls-port {port}\ntls-cert-file {files['cert']}\n"
                                f"tls-key-file {files['key']}\ntls-auth-clients no\n"
                                f"tls-ca-cert-file {files['cert']}\n")
        self.start()
        return f"127.0.0.1:{port}"

    @property
    def unix_address(self):
        return f"unix:{self.room.path}/{self.name}.sock"

    def spawn(self):
        """Starts it without waiting until it answers. What a Sentinel learnt is forgotten."""
        values = {"port": self.port, "room": self.room.path, "name": self.name, **self.values}
        conf = self.room.write(f"{self.name}.conf", self.template.format(**values))
        mode = ["--sentinel"] if self.template is SENTINEL else []
        self.child = OwnProcess([PROGRAM, conf, *mode], self.room, f"{self.name}.log")

    def command(self, *words):
        """On a connection of its own; raises what the server answers as an error."""
        with socket.create_connection(("127.0.0.1", self.port), CLIENT_TIMEOUT_S) as s:
            with s.makefile("rb") as file:
                if self.password:
                    s.sendall(encode(["AUTH", self.password]))
                    decode(file)
                s.sendall(encode(words))
                reply = decode(file)
        if isinstance(reply, RuntimeError):
            raise reply
        return reply

    def answers(self):
        try:
            return self.command("PING") == "PONG"
        except (OSError, RuntimeError):
            return False

    def role(self):
        """["master", ...] or ["slave", host, port, link, offset]; [None] when it cannot be asked:
        a Sentinel that changes a server's role cuts its clients off."""
        try:
            return self.command("ROLE")
        except OSError:
            return [None]


class RedisSentinel:
    """A primary, a replica and `sentinels` Sentinels (0: none); all run when it is made."""

    def __init__(self, sentinels=3, password=""):
        self.room = PrivateRoom("evergate-redis-", other_user("redis", "nobody"))
        self.password = password
        self.primary = self.server("primary")
        self.replica = self.server("replica")
        self.sentinels = []
        try:
            self.start(sentinels)
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        self.stop()

    def server(self, name):
        more = f"requirepass {self.password}\nmasterauth {self.password}" if self.password else ""
        return RedisServer(self.room, name, password=self.password, more=more)

    @property
    def sentinel_addresses(self):
        return [sentinel.address for sentinel in self.sentinels]

    def start(self, sentinels):
        self.primary.start()
        self.replica.start()
        self.replica.command("REPLICAOF", "127.0.0.1", self.primary.port)
        wait_until(self.follows, "the replica follows")
        auth = f"sentinel auth-pass {MASTER_NAME} {self.password}" if self.password else ""
        for i in range(sentinels):
            self.sentinels.append(RedisServer(
                self.room, f"sentinel{i}", SENTINEL, master=MASTER_NAME,
                master_port=self.primary.port, quorum=sentinels // 2 + 1, more=auth).start())
        wait_until(self.sentinels_agree, "the Sentinels know each other and the replica")

    def follows(self):
        role = self.replica.role()
        return role[0] == "slave" and role[3] == "connected"

    def sentinels_agree(self):
        """A failover needs a majority that knows of each other, and a replica to promote."""
        others = len(self.sentinels) - 1
        return all(len(s.command("SENTINEL", "sentinels", MASTER_NAME)) == others and
                   len(s.command("SENTINEL", "replicas", MASTER_NAME)) == 1
                   for s in self.sentinels)

    @staticmethod
    def named_by(sentinel):
        """The address of whom it names."""
        host, port = sentinel.command("SENTINEL", "get-master-addr-by-name", MASTER_NAME)
        return f"{host}:{port}"

    def kill_primary(self):
        self.primary.kill()

    def promote(self):
        """By hand, without Sentinels."""
        self.replica.command("REPLICAOF", "NO", "ONE")

    def wait_promoted(self):
        """Until every Sentinel names the replica, and it is the primary."""
        wait_until(lambda: self.replica.role()[0] == "master" and
                   all(self.named_by(sentinel) == self.replica.address
                       for sentinel in self.sentinels), "the replica is promoted")

    def stop(self):
        for server in [*self.sentinels, self.replica, self.primary]:
            server.stop()
        self.room.close()

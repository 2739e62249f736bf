"""etcd: the real server, alone or three of them, on ports of their own.

    with Etcd() as etcd:
        etcd.put("/services/app/a", {"address": "127.0.0.1:80"})
        etcd.delete("/services/app/a")
        etcd.kill(); etcd.start()              # kill -9; its data is still there

Asked by its JSON gateway, as evergate asks it; Debian 12 has no etcdctl beside the server.
"""

import base64
import json
import ssl
import urllib.error
import urllib.request

from .real_servers import free_port
from .unprivileged import OwnProcess, OwnServer, PrivateRoom
from .waiting import DEADLINE_S, PATIENCE, wait_until

PROGRAM = "/usr/bin/etcd"

#: Members that lose sight of each other say so soon, but not because a machine is busy.
COMMON = ["--heartbeat-interval", "50", "--election-timeout", "500", "--logger", "zap",
          "--log-level", "warn", "--max-txn-ops", "10000", "--bcrypt-cost", "4"]


class EtcdError(Exception):
    """What etcd answered instead."""


def encode(text):
    data = text if isinstance(text, bytes) else text.encode()
    return base64.b64encode(data).decode()


def value_text(value):
    return value if isinstance(value, (str, bytes)) else json.dumps(value)


def range_of(prefix):
    """Everything that begins with it."""
    end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    return {"key": encode(prefix), "range_end": encode(end)}


class Etcd(OwnServer):
    """One member; runs when it is made, unless it is one of several."""

    PORT_TAKEN = "address already in use"

    def __init__(self, name="etcd", room=None, cluster=None, leaf=None, ca=None):
        self.own_room = room is None
        super().__init__(room or PrivateRoom("evergate-etcd-", {}), name)
        self.cluster = cluster
        self.leaf = leaf
        self.ca = ca
        self.token = None
        if cluster is None:
            self.start_or_stop()

    # ---- its life ----

    @property
    def scheme(self):
        return "https" if self.leaf else "http"

    def certificate_words(self):
        if not self.leaf:
            return []
        words = ["--cert-file", self.leaf["cert"], "--key-file", self.leaf["key"]]
        if self.ca:
            words += ["--client-cert-auth", "--trusted-ca-file", self.ca]
        return words

    def member_words(self):
        peer = self.cluster.peers[self.name] if self.cluster else "http://127.0.0.1:0"
        whole = self.cluster.peers if self.cluster else {self.name: peer}
        return ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                "--initial-cluster", ",".join(f"{name}={url}" for name, url in whole.items())]

    def spawn(self):
        url = f"{self.scheme}://{self.address}"
        self.child = OwnProcess(
            [PROGRAM, "--name", self.name, "--data-dir", self.room.path / self.name,
             "--listen-client-urls", url, "--advertise-client-urls", url, *self.member_words(),
             *self.certificate_words(), *COMMON], self.room, f"{self.name}.log")

    def answers(self):
        """It has a leader, and takes part."""
        try:
            self.ask("/v3/kv/range", {"key": encode("/"), "count_only": True})
            return True
        except EtcdError as error:
            return "auth" in str(error) or "user name is empty" in str(error)
        except OSError:
            return False

    def stop(self):
        super().stop()
        if self.own_room:
            self.room.close()

    # ---- what it is asked ----

    def tls(self):
        if not self.leaf:
            return None
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if self.ca:
            context.load_cert_chain(self.leaf["cert"], self.leaf["key"])
        return context

    def ask(self, path, body, timeout_s=DEADLINE_S):
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = self.token
        request = urllib.request.Request(f"{self.scheme}://{self.address}{path}",
                                         json.dumps(body).encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=timeout_s, context=self.tls()) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise EtcdError(f"{error.code}: {error.read().decode(errors='replace')}") from error

    def put(self, key, value, lease=None, timeout_s=DEADLINE_S):
        more = {"lease": lease} if lease else {}
        self.ask("/v3/kv/put",
                 {"key": encode(key), "value": encode(value_text(value)), **more}, timeout_s)

    def put_anyhow(self, key, value):
        """After the others' leader may have died: what it was asked then is never answered."""
        def written():
            try:
                self.put(key, value, timeout_s=PATIENCE / 2)
                return True
            except (EtcdError, OSError):
                return False
        wait_until(written, f"{key} is written")

    def put_all(self, values):
        self.change_all(values, ())

    def change_all(self, values, deleted):
        """At one revision."""
        puts = [{"request_put": {"key": encode(key), "value": encode(value_text(value))}}
                for key, value in values.items()]
        deletes = [{"request_delete_range": {"key": encode(key)}} for key in deleted]
        self.ask("/v3/kv/txn", {"success": [*puts, *deletes]})

    def delete(self, key):
        self.ask("/v3/kv/deleterange", {"key": encode(key)})

    def delete_all(self, prefix):
        self.ask("/v3/kv/deleterange", range_of(prefix))

    def lease(self, ttl_s):
        return self.ask("/v3/lease/grant", {"TTL": ttl_s})["ID"]

    def revoke(self, lease):
        """As if it had expired; nobody waits for a second."""
        self.ask("/v3/lease/revoke", {"ID": lease})

    def compact(self):
        """Forgets everything before now."""
        revision = self.ask("/v3/kv/range", {"key": encode("/")})["header"]["revision"]
        self.ask("/v3/kv/compaction", {"revision": revision, "physical": True})

    # ---- authentication ----

    def add_reader(self, name, password, prefix):
        """A user who may read that prefix and nothing else."""
        self.ask("/v3/auth/role/add", {"name": name})
        self.ask("/v3/auth/role/grant",
                 {"name": name, "perm": {"permType": "READ", **range_of(prefix)}})
        self.ask("/v3/auth/user/add", {"name": name, "password": password})
        self.ask("/v3/auth/user/grant", {"user": name, "role": name})

    def change_password(self, name, password):
        self.ask("/v3/auth/user/changepw", {"name": name, "password": password})

    def enable_authentication(self, password="root"):
        """From now on the test is root."""
        self.ask("/v3/auth/user/add", {"name": "root", "password": password})
        self.ask("/v3/auth/role/add", {"name": "root"})
        self.ask("/v3/auth/user/grant", {"user": "root", "role": "root"})
        self.ask("/v3/auth/enable", {})
        self.log_in(password)

    def log_in(self, password="root"):
        """Tokens do not survive a restart."""
        self.token = None
        self.token = self.ask("/v3/auth/authenticate",
                              {"name": "root", "password": password})["token"]


class EtcdCluster:
    """Three members; all run when it is made."""

    def __init__(self):
        self.room = PrivateRoom("evergate-etcd-", {})
        self.peers = {name: f"http://127.0.0.1:{free_port()}" for name in "abc"}
        self.members = [Etcd(name, self.room, self) for name in self.peers]
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        """Together: one alone has no leader to answer with."""
        for member in self.members:
            member.port = free_port()
            member.spawn()
        for member in self.members:
            wait_until(member.answers, f"{member.name} answers")

    @property
    def addresses(self):
        return [member.address for member in self.members]

    def stop(self):
        for member in self.members:
            member.stop()
        self.room.close()

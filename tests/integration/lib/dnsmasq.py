"""dnsmasq with SRV records and hosts of its own, for ever or until a test wants others.

    with Dnsmasq(services=["_http._tcp.app.test,a.app.test,8080,1,5"],
                 hosts=["a.app.test,127.0.0.2"]) as dnsmasq:
        dnsmasq.restart(services=[...])
"""

import getpass

from .dns_client import ask
from .unprivileged import OwnProcess, OwnServer, PrivateRoom

PROGRAM = "/usr/sbin/dnsmasq"
TTL_S = 1


class Dnsmasq(OwnServer):
    """`services`: NAME,TARGET,PORT,PRIORITY,WEIGHT each; `hosts`: NAME,ADDRESS... each. Knows of
    nothing else below "test"."""

    PORT_TAKEN = "in use"

    def __init__(self, services=(), hosts=()):
        super().__init__(PrivateRoom("evergate-dnsmasq-", {}), "dnsmasq")
        self.services, self.hosts = services, hosts
        self.start_or_stop()

    @property
    def environment(self):
        return {"EVERGATE_DNS_SERVERS": self.address}

    def spawn(self):
        self.child = OwnProcess(
            [PROGRAM, "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file",
             f"--user={getpass.getuser()}", f"--port={self.port}", "--listen-address=127.0.0.1",
             "--bind-interfaces", "--no-resolv", "--no-hosts", "--local=/test/",
             f"--local-ttl={TTL_S}", "--log-queries", "--log-facility=-",
             *(f"--srv-host={service}" for service in self.services),
             *(f"--host-record={host}" for host in self.hosts)],
            self.room, "dnsmasq.log")

    def answers(self):
        return ask(self.port, "version.test") is not None

    def restart(self, services=None, hosts=None):
        """With other records, on the same port; it reads none of them while it runs."""
        self.child.end()
        self.services = self.services if services is None else services
        self.hosts = self.hosts if hosts is None else hosts
        self.start()

    def stop(self):
        super().stop()
        self.room.close()

"""BIND's named, authoritative for zones that a test writes and rewrites.

    with Named({"test": ["app 1 A 127.0.0.2"]}) as named:
        named.write("test", ["app 1 A 127.0.0.3"])    # read anew at once
        named.environment                             # for evergate
"""

import itertools
import os
import signal

from .dns_client import ask
from .unprivileged import OwnProcess, OwnServer, PrivateRoom

PROGRAM = "/usr/sbin/named"

#: No cache, no keys, no control channel, nobody else: answers of its zones and nothing else.
OPTIONS = """
options {{
  directory "{room}";
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  pid-file none; session-keyfile none; lock-file none;
  recursion no; dnssec-validation no; notify no; querylog yes;
  max-udp-size 1232;
}};
controls {{ }};
"""

ZONE = """
zone "{name}" {{ type primary; file "{name}.zone"; }};
"""

#: Nothing holds for 1 s as well (RFC 2308).
HEAD = """$ORIGIN {name}.
$TTL 1
@ 1 SOA ns hostmaster {serial} 3600 600 86400 1
@ 1 NS ns
ns 1 A 127.0.0.1
"""


class Named(OwnServer):
    """`zones`: lines of a zone file by the zone's name; None: a file that cannot be read."""

    PORT_TAKEN = "address in use"

    def __init__(self, zones):
        super().__init__(PrivateRoom("evergate-named-", {}), "named")
        self.serials = itertools.count(1)
        self.zones = list(zones)
        try:
            for name, lines in zones.items():
                self.write_file(name, lines)
            self.start()
        except BaseException:
            self.stop()
            raise

    @property
    def environment(self):
        return {"EVERGATE_DNS_SERVERS": self.address}

    def write_file(self, name, lines):
        serial = next(self.serials)
        text = ["this is no zone"] if lines is None else [
            HEAD.format(name=name, serial=serial), *lines, ""]
        path = self.room.write(f"{name}.zone", "\n".join(text))
        # It compares times, and a test may write twice within one tick of the disk's clock.
        later = path.stat().st_mtime + serial
        os.utime(path, (later, later))

    def write(self, name, lines):
        """The zone has these records from now on."""
        self.write_file(name, lines)
        self.child.send(signal.SIGHUP)

    def restart(self, name, lines):
        """The same by its end and a new beginning: a zone that cannot be read is not served then,
        while a reload would keep what it had."""
        self.child.end()
        self.write_file(name, lines)
        self.start()

    def spawn(self):
        conf = OPTIONS.format(room=self.room.path, port=self.port)
        conf += "".join(ZONE.format(name=name) for name in self.zones)
        self.child = OwnProcess(
            [PROGRAM, "-g", "-4", "-n", "1", "-c", self.room.write("named.conf", conf)],
            self.room, "named.log")

    def answers(self):
        """It goes on without a port that is taken; ours then not."""
        if self.PORT_TAKEN in self.log:
            self.child.end()
            return False
        return ask(self.port, "version.test") is not None

    def queries(self, name):
        """How it was asked: "A +E(0)K", "A +E(0)TK" (T: over TCP), ..."""
        return [line.rpartition(" IN ")[2].rpartition(" (")[0] for line in self.log.splitlines()
                if f" query: {name} IN " in line]

    def stop(self):
        super().stop()
        self.room.close()

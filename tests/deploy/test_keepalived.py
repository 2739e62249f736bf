"""deploy/keepalived: two machines with evergate and keepalived, and one address that is where an
evergate is ready. Machines are network namespaces on a bridge; keepalived is Debian's, its file the
one that is shipped. What a move of the address costs is counted and told.
"""

import collections
import http.client
import pathlib
import re
import signal
import threading
import time

import pytest
from conftest import need_program

from lib.evergate import Evergate
from lib.libconfig import simple, to_libconfig
from lib.waiting import PATIENCE, wait_until
from parts.machines import GATEWAY, Network

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHIPPED = (ROOT / "deploy" / "keepalived" / "keepalived.conf").read_text()
ADDRESS, FIRST, SECOND = "192.0.2.10", "192.0.2.11", "192.0.2.12"
PROGRAM = "/mnt/evergate"  # root's alone, all the way down: keepalived asks for that
PORT = 8080


def keepalived_conf(machine):
    text = SHIPPED.replace("/usr/bin/evergate", PROGRAM)
    assert text != SHIPPED
    if machine.address == SECOND:
        # The two lines that the file tells to change.
        text, changed = re.subn(rf"^(\s+(?:unicast_src_ip )?)({FIRST}|{SECOND})( +#.*: )(\S+)$",
                                r"\1\4\3\2", text, flags=re.M)
        assert changed == 2
    return text


class Site:
    """Two machines, each with evergate and keepalived, before one backend."""

    def __init__(self, stage, binary, **settings):
        self.stage, self.binary, self.settings = stage, binary, settings
        self.network = stage.ending(Network(), "close")
        with self.network.switch.entered():
            self.backend = stage.recorder("backend", address=f"{GATEWAY}:0")
        self.machines = [self.network.machine(FIRST), self.network.machine(SECOND)]
        self.proxies, self.keepers = {}, {}
        for machine in self.machines:
            machine.run("install", "-m", "755", binary, PROGRAM)
            self.start_evergate(machine)
            self.start_keepalived(machine)

    def start_evergate(self, machine):
        config = simple([self.backend], listener={"bind": f":{PORT}"},
                        admin={"bind": "127.0.0.1:9900"}, **self.settings)
        room = self.stage.room("edge")
        path = room / "evergate.conf"
        path.write_text(to_libconfig(config))
        proxy = self.stage.ending(Evergate(
            room / "run", "", command=machine.inside(PROGRAM, "run", "-c", path)))
        self.proxies[machine] = proxy.wait_started()

    def start_keepalived(self, machine):
        path = self.stage.room("keepalived") / "keepalived.conf"
        path.write_text(keepalived_conf(machine))
        path.chmod(0o644)
        self.keepers[machine] = machine.start(
            self.stage, "keeper", need_program("keepalived", "keepalived"), "-n", "-l", "-D", "-P",
            "-f", path, "-p", "/run/keepalived.pid", "-r", "/run/vrrp.pid")

    def holders(self):
        return [machine for machine in self.machines if machine.has(ADDRESS)]

    def wait_holder(self):
        """The machine that has the address; nobody else has it."""
        try:
            wait_until(lambda: len(self.holders()) == 1, "one machine has the address")
        except AssertionError as failure:
            logs = "\n".join(keeper.text[-3000:] for keeper in self.keepers.values())
            raise AssertionError(f"{failure}\n{logs}") from None
        return self.holders()[0]

    def wait_moved(self, gone):
        wait_until(lambda: self.holders() == [self.other(gone)], "the address has moved")

    def other(self, machine):
        first, second = self.machines
        return second if machine is first else first


class Client:
    """Asks the address, a connection for each request, one after the other, until it is stopped."""

    def __init__(self, network):
        self.network = network
        self.results = []  # (seconds at its end, what came of it)
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.ask_on)
        self.thread.start()

    def ask_on(self):
        with self.network.switch.entered():
            while not self.stopping.wait(0.01):
                self.results.append((time.monotonic(), self.ask()))

    @staticmethod
    def ask():
        client = http.client.HTTPConnection(ADDRESS, PORT, timeout=0.5)
        try:
            client.request("GET", "/")
            return client.getresponse().status
        except (OSError, http.client.HTTPException) as failure:
            return type(failure).__name__
        finally:
            client.close()

    def wait_served(self, more=20):
        """Until so many in a row went well."""
        start = len(self.results)
        try:
            wait_until(lambda: len(self.results) >= start + more and all(
                result == 200 for _, result in self.results[-more:]), f"{more} requests go well")
        except AssertionError as failure:
            raise AssertionError(f"{failure}: {self.failures}") from None

    def stop(self):
        self.stopping.set()
        self.thread.join()

    @property
    def failures(self):
        return collections.Counter(result for _, result in self.results if result != 200)

    @property
    def longest_gap_s(self):
        """Between two answers."""
        good = [when for when, result in self.results if result == 200]
        return max((b - a for a, b in zip(good, good[1:])), default=0.0)


@pytest.fixture(name="site")
def fixture_site(stage, need_root, evergate_binary):
    return Site(stage, evergate_binary)


def killed_evergate(site, machine):
    proxy = site.proxies[machine]
    proxy.expected_exit = -signal.SIGKILL
    proxy.send_signal(signal.SIGKILL)


def drained_evergate(site, machine):
    site.proxies[machine].send_signal(signal.SIGTERM)


def stopped_keepalived(site, machine):
    """What an operator does before work on a machine: evergate serves meanwhile."""
    site.keepers[machine].process.send_signal(signal.SIGTERM)


def killed_machine(site, machine):
    """The network cable, so to say: nothing says goodbye."""
    machine.run("ip", "link", "set", "eth0", "down")


@pytest.mark.parametrize("what", [killed_evergate, drained_evergate, stopped_keepalived,
                                  killed_machine], ids=lambda what: what.__name__)
def test_the_address_moves_to_where_evergate_is_ready(stage, site, tell, what):
    holder = site.wait_holder()
    client = stage.ending(Client(site.network))
    client.wait_served()
    what(site, holder)
    if what is killed_machine:
        wait_until(lambda: site.other(holder).has(ADDRESS), "the other has the address")
    else:
        site.wait_moved(holder)
    client.wait_served()
    client.stop()
    tell(f"{what.__name__}: {sum(client.failures.values())} of {len(client.results)} requests "
         f"failed {dict(client.failures)}, {client.longest_gap_s:.1f} s without an answer")


def test_with_a_delay_the_address_moves_before_the_drain_and_nothing_is_refused(
        stage, need_root, evergate_binary, tell):
    site = Site(stage, evergate_binary, drain_delay=f"{int(6 * PATIENCE)}s")
    holder = site.wait_holder()
    client = stage.ending(Client(site.network))
    client.wait_served()
    drained_evergate(site, holder)
    site.wait_moved(holder)
    in_time = not site.proxies[holder].log_lines("draining")
    client.wait_served()
    client.stop()
    tell(f"left with a delay: {sum(client.failures.values())} of {len(client.results)} requests "
         f"failed {dict(client.failures)}, {client.longest_gap_s:.1f} s without an answer")
    for proxy in site.proxies.values():  # whoever leaves ends at its second signal
        for _ in range(2):
            proxy.send_signal(signal.SIGTERM)
    # Refused is what a closed socket does. One that is open while the address moves may be lost.
    assert "ConnectionRefusedError" not in client.failures or not in_time


def test_who_returns_does_not_take_the_address_back(stage, site):
    holder = site.wait_holder()
    killed_evergate(site, holder)
    site.wait_moved(holder)
    site.start_evergate(holder)
    keeper = site.keepers[holder]
    wait_until(lambda: re.search(r"evergate_is_ready\) succeeded(?s:.*)failed|"
                                 r"failed(?s:.*)evergate_is_ready\) succeeded", keeper.text),
               "its script succeeds again")
    client = stage.ending(Client(site.network))
    client.wait_served(50)
    client.stop()
    assert client.failures == {}
    assert site.holders() == [site.other(holder)]

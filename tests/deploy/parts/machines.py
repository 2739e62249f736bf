"""Machines on one network: namespaces with an eth0 each, on a bridge in a namespace of its own,
where the clients and the backends are.

    network = stage.ending(Network(), "close")
    machine = network.machine("192.0.2.11")
    machine.start(stage, "keepalived", "-n", ...)
    with network.switch.entered(): ...
"""

import contextlib
import subprocess

from lib.waiting import DEADLINE_S
from parts.netns import Holder, NetworkNamespace

GATEWAY = "192.0.2.1"


def run(*words):
    result = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{words}: {result.stderr}"
    return result.stdout


class Machine:
    """Its own network and its own /run and /mnt."""

    def __init__(self, address):
        self.address = address
        self.holder = Holder("--net", "--mount", script="mount -t tmpfs tmpfs /run; "
                             "mount -t tmpfs tmpfs /mnt; ip link set lo up")

    @property
    def pid(self):
        return self.holder.process.pid

    def inside(self, *words):
        """The command that runs `words` on it."""
        return ["nsenter", f"--net={self.holder.namespace('net')}",
                f"--mount={self.holder.namespace('mnt')}", "--", *map(str, words)]

    def run(self, *words):
        return run(*self.inside(*words))

    def start(self, stage, name, *words):
        """A process whose output goes to a file; ended with the stage."""
        output = stage.room(name) / "log"
        with open(output, "wb") as log:
            process = subprocess.Popen(self.inside(*words), stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=subprocess.STDOUT)
        return stage.ending(Process(process, output))

    def has(self, address):
        return f" {address}/" in self.run("ip", "-4", "address", "show", "dev", "eth0")

    def close(self):
        self.holder.close()


class Process:
    def __init__(self, process, output):
        self.process, self.output = process, output

    @property
    def text(self):
        return self.output.read_text(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(DEADLINE_S)
        if self.process.poll() is None:
            self.kill()


class Network:
    def __init__(self):
        self.machines = []
        self.switch = NetworkNamespace()
        self.here("ip", "link", "add", "br0", "type", "bridge")
        self.here("ip", "address", "add", f"{GATEWAY}/24", "dev", "br0")
        self.here("ip", "link", "set", "br0", "up")

    def here(self, *words):
        return run("nsenter", f"--net={self.switch.path}", "--", *words)

    def machine(self, address):
        made = Machine(address)
        port = f"port{len(self.machines)}"
        self.machines.append(made)
        self.here("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0",
                  "netns", made.pid)
        self.here("ip", "link", "set", port, "master", "br0", "up")
        made.run("ip", "address", "add", f"{address}/24", "dev", "eth0")
        made.run("ip", "link", "set", "eth0", "up")
        return made

    def close(self):
        for machine in self.machines:
            machine.close()
        self.switch.close()

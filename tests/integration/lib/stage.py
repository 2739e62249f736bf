"""The stage of one test: every process, server and client it makes, ended in reverse order.

Clients are made after the proxy they talk to and the proxy after its backends, so the reverse order
ends clients first, then the proxy (which then has nothing to drain), then the backends.
"""

import contextlib
import pathlib

from . import libconfig
from .dns_server import DnsServer
from .evergate import Evergate
from .failing_backend import FailingBackend
from .raw_client import RawClient
from .real_servers import Nginx, NodeServer
from .recording_backend import RecordingBackend
from .scripted_backend import RefusingPort, ScriptedBackend, SilentPort


class Stage:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.endings = contextlib.ExitStack()
        self.made = 0

    def ending(self, thing, end="stop"):
        self.endings.callback(getattr(thing, end))
        return thing

    def room(self, name):
        self.made += 1
        path = self.directory / f"{name}{self.made}"
        path.mkdir(parents=True)
        return path

    def evergate(self, config, names=("edge",), **settings):
        """The proxy with a whole configuration (a dict or text)."""
        proxy = self.ending(Evergate(self.room("evergate"), config, **settings))
        return proxy.wait_started(names) if names else proxy

    def proxy(self, *backends, env=None, preexec=None, stdout=None, **settings):
        """The proxy with the usual small configuration; `settings` go to libconfig.simple."""
        return self.evergate(libconfig.simple(backends, **settings), env=env, preexec=preexec,
                             stdout=stdout)

    def client(self, proxy, name="edge", **settings):
        """A connection to a listener, or to an address."""
        address = proxy if isinstance(proxy, str) else proxy.address(name)
        return self.ending(RawClient(address, **settings), "close")

    def backend(self, script, **settings):
        return self.ending(ScriptedBackend(script, **settings))

    def recorder(self, name="backend", respond=None, **settings):
        return self.ending(RecordingBackend(name, respond, **settings))

    def recorders(self, *names):
        return [self.recorder(name) for name in names]

    def failing(self, name, **settings):
        """A backend whose failure can be switched on and off."""
        return self.ending(FailingBackend(name, **settings))

    def refusing_port(self):
        return self.ending(RefusingPort())

    def silent_port(self):
        return self.ending(SilentPort())

    def nginx(self, more="", port=None):
        return self.ending(Nginx(self.room("nginx"), more, port))

    def node(self, program="http_server"):
        return self.ending(NodeServer(program, self.room("node")))

    def dns(self, names):
        return self.ending(DnsServer(names))

    def get(self, proxy, path="/", host="test", headers=(), method="GET", **settings):
        """One request on a connection of its own."""
        client = RawClient(proxy.address(), **settings)
        try:
            return client.get(path, host, headers, method)
        finally:
            client.close()

    def close(self):
        self.endings.close()

"""The places where services are registered, all alike: for tests that do the same with each.

    registry = stage.ending(REGISTRIES["consul"](stage))
    crowd = Crowd(stage)                        # many addresses, all of them one nginx
    registry.begin(crowd)
    site = RegistrySite(stage, registry)
    registry.change(crowd)                      # one comes or goes, or some at once
    registry.go_down(); registry.come_up()
"""

import json
import os
import random

from .consul import FakeConsul
from .etcd import Etcd
from .kubectl import kubeconfig
from .kubernetes import KubernetesServer
from .kubernetes_cluster import endpoint, port, slice_of
from .named import Named
from .real_servers import free_port
from .source_site import SourceSite
from .waiting import wait_until


class Crowd:
    """Endpoints that come and go: 127.1.0.1 and so on, at one port. `present` of `size` are there at
    first, and never fewer than `least`."""

    def __init__(self, stage, size=48, present=24, least=8, seed=1):
        self.port = free_port()
        # The whole of loopback's network, and nobody from elsewhere.
        stage.nginx(f'listen {self.port}; allow 127.0.0.0/8; deny all; '
                    'location / { try_files /index.html =404; }', self.port)
        self.size, self.least = size, least
        self.random = random.Random(seed)
        self.present = set(range(present))

    def host(self, number):
        return f"127.1.{number // 250}.{number % 250 + 1}"

    def addresses(self, numbers=None):
        return {f"{self.host(number)}:{self.port}"
                for number in (self.present if numbers is None else numbers)}

    def step(self):
        """One that comes (True) or goes (False), and which."""
        number = self.random.randrange(self.size)
        if number in self.present and len(self.present) > self.least:
            self.present.remove(number)
            return False, number
        while number in self.present:
            number = self.random.randrange(self.size)
        self.present.add(number)
        return True, number


class FileRegistry:
    #: So many changes are one write.
    TOGETHER = 1
    #: What can be told in one answer.
    MOST = 65535

    def __init__(self, stage):
        self.path = stage.room("found") / "endpoints.json"
        self.aside = None
        self.environment = {}

    def block(self):
        return {"type": "file", "path": str(self.path)}

    def begin(self, crowd):
        self.write(crowd)

    def change(self, crowd):
        step = crowd.step()
        self.write(crowd)
        return step

    def write(self, crowd):
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps({"endpoints": [
            {"id": f"e{number}", "address": f"{crowd.host(number)}:{crowd.port}",
             "weight": 1 + number % 3} for number in sorted(crowd.present)]}))
        os.rename(new, self.path)

    def go_down(self):
        self.aside = self.path.with_suffix(".aside")
        os.rename(self.path, self.aside)

    def come_up(self):
        os.rename(self.aside, self.path)

    def stop(self):
        pass


class DnsRegistry:
    """BIND. Whoever asks does so once in a second, which is the shortest TTL that counts."""

    TOGETHER, MOST = 40, 4000

    def __init__(self, stage):
        del stage
        self.named = Named({"test": []})
        self.environment = self.named.environment
        self.port = None

    def block(self):
        return {"type": "dns", "name": f"app.test:{self.port}"}

    def begin(self, crowd):
        self.port = crowd.port
        self.write(crowd)

    def change(self, crowd):
        steps = [crowd.step() for _ in range(self.TOGETHER)]
        self.write(crowd)
        return steps[-1]

    def write(self, crowd):
        self.named.write("test", [f"app 1 A {crowd.host(number)}"
                                  for number in sorted(crowd.present)])

    def go_down(self):
        self.named.kill()

    def come_up(self):
        self.named.start()

    def stop(self):
        self.named.stop()


class ConsulRegistry:
    TOGETHER, MOST = 1, 65535

    def __init__(self, stage):
        self.consul = stage.ending(FakeConsul(remember=False))
        self.environment = {}

    def block(self):
        return {"type": "consul", "address": self.consul.address, "service": "api"}

    def begin(self, crowd):
        for number in crowd.present:
            self.register(crowd, number)

    def register(self, crowd, number):
        self.consul.catalog.register(f"e{number}", address=crowd.host(number), port=crowd.port)

    def change(self, crowd):
        comes, number = crowd.step()
        if comes:
            self.register(crowd, number)
        else:
            self.consul.catalog.deregister(f"e{number}")
        return comes, number

    def go_down(self):
        self.consul.wait_held()
        self.consul.go_down()

    def come_up(self):
        self.consul.come_up()

    def stop(self):
        pass


class KubernetesRegistry:
    TOGETHER, MOST = 1, 65535

    def __init__(self, stage):
        self.server = stage.ending(KubernetesServer())
        self.slices = 0
        self.kubeconfig = kubeconfig(stage.room("kube"), self.server)
        self.environment = {}

    def block(self):
        return {"type": "kubernetes", "service": "web", "kubeconfig": str(self.kubeconfig)}

    def begin(self, crowd):
        # A real one puts at most 100 into each.
        self.slices = -(-crowd.size // min(100, max(12, crowd.size // 4)))
        for number in range(self.slices):
            self.put(crowd, number)

    def put(self, crowd, number):
        """The slice that this endpoint is, or was, in."""
        mine = [n for n in sorted(crowd.present) if n % self.slices == number % self.slices]
        self.server.cluster.put(slice_of(
            f"web-{number % self.slices}", "web",
            [endpoint(crowd.host(n), pod=f"e{n}") for n in mine], port("http", crowd.port)))

    def change(self, crowd):
        comes, number = crowd.step()
        self.put(crowd, number)
        return comes, number

    def go_down(self):
        # A connection that is just being accepted would outlive it.
        self.server.wait_watched()
        self.server.go_down()

    def come_up(self):
        self.server.come_up()

    def stop(self):
        pass


class EtcdRegistry:
    TOGETHER, MOST = 1, 65535
    PREFIX = "/services/app/"

    def __init__(self, stage):
        del stage
        self.etcd = Etcd()
        self.environment = {}

    def block(self):
        return {"type": "etcd", "address": self.etcd.address, "prefix": self.PREFIX}

    def begin(self, crowd):
        for first in range(0, crowd.size, 1000):
            self.etcd.put_all({f"{self.PREFIX}e{number}": self.value(crowd, number)
                               for number in range(first, min(first + 1000, crowd.size))
                               if number in crowd.present})

    def value(self, crowd, number):
        return {"address": f"{crowd.host(number)}:{crowd.port}"}

    def put(self, crowd, number):
        self.etcd.put(f"{self.PREFIX}e{number}", self.value(crowd, number))

    def change(self, crowd):
        comes, number = crowd.step()
        if comes:
            self.put(crowd, number)
        else:
            self.etcd.delete(f"{self.PREFIX}e{number}")
        return comes, number

    def go_down(self):
        self.etcd.kill()

    def come_up(self):
        self.etcd.start()

    def stop(self):
        self.etcd.stop()


REGISTRIES = {"file": FileRegistry, "dns": DnsRegistry, "consul": ConsulRegistry,
              "kubernetes": KubernetesRegistry, "etcd": EtcdRegistry}


class RegistrySite(SourceSite):
    """A proxy whose pool fills itself from `registry`."""

    def __init__(self, stage, registry, **settings):
        super().__init__(stage, discovery=registry.block(), env=registry.environment, **settings)

    def wait_crowd(self, crowd):
        """Until the pool consists of who is there now."""
        wait_until(lambda: {e["address"] for e in self.admin.endpoints().values()}
                   == crowd.addresses(), "the pool has heard of the last change")

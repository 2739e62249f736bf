"""What the servers of one Consul datacenter agree on: nodes, services, their checks, and the index
that every change of them raises.

    catalog = Catalog("dc1")
    catalog.register("a", port=8080)          # of the service "api", on the node "n1"
    catalog.set_check("a", "warning")
    catalog.restore(5)                        # the index goes backwards, as after a restored snapshot

Documented at developer.hashicorp.com/consul/api-docs: health, agent/service, features/blocking.
"""

import copy
import random
import threading
import time

JITTER_SHARE = 1 / 16
SERF_HEALTH = "serfHealth"


class Catalog:
    def __init__(self, datacenter="dc1"):
        self.datacenter = datacenter
        self.changed = threading.Condition()
        self.index = 10
        self.indexes = {}   # of each service that there is or was: its last change
        self.nodes = {}     # name: {"Address", "Checks": {id: check}}
        self.services = {}  # (node, id): {"Service": ..., "Checks": {id: check}}
        self.epoch = 0      # raised by restore: every query that waits is answered
        self.closed = False

    # ---- changes ----

    def node(self, name, address="127.0.0.1"):
        """Makes it if it is not there."""
        if name not in self.nodes:
            alive = check(SERF_HEALTH, "Serf Health Status", name, "passing")
            self.nodes[name] = {"Address": address, "Checks": {SERF_HEALTH: alive}}
        return self.nodes[name]

    def register(self, service_id, service="api", node="n1", status="passing", **fields):
        """`fields` are those of the Service object by their lower-case names: port, address, tags,
        meta, weights; with `status` None it has no check of its own."""
        with self.changed:
            self.node(node)
            # Whatever was not said is there all the same, as in the real answers.
            said = {"ID": service_id, "Service": service, "Tags": [], "Address": "", "Meta": {},
                    "Port": 0, "Weights": {"Passing": 1, "Warning": 1},
                    "EnableTagOverride": False}
            said |= {key[:1].upper() + key[1:]: value for key, value in fields.items()}
            checks = {}
            if status is not None:
                name = f"service:{service_id}"
                checks[name] = check(name, f"Service '{service}' check", node, status, said)
            self.services[node, service_id] = {"Service": said, "Checks": checks}
            self.touch(service)

    def register_all(self, addresses, **fields):
        """{id: "host:port"}"""
        for service_id, address in addresses.items():
            host, _, port = address.rpartition(":")
            self.register(service_id, address=host, port=int(port), **fields)

    def deregister(self, service_id, node="n1"):
        with self.changed:
            gone = self.services.pop((node, service_id), None)
            if gone:
                self.touch(gone["Service"]["Service"])
            return gone is not None

    def set_check(self, service_id, status, node="n1", check_id=None, name=None):
        """Makes the check if there is none of that id; `status` None removes it."""
        with self.changed:
            entry = self.services[node, service_id]
            check_id = check_id or f"service:{service_id}"
            if status is None:
                entry["Checks"].pop(check_id, None)
            else:
                entry["Checks"][check_id] = check(check_id, name or check_id, node, status,
                                                  entry["Service"])
            self.touch(entry["Service"]["Service"])

    def set_node_check(self, node, check_id, status):
        with self.changed:
            checks = self.node(node)["Checks"]
            if status is None:
                checks.pop(check_id, None)
            else:
                checks[check_id] = check(check_id, check_id, node, status)
            for (where, _), entry in self.services.items():
                if where == node:
                    self.touch(entry["Service"]["Service"])

    def service_maintenance(self, service_id, enable, node="n1"):
        self.set_check(service_id, "critical" if enable else None, node,
                       f"_service_maintenance:{service_id}", "Service Maintenance Mode")

    def node_maintenance(self, node, enable):
        self.set_node_check(node, "_node_maintenance", "critical" if enable else None)

    def touch(self, service):
        """With the lock held: something about `service` is another."""
        self.index += 1
        self.indexes[service] = self.index
        self.changed.notify_all()

    def restore(self, index):
        """An older snapshot: the same services, and an index from before. Queries that wait are
        answered."""
        with self.changed:
            self.index = index
            self.indexes = dict.fromkeys(self.indexes, index)
            self.epoch += 1
            self.changed.notify_all()

    def close(self):
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    # ---- queries ----

    def index_of(self, service):
        """A service that never was has one too, so that it can be waited for."""
        return self.indexes.get(service, 1)

    def wait(self, service, index, wait_s, given_up=lambda: False):
        """Until the service's index is larger than `index` or the time is over; at once for 0.
        False: the catalog was closed, or whoever asked has given up."""
        if index == 0:
            return True
        end = time.monotonic() + wait_s + random.uniform(0, wait_s * JITTER_SHARE)
        with self.changed:
            epoch = self.epoch
            while not self.closed and epoch == self.epoch and self.index_of(service) <= index:
                left = end - time.monotonic()
                if left <= 0:
                    return True
                self.changed.wait(min(left, 0.2))
                if given_up():
                    return False
            return not self.closed

    def health(self, service, tags=()):
        """(index, the list of /v1/health/service/SERVICE)"""
        with self.changed:
            found = [self.entry(node, entry) for (node, _), entry in sorted(self.services.items())
                     if entry["Service"]["Service"] == service
                     and set(tags) <= set(entry["Service"]["Tags"])]
            return self.index_of(service), copy.deepcopy(found)

    def entry(self, name, entry):
        node = self.nodes[name]
        return {
            "Node": {"ID": f"id-of-{name}", "Node": name, "Address": node["Address"],
                     "Datacenter": self.datacenter,
                     "TaggedAddresses": {"lan": node["Address"], "wan": node["Address"]},
                     "Meta": {"consul-network-segment": ""}, "CreateIndex": 7, "ModifyIndex": 8},
            "Service": {**entry["Service"], "CreateIndex": 9, "ModifyIndex": 9},
            "Checks": [*entry["Checks"].values(), *node["Checks"].values()],
        }


def check(check_id, name, node, status, service=None):
    return {"Node": node, "CheckID": check_id, "Name": name, "Status": status, "Notes": "",
            "Output": "", "ServiceID": service["ID"] if service else "",
            "ServiceName": service["Service"] if service else "",
            "ServiceTags": service["Tags"] if service else [], "Type": "", "Definition": {}}

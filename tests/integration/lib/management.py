"""The management API as a client of it."""

import json
import re

from .raw_client import RawClient, head
from .waiting import wait_until

MANAGED = re.compile(r"management is listening on ([^\s\"]+)")


class Management:
    """Of an instance whose `admin.bind` is "127.0.0.1:0"."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.address = wait_until(lambda: MANAGED.findall(proxy.stderr), "management listens")[0]

    def ask(self, path, method="GET", body=None):
        if body is None:
            return self.send(path, method)
        return self.send(path, method, json.dumps(body).encode(),
                         [("Content-Type", "application/json")])

    def send(self, path, method="POST", data=None, headers=(), host="127.0.0.1"):
        """Bytes and headers of the caller's own."""
        client = RawClient(self.address)
        length = [] if data is None else [("Content-Length", str(len(data)))]
        try:
            return client.request(head(method, path, host, [*length, *headers]) + (data or b""))
        finally:
            client.close()

    def json(self, path, method="GET", body=None):
        answered = self.ask(path, method, body)
        assert 200 <= answered.status <= 299, answered
        return json.loads(answered.body)

    def error(self, status, path, method="POST", body=None):
        """The error that a request is refused with."""
        answered = self.ask(path, method, body)
        assert answered.status == status, answered
        error = json.loads(answered.body)["error"]
        assert error["message"] and "type" in error
        return error

    def endpoints(self, pool="app"):
        """By id, without those that leave."""
        listed = self.json(f"/api/v1/pools/{pool}/endpoints")["endpoints"]
        return {e["id"]: e for e in listed if not e["leaving"]}

    def events(self, since=0, **wanted):
        """Every event since the start whose members are as `wanted`, oldest first."""
        listed = self.json(f"/api/v1/events?since={since}&limit=1000")
        found = listed["events"] if isinstance(listed, dict) else listed
        return [e for e in found if all(e.get(name) == value for name, value in wanted.items())]

    def wait_for_event(self, **wanted):
        """The first one that fits."""
        return wait_until(lambda: self.events(**wanted), f"there is an event {wanted}")[0]

    def last_event(self):
        """The id to give as `since` for what comes after."""
        return max((event["id"] for event in self.events()), default=0)

    def metrics(self):
        """Values by name with labels."""
        lines = self.ask("/metrics").text.splitlines()
        return {name: float(value) for name, _, value in
                (line.rpartition(" ") for line in lines if not line.startswith("#"))}

    def metric(self, name, **labels):
        """The sum over all series of that name whose labels are as given."""
        total = 0.0
        for series, value in self.metrics().items():
            family, _, rest = series.partition("{")
            if family == name and all(f'{k}="{v}"' in rest for k, v in labels.items()):
                total += value
        return total

    def status(self, endpoint, pool="app"):
        return self.which("evergate_endpoint_status", "status", endpoint, pool)

    def breaker(self, endpoint, pool="app"):
        return self.which("evergate_breaker_state", "state", endpoint, pool)

    def which(self, family, label, endpoint, pool):
        for series, value in self.metrics().items():
            if (value == 1 and series.startswith(family + "{") and f'pool="{pool}"' in series
                    and f'endpoint="{endpoint}"' in series):
                return re.search(rf'{label}="([^"]*)"', series).group(1)
        raise AssertionError(f"{family} says nothing about {pool}/{endpoint}")

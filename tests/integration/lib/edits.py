"""Changes over the management API, one after the other at a steady pace: endpoints are registered,
changed, drained and deregistered while others serve."""

import json
import time

from .raw_client import RawClient, head

ENDPOINTS = "/api/v1/pools/app/endpoints"


def edits(addresses):
    """(method, path, body) for ever: each address in its turn lives a whole endpoint's life."""
    number = 0
    while True:
        host, _, port = addresses[number % len(addresses)].rpartition(":")
        name = f"{ENDPOINTS}/visitor-{number % 5}"
        yield "POST", ENDPOINTS, {"id": f"visitor-{number % 5}", "address": host,
                                  "port": int(port), "weight": 1 + number % 3}
        yield "PATCH", name, {"weight": 5}
        yield "POST", f"{name}/drain", None
        yield "PATCH", name, {"tags": [f"round-{number}"], "drain": False}
        yield "DELETE", name, None
        number += 1


class Editor:
    """One kept connection to management."""

    def __init__(self, address):
        self.client = RawClient(address, remember=False)

    def ask(self, method, path, body):
        data = b"" if body is None else json.dumps(body).encode()
        fields = [("Content-Length", str(len(data)))]
        if data:
            fields.append(("Content-Type", "application/json"))
        return self.client.request(head(method, path, "127.0.0.1", fields) + data)

    def run(self, addresses, count, per_second):
        """`count` changes, none of which may be refused."""
        began_s = time.monotonic()
        for number, (method, path, body) in enumerate(edits(addresses)):
            if number == count:
                return
            answered = self.ask(method, path, body)
            assert 200 <= answered.status <= 299, (number, method, path, answered)
            time.sleep(max(0.0, began_s + number / per_second - time.monotonic()))

    def close(self):
        self.client.close()

"""Orders of events that are rare: what an exchange does between its attempts, in its pool's queue,
and while its client is slow.
"""

import time

import pytest

from lib.failing_backend import TRUNCATED
from lib.failover import (NO_BREAKER, NO_OUTLIER, NO_RETRY, Crowd, breaker, group, ms, retry, serve,
                          spread, start)
from lib.raw_client import head
from lib.scripted_backend import answer
from lib.waiting import wait_until

LONG = "10m"
STALL = {"outlier": {**NO_OUTLIER, "stall_factor": 4, "stall_min": ms(50)},
         "timeouts": {"response": LONG}, "breaker": NO_BREAKER, "retry": retry()}
UPGRADE = [("Upgrade", "echo"), ("Connection", "upgrade")]
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n"


def ask(stage, proxy, path):
    client = stage.client(proxy)
    client.send(head(path=path))
    return client


# ---- What is not the endpoint's fault ----

def test_an_upload_that_comes_slowly_is_no_stall_of_its_endpoint(stage):
    a = stage.failing("a")
    proxy, admin = start(stage, a, **STALL)
    serve(stage, proxy, 20)
    client = stage.client(proxy)
    client.send(head("POST", headers=[("Content-Length", "40")]))
    for _ in range(40):  # many times as long as an endpoint may be silent
        client.send(b"b")
        time.sleep(0.02)
    assert client.read_response("POST").status == 200
    assert admin.events(type="stall") == []

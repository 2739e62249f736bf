"""What the failover tests share: settings that fail fast, and asking one request at a time.

Their times are small so that the tests are quick, and stretch with the suite's patience where a
slow build could mistake its own slowness for a failure.
"""

import collections
import threading

from .management import Management
from .raw_client import RawClient
from .waiting import PATIENCE, wait_until

ADMIN = {"bind": "127.0.0.1:0"}

#: One switch per mechanism, so that a test sees the one it is about.
NO_OUTLIER = {"consecutive_5xx": 0, "error_percent": 0, "stall_factor": 0}
NO_BREAKER = {"failure_threshold": 0, "error_percent": 0}
NO_RETRY = {"attempts": 1}


def ms(milliseconds):
    return f"{int(milliseconds * PATIENCE)}ms"


def breaker(**more):
    """Opens soon and tries again soon."""
    return {"failure_threshold": 3, "error_percent": 0, "recovery_timeout": "300ms",
            "max_recovery_timeout": "300ms", "half_open_max": 1, "success_threshold": 1, **more}


def retry(**more):
    """Without a budget in the way and without long pauses."""
    return {"attempts": 3, "backoff": "1ms", "max_backoff": "5ms", "budget_percent": 100,
            "budget_min": 1000, **more}


def checks(**more):
    """Quick checks. One wrong answer is not enough: it may be a late one on a busy machine; while
    one is doubted it is asked every 30 ms. Endpoints that were not checked yet are not used."""
    return {"type": "http", "path": "/health", "interval": ms(200), "fast_interval": "30ms",
            "timeout": ms(200), "rise": 1, "fall": 2, **more}


def group(backend, **more):
    return {"id": backend.name, "address": backend.address, **more}


def start(stage, *backends, **settings):
    """(the proxy, its management). `settings` are the pool's, and `top` the file's own."""
    top = settings.pop("top", {})
    groups = [b if isinstance(b, dict) else group(b) for b in backends]
    proxy = stage.proxy(*groups, pool_settings=settings, admin=ADMIN, **top)
    return proxy, Management(proxy)


def wait_status(admin, status, *endpoints):
    for endpoint in endpoints:
        wait_until(lambda e=endpoint: admin.status(e) == status, f"{endpoint} is {status}")


def spread(stage, proxy, count, **request):
    """How often each backend answered, by name; own answers count under their error type."""
    counts = collections.Counter()
    for _ in range(count):
        answered = stage.get(proxy, **request)
        counts[answered.get("x-evergate-error") or answered.text] += 1
    return counts


def serve(stage, proxy, count, **request):
    """`count` requests, none of which may fail; how often each backend answered."""
    counts = collections.Counter()
    for number in range(count):
        answered = stage.get(proxy, **request)
        assert answered.status == 200, (number, answered)
        counts[answered.text] += 1
    return counts


def serve_until(stage, proxy, name, served=True, **request):
    """Asks until the backend `name` answers; without failures on the way unless `served` is
    False."""
    def answered_by_it():
        answered = stage.get(proxy, **request)
        assert answered.status == 200 or not served, answered
        return answered.text == name
    wait_until(answered_by_it, f"{name} answers again")


class Crowd:
    """Requests of their own threads and connections; `.answers` in the order they came."""

    def __init__(self, proxy, count, path="/crowd"):
        self.answers = []
        self.threads = [threading.Thread(target=self.ask, args=(proxy.address(), path))
                        for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def ask(self, address, path):
        client = RawClient(address)
        try:
            self.answers.append(client.get(path))
        finally:
            client.close()

    def statuses(self):
        for thread in self.threads:
            thread.join()
        assert len(self.answers) == len(self.threads), "a client was cut"
        return collections.Counter(answered.status for answered in self.answers)

"""A run under load, and what it tells.

Three witnesses, all on the same monotonic clock:
  - the load (load.c): what each client saw, from the moment its request was due;
  - evergate's metrics, sampled every 50 ms: to whom it sent requests;
  - evergate's events: what it noticed and when.
"""

import calendar
import collections
import json
import os
import subprocess
import threading
import time

from lib.waiting import wait_until

from places import LOAD

FAMILY = 'evergate_upstream_requests_total{pool="app",endpoint="%s"}'
SAMPLE_EVERY_S = 0.05
SHARE_WINDOW_S = 0.5
#: Requests are slow from here on: an undisturbed one takes a fifth of a millisecond, and what the
#: machine does besides costs some.
SLOW_US = 25_000
BUCKET_US = 100_000
#: What is slow later than this after a failure, is so for other reasons.
AFTERMATH_S = 1.0


def be_preferred():
    """The clock that everything is measured with must not wait for what it measures."""
    if os.geteuid() == 0:
        os.nice(-10)


class LoadProcess:
    def __init__(self, port, rate, directory, connections=256, seconds=120):
        self.path = directory / "load.json"
        self.process = subprocess.Popen(
            [str(LOAD), str(port), str(rate), str(connections), str(seconds), str(self.path)],
            stdout=subprocess.DEVNULL,
            preexec_fn=be_preferred)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)

    def records(self):
        self.stop()
        data = json.loads(self.path.read_text())
        self.worst_delay_ms = data["worst_delay_us"] / 1000
        return [Record(*fields) for fields in data["requests"]]


class Record(collections.namedtuple("Record", "due_us latency_us status backend result")):
    @property
    def failed(self):
        return self.result != "a" or self.status >= 500

    @property
    def slow(self):
        return self.latency_us > SLOW_US


class Sampler:
    """Who was picked how often, sample by sample."""

    def __init__(self, admin, names):
        self.admin, self.names = admin, names
        self.samples = []  # (monotonic seconds, {name: picks})
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()

    def sample(self):
        while not self.stopping.wait(SAMPLE_EVERY_S):
            metrics = self.admin.metrics()
            picks = {name: metrics[FAMILY % name] for name in self.names}
            self.samples.append((time.monotonic(), picks))

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def between(self, begin_s, end_s):
        """Picks by name between two moments, to the sample."""
        first = [p for t, p in self.samples if t <= begin_s][-1:] or [self.samples[0][1]]
        last = [p for t, p in self.samples if t <= end_s][-1:] or [self.samples[-1][1]]
        return {name: last[0][name] - first[0][name] for name in self.names}

    def share(self, names, begin_s, end_s):
        """Of all picks between two moments, how many were of `names`."""
        picks = self.between(begin_s, end_s)
        total = sum(picks.values())
        return sum(picks[name] for name in names) / total if total else 0.0

    def latest_share(self, names):
        now_s = self.samples[-1][0] if self.samples else time.monotonic()
        return self.share(names, now_s - SHARE_WINDOW_S, now_s)


def wall_s(text):
    """RFC 3339 as evergate writes it: 2026-11-21T10:26:00.123Z."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) + float(f"0.{fraction or 0}")


class Run:
    """One scenario under load: undisturbed, broken, repaired, normal again."""

    WARM_UP_S = 3.0
    RETURN_LIMIT_S = 90.0

    def __init__(self, scenario, proxy, admin, rate, directory):
        self.scenario, self.admin = scenario, admin
        self.port, self.rate, self.directory = proxy.port(), rate, directory

    def carry_out(self):
        self.load = LoadProcess(self.port, self.rate, self.directory)
        self.sampler = Sampler(self.admin, self.scenario.names)
        try:
            time.sleep(self.WARM_UP_S)
            self.last_event = (self.admin.events() or [{"id": 0}])[-1]["id"]
            self.fault_s, self.fault_wall_s = time.monotonic(), time.time()
            self.scenario.fail()
            time.sleep(self.scenario.fault_lasts_s)
            self.repair_s = time.monotonic()
            self.scenario.repair()
            self.wait_normal()
        finally:
            self.load.stop()
            self.sampler.stop()
        self.records = self.load.records()
        return self

    def wait_normal(self):
        """Until everything that was broken has its old share again."""
        before = self.sampler.share(self.scenario.broken, self.fault_s - 2.5, self.fault_s)
        self.share_before = before
        if not self.scenario.returns:
            return

        def normal():
            now_s = time.monotonic()
            return (now_s > self.repair_s + SHARE_WINDOW_S + 0.2
                    and self.sampler.latest_share(self.scenario.broken) >= 0.9 * before)

        try:
            wait_until(normal, "it is normal again", self.RETURN_LIMIT_S, SAMPLE_EVERY_S)
        except AssertionError:
            pass
        time.sleep(1)

    # ---- What it tells ----

    def result(self):
        failed = [r for r in self.records if r.failed]
        disturbed = [r for r in self.records if r.due_us >= self.fault_s * 1e6 - 1e6]
        return {
            "requests": len(self.records), "failed": len(failed),
            "kinds": collections.Counter(self.kind(r) for r in failed),
            "slow": sum(r.slow and not r.failed for r in disturbed
                        if r.due_us < (self.fault_s + AFTERMATH_S) * 1e6),
            "worst_ms": max(r.latency_us for r in disturbed) / 1000,
            "noticed": self.noticed(), "avoided_ms": self.avoided_ms(),
            "steady_ms": self.steady_ms(), "survivors": self.survivors(),
            "sent_to_broken": self.sent_to_broken(), "ratio": self.upstream_ratio(),
            "returned_ms": self.returned_ms(), "note": self.scenario.note,
            "load_delay_ms": self.load.worst_delay_ms,
        }

    @staticmethod
    def kind(record):
        words = {"-": "not sent", "r": "refused", "c": "closed", "t": "cut", "l": "no answer"}
        return words.get(record.result, str(record.status))

    def sent_to_broken(self):
        picks = self.sampler.between(self.fault_s, self.repair_s)
        return sum(picks[name] for name in self.scenario.broken)

    def noticed(self):
        """(milliseconds, what) until the first event about what was broken; None without one."""
        for event in self.admin.events(since=self.last_event):
            if event["endpoint"] in self.scenario.broken or event["endpoint"] is None:
                after_ms = (wall_s(event["time"]) - self.fault_wall_s) * 1000
                return max(0.0, after_ms), f"{event['type']}: {event['to']}"
        return None

    def avoided_ms(self):
        """Until hardly anything more was sent there, for half a second; None: it never stopped."""
        usual = self.share_before * self.rate * SHARE_WINDOW_S
        for moment, _ in self.sampler.samples:
            if moment < self.fault_s or moment > self.repair_s - SHARE_WINDOW_S:
                continue
            picks = self.sampler.between(moment, moment + SHARE_WINDOW_S)
            if sum(picks[name] for name in self.scenario.broken) <= 0.1 * usual:
                return (moment - self.fault_s) * 1000
        return None

    def steady_ms(self):
        """Until no 100 ms any more with a failed request or a slow one in a hundred."""
        buckets = collections.defaultdict(list)
        for record in self.records:
            if self.fault_s * 1e6 <= record.due_us < self.repair_s * 1e6:
                buckets[int(record.due_us - self.fault_s * 1e6) // BUCKET_US].append(record)
        bad = [number for number, records in buckets.items()
               if any(r.failed for r in records)
               or sum(r.slow for r in records) > len(records) / 100]
        if not bad:
            return 0
        steady = (max(bad) + 1) * BUCKET_US / 1000
        return steady if steady < (self.repair_s - self.fault_s) * 1000 - 200 else None

    def survivors(self):
        """Shares of those that were not broken, while it lasted, and requests sent per request."""
        begin_s, end_s = self.fault_s + 1, self.repair_s
        picks = self.sampler.between(begin_s, end_s)
        rest = {n: picks[n] for n in self.scenario.names if n not in self.scenario.broken}
        total = sum(picks.values()) or 1
        return {n: count / total for n, count in rest.items()}

    def upstream_ratio(self):
        incoming = sum(1 for r in self.records
                       if self.fault_s * 1e6 <= r.due_us < self.repair_s * 1e6)
        return sum(self.sampler.between(self.fault_s, self.repair_s).values()) / max(1, incoming)

    def returned_ms(self):
        """From the repair until its old share was sent there, over half a second."""
        if not self.scenario.returns:
            return None
        for moment, _ in self.sampler.samples:
            if moment < self.repair_s + SHARE_WINDOW_S:
                continue
            share = self.sampler.share(self.scenario.broken, moment - SHARE_WINDOW_S, moment)
            if share >= 0.9 * self.share_before:
                return (moment - self.repair_s) * 1000
        return None

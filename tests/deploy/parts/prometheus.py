"""Debian's prometheus: a server with one job, and what its queries say.

    prometheus = stage.ending(Prometheus(stage.room("prometheus"), job))
    prometheus.ask("up")            # [({label: value}, number)]
"""

import json
import pathlib
import re
import subprocess
import urllib.parse
import urllib.request

import yaml
from conftest import need_program

from lib.processes import open_files
from lib.waiting import DEADLINE_S, wait_until

LISTENS = "0A"  # of /proc/net/tcp: the state LISTEN


def listening_port(pid):
    """The TCP port that a process listens on, or None."""
    inodes = {found[1] for name in open_files(pid) if (found := re.match(r"socket:\[(\d+)\]", name))}
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == LISTENS and fields[9] in inodes:
            return int(fields[1].rpartition(":")[2], 16)
    return None


class Prometheus:
    def __init__(self, room, job):
        path = room / "prometheus.yml"
        path.write_text(yaml.safe_dump({"global": {"scrape_interval": "100ms",
                                                   "scrape_timeout": "100ms"},
                                        "scrape_configs": [job]}))
        self.output = room / "log"
        with open(self.output, "wb") as log:
            self.process = subprocess.Popen(
                [need_program("prometheus", "prometheus"), f"--config.file={path}",
                 f"--storage.tsdb.path={room / 'data'}", "--web.listen-address=127.0.0.1:0"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        self.port = wait_until(lambda: self.is_running() and listening_port(self.process.pid),
                               "Prometheus listens")
        wait_until(self.is_ready, "Prometheus is ready")

    def is_running(self):
        assert self.process.poll() is None, self.output.read_text()
        return True

    def get(self, path, **query):
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
            return answer.read()

    def is_ready(self):
        try:
            return bool(self.get("/-/ready"))
        except OSError:
            return False

    def ask(self, query):
        """By labels; Prometheus itself has them in the order in which the series began."""
        answer = json.loads(self.get("/api/v1/query", query=query))
        return sorted(((one["metric"], float(one["value"][1])) for one in answer["data"]["result"]),
                      key=lambda found: sorted(found[0].items()))

    def targets(self):
        """{address: health} of those that are asked."""
        found = json.loads(self.get("/api/v1/targets"))["data"]["activeTargets"]
        return {target["discoveredLabels"]["__address__"]: target["health"] for target in found}

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE_S)

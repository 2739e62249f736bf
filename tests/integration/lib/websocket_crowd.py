"""Many open WebSockets through the proxy, all of them talking; see programs/ws_crowd.js."""

import json
import pathlib
import subprocess

from .real_servers import NODE, NODE_ENVIRONMENT, PROGRAMS
from .waiting import DEADLINE_S, wait_until


class WebSocketCrowd:
    def __init__(self, url, directory, count=20, period_ms=50):
        self.count = count
        self.output_path = pathlib.Path(directory) / "crowd.log"
        with open(self.output_path, "wb") as output:
            self.process = subprocess.Popen(
                [NODE, str(PROGRAMS / "ws_crowd.js"), url, str(count), str(period_ms)],
                stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT,
                env=NODE_ENVIRONMENT)
        self.result = None

    @property
    def lines(self):
        return self.output_path.read_text(errors="replace").split("\n")[:-1]

    def wait_open(self):
        wait_until(self.is_open, f"{self.count} WebSockets are open")
        return self

    def is_open(self):
        assert self.process.poll() is None, self.lines
        return "open" in self.lines

    def received(self):
        """How many messages have come back so far."""
        told = len(self.lines)
        self.process.stdin.write(b"tell\n")
        self.process.stdin.flush()
        wait_until(lambda: len(self.lines) > told, "the crowd tells")
        return int(self.lines[-1])

    def wait_messages(self, count):
        """Until so many more have come back."""
        goal = self.received() + count
        wait_until(lambda: self.received() >= goal, f"{count} more messages come back")

    def stop(self):
        """Waits for the echoes that are due. {"opened", "sent", "received", "closed", "corrupted",
        "overdue"}."""
        if self.result is None:
            self.process.stdin.close()
            self.process.wait(DEADLINE_S * 2)
            self.result = json.loads(self.lines[-1])
        return self.result

    def close(self):
        """For a test that has failed already."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def assert_unharmed(self):
        result = self.stop()
        assert result["opened"] == self.count, result
        assert result["closed"] == [] and result["corrupted"] == [], result
        assert result["overdue"] == 0 and result["received"] == result["sent"] > 0, result

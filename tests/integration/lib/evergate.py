"""The real binary as a child process with a configuration of its own."""

import json
import os
import pathlib
import re
import signal
import subprocess

from . import libconfig
from .waiting import DEADLINE_S, PATIENCE, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[3]

#: What must never appear on the standard error of any instance.
FATAL_SIGNS = re.compile(
    r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|invariant broken")

#: In text and in JSON lines, where the quotes are escaped.
LISTENING = re.compile(r'listener \\?"([^"\\]+)\\?" is listening on ([^\s"]+)')


def binary():
    return pathlib.Path(os.environ.get("EVERGATE", ROOT / "build" / "evergate")).resolve()


def sanitizer():
    """"address", "thread" or "" by what is linked into the binary."""
    image = binary().read_bytes()
    if b"__asan_init" in image:
        return "address"
    return "thread" if b"__tsan_init" in image else ""


def run_command(*arguments, env=None, cwd=None, timeout_s=60):
    """Runs a subcommand to its end: .returncode, .stdout, .stderr."""
    result = subprocess.run(
        [str(binary()), *map(str, arguments)], capture_output=True, text=True, errors="replace",
        env={**os.environ, **(env or {})}, cwd=cwd, timeout=timeout_s * PATIENCE, check=False)
    assert not FATAL_SIGNS.search(result.stderr), result.stderr
    return result


class Evergate:
    """`evergate run -c FILE`. Standard output and error go to files in `directory`."""

    def __init__(self, directory, config, env=None, preexec=None, stdout=None, command=None,
                 pass_fds=()):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.config_path = self.directory / "evergate.conf"
        self.stdout_path = self.directory / "stdout.log"
        self.stderr_path = self.directory / "stderr.log"
        self.write_config(config)
        self.expected_exit = 0
        with open(self.stderr_path, "wb") as errors, open(self.stdout_path, "wb") as output:
            self.process = subprocess.Popen(
                command or [str(binary()), "run", "-c", str(self.config_path)],
                stdin=subprocess.DEVNULL, stdout=stdout if stdout is not None else output,
                stderr=errors, cwd=self.directory, env={**os.environ, **(env or {})},
                preexec_fn=preexec, pass_fds=pass_fds)

    def write_config(self, config):
        text = config if isinstance(config, str) else libconfig.to_libconfig(config)
        self.config_path.write_text(text)

    def wait_started(self, names=("edge",)):
        """Until every listener of `names` has said where it listens."""
        def started():
            assert self.process.poll() is None, f"it ended:\n{self.stderr}"
            return set(names) <= set(self.listeners())
        wait_until(started, f"listeners {names} listen")
        return self

    @property
    def stderr(self):
        return self.stderr_path.read_text(errors="replace")

    @property
    def stdout(self):
        return self.stdout_path.read_text(errors="replace")

    def listeners(self):
        """Addresses by listener name; the first line of each name counts."""
        found = {}
        for name, address in LISTENING.findall(self.stderr):
            found.setdefault(name, address)
        return found

    def address(self, name="edge"):
        return self.listeners()[name]

    def port(self, name="edge"):
        return int(self.address(name).rpartition(":")[2])

    def url(self, path="/", name="edge", scheme="http"):
        return f"{scheme}://127.0.0.1:{self.port(name)}{path}"

    def log_lines(self, pattern=""):
        return [line for line in self.stderr.splitlines() if re.search(pattern, line)]

    def wait_for_log(self, pattern):
        return wait_until(lambda: self.log_lines(pattern), f"the log says {pattern!r}")

    def access_lines(self, path=None):
        """The access log's complete lines, as objects."""
        text = pathlib.Path(path or self.stdout_path).read_text(errors="replace")
        return [json.loads(line) for line in text.split("\n")[:-1] if line.startswith("{")]

    def wait_access_lines(self, count, path=None):
        wait_until(lambda: len(self.access_lines(path)) >= count, f"{count} access log lines")
        return self.access_lines(path)

    def send_signal(self, number):
        self.process.send_signal(number)

    def reload(self, config):
        self.write_config(config)
        self.send_signal(signal.SIGHUP)

    def memory_kb(self, key="VmRSS"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{key}:\s+(\d+) kB", status).group(1))

    def reset_peak_memory(self):
        """Makes VmHWM start over from now (proc(5), clear_refs)."""
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def descriptor_count(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def wait_exit(self, deadline_s=DEADLINE_S * 2):
        try:
            return self.process.wait(timeout=deadline_s)
        except subprocess.TimeoutExpired as slow:
            raise AssertionError(f"it did not end:\n{self.stderr[-4000:]}") from slow

    def stop(self, number=signal.SIGTERM):
        """Ends it and checks that it ended well; harmless when it has ended before."""
        if self.process.poll() is None:
            self.send_signal(number)
        try:
            code = self.wait_exit()
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        text = self.stderr
        assert not FATAL_SIGNS.search(text), text[-8000:]
        assert code == self.expected_exit, f"exit code {code}:\n{text[-4000:]}"
        return code

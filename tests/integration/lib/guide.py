"""A document that is followed word by word: its commands are run, what they print is compared.

    ```conf shop.conf            a file, made as it stands there
    ```console                   a session: after "$ " a command ("> ": its next line), then what
                                 it prints
    $ evergate check -c shop.conf
    shop.conf: ok: 1 listener, 1 pool, 2 backends
    ```

"..." on a line of its own stands for any lines. What differs from run to run is not compared:
times, durations, counts of requests (MASKS, MASKED_COLUMNS), and ports, which are free ones.
A command that only looks is repeated until it shows what the document says: some things take a
moment.
"""

import os
import re
import signal
import subprocess

from .waiting import DEADLINE_S, wait_until

BLOCK = re.compile(r"^```(\S*)[ \t]*([^\n]*)\n(.*?)^```$", re.M | re.S)

MASKS = (
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "TIME"),
    (re.compile(r"\b\d\d:\d\d:\d\d UTC\b"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? ?(?:ms|s|m|h)\b"), "DURATION"),
    (re.compile(r"\b\d+ (open|in flight|since the start|connections?)\b"), r"N \1"),
    (re.compile(r"\bprocess \d+"), "PROCESS"),
)
MASKED_COLUMNS = {"BREAKER", "ACTIVE", "REQUESTS", "FAILURES", "P50", "P99"}

#: Commands that may be repeated: they change nothing.
LOOKS = re.compile(r"^(evergate (endpoints|pools|status|events|explain|check|plan)\b"
                   r"|curl -s http|openssl s_client|tail |grep |for i in )")

END = "--- end of "


class Step:
    def __init__(self, command, expected):
        self.command, self.expected = command, expected


def parse(text):
    """[("conf", name, its text) or ("console", "", [Step, ...])]"""
    found = []
    for language, title, body in BLOCK.findall(text):
        if language == "console":
            found.append(("console", title, session(body.splitlines())))
        else:
            assert language == "conf" and title, f"a block that nobody would follow: {body[:80]}"
            found.append(("conf", title, body))
    return found


def session(lines):
    steps = []
    for line in lines:
        if line.startswith("$ "):
            steps.append(Step(line[2:], []))
        elif line.startswith("> "):
            steps[-1].command += "\n" + line[2:]
        else:
            steps[-1].expected.append(line)
    return steps


def masked(lines):
    columns, result = [], []
    for line in lines:
        cells = re.split(r"\s{2,}", line.strip())
        if cells[0].isupper() and len(cells) > 2:
            columns = cells
        elif len(cells) == len(columns):
            cells = ["N" if column in MASKED_COLUMNS else cell
                     for column, cell in zip(columns, cells)]
        text = "  ".join(cells)
        for pattern, word in MASKS:
            text = pattern.sub(word, text)
        result.append(text)
    return result


def fits(printed, expected):
    """Line by line; "..." takes any number of lines."""
    printed, expected = masked(printed), masked(expected)
    pattern = "".join("(?:.*\n)*?" if line == "..." else re.escape(line) + "\n"
                      for line in expected)
    return re.fullmatch(pattern, "".join(line + "\n" for line in printed)) is not None


class Shell:
    """One bash, in which the commands follow each other; what it left running, it takes along."""

    def __init__(self, directory, environment):
        self.log_path = directory / "shell.log"
        with open(self.log_path, "wb") as log:
            # In a session of its own: background processes are ended with its process group.
            self.process = subprocess.Popen(
                ["bash", "--norc", "--noprofile"], stdin=subprocess.PIPE, stdout=log,
                stderr=subprocess.STDOUT, cwd=directory, env=environment, start_new_session=True)
        self.count = 0

    def run(self, command):
        """What it printed, as lines."""
        self.count += 1
        begin = self.log_path.stat().st_size
        end = f"{END}{self.count}"
        self.process.stdin.write(f"{command}\nprintf '%s\\n' '{end}'\n".encode())
        self.process.stdin.flush()

        def printed():
            assert self.process.poll() is None, "the shell has ended"
            text = self.log_path.read_bytes()[begin:].decode("utf-8", "replace")
            return text if end in text else ""
        text = wait_until(printed, f"{command!r} ends", DEADLINE_S * 2)
        return text.partition(end)[0].splitlines()

    def stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                break
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                pass
        self.process.stdin.close()
        self.process.wait()


class Guide:
    """`ports` are those of the document and what they are here."""

    def __init__(self, text, directory, environment, ports):
        self.blocks = parse(text)
        self.directory, self.ports = directory, ports
        self.shell = Shell(directory, environment)

    def here(self, text):
        for told, real in self.ports.items():
            text = re.sub(rf"\b{told}\b", str(real), text)
        return text

    def told(self, text):
        for told, real in self.ports.items():
            text = re.sub(rf"\b{real}\b", str(told), text)
        return text

    def follow(self):
        for kind, title, content in self.blocks:
            if kind == "conf":
                (self.directory / title).write_text(self.here(content))
                continue
            for step in content:
                self.carry_out(step)

    def carry_out(self, step):
        printed = []

        def as_told():
            printed[:] = [self.told(line) for line in self.shell.run(self.here(step.command))]
            return fits(printed, step.expected)
        if LOOKS.match(step.command):
            try:
                wait_until(as_told, "it shows what the document says", pause_s=0.2)
                return
            except AssertionError:
                pass
        elif as_told():
            return
        raise AssertionError("\n".join(["the document says:", f"$ {step.command}", *step.expected,
                                        "", "this was printed:", *printed]))

    def stop(self):
        self.shell.stop()

"""Completion in real shells: what a user gets for a begun line and a Tab.

Each shell is driven at a pseudo terminal, as a user does, or by what it has for asking itself. A
shell that is missing is a failure: "make test" installs them all.
"""

import os
import pty
import select
import subprocess

import pytest

from lib.evergate import ROOT, binary, run_command
from lib.failover import start
from lib.waiting import DEADLINE_S, wait_until

SHELLS = ["bash", "zsh", "fish"]

#: What the shells are told before the first line: Ctrl-X Ctrl-X writes down what is typed so far.
BASH_RC = """
PS1='> '
source <(evergate completion bash)
show() { printf '%s' "$READLINE_LINE" > "$SHOWN.new"; mv "$SHOWN.new" "$SHOWN"; READLINE_LINE=; }
bind -x '"\\C-x\\C-x": show'
bind 'set bell-style none'
echo ready-$((1 + 1))
"""
ZSH_RC = """
PS1='> '
autoload -Uz compinit && compinit -u -D
source <(evergate completion zsh)
show() { printf '%s' "$BUFFER" > "$SHOWN.new"; mv "$SHOWN.new" "$SHOWN"; BUFFER=; }
zle -N show
bindkey -e
bindkey '^X^X' show
unsetopt beep zle_bracketed_paste
echo ready-$((1 + 1))
"""


#: As a package installs it: a file of $fpath that is read at the first Tab.
ZSH_INSTALLED = "mkdir functions; evergate completion zsh > functions/_evergate\n" \
    "fpath=($PWD/functions $fpath)\n" + \
    ZSH_RC.replace("source <(evergate completion zsh)\n", "")


class Terminal:
    """An interactive shell at a pseudo terminal."""

    def __init__(self, shell, room):
        self.shown = room / "shown"
        self.output = b""
        environment = {**os.environ, "PATH": f"{binary().parent}:{os.environ['PATH']}",
                       "HOME": str(room), "ZDOTDIR": str(room), "TERM": "xterm",
                       "SHOWN": str(self.shown), "INPUTRC": "/dev/null"}
        if shell == "bash":
            (room / "rc").write_text(BASH_RC)
            command = ["bash", "--rcfile", str(room / "rc"), "-i"]
        else:
            (room / ".zshrc").write_text(ZSH_RC if shell == "zsh" else ZSH_INSTALLED)
            command = ["zsh", "--no-globalrcs", "-i"]
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave,
                                        env=environment, cwd=room, start_new_session=True)
        os.close(slave)
        self.wait_for(b"ready-2")

    def read_some(self, timeout_s):
        readable, _, _ = select.select([self.master], [], [], timeout_s)
        if not readable:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:  # a pty's way to say that nobody has the other end
            data = b""
        self.output += data
        return bool(data)

    def wait_for(self, text):
        def seen():
            self.read_some(0.1)
            return text in self.output
        wait_until(seen, f"the shell prints {text!r}")

    def complete(self, line):
        """What stands on the line after Tab."""
        self.shown.unlink(missing_ok=True)
        os.write(self.master, line.encode() + b"\t")
        os.write(self.master, b"\x18\x18")

        def written():
            self.read_some(0.05)
            return self.shown.exists()
        wait_until(written, f"the shell has completed {line!r}: {self.output[-500:]!r}")
        return self.shown.read_text()

    def close(self):
        self.process.kill()
        self.process.wait(DEADLINE_S)
        os.close(self.master)


@pytest.fixture(name="managed")
def managed_fixture(stage):
    backends = [{"id": name, "address": stage.recorder(name).address}
                for name in ("alpha", "beta:8080")]
    return start(stage, *backends)[1]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_script_is_one_that_its_shell_can_read(shell, tmp_path):
    script = tmp_path / "script"
    result = run_command("completion", shell)
    assert result.returncode == 0
    script.write_text(result.stdout)
    checked = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True,
                             check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_what_is_printed_is_what_is_installed(shell):
    installed = (ROOT / "completions" / f"evergate.{shell}").read_text()
    assert run_command("completion", shell).stdout == installed


def test_a_shell_that_is_not_known_is_wrong_usage():
    result = run_command("completion", "csh")
    assert result.returncode == 2 and "bash, zsh and fish" in result.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "zsh, installed"])
def test_tab_completes_the_line(stage, managed, shell):
    room = stage.room("shell")
    (room / "edge.conf").write_text("")
    terminal = stage.ending(Terminal(shell, room), "close")
    admin = f"--admin {managed.address}"
    for begun, want in [
            ("evergate endp", "evergate endpoints "),
            ("evergate endpoints undr", "evergate endpoints undrain "),
            ("evergate endpoints add --max", "evergate endpoints add --max-connections "),
            ("evergate pools --color al", "evergate pools --color always "),
            ("evergate pools --color=al", "evergate pools --color=always "),
            ("evergate completion z", "evergate completion zsh "),
            ("evergate check -c ed", "evergate check -c edge.conf "),
            (f"evergate pools {admin} policy a", f"evergate pools {admin} policy app "),
            (f"evergate endpoints {admin} drain app al",
             f"evergate endpoints {admin} drain app alpha "),
            ("evergate nonsense al", "evergate nonsense al")]:
        assert terminal.complete(begun).replace("\\:", ":") == want
    begun = f"evergate endpoints {admin} drain app beta:80"
    assert terminal.complete(begun).replace("\\:", ":") == begun + "80 "


def test_bash_is_told_nothing_where_nobody_answers(stage):
    terminal = stage.ending(Terminal("bash", stage.room("shell")), "close")
    begun = f"evergate endpoints --admin {stage.refusing_port().address} drain a"
    assert terminal.complete(begun) == begun
    assert b"cannot reach" not in terminal.output


def test_bash_completes_by_its_own_account(managed):
    """As bash calls it: the line so far in COMP_LINE, the answer in COMPREPLY."""
    script = f"""
        source <(evergate completion bash)
        complete -p evergate
        COMP_LINE='evergate endpoints -a {managed.address} drain app '
        COMP_POINT=${{#COMP_LINE}}
        COMP_WORDS=(evergate endpoints -a {managed.address} drain app '') COMP_CWORD=6
        _evergate
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    result = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, check=True,
        env={**os.environ, "PATH": f"{binary().parent}:{os.environ['PATH']}"})
    assert result.stdout.split("\n")[:3] == ["complete -F _evergate evergate", "alpha",
                                             "beta:8080"]
    assert result.stderr == ""


def test_fish_completes_by_its_own_account(stage, managed):
    room = stage.room("fish")
    (room / "edge.conf").write_text("")
    for begun, want in [
            ("evergate endp", ["endpoints\t"]),
            (f"evergate endpoints -a {managed.address} drain app ", ["alpha\t127", "beta:8080\t"]),
            ("evergate pools --color=al", ["--color=always"]),
            ("evergate check -c ed", ["edge.conf"]),
            ("evergate check --config=ed", ["--config=edge.conf"]),
            ("evergate nonsense a", [])]:
        result = subprocess.run(
            ["fish", "--no-config", "-c",
             f"evergate completion fish | source; complete -C '{begun}'"],
            capture_output=True, text=True, check=True, cwd=room,
            env={**os.environ, "HOME": str(room),
                 "PATH": f"{binary().parent}:{os.environ['PATH']}"})
        lines = result.stdout.splitlines()
        assert len(lines) == len(want), result
        assert all(line.startswith(word) for line, word in zip(lines, want)), lines


def test_pools_endpoints_and_keys_are_asked_of_the_instance(stage, managed):
    def candidates(*words):
        result = run_command("__complete", *words)
        assert (result.returncode, result.stderr) == (0, "")
        return [line.split("\t")[0] for line in result.stdout.splitlines()]
    admin = ("-a", managed.address)
    assert "app" in candidates("endpoints", *admin, "")
    assert "drain" in candidates("endpoints", *admin, "")
    assert candidates("endpoints", *admin, "set", "app", "b") == ["beta:8080"]
    assert candidates("endpoints", *admin, "set", "none", "b") == []
    assert candidates("explain", *admin, "--listener", "") == ["edge"]
    assert candidates("explain", *admin, "--listener=e") == ["edge"]
    assert candidates("endpoints", *admin, "drain", "app", "alpha", "") == []
    assert candidates("endpoints", "set", "app", "a", "--unset", "ta") == ["tags"]
    assert candidates("help", "endpoints", "und") == ["undrain"]
    assert candidates("plan", "-c", "x") == [":files"]
    assert "drill" not in candidates("d")

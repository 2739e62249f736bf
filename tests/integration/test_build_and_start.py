"""Line 1: the binary's commands, their exit codes, and the demo."""

import collections
import json
import os
import re
import signal
import subprocess

import pytest

from lib import libconfig
from lib.commands import curl
from lib.evergate import Evergate, binary, run_command
from lib.raw_client import RawClient
from lib.waiting import wait_until

BUILT = ["run", "demo", "check", "doctor", "plan", "reload", "status", "pools", "endpoints", "events",
         "explain", "top", "completion", "version"]
LATER = ["drill"]


def config_file(tmp_path, settings):
    path = tmp_path / "evergate.conf"
    path.write_text(settings if isinstance(settings, str) else libconfig.to_libconfig(settings))
    return path


def test_version_prints_the_version(stage):
    result = run_command("version")
    assert result.returncode == 0
    assert re.match(r"evergate \d+\.\d+\.\d+", result.stdout)


@pytest.mark.parametrize("arguments", [["--help"], ["help"], ["-h"]])
def test_help_names_every_command(arguments):
    result = run_command(*arguments)
    assert result.returncode == 0
    for command in BUILT:
        assert re.search(rf"\b{command}\b", result.stdout), command


@pytest.mark.parametrize("command", BUILT)
def test_every_command_has_help(command):
    result = run_command(command, "--help")
    assert result.returncode == 0
    assert command in result.stdout


@pytest.mark.parametrize("arguments", [
    [], ["nonsense"], ["run"], ["check"], ["run", "--nonsense"], ["run", "-c"],
    ["demo", "--port", "x"], ["demo", "--port", "70000"], ["version", "extra"]])
def test_wrong_usage_is_exit_code_2_with_a_hint(arguments):
    result = run_command(*arguments)
    assert result.returncode == 2
    assert result.stderr.strip() and len(result.stderr) < 6000


def test_a_mistyped_command_is_met_with_the_nearest_one():
    assert "check" in run_command("chekc").stderr


@pytest.mark.parametrize("command", LATER)
def test_a_command_that_is_not_built_yet_says_so(command):
    result = run_command(command)
    assert result.returncode != 0
    assert "not built yet" in result.stderr


@pytest.mark.parametrize("command", LATER)
@pytest.mark.parametrize("arguments", [["{}", "--help"], ["{}", "-h"], ["help", "{}"]])
def test_its_help_is_help_all_the_same(command, arguments):
    result = run_command(*(argument.format(command) for argument in arguments))
    assert result.returncode == 0
    assert command in result.stdout and "Not built yet" in result.stdout


def test_check_accepts_a_good_file(tmp_path):
    result = run_command("check", "-c", config_file(tmp_path, libconfig.simple(["127.0.0.1:80"])))
    assert result.returncode == 0, result.stderr


def test_check_of_a_bad_file_is_exit_code_1(tmp_path):
    assert run_command("check", "-c", config_file(tmp_path, "nonsense = 1;")).returncode == 1


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_file_that_is_not_there_is_exit_code_1(command, tmp_path):
    result = run_command(command, "-c", tmp_path / "absent.conf")
    assert result.returncode == 1
    assert "absent.conf" in result.stderr


def test_run_refuses_a_bad_file_with_exit_code_1(tmp_path):
    result = run_command("run", "-c", config_file(tmp_path, "nonsense = 1;"))
    assert result.returncode == 1
    assert "nonsense" in result.stderr


def test_the_smallest_useful_file_serves(stage):
    a, b = stage.recorders("a", "b")
    proxy = stage.evergate(f"""
        listeners = ( {{ name = "edge"; bind = "127.0.0.1:0"; }} );
        pools = ( {{ name = "app"; backends = ( {{ address = "{a.address}"; }},
                                               {{ address = "{b.address}"; }} ); }} );
        admin = {{ bind = "off"; }};
    """)
    client = stage.client(proxy)
    assert {client.get().text for _ in range(4)} == {"a", "b"}


def test_curl_gets_an_answer_of_nginx_through_the_proxy(stage):
    proxy = stage.proxy(stage.nginx())
    result = curl(proxy.url("/index.html"))
    assert (result.code, result.status, result.body) == (0, 200, b"hello from nginx\n")


def test_curl_uploads_to_node_through_the_proxy(stage, tmp_path):
    content = tmp_path / "content"
    content.write_bytes(os.urandom(3_000_000))
    proxy = stage.proxy(stage.node())
    result = curl(proxy.url("/sha256"), "-T", str(content))  # Expect: 100-continue, over 1 MB
    assert result.status == 200
    expected = subprocess.run(["sha256sum", str(content)], capture_output=True, text=True, check=True)
    assert json.loads(result.body)["sha256"] == expected.stdout.split()[0]


class Demo(Evergate):
    """`evergate demo` on a port of its own choice."""

    def __init__(self, directory):
        super().__init__(directory, "", command=[str(binary()), "demo", "--port", "0"])

    def text(self):
        return self.stdout + self.stderr

    def proxy_url(self):
        match = re.search(r"http://127\.0\.0\.1:(\d+)", self.text())
        return match and match.group(0)


@pytest.fixture
def demo(stage):
    it = stage.ending(Demo(stage.room("demo")))
    wait_until(it.proxy_url, "the demo prints a URL")
    return it


def demo_get(demo, path="/hello"):
    client = RawClient(demo.proxy_url().removeprefix("http://"))
    try:
        return client.get(path)
    finally:
        client.close()


def test_the_demo_balances_over_three_backends_and_prints_what_to_try(demo):
    def all_seen():
        answered = [demo_get(demo) for _ in range(9)]
        assert all(a.status == 200 for a in answered)
        return collections.Counter(a.get("x-backend") for a in answered)

    # until its first check says so, a backend is not used beside those that are healthy
    wait_until(lambda: set(all_seen().values()) == {3}, "all three take their turns")
    assert "curl http://" in demo.text()
    assert demo_get(demo, "/").get("content-type").startswith("text/html")


def test_the_demo_ends_on_ctrl_c(demo):
    demo_get(demo)
    assert demo.stop(signal.SIGINT) == 0


def test_a_demo_port_that_is_taken_is_reported(stage):
    taken = stage.recorder()
    result = run_command("demo", "--port", taken.port)
    assert result.returncode == 1
    assert str(taken.port) in result.stderr

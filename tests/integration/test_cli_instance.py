"""The command line with a real instance at the other end: what it says is what is served."""

import json
import signal

from lib import libconfig
from lib.evergate import run_command
from lib.failover import ADMIN, serve
from lib.management import Management
from lib.waiting import wait_until


class Instance:
    """An instance with a file that can be written anew, and the command line for it."""

    def __init__(self, stage, settings):
        self.settings = settings
        self.proxy = stage.evergate(settings)
        self.admin = Management(self.proxy)

    def command(self, *arguments):
        return run_command(*arguments, "--admin", self.admin.address)

    def generation(self):
        return self.admin.json("/api/v1/status")["config"]["generation"]

    def write(self, **more):
        self.settings = {**self.settings, **more}
        self.proxy.write_config(self.settings)


def backend(recorder, name, **more):
    return {"id": name, "address": recorder.address, **more}


def pool(*backends, **settings):
    return libconfig.pool("app", backends, **settings)


def start(stage, *backends, **more):
    return Instance(stage, {"workers": libconfig.DEFAULT_WORKERS,
                            "listeners": ({"name": "edge", "bind": "127.0.0.1:0"},),
                            "pools": (pool(*backends),), "admin": ADMIN, **more})


def test_a_plan_tells_what_a_reload_then_does(stage):
    a, b = stage.recorder("a"), stage.recorder("b")
    instance = start(stage, backend(a, "a"))
    new = instance.proxy.directory / "new.conf"
    new.write_text(libconfig.to_libconfig(
        {**instance.settings, "pools": (pool(backend(a, "a"), backend(b, "b"),
                                             retry={"attempts": 3}),)}))
    planned = instance.command("plan", "-c", new)
    assert (planned.returncode, planned.stderr) == (0, "")
    assert f"+ endpoint app/b  {b.address}" in planned.stdout
    assert "retry: attempts 2 -> 3" in planned.stdout
    assert instance.command("plan", "-c", new, "--exit-code").returncode == 4
    assert instance.generation() == 1
    assert set(serve(stage, instance.proxy, 4)) == {"a"}

    new.rename(instance.proxy.config_path)
    done = instance.command("reload")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"+ endpoint app/b  {b.address}" in done.stdout
    assert "Reloaded: generation 2" in done.stdout
    assert set(serve(stage, instance.proxy, 4)) == {"a", "b"}
    again = instance.command("plan", "-c", instance.proxy.config_path, "--exit-code")
    assert (again.returncode, "Nothing would change" in again.stdout) == (0, True)


def test_a_listener_that_nobody_uses_goes_with_a_reload(stage):
    listeners = tuple({"name": name, "bind": "127.0.0.1:0"} for name in ("edge", "old"))
    instance = start(stage, backend(stage.recorder("a"), "a"), listeners=listeners)
    instance.write(listeners=listeners[:1])
    result = instance.command("reload")
    assert (result.returncode, result.stderr) == (0, "")
    assert "- listener old" in result.stdout
    assert "risk     high" in result.stdout
    assert " old on " not in instance.command("status").stdout
    serve(stage, instance.proxy, 4)


def test_status_says_by_its_exit_code_whether_it_could_serve(stage):
    instance = start(stage, backend(stage.recorder("a"), "a"))
    ready = instance.command("status", "--ready")
    assert (ready.returncode, ready.stdout, ready.stderr) == (0, "ready\n", "")
    assert instance.command("endpoints", "drain", "app", "a").returncode == 0
    for more in ([], ["--json"]):
        assert instance.command("status", *more).returncode == 0
        unready = instance.command("status", "--ready", *more)
        assert (unready.returncode, unready.stderr) == (1, "")
        assert "no pool has a usable endpoint" in unready.stdout or more


def test_whether_it_could_serve_is_told_without_the_token(stage):
    """keepalived's script runs as a user who may not read it."""
    token = stage.room("secret") / "token"
    token.write_text("0123456789abcdef\n")
    proxy = stage.proxy(stage.recorder("a"), admin={**ADMIN, "token_file": str(token)})
    admin = Management(proxy)
    wait_until(lambda: admin.ask("/health/ready").status == 200, "it is ready")
    asked = run_command("status", "--ready", "--admin", admin.address)
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, "ready\n", "")
    assert run_command("status", "--admin", admin.address).returncode == 1
    proxy.stop()
    assert run_command("status", "--ready", "--admin", admin.address).returncode == 3



def test_a_file_with_mistakes_is_told_and_changes_nothing(stage):
    a = stage.recorder("a")
    instance = start(stage, backend(a, "a"))
    path = instance.proxy.config_path
    path.write_text(path.read_text() + "\nnonsense = 1;\nworkers2 = 2;\n")
    for arguments in (["reload"], ["plan", "-c", path]):
        result = instance.command(*arguments)
        assert (result.returncode, result.stdout) == (1, "")
        lines = result.stderr.splitlines()
        assert len(lines) == 2
        assert all(f"{path.name}:" in line and ": error: unknown key" in line for line in lines)
    refused = instance.command("reload", "--json")
    assert len(json.loads(refused.stdout)["error"]["details"]) == 2
    assert instance.generation() == 1
    serve(stage, instance.proxy, 2)


def test_an_endpoint_is_added_changed_and_removed_while_it_serves(stage):
    a, b = stage.recorder("a"), stage.recorder("b")
    instance = start(stage, backend(a, "a"))
    added = instance.command("endpoints", "add", "app", "b", b.address, "--tag", "new",
                             "--metadata", "version=2")
    assert (added.returncode, added.stderr) == (0, "")
    assert b.address in added.stdout
    told = instance.admin.json("/api/v1/pools/app/endpoints/b")
    assert (told["tags"], told["metadata"]) == (["new"], {"version": "2"})
    assert set(serve(stage, instance.proxy, 4)) == {"a", "b"}

    twice = instance.command("endpoints", "add", "app", "b", b.address)
    assert twice.returncode == 1 and 'an endpoint "b"' in twice.stderr
    assert instance.command("endpoints", "set", "app", "b", "--weight", "0").returncode == 0
    assert set(serve(stage, instance.proxy, 4)) == {"a"}
    wrong = instance.command("endpoints", "set", "app", "b", "--weight", "70000")
    assert wrong.returncode == 1 and wrong.stderr.startswith("error: ")
    assert instance.command("endpoints", "set", "app", "b", "--unset", "weight").returncode == 0
    assert set(serve(stage, instance.proxy, 4)) == {"a", "b"}

    assert instance.command("reload").returncode == 0
    assert set(serve(stage, instance.proxy, 4)) == {"a", "b"}
    removed = instance.command("endpoints", "remove", "app", "b")
    assert (removed.returncode, removed.stdout) == (0, "app/b is removed.\n")
    assert set(serve(stage, instance.proxy, 4)) == {"a"}
    gone = instance.command("endpoints", "remove", "app", "b")
    assert gone.returncode == 1 and '"b"' in gone.stderr


def test_an_endpoint_is_drained_and_brought_back_by_hand(stage):
    a, b = stage.recorder("a"), stage.recorder("b")
    instance = start(stage, backend(a, "a"), backend(b, "b"))
    drained = instance.command("endpoints", "drain", "app", "a", "--why", "deploy 7")
    assert drained.returncode == 0 and "asked by an operator: deploy 7" in drained.stdout
    assert set(serve(stage, instance.proxy, 4)) == {"b"}
    assert instance.command("endpoints", "undrain", "app", "a").returncode == 0
    assert set(serve(stage, instance.proxy, 4)) == {"a", "b"}
    assert "open" in instance.command("endpoints", "trip", "app", "b").stdout
    assert set(serve(stage, instance.proxy, 4)) == {"a"}
    assert instance.command("endpoints", "reset", "app", "b").returncode == 0
    assert set(serve(stage, instance.proxy, 4)) == {"a", "b"}
    unchecked = instance.command("endpoints", "check", "app", "a")
    assert unchecked.returncode == 1 and "no health checks" in unchecked.stderr


def test_a_policy_is_changed_and_given_back(stage):
    instance = start(stage, backend(stage.recorder("a"), "a"))
    shown = instance.command("pools", "policy", "app")
    assert ["retry.attempts", "2"] in [line.split() for line in shown.stdout.splitlines()]
    changed = instance.command("pools", "policy", "app", "retry.attempts=3",
                               "retry.on=connect,503", "algorithm=weighted",
                               "breaker.recovery_timeout=3s")
    assert (changed.returncode, changed.stderr) == (0, "")
    rows = [line.split() for line in changed.stdout.splitlines()]
    assert ["retry.attempts", "2", "3"] in rows and ["algorithm", "round_robin", "weighted"] in rows
    policy = instance.admin.json("/api/v1/pools/app/policy")
    assert policy["retry"]["attempts"] == 3 and policy["algorithm"] == "weighted"
    assert instance.command("reload").returncode == 0
    assert instance.admin.json("/api/v1/pools/app/policy") == policy
    wrong = instance.command("pools", "policy", "app", "retry.attempts=0", "algorithm=random")
    assert wrong.returncode == 1 and "attempts" in wrong.stderr
    assert instance.admin.json("/api/v1/pools/app/policy") == policy
    back = instance.command("pools", "policy", "app", "algorithm=", "retry.attempts=")
    assert ["algorithm", "weighted", "round_robin"] in \
        [line.split() for line in back.stdout.splitlines()]


def test_a_pool_is_given_back_to_its_file(stage):
    a, b = stage.recorder("a"), stage.recorder("b")
    instance = start(stage, backend(a, "a"), backend(b, "b"))
    assert instance.command("endpoints", "remove", "app", "a").returncode == 0
    assert instance.command("endpoints", "set", "app", "b", "--weight", "5").returncode == 0
    assert instance.command("pools", "policy", "app", "retry.attempts=7").returncode == 0
    back = instance.command("pools", "revert", "app")
    assert (back.returncode, back.stderr) == (0, "")
    assert back.stdout.startswith("Given back: generation 5 is served by every worker.\n")
    for line in ("+ endpoint app/a", "~ endpoint app/b  weight 5 -> 1", "attempts 7 -> 2"):
        assert line in back.stdout
    assert {e["source"].rpartition(":")[0] for e in instance.admin.endpoints().values()} == {
        str(instance.proxy.config_path)}
    assert set(serve(stage, instance.proxy, 6)) == {"a", "b"}
    assert "Nothing has changed" in instance.command("pools", "revert", "app").stdout
    assert instance.command("pools", "revert", "none").returncode == 1
    assert instance.admin.error(422, "/api/v1/pools/app/revert", "POST", {"x": 1})


def test_a_request_is_explained_as_it_is_then_served(stage):
    a, b = stage.recorder("a"), stage.recorder("b")
    instance = start(stage, backend(a, "a"), pools=(
        libconfig.pool("one", [backend(a, "a")]), libconfig.pool("two", [backend(b, "b")])),
        routes=({"name": "first", "host": "one.test", "pool": "one"},
                {"name": "second", "path": "/two/", "pool": "two", "methods": ["GET"]},
                {"name": "away", "path": "/away", "redirect": {"to": "https://x.test/",
                                                               "status": 308}}))
    told = instance.command("explain", "http://two.test/two/x")
    assert (told.returncode, told.stderr) == (0, "")
    lines = told.stdout.splitlines()
    assert any(line.startswith("route     second  ") for line in lines), lines
    assert any(line.startswith("          first ") for line in lines), lines
    assert f"endpoint  b  {b.address}" in told.stdout
    assert stage.get(instance.proxy, "/two/x", host="two.test").text == "b"
    assert "308 to https://x.test/" in instance.command("explain", "/away/").stdout or \
        "308 to https://x.test/" in instance.command("explain", "/away").stdout
    assert "405" in instance.command("explain", "/two/", "-X", "DELETE").stdout
    assert "route     none" in instance.command("explain", "http://x/nowhere").stdout
    wrong = instance.command("explain", "/", "--listener", "nowhere")
    assert wrong.returncode == 1 and "listener" in wrong.stderr
    assert (a.count, b.count) == (0, 1)


def test_every_key_of_a_policy_can_be_completed(stage):
    instance = start(stage, backend(stage.recorder("a"), "a"))
    result = run_command("__complete", "pools", "-a", instance.admin.address, "policy", "app",
                         "retry.b")
    keys = [line.split("\t")[0] for line in result.stdout.splitlines()]
    assert "retry.backoff=" in keys and "retry.budget_percent=" in keys
    assert all(key.startswith("retry.b") for key in keys)


def test_a_reload_by_signal_and_by_command_are_the_same(stage):
    instance = start(stage, backend(stage.recorder("a"), "a"))
    instance.write(pools=(pool(backend(stage.recorder("b"), "b")),))
    instance.proxy.send_signal(signal.SIGHUP)
    wait_until(lambda: instance.generation() == 2, "the signal has reloaded")
    result = instance.command("reload")
    assert result.returncode == 0 and "Nothing has changed" in result.stdout

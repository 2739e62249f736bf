"""evergate doctor: what is risky in a valid file and on this machine, each with the line to write."""

import json
import os
import pathlib
import re
import resource
import shutil
import subprocess

import pytest

from lib import libconfig
from lib.confinement import USER, room
from lib.evergate import ROOT, binary, run_command, sanitizer

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
EXAMPLE = ROOT / "docs" / "example.conf"

BAD = """\
listeners = ( { name = "edge"; bind = "0.0.0.0:8080"; max_connections = 0; proxy_protocol = true; } );
routes = ( { name = "all"; pool = "app"; },
           { name = "api"; path = "/api"; pool = "api"; } );
pools = (
  { name = "app";
    tls = { verify = false; };
    breaker = { failure_threshold = 0; error_percent = 0; };
    retry = { non_idempotent = true; };
    health = { interval = "1m"; fall = 1; };
    backends = ( { address = "10.0.0.1:80"; }, { address = "10.0.0.2:80"; } ); },
  { name = "api"; backends = ( { address = "10.0.0.3:80"; }, { address = "10.0.0.4:80"; } ); },
  { name = "old"; backends = ( { address = "10.0.0.5:80"; } ); } );
admin = { bind = "0.0.0.0:9900"; };
drain_timeout = "0";
"""
BAD_FINDINGS = [
    ("error", "admin-open", 13),
    ("error", "verify-off", 6),
    ("warning", "drain-off", None),
    ("warning", "connections-unlimited", 1),
    ("warning", "proxy-protocol-open", 1),
    ("warning", "pool-unrouted", 12),
    ("warning", "route-shadowed", 3),
    ("warning", "fall-is-one", 9),
    ("warning", "interval-long", 9),
    ("warning", "breaker-off", 7),
    ("warning", "retry-unsafe", 8),
    ("warning", "no-health", 11),
    ("hint", "no-state-file", None),
    ("hint", "single-backend", 12),
]


@pytest.fixture(name="bad")
def bad_fixture(tmp_path):
    path = tmp_path / "bad.conf"
    path.write_text(BAD)
    return path


@pytest.fixture(name="example")
def example_fixture(tmp_path, certificates):
    """docs/example.conf with its files beside it instead of in /etc/evergate."""
    text = EXAMPLE.read_text().replace("/usr/lib/nagios/plugins/check_http", "/bin/true")
    pair = certificates.leaf("*.example.com")
    for name in ("shop", "api"):
        shutil.copy(pair["cert"], tmp_path / f"{name}.pem")
        shutil.copy(pair["key"], tmp_path / f"{name}.key")
    for name in ("sticky.key", "sorry.html", "postgres.password"):
        (tmp_path / name).write_text("0123456789abcdef0123456789abcdef\n")
    for name in ("shop.key", "api.key", "sticky.key", "postgres.password"):
        (tmp_path / name).chmod(0o600)
    path = tmp_path / "example.conf"
    path.write_text(text.replace("/etc/evergate/", ""))
    return path


def doctor(path, *options):
    """The exit code and the findings as they are in JSON."""
    result = run_command("doctor", "-c", path, "--json", *options)
    assert result.stderr == ""
    return result.returncode, json.loads(result.stdout)


def short(findings):
    return [(f["severity"], f["rule"], f["line"]) for f in findings]


def rules(findings):
    return {f["rule"] for f in findings}


def test_a_bad_file_is_told_by_place_why_and_what_to_write(bad):
    code, findings = doctor(bad, "--no-system")
    assert code == 1
    assert short(findings) == BAD_FINDINGS
    for finding in findings:
        assert set(finding) == {"severity", "rule", "file", "line", "what", "why", "write"}
        assert finding["file"] == str(bad)
        assert finding["what"] and finding["why"] and finding["write"]


def test_people_read_the_same_grouped_by_weight(bad):
    result = run_command("doctor", "-c", bad, "--no-system")
    findings = doctor(bad, "--no-system")[1]
    expected, before = [], None
    for finding in findings:
        if finding["severity"] != before:
            expected += [finding["severity"] + "s:", ""]
        before = finding["severity"]
        place = f"{bad}:{finding['line']}" if finding["line"] else str(bad)
        expected += [f"{place}: {finding['what']}", f"  why:   {finding['why']}",
                     f"  write: {finding['write']}", ""]
    assert result.stdout.splitlines() == expected + [f"{bad}: 2 errors, 10 warnings, 2 hints"]
    assert (result.returncode, result.stderr) == (1, "")


def test_the_example_of_the_docs_has_hints_only(example):
    code, findings = doctor(example, "--no-system")
    assert code == 0
    assert [(f["severity"], f["rule"]) for f in findings] == [
        ("hint", "no-state-file"), ("hint", "no-time-to-retry"), ("hint", "single-backend"),
        ("hint", "source-no-cache")]
    assert doctor(example, "--no-system", "--strict")[0] == 1


def test_nothing_is_found_where_nothing_is_risky(tmp_path):
    path = tmp_path / "good.conf"
    path.write_text(libconfig.to_libconfig(libconfig.simple(
        ["127.0.0.1:80", "127.0.0.1:81"], pool_settings={"health": {"path": "/"}},
        admin={"socket": str(tmp_path / "admin.sock")}, state_file="state.json")))
    result = run_command("doctor", "-c", path, "--no-system", "--strict")
    assert (result.returncode, result.stdout) == (0, f"{path}: 0 errors, 0 warnings, 0 hints\n")
    assert doctor(path, "--no-system") == (0, [])


def test_files_are_told_that_others_may_read(stage, example):
    home = room(stage).path  # pytest's directories are for nobody else
    home.chmod(0o755)
    path = shutil.copytree(example.parent, home / "conf") / "example.conf"
    assert "secret-readable" not in rules(doctor(path)[1])
    (path.parent / "sticky.key").chmod(0o644)
    path.parent.chmod(0o755)
    found = [f for f in doctor(path)[1] if f["rule"] == "secret-readable"]
    assert [f["severity"] for f in found] == ["error"]
    assert found[0]["write"] == f"chmod o= {path.parent / 'sticky.key'}"
    assert "secret-readable" not in rules(doctor(path, "--no-system")[1])


def test_a_certificate_that_has_ended_is_an_error(example, certificates):
    pair = certificates.leaf("*.example.com", expired=True)
    shutil.copy(pair["cert"], example.parent / "api.pem")
    shutil.copy(pair["key"], example.parent / "api.key")
    code, findings = doctor(example, "--no-system")
    assert code == 1
    assert [f["what"].split(":")[0] for f in findings if f["rule"] == "certificate-expired"] == [
        str(example.parent / "api.pem")]


def test_a_certificate_for_other_names_is_told(example, certificates):
    pair = certificates.leaf("shop.example.net")
    for name in ("shop", "api"):
        shutil.copy(pair["cert"], example.parent / f"{name}.pem")
        shutil.copy(pair["key"], example.parent / f"{name}.key")
    told = [f["what"] for f in doctor(example, "--no-system")[1]
            if f["rule"] == "certificate-names"]
    assert told and all("old.example.com" in w or "api.example.com" in w for w in told)


def test_few_open_files_are_told_with_the_limit_to_write(bad):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
    text = bad.read_text().replace("max_connections = 0;", "max_connections = 5000;")
    bad.write_text(text)
    result = subprocess.run([str(binary()), "doctor", "-c", str(bad), "--json"],
                            capture_output=True, text=True, check=False, preexec_fn=limit,
                            env=os.environ)
    found = [f for f in json.loads(result.stdout) if f["rule"] == "descriptors-low"]
    assert len(found) == 1 and found[0]["file"] is None
    assert found[0]["what"].startswith("256 open files allow ")
    assert int(found[0]["write"].split("=")[1].split()[0]) > 2 * 5000


def test_nobody_is_asked(stage, tmp_path):
    backend = stage.recorder()
    path = tmp_path / "asks.conf"
    path.write_text(libconfig.to_libconfig(libconfig.simple(
        [backend], pool_settings={
            "health": {"path": "/"},
            "discovery": {"type": "consul", "service": "s", "address": backend.address}})))
    assert run_command("doctor", "-c", path).returncode in (0, 1)
    assert backend.requests == []


def test_a_file_with_mistakes_is_as_for_check(tmp_path):
    path = tmp_path / "wrong.conf"
    path.write_text("nonsense = 1;")
    checked, told = run_command("check", "-c", path), run_command("doctor", "-c", path)
    assert (told.returncode, told.stdout, told.stderr) == (1, "", checked.stderr)


@pytest.mark.parametrize("arguments", [[], ["-c"], ["-c", "x", "--port", "1"], ["-c", "x", "y"]])
def test_wrong_usage_is_exit_code_2(arguments):
    assert run_command("doctor", *arguments).returncode == 2


def test_the_docs_example_finding_is_what_is_printed(bad):
    docs = (ROOT / "docs" / "doctor.md").read_text()
    printed = run_command("doctor", "-c", bad, "--no-system").stdout
    for rule in ("admin: bind", "health.fall is 1"):
        block = next(b for b in printed.split("\n\n") if rule in b)
        assert block.replace(str(bad), "edge.conf") in docs


# ---- Our own files: what is found in them is meant so ----

#: They share a pod's or a machine's life: what was said over the API may go with it.
FORGETS = "no-state-file"
SAMPLES = {
    "docker/evergate.conf": [FORGETS],
    "docker/compose.conf": [FORGETS],
    # The unit and the pod give an application twenty seconds.
    "docker/sidecar/evergate.conf": ["drain-short", FORGETS, "single-backend", "single-backend"],
    "deploy/kubernetes/sidecar/evergate.conf": ["drain-short", FORGETS],
    # Probes and Prometheus reach a pod by an address that no file knows.
    "deploy/kubernetes/base/evergate.conf": ["admin-plain", FORGETS],
    "deploy/kubernetes/overlays/shop/evergate.conf": ["admin-plain", FORGETS],
    "packaging/evergate.conf": [],
}


@pytest.mark.parametrize("name", SAMPLES)
def test_what_is_found_in_our_own_files_is_meant_so(tmp_path, monkeypatch, name):
    text = re.sub(r"/(var/(lib|log|cache)|run/secrets|run|etc)/evergate", str(tmp_path),
                  (ROOT / name).read_text())
    (tmp_path / "token").write_text("0123456789abcdef0123456789abcdef\n")
    (tmp_path / "token").chmod(0o600)
    path = tmp_path / "sample.conf"
    path.write_text(text)
    for variable, value in (("ORDERS", "10.0.0.2:80"), ("STOCK", "10.0.0.3:80"),
                            ("APP_ADDRESS", "unix:/run/app.sock")):
        monkeypatch.setenv(variable, value)
    assert sorted(f["rule"] for f in doctor(path, "--no-system")[1]) == sorted(SAMPLES[name])


# ---- Who it will be ----

@pytest.fixture(name="home")
def home_fixture(stage, certificates):
    """A configuration of a user's, who may read and write all that it names, and its files."""
    home = room(stage)
    pair = certificates.leaf("localhost")
    for name in ("cert", "key"):
        home.write(name, pathlib.Path(pair[name]).read_text(), 0o600)
    home.directory("state")
    settings = libconfig.simple(
        ["10.0.0.1:80", "10.0.0.2:80"], pool_settings={"health": {"path": "/"}},
        listener={"tls": {"certificates": [{"cert": "cert", "key": "key"}]}},
        user=USER, state_file="state/s.json", core_dumps=False)
    home.write("evergate.conf", libconfig.to_libconfig(settings))
    return home


def about_the_user(home):
    return [(f["rule"], f["what"]) for f in doctor(home.path / "evergate.conf")[1]
            if f["rule"].startswith("user-")]


@as_root
def test_what_the_user_may_not_read_or_write_is_an_error_and_check_agrees(home):
    path = home.path / "evergate.conf"
    assert about_the_user(home) == [] and run_command("check", "-c", path).returncode == 0
    os.chown(home.path / "key", 0, 0)
    os.chown(home.path / "state", 0, 0)
    (home.path / "state").chmod(0o755)
    assert about_the_user(home) == [
        ("user-cannot-read", f'user "{USER}" cannot read {home.path}/key'),
        ("user-cannot-write", f'user "{USER}" cannot write to {home.path}/state')]
    checked = run_command("check", "-c", path)
    assert checked.returncode == 1
    assert f'{path}:2: error: listener "edge": tls: certificate' in checked.stderr
    assert "state_file: the directory" in checked.stderr
    assert f'"{path}" was read as user "{USER}"' in checked.stderr


@as_root
def test_a_user_that_nobody_is_is_a_mistake_for_all(home):
    path = home.path / "evergate.conf"
    path.write_text(path.read_text().replace(USER, "no-such-user"))
    for command in ("check", "doctor", "run"):
        result = run_command(command, "-c", path)
        assert result.returncode == 1
        assert 'user: there is no user "no-such-user" on this system' in result.stderr


@as_root
@pytest.mark.skipif(sanitizer() == "address", reason="LeakSanitizer needs /proc")
def test_in_a_chroot_paths_are_those_inside(home):
    path = home.path / "evergate.conf"
    text = path.read_text().replace('"cert"', '"/cert"').replace('"key"', '"/key"')
    path.write_text(text + f'chroot = "{home.path}";\n')
    checked = run_command("check", "-c", path)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert about_the_user(home) == []
    elsewhere = home.path.parent / f"{home.path.name}.conf"
    elsewhere.write_text(path.read_text())
    outside = run_command("check", "-c", elsewhere)
    elsewhere.unlink()
    assert outside.returncode == 1 and "is not in the chroot" in outside.stderr


@as_root
def test_without_root_a_chroot_cannot_be_looked_into(home):
    path = home.path / "evergate.conf"
    path.write_text(path.read_text() + f'chroot = "{home.path}";\n')
    result = subprocess.run(["runuser", "-u", USER, "--", str(binary()), "check", "-c", str(path)],
                            capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "only root can look into" in result.stderr

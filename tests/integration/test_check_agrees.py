"""`check`, `run` and a reload are of one mind about every file: one configuration that names files of
every kind, broken in one place at a time."""

import copy
import os
import pathlib
import random
import socket

import pytest

from lib import libconfig
from lib.evergate import Evergate, binary, run_command
from lib.waiting import wait_until

#: Each is a configuration that is broken in one place, or one that is just another.
SEEDS = range(int(os.environ.get("EVERGATE_CHECK_SEEDS", "16")))


class Site:
    """The configuration and its files. `settings` are of a file without a mistake."""

    def __init__(self, directory, certificates):
        self.directory = pathlib.Path(directory)
        self.certificates = certificates
        self.made = 0
        self.odd = self.odd_files(certificates)
        leaf = certificates.leaf("localhost")
        token = self.put("token", "0123456789abcdef0123456789abcdef\n")
        script = self.put("script", "#!/bin/sh\nexit 0\n", 0o755)
        tls = {"ca": certificates.ca, "cert": leaf["cert"], "key": leaf["key"]}
        self.settings = {
            "workers": 1, "drain_timeout": "1s", "core_dumps": os.geteuid() != 0,
            "state_file": str(self.directory / "state.json"),
            "listeners": [{"name": "edge", "bind": "127.0.0.1:0", "tls": {
                "certificates": [{"cert": leaf["cert"], "key": leaf["key"]}],
                "client_ca": certificates.ca, "verify_client": "optional"}}],
            "routes": [{"pool": "app"}],
            "pools": [
                {"name": "app", "tls": tls, "sticky": {"secret_file": token},
                 "health": {"type": "exec", "command": f"{script} x", "interval": "1h"},
                 "recovery": {"command": f"{script} y"},
                 "fallback": {"body_file": token},
                 "backends": [{"id": "a", "address": "127.0.0.1:9"}]},
                {"name": "cache", "health": {
                    "type": "redis", "user": "u", "password_file": token, "interval": "1h"},
                 "backends": [{"id": "a", "address": "127.0.0.1:9"}]},
                {"name": "found", "discovery": {
                    "type": "file", "cache": str(self.directory / "cache.json"),
                    "path": self.put("found.json", '{"endpoints": []}')}},
                {"name": "secure", "discovery": {
                    "type": "etcd", "prefix": "p", "address": "127.0.0.1:9", "user": "u",
                    "password_file": token, "tls": dict(tls)}}],
            "admin": {"bind": "127.0.0.1:0", "token_file": token},
            "log": {"access": str(self.directory / "access.log")},
        }

    def put(self, name, text, mode=0o600):
        path = self.directory / name
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def odd_files(self, certificates):
        """What a path may lead to that is no good, or no good for what it is wanted for."""
        make = certificates.openssl
        make("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", "weak.key", "-subj",
             "/CN=weak", "-days", "3", "-out", "weak.pem")
        make("req", "-x509", *certificates.new_key("sha1"), "-sha1", "-subj", "/CN=sha1", "-days",
             "3", "-out", "sha1.pem")
        make("ec", "-in", "ca.key", "-aes128", "-passout", "pass:x", "-out", "locked.key")
        expired = certificates.leaf("old.test", expired=True)
        os.mkfifo(self.directory / "fifo")
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(self.directory / "socket"))
        listening.close()
        (self.directory / "to-nothing").symlink_to(self.directory / "absent")
        return [
            str(self.directory), str(self.directory / "fifo"), str(self.directory / "socket"),
            str(self.directory / "to-nothing"), "/absent/file", "/dev/null", "/dev/full",
            self.put("empty", ""), self.put("blank", " \n"), self.put("words", "two words\n"),
            self.put("lines", "one\ntwo\n"), self.put("nul", "a\0b"),
            self.put("large", "x" * 5000), self.put("huge", "x" * (5 << 20)),
            self.put("plain", "#!/bin/sh\n", 0o644), self.put("bad.json", "{"),
            self.put("state-of-others", '{"version": 99}'),
            *map(certificates.path, ("weak.pem", "weak.key", "sha1.pem", "sha1.key", "ca.key",
                                     "locked.key")),
            expired["cert"], expired["key"]]

    def write(self, settings):
        self.made += 1
        path = self.directory / f"{self.made}.conf"
        path.write_text(libconfig.to_libconfig(settings))
        return path

    def told_by_check(self, path):
        result = run_command("check", "-c", path)
        assert result.returncode in (0, 1)
        return result.returncode == 0, result.stderr

    def told_by_run(self, path):
        """Whether it comes to serve, and what it says."""
        proxy = Evergate(path.with_suffix(""), "", command=[str(binary()), "run", "-c", str(path)])
        wait_until(lambda: proxy.listeners() or proxy.process.poll() is not None,
                   "it serves or ends")
        serves = bool(proxy.listeners())
        proxy.expected_exit = 0 if serves else 1
        proxy.stop()
        return serves, proxy.stderr


@pytest.fixture(name="site", scope="module")
def site_fixture(tmp_path_factory, certificates):
    return Site(tmp_path_factory.mktemp("site"), certificates)


def places(value, path=()):
    """Every text and number in the settings, by its way from the top."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, path + (key,))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, path + (index,))
    elif not isinstance(value, bool):
        yield path


def changed(settings, path, value):
    """A copy with another value there."""
    settings = copy.deepcopy(settings)
    inner = settings
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return settings


def value_at(settings, path):
    for step in path:
        settings = settings[step]
    return settings


def strange(site, before, chance):
    if isinstance(before, int):
        return chance.choice([-1, 0, 1, 2, 1 << 31])
    if before.startswith("/"):
        return chance.choice(site.odd) + chance.choice(["", "", "", " x"])
    return chance.choice(["", "x", "x" * 200, "x" * 2000, "off", "/", "127.0.0.1", "unix:/absent/s",
                          "${EG_POOL}", "a b", "\u00e4"])


def spoil(place, value_of):
    return lambda site: changed(site.settings, place, value_of(site))


def file(name):
    return lambda site: str(site.directory / name)


CERTIFICATE = ("listeners", 0, "tls", "certificates", 0)


def weak(*place):
    """A pair that can be parsed, and is too weak for OpenSSL."""
    def spoilt(site):
        settings = changed(site.settings, place + ("cert",), site.certificates.path("weak.pem"))
        return changed(settings, place + ("key",), site.certificates.path("weak.key"))
    return spoilt


#: What one of the three has been heard to judge otherwise than the others.
KNOWN = {
    "weak pair of a listener": weak(*CERTIFICATE),
    "weak pair of a pool": weak("pools", 0, "tls"),
    "weak pair of a source": weak("pools", 3, "discovery", "tls"),
    "recovery without its program": spoil(("pools", 0, "recovery", "command"), file("absent")),
    "check without its program": spoil(("pools", 0, "health", "command"), file("plain")),
    "password file without a password": spoil(("pools", 1, "health", "password_file"),
                                              file("blank")),
    "access log that is a socket": spoil(("log", "access"), file("socket")),
    "user too long for Redis": spoil(("pools", 1, "health", "user"), lambda site: "u" * 2000),
}


@pytest.fixture(name="server", scope="module")
def server_fixture(site):
    proxy = Evergate(site.directory / "served", site.settings)
    yield proxy.wait_started()
    proxy.stop()


def told_by_reload(site, server, settings):
    """The running instance's own answer."""
    server.write_config(settings)
    address = server.wait_for_log("management is listening")[0].rpartition(" on ")[2]
    result = run_command("reload", "--admin", address.rstrip('"}'), "--token-file",
                         str(site.directory / "token"))
    assert result.returncode in (0, 1), result.stderr
    return result.returncode == 0, result.stderr


@pytest.mark.parametrize("what", KNOWN)
def test_what_cannot_be_served_is_refused_by_all(site, server, what):
    settings = KNOWN[what](site)
    path = site.write(settings)
    checked, run = site.told_by_check(path), site.told_by_run(path)
    reloaded = told_by_reload(site, server, settings)
    assert (checked[0], run[0], reloaded[0]) == (False, False, False), (checked, run, reloaded)
    reason = checked[1].split(": error: ", 1)[1].strip().replace('"', "")
    for told in (run, reloaded):
        assert reason in told[1].replace("\\", "").replace('"', ""), told


@pytest.mark.parametrize("content", ["{", '{"version": 99}', '{"version": 1, "pools": 5}'])
def test_a_state_that_a_start_refuses_is_refused_by_check(site, content):
    path = site.write(changed(site.settings, ("state_file",), site.put("spoilt.json", content)))
    checked, run = site.told_by_check(path), site.told_by_run(path)
    assert (checked[0], run[0]) == (False, False)
    assert "state_file: " in checked[1] and "state_file: " in run[1]


def test_a_file_that_is_another_in_one_place_is_judged_alike_by_all(site, server):
    for seed in SEEDS:
        chance = random.Random(seed)
        place = chance.choice([p for p in places(site.settings) if p[-1] != "bind"])
        settings = changed(site.settings, place, strange(site, value_at(site.settings, place), chance))
        path = site.write(settings)
        told = {"check": site.told_by_check(path), "run": site.told_by_run(path)}
        # A reload has the state in memory, and would have the other token from then on.
        if place[-1] not in ("state_file", "token_file"):
            told["reload"] = told_by_reload(site, server, settings)
        assert len({verdict for verdict, _ in told.values()}) == 1, (seed, place, told)

"""Line 2: the configuration file: every mistake at once, with its line and what to write."""

import re
import socket

import pytest

from lib import libconfig
from lib.evergate import run_command

GOOD = """\
listeners = ( { name = "edge"; bind = "127.0.0.1:0"; } );
pools = ( { name = "app"; backends = ( { id = "a"; address = "127.0.0.1:80"; } ); } );
"""


def check(tmp_path, text, env=None):
    """The exit code and the mistakes as (line, message)."""
    path = tmp_path / "evergate.conf"
    path.write_text(text)
    result = run_command("check", "-c", path, env=env)
    mistakes = []
    for line in result.stderr.splitlines():
        match = re.match(rf"{re.escape(str(path))}:(\d+): error: (.+)$", line)
        if match:
            mistakes.append((int(match.group(1)), match.group(2)))
    return result.returncode, mistakes


def the_mistake(tmp_path, text, env=None):
    """The only mistake in `text`."""
    code, mistakes = check(tmp_path, text, env)
    assert code == 1
    assert len(mistakes) == 1, mistakes
    return mistakes[0]


def good_but(old, new):
    assert old in GOOD
    return GOOD.replace(old, new)


def test_every_mistake_is_reported_at_once_with_its_line(tmp_path):
    code, mistakes = check(tmp_path, """\
wrokers = 2;
listeners = (
  { name = "edge"; bind = "127.0.0.1:99999"; },
  { name = "edge"; bind = "127.0.0.1:0";
    timeouts = { header = 10; }; } );
routes = ( { name = "r"; pool = "nowhere"; } );
pools = ( { name = "app"; algorithm = "fastest";
  backends = (
    { id = "a"; address = "127.0.0.1"; },
    { id = "a"; address = "127.0.0.1:80"; weight = -1; } ); } );
""")
    assert code == 1
    assert {line for line, _ in mistakes} >= {1, 3, 4, 5, 6, 7, 9, 10}
    assert mistakes == sorted(mistakes, key=lambda m: m[0])


@pytest.mark.parametrize("line, hint", [
    ("workres = 2;", "workers"), ("listners = ();", "listeners"), ("pool = ();", "pools"),
    ("admin = { bnid = \"off\"; };", "bind"), ("log = { lvl = \"info\"; };", "level")])
def test_an_unknown_key_is_met_with_the_nearest_known_one(tmp_path, line, hint):
    number, message = the_mistake(tmp_path, GOOD + line + "\n")
    assert number == 3
    assert hint in message


@pytest.mark.parametrize("setting", [
    'health = { type = "grpc"; };', 'protocol = "h2";'])
def test_what_a_later_version_brings_is_refused_as_not_built_yet(tmp_path, setting):
    _, message = the_mistake(tmp_path, good_but('name = "app";', f'name = "app"; {setting}'))
    assert "not built yet" in message


@pytest.mark.parametrize("old, new", [
    ('bind = "127.0.0.1:0"', 'bind = 8080'), ('bind = "127.0.0.1:0"', 'bind = "nowhere"'),
    ('name = "edge";', 'name = 5;'), ('name = "edge";', 'name = "edge"; max_connections = -1;'),
    ('name = "edge";', 'name = "edge"; timeouts = { header = "10 parsecs"; };'),
    ('name = "edge";', 'name = "edge"; limits = { header_bytes = "32q"; };'),
    ('name = "edge";', 'name = "edge"; limits = { header_bytes = 32768; };'),
    ('name = "edge";', 'name = "edge"; limits = { headers = "many"; };'),
    ('name = "app";', 'name = "app"; timeouts = { connect = "1"; };'),
    ('name = "app";', 'name = "app"; algorithm = "best";'),
    ('name = "app";', 'name = "app"; hash_key = "moon"; algorithm = "consistent_hash";'),
    ('name = "app";', 'name = "app"; keepalive = { idle = 1.5; };'),
    ('id = "a";', 'id = "a"; weight = 70000;'), ('id = "a";', 'id = "a"; drain = "yes";'),
    ('address = "127.0.0.1:80"', 'address = "127.0.0.1:0"'),
    ('address = "127.0.0.1:80"', 'address = "http://127.0.0.1:80"')])
def test_a_wrong_type_unit_or_value_is_one_mistake_with_advice(tmp_path, old, new):
    _, message = the_mistake(tmp_path, good_but(old, new))
    assert ";" in message, "what is wrong; what to write instead"


@pytest.mark.parametrize("setting", [
    'health = { path = "/health"; interval = "1s"; timeout = "500ms"; };',
    'health = { type = "postgres"; role = "standby"; max_lag = "10s"; };',
    'health = { type = "exec"; command = "test -e \'/tmp/up ${EG_POOL}\'"; };',
    'health = { type = "redis"; master = "m"; sentinels = [ "10.0.0.1:26379" ]; };',
    "outlier = { consecutive_5xx = 0; stall_factor = 0; };", "breaker = { };",
    'retry = { attempts = 3; on = [ "connect", "5xx" ]; hedge_percentile = 95; };',
    'sticky = { cookie = "x"; };', "failover = { panic_percent = 10; };",
    'failback = { mode = "gradual"; after = "1m"; step = "10%"; };', 'fallback = { stale = "1m"; };',
    'slow_start = "10s"; max_connections = 10; max_pending = 0; pending_timeout = "1s";',
    'health = { }; recovery = { webhook = "http://127.0.0.1:1/x"; command = "true"; };'])
def test_the_keys_of_failover_are_accepted(tmp_path, setting):
    code, mistakes = check(tmp_path, good_but('name = "app";', f'name = "app"; {setting}'))
    assert code == 0, mistakes


@pytest.mark.parametrize("setting, advice", [
    ('recovery = { command = "true"; };', "write health"),
    ('health = { type = "tcp"; path = "/"; };', 'type = "http"'),
    ('health = { type = "exec"; };', "write command"),
    ('health = { type = "exec"; command = "test -e /x && true"; };', "sh -c"),
    ('health = { type = "exec"; command = "no-such-program -x"; };', "install it"),
    ('health = { }; recovery = { command = "/tmp"; };', "install it"),
    ('health = { body = "x"; };', "POST"), ('health = { user = "x"; };', "redis"),
    ('health = { type = "redis"; master = "m"; };', "write sentinels"),
    ('breaker = { recovery_timeout = "2m"; max_recovery_timeout = "1m"; };', "at most"),
    ('retry = { on = [ "conect" ]; };', "connect"), ('failback = { step = "10"; };', "10%"),
    ('fallback = { pool = "app"; };', "another pool"), ('locality = "prefer";', "write region"),
    ('fallback = { body_file = "/absent.html"; };', "correct the path"),
    ('sticky = { secret_file = "/dev/null"; };', "path of a file")])
def test_a_policy_that_cannot_work_is_one_mistake_with_advice(tmp_path, setting, advice):
    line, message = the_mistake(tmp_path, good_but('name = "app";', f'name = "app"; {setting}'))
    assert line == 2 and advice in message.split(";", 1)[1], message


@pytest.mark.parametrize("route", [
    '{ name = "r"; }', '{ name = "r"; pool = "app"; respond = { status = 200; }; }',
    '{ name = "r"; pool = "app"; path = "("; path_match = "regex"; }',
    '{ name = "r"; pool = "app"; methods = [ "G ET" ]; }',
    '{ name = "r"; redirect = { to = "https://x"; status = 200; }; }',
    '{ name = "r"; respond = { status = 42; }; }',
    '{ name = "r"; pool = "app"; host = "a b"; }',
    '{ name = "r"; pool = "app"; path = "v1"; }',
    '{ name = "r"; pools = ( { pool = "app"; weight = 0; } ); }',
    '{ name = "r"; pool = "app"; '
    'request_headers = { set = ( { name = "Bad Name"; value = "x"; } ); }; }',
    '{ name = "r"; pool = "app"; '
    'request_headers = { set = ( { name = "X"; value = "a\\r\\nb"; } ); }; }'])
def test_a_route_that_cannot_work_is_a_mistake(tmp_path, route):
    code, mistakes = check(tmp_path, GOOD + f"routes = ( {route} );\n")
    assert code == 1 and mistakes and all(line == 3 for line, _ in mistakes), mistakes


@pytest.mark.parametrize("text", [
    "", "listeners = ();", GOOD.splitlines()[0] + "\n", GOOD.splitlines()[1] + "\n",
    "pools = ( { name = \"app\"; backends = (); } );"])
def test_a_file_without_what_is_needed_is_refused(tmp_path, text):
    assert check(tmp_path, text)[0] == 1


@pytest.mark.parametrize("text, line", [
    ("listeners = (\n{ name = \n", 2), (GOOD + "}}}\n", 3),
    (GOOD + 'log = { level = "unended\n', 3)])
def test_a_syntax_error_is_told_with_its_line(tmp_path, text, line):
    code, mistakes = check(tmp_path, text)
    assert code == 1
    assert mistakes and abs(mistakes[0][0] - line) <= 1


def test_binary_garbage_is_refused(tmp_path):
    path = tmp_path / "garbage.conf"
    path.write_bytes(bytes(range(256)) * 16)
    assert run_command("check", "-c", path).returncode == 1


def test_environment_references_are_expanded(stage):
    backend = stage.recorder()
    proxy = stage.evergate("""
        listeners = ( { name = "edge"; bind = "${HOST:-127.0.0.1}:0"; } );
        pools = ( { name = "app"; backends = ( { address = "127.0.0.1:${BACKEND_PORT}"; } ); } );
        admin = { bind = "off"; };
    """, env={"BACKEND_PORT": str(backend.port)})
    assert stage.get(proxy).status == 200


def test_an_environment_reference_to_nothing_is_a_mistake(tmp_path):
    code, mistakes = check(tmp_path, good_but("127.0.0.1:80", "${NOWHERE_TO_BE_FOUND}:80"))
    assert code == 1
    assert mistakes[0][0] == 2 and "NOWHERE_TO_BE_FOUND" in mistakes[0][1]


def test_included_files_are_read_and_their_mistakes_are_theirs(tmp_path):
    (tmp_path / "pools.conf").write_text(GOOD.splitlines()[1] + "\n\nnonsense = 1;\n")
    path = tmp_path / "evergate.conf"
    path.write_text(GOOD.splitlines()[0] + '\n@include "pools.conf"\n')
    result = run_command("check", "-c", path)
    assert result.returncode == 1
    assert re.search(r"pools\.conf:3: error: .*nonsense", result.stderr), result.stderr


def test_an_included_file_is_part_of_the_configuration(stage, tmp_path):
    backend = stage.recorder()
    included = tmp_path / "pools.conf"
    included.write_text(libconfig.to_libconfig({"pools": [libconfig.pool("app", [backend])]}))
    proxy = stage.evergate(f"""
        listeners = ( {{ name = "edge"; bind = "127.0.0.1:0"; }} );
        @include "{included}"
        admin = {{ bind = "off"; }};
    """)
    assert stage.get(proxy).status == 200


def test_an_include_that_is_not_there_is_a_mistake(tmp_path):
    assert check(tmp_path, GOOD + '@include "absent.conf"\n')[0] == 1


def test_a_port_in_use_is_an_error_that_names_it(stage):
    taken = stage.recorder()
    proxy = stage.evergate(libconfig.simple(
        [taken], listener={"bind": f"127.0.0.1:{taken.port}"}), names=())
    proxy.expected_exit = 1
    assert proxy.wait_exit() == 1
    assert str(taken.port) in proxy.stderr


def test_one_port_in_use_among_several_leaves_no_half_server(stage):
    taken = stage.recorder()
    settings = libconfig.simple([taken])
    settings["listeners"] = [{"name": "good", "bind": "127.0.0.1:0"},
                             {"name": "bad", "bind": f"127.0.0.1:{taken.port}"}]
    proxy = stage.evergate(settings, names=())
    proxy.expected_exit = 1
    assert proxy.wait_exit() == 1


def tls_text(cert, key, more=""):
    return good_but('bind = "127.0.0.1:0";',
                    f'bind = "127.0.0.1:0"; tls = {{ certificates = '
                    f'( {{ cert = "{cert}"; key = "{key}"; }} ); {more} }};')


def test_good_certificates_pass_check(tmp_path, certificates):
    leaf = certificates.leaf("localhost")
    assert check(tmp_path, tls_text(leaf["cert"], leaf["key"]))[0] == 0


def test_bad_certificates_are_found_by_check(tmp_path, certificates):
    leaf, other = certificates.leaf("localhost"), certificates.leaf("other.test")
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("not a certificate")
    for cert, key in ((leaf["cert"], other["key"]), (garbage, leaf["key"]),
                      (leaf["cert"], garbage), (tmp_path / "absent.pem", leaf["key"])):
        line, _ = the_mistake(tmp_path, tls_text(cert, key))
        assert line == 1


@pytest.mark.parametrize("more", [
    'client_ca = "/absent/ca.pem"; verify_client = "require";', 'verify_client = "require";',
    'verify_client = "perhaps";', 'min_version = "1.1";', 'alpn = [ "h2" ];', "alpn = [ 5 ];"])
def test_bad_tls_settings_are_found_by_check(tmp_path, certificates, more):
    leaf = certificates.leaf("localhost")
    assert check(tmp_path, tls_text(leaf["cert"], leaf["key"], more))[0] == 1


def test_bad_certificates_towards_backends_are_found_by_check(tmp_path):
    for tls in ('ca = "/absent.pem";', 'cert = "/absent.pem"; key = "/absent.key";',
                'verify = "no";'):
        text = good_but('name = "app";', f'name = "app"; tls = {{ {tls} }};')
        assert check(tmp_path, text)[0] == 1


def test_check_opens_no_port(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert check(tmp_path, good_but("127.0.0.1:0", f"127.0.0.1:{port}"))[0] == 0

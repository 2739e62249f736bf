"""Reload: what is wrong changes nothing and says why."""

import json
import re
import signal

import pytest

from lib import libconfig
from lib.failover import group, serve
from lib.raw_client import head
from lib.reloads import Site, elsewhere, held
from lib.scripted_backend import listen
from lib.waiting import wait_until

SYNTAX_ERROR = 'listeners = ( { name = "edge"; bind = ;'


def spoil_syntax(site, stage):
    return SYNTAX_ERROR


def spoil_key(site, stage):
    site.pool["algoritm"] = "random"


def spoil_certificate(site, stage):
    site.config["listeners"].append({"name": "tls", "bind": "127.0.0.1:0", "tls": {
        "certificates": [{"cert": "/nowhere/a.pem", "key": "/nowhere/a.key"}]}})


def spoil_port(site, stage):
    taken = listen("127.0.0.1:0")
    stage.ending(taken, "close")
    site.config["listeners"].append(
        {"name": "taken", "bind": f"127.0.0.1:{taken.getsockname()[1]}"})


def spoil_check(site, stage):
    site.pool["health"] = {"type": "exec", "command": "/nowhere/check"}


def spoil_access_file(site, stage):
    site.config["log"]["access"] = "/nowhere/access.log"


#: What is done to the file, and what must be said of it.
SPOILS = {
    "syntax": (spoil_syntax, "syntax"),
    "unknown key": (spoil_key, "algorithm"),
    "missing certificate": (spoil_certificate, "/nowhere/a.pem"),
    "port in use": (spoil_port, "in use"),
    "missing check program": (spoil_check, "/nowhere/check"),
    "access log that cannot be opened": (spoil_access_file, "/nowhere"),
}

OF_THE_FILE = ("syntax", "unknown key", "missing certificate", "missing check program",
               "access log that cannot be opened")


def spoilt(stage, what):
    """(a site that serves, its next configuration, which is wrong)."""
    site = Site(stage, stage.failing("a"), stage.failing("b"))
    last_word = SPOILS[what][0](site, stage)
    site.serve_from(stage.failing("c"))  # what must not happen
    return site, last_word or libconfig.to_libconfig(site.config)


def as_before(stage, site, generation):
    assert site.reloader.generation() == generation
    assert sorted(site.endpoints()) == ["a", "b"]
    assert set(serve(stage, site.proxy, 4)) == {"a", "b"}
    assert list(site.listeners()) == ["edge"]


@pytest.mark.parametrize("what", SPOILS)
def test_the_api_refuses_it_and_says_why(stage, what):
    site, text = spoilt(stage, what)
    client = stage.client(site.proxy)
    assert client.get().status == 200
    before = site.reloader.generation()
    answered = site.reloader.ask(text)
    assert answered.status == 422, answered
    assert SPOILS[what][1] in answered.text.lower(), answered
    if what in OF_THE_FILE:
        assert re.search(re.escape(str(site.proxy.config_path)) + r":\d+", answered.text), answered
    as_before(stage, site, before)
    assert client.get().status == 200


@pytest.mark.parametrize("what", SPOILS)
def test_a_plan_refuses_what_a_reload_would_refuse(stage, what):
    site, text = spoilt(stage, what)
    before = site.reloader.generation()
    site.proxy.write_config(text)
    answered = site.admin.ask("/api/v1/plan", "POST")
    assert (answered.status, SPOILS[what][1] in answered.text.lower()) == (422, True), answered
    as_before(stage, site, before)


def test_a_plan_tries_an_address_and_does_not_keep_it(stage):
    site = Site(stage, stage.failing("a"))
    before = site.proxy.descriptor_count()
    address = elsewhere()
    site.config["listeners"].append({"name": "new", "bind": address})
    site.proxy.write_config(site.config)
    answered = site.admin.ask("/api/v1/plan", "POST")
    assert answered.status == 200 and '"new"' in answered.text, answered
    stage.ending(listen(address), "close")  # it is free
    wait_until(lambda: site.proxy.descriptor_count() <= before, "no socket is left")


@pytest.mark.parametrize("what", SPOILS)
def test_a_signal_changes_nothing_and_the_log_says_why(stage, what):
    site, text = spoilt(stage, what)
    before = site.reloader.generation()
    site.proxy.reload(text)
    place = re.escape(str(site.proxy.config_path)) + r":\d+: .*" if what in OF_THE_FILE else ""
    site.proxy.wait_for_log(f'"error".*{place}{SPOILS[what][1]}')
    as_before(stage, site, before)


def test_every_mistake_is_named_at_once(stage):
    site = Site(stage, stage.failing("a"))
    site.pool["algoritm"] = "random"
    site.config["listeners"][0]["max_connections"] = -1
    answered = site.reloader.ask(site.config)
    assert answered.status == 422
    assert "algoritm" in answered.text and "max_connections" in answered.text


def test_a_file_that_is_gone_changes_nothing(stage):
    site = Site(stage, stage.failing("a"))
    site.proxy.config_path.unlink()
    answered = site.reloader.ask()
    assert answered.status == 422 and "evergate.conf" in answered.text, answered
    assert stage.get(site.proxy).status == 200


def test_the_corrected_file_is_taken_afterwards(stage):
    c = stage.failing("c")
    site, text = spoilt(stage, "missing check program")
    assert site.reloader.ask(text).status == 422
    del site.pool["health"]
    site.serve_from(c)
    site.reload()
    assert serve(stage, site.proxy, 2) == {"c": 2}


def test_what_was_opened_for_a_refused_change_is_closed_again(stage):
    """The first new listener can be had, the second not: neither is left."""
    site = Site(stage, stage.failing("a"))
    address = elsewhere()
    before = None
    for _ in range(5):
        site.config["listeners"][1:] = [{"name": "good", "bind": address}]
        spoil_port(site, stage)
        assert site.reloader.ask(site.config).status == 422
        before = before or site.proxy.descriptor_count()
    wait_until(lambda: site.proxy.descriptor_count() <= before, "no descriptor is left over")
    listen(address).close()


def test_signals_in_a_row_end_with_the_last_file(stage):
    a, b = stage.failing("a"), stage.failing("b")
    site = Site(stage, a)
    for number in range(1, 21):
        site.serve_from({**group(a), "weight": number})
        site.proxy.reload(site.config)
    site.serve_from(b)
    site.proxy.reload(site.config)
    site.proxy.send_signal(signal.SIGHUP)
    wait_until(lambda: site.endpoints() == ["b"], "the last file is served")
    assert serve(stage, site.proxy, 3) == {"b": 3}


def test_a_draining_instance_refuses_to_reload(stage):
    a = stage.failing("a")
    a.mood = "hold"
    site = Site(stage, a, top={"drain_timeout": "1h"})
    client = held(stage, site.proxy, a)
    site.proxy.send_signal(signal.SIGTERM)
    wait_until(lambda: site.admin.json("/api/v1/status")["state"] == "draining", "it drains")
    site.serve_from({**group(a), "weight": 7})
    answered = site.reloader.ask(site.config)
    assert answered.status == 503, answered
    assert json.loads(answered.body)["error"]["message"]
    site.proxy.send_signal(signal.SIGHUP)
    assert site.endpoint("a")["weight"] == 1
    a.release()
    assert client.read_response("GET").status == 200
    assert site.proxy.wait_exit() == 0


def test_reloading_needs_post(stage):
    site = Site(stage, stage.failing("a"))
    answered = site.admin.ask("/api/v1/reload")
    assert (answered.status, answered.get("allow")) == (405, "POST")


def test_a_page_of_another_site_cannot_reload(stage):
    site = Site(stage, stage.failing("a"))
    before = site.reloader.generation()
    site.serve_from(stage.failing("b"))
    site.proxy.write_config(site.config)
    client = stage.client(site.admin.address)
    answered = client.request(head("POST", "/api/v1/reload", "127.0.0.1",
                                   [("Origin", "http://evil.test"), ("Content-Length", "0")]))
    assert answered.status == 403
    assert site.reloader.generation() == before

"""Sticky sessions: the cookie, whom it belongs to, and when a session moves."""

import base64
import collections
import hashlib
import hmac
import threading
import time

import pytest

from lib.failover import NO_BREAKER, NO_OUTLIER, retry, start
from lib.libconfig import pool, simple
from lib.raw_client import RawClient
from lib.waiting import wait_until

SECRET = b"0123456789abcdef0123456789abcdef"
PLAIN = {"breaker": NO_BREAKER, "outlier": NO_OUTLIER, "retry": retry()}
STICKY = {"cookie": "EGSID", "ttl": "1h"}


def sessions(stage, *names, sticky=None, **settings):
    """(the backends, the proxy, its management)."""
    backends = [stage.failing(name) for name in names]
    proxy, admin = start(stage, *backends, sticky=sticky or STICKY, **{**PLAIN, **settings})
    return backends, proxy, admin


def secret_file(stage):
    path = stage.directory / "sticky.key"
    path.write_bytes(SECRET)
    return str(path)


class Browser:
    """Keeps the cookie; every request on a connection of its own unless it is told one."""

    def __init__(self, proxy, cookie=None):
        self.proxy = proxy
        self.cookie = cookie
        self.set_count = 0

    def get(self, path="/", client=None, tls=None):
        own = client or RawClient(self.proxy.address(), tls=tls, server_name="a.test" if tls else None)
        try:
            headers = [("Cookie", f"x=1; EGSID={self.cookie}; y=2")] if self.cookie else []
            answered = own.get(path, headers=headers)
        finally:
            if client is None:
                own.close()
        for value in answered.all("set-cookie"):
            name, _, rest = value.partition("=")
            assert name == "EGSID", value
            self.cookie = rest.partition(";")[0]
            self.set_count += 1
        return answered

    def serve(self, count):
        """Who answered so many requests, none of which may fail."""
        answers = [self.get() for _ in range(count)]
        assert {a.status for a in answers} == {200}, answers
        return {a.text for a in answers}


# ---- The cookie ----

def test_the_first_answer_sets_the_cookie_and_later_ones_do_not(stage):
    _, proxy, _ = sessions(stage, "a", "b")
    browser = Browser(proxy)
    [value] = browser.get().all("set-cookie")
    token, *attributes = value.split("; ")
    assert token == f"EGSID={browser.cookie}"
    assert sorted(attributes) == ["HttpOnly", "Max-Age=3600", "Path=/", "SameSite=Lax"]
    for _ in range(10):
        assert browser.get().all("set-cookie") == []


def test_over_tls_it_is_secure(stage, certificates):
    backend = stage.failing("a")
    proxy = stage.proxy(backend, pool_settings={"sticky": STICKY}, listener={
        "tls": {"certificates": [certificates.leaf("a.test")]}})
    [value] = Browser(proxy).get(tls=certificates.client_context()).all("set-cookie")
    assert "Secure" in value.split("; ")


def test_its_name_and_time_are_the_operators(stage):
    _, proxy, _ = sessions(stage, "a", sticky={"cookie": "shop-node", "ttl": "90s"})
    [value] = stage.get(proxy).all("set-cookie")
    assert value.startswith("shop-node=") and "Max-Age=90" in value.split("; ")


def test_it_says_nothing_about_the_backend(stage):
    backends, proxy, _ = sessions(stage, "secret-name-of-a")
    browsers = [Browser(proxy) for _ in range(20)]
    for browser in browsers:
        browser.get()
        binary = base64.urlsafe_b64decode(browser.cookie + "=")
        assert len(binary) == 38
        port = backends[0].port
        for telling in (b"secret", b"127.0", b"\x7f\x00\x00\x01", str(port).encode()):
            assert telling not in binary and telling.decode("latin-1") not in browser.cookie
    assert len({browser.cookie for browser in browsers}) == len(browsers)


def test_the_backends_own_cookies_pass_beside_it(stage):
    [a], proxy, _ = sessions(stage, "a")
    a.mood = lambda request: (b"HTTP/1.1 200 OK\r\nSet-Cookie: own=1\r\nContent-Length: 1\r\n\r\na")
    first, second = sorted(stage.get(proxy).all("set-cookie"))
    assert first.startswith("EGSID=") and second == "own=1"


# ---- Where a session stays ----

@pytest.mark.parametrize("algorithm", ["round_robin", "weighted", "least_connections", "random",
                                       "least_latency"])
def test_a_session_stays_for_hundreds_of_requests_over_four_workers(stage, algorithm):
    _, proxy, _ = sessions(stage, *"abc", algorithm=algorithm, top={"workers": 4})
    browsers = [Browser(proxy) for _ in range(3)]
    homes = [browser.get().text for browser in browsers]
    for browser, home in zip(browsers, homes):
        assert browser.serve(100) == {home}
        assert browser.set_count == 1


def test_sessions_are_spread(stage):
    _, proxy, _ = sessions(stage, *"abc")
    homes = collections.Counter(Browser(proxy).get().text for _ in range(60))
    assert set(homes) == set("abc") and min(homes.values()) >= 5, homes


def test_requests_without_the_cookie_are_nobodys(stage):
    _, proxy, _ = sessions(stage, *"ab")
    assert {stage.get(proxy).text for _ in range(20)} == {"a", "b"}


# ---- Cookies that are not ours ----

def test_a_tampered_cookie_is_ignored(stage):
    _, proxy, _ = sessions(stage, *"ab")
    browser = Browser(proxy)
    browser.get()
    good = browser.cookie
    forged = [good[:position] + ("A" if good[position] != "A" else "B") + good[position + 1:]
              for position in range(len(good))]
    forged += ["", "x", good[:-1], good + "A", good[::-1], "A" * len(good), "\xff" * 51,
               "%00", good.swapcase(), '"' + good + '"x']
    for value in forged:
        mallory = Browser(proxy, value)
        answered = mallory.get()
        assert answered.status == 200 and mallory.set_count == 1, value
        assert mallory.cookie != value
    assert Browser(proxy, good).get().all("set-cookie") == []


def token(endpoint_id, secret=SECRET, pool_name="app", expires_s=None, session=7):
    """What evergate makes, made apart from it (proxy/sticky_token.h)."""
    def mac(*parts):
        return hmac.new(secret, b"".join(parts), hashlib.sha256).digest()
    name = pool_name.encode()
    tag = mac(b"endpoint", len(name).to_bytes(8, "big"), name, endpoint_id.encode())[:8]
    expires_s = int(time.time()) + 3600 if expires_s is None else expires_s
    body = b"\1" + session.to_bytes(8, "big") + tag + expires_s.to_bytes(5, "big")
    return base64.urlsafe_b64encode(body + mac(body, name)[:16]).decode().rstrip("=")


def test_with_the_secret_the_cookie_can_be_checked_from_outside(stage):
    _, proxy, _ = sessions(stage, *"abc", sticky={**STICKY, "secret_file": secret_file(stage)})
    for name in "abcab":
        browser = Browser(proxy, token(name))
        assert browser.serve(5) == {name} and browser.set_count == 0


def test_an_expired_cookie_begins_a_new_session(stage):
    _, proxy, _ = sessions(stage, *"ab", sticky={**STICKY, "secret_file": secret_file(stage)})
    browser = Browser(proxy, token("a", expires_s=int(time.time()) - 1))
    browser.get()
    assert browser.set_count == 1


def test_a_cookie_that_is_past_half_of_its_time_is_renewed_for_the_same_endpoint(stage):
    _, proxy, _ = sessions(stage, *"abc", sticky={**STICKY, "secret_file": secret_file(stage)})
    for name in "abc":
        browser = Browser(proxy, token(name, expires_s=int(time.time()) + 1700))
        assert browser.serve(5) == {name} and browser.set_count == 1
        binary = base64.urlsafe_b64decode(browser.cookie + "=")
        assert binary[1:9] == (7).to_bytes(8, "big"), "the session is still the same"


def test_another_pools_cookie_means_nothing_here(stage):
    """Though the secret is the same."""
    _, proxy, _ = sessions(stage, *"ab", sticky={**STICKY, "secret_file": secret_file(stage)})
    browser = Browser(proxy, token("a", pool_name="other"))
    browser.get()
    assert browser.set_count == 1


def test_an_endpoint_that_is_no_more_in_the_file_is_gone(stage):
    _, proxy, _ = sessions(stage, *"ab", sticky={**STICKY, "secret_file": secret_file(stage)})
    browser = Browser(proxy, token("removed"))
    [home] = browser.serve(1)
    assert browser.set_count == 1 and browser.serve(10) == {home}


# ---- Moving ----

def by_name(backends, name):
    return next(backend for backend in backends if backend.name == name)


def test_a_session_moves_once_when_its_endpoint_dies_and_stays(stage):
    backends, proxy, _ = sessions(stage, *"abc", top={"workers": 4})
    browser = Browser(proxy)
    [home] = browser.serve(10)
    by_name(backends, home).go_down()
    [refuge] = browser.serve(50)
    assert refuge != home and browser.set_count == 2
    by_name(backends, home).come_up()
    wait_until(lambda: stage.get(proxy).text == home, "the old endpoint serves others again")
    assert browser.serve(100) == {refuge}
    assert browser.set_count == 2


def test_a_drained_endpoint_sends_its_sessions_away(stage):
    _, proxy, admin = sessions(stage, *"abc")
    browser = Browser(proxy)
    [home] = browser.serve(5)
    admin.json(f"/api/v1/pools/app/endpoints/{home}/drain", "POST")
    [refuge] = browser.serve(20)
    assert refuge != home
    admin.json(f"/api/v1/pools/app/endpoints/{home}/undrain", "POST")
    assert browser.serve(20) == {refuge}


def test_requests_of_one_session_that_are_under_way_at_once_move_to_one_place(stage):
    """Each is told to move on its own, by the same old cookie, and they agree."""
    backends, proxy, _ = sessions(stage, *"abcde", top={"workers": 4})
    browser = Browser(proxy)
    [home] = browser.serve(3)
    by_name(backends, home).go_down()
    answers, cookies = [], []

    def ask():
        tab = Browser(proxy, browser.cookie)
        answers.append(tab.get().text)
        cookies.append(tab.cookie)

    threads = [threading.Thread(target=ask) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 40 and len(set(answers)) == 1 and home not in answers
    for cookie in cookies[:5]:
        assert Browser(proxy, cookie).serve(3) == set(answers)


def test_sessions_of_a_dead_endpoint_are_spread_over_the_others(stage):
    backends, proxy, _ = sessions(stage, *"abcd")
    browsers = [Browser(proxy) for _ in range(80)]
    displaced = [browser for browser in browsers if browser.get().text == "a"]
    by_name(backends, "a").go_down()
    assert {browser.get().text for browser in displaced} == set("bcd")


# ---- Restarts and several instances ----

def test_sessions_outlive_a_restart_with_a_secret_file(stage):
    sticky = {**STICKY, "secret_file": secret_file(stage)}
    backends, proxy, _ = sessions(stage, *"abc", sticky=sticky)
    browsers = [Browser(proxy) for _ in range(12)]
    homes = [browser.get().text for browser in browsers]
    proxy.stop()
    again, _ = start(stage, *backends, sticky=sticky, **PLAIN)
    for browser, home in zip(browsers, homes):
        browser.proxy = again
        assert browser.serve(3) == {home} and browser.set_count == 1


def test_two_instances_with_the_same_secret_agree(stage):
    sticky = {**STICKY, "secret_file": secret_file(stage)}
    backends, one, _ = sessions(stage, *"abc", sticky=sticky)
    two, _ = start(stage, *backends, sticky=sticky, **PLAIN)
    browser = Browser(one)
    home = browser.get().text
    for proxy in (two, one, two):
        browser.proxy = proxy
        assert browser.serve(5) == {home}


def test_without_a_secret_file_sessions_end_with_the_process(stage):
    backends, proxy, _ = sessions(stage, *"ab")
    browser = Browser(proxy)
    browser.get()
    proxy.stop()
    browser.proxy, _ = start(stage, *backends, sticky=STICKY, **PLAIN)
    assert browser.get().status == 200 and browser.set_count == 2


def test_each_pool_has_cookies_of_its_own(stage):
    a, b = stage.failing("a"), stage.failing("b")
    config = simple([a], pool_settings={"sticky": {"cookie": "ONE"}}, routes=[
        {"name": "one", "path": "/one", "pool": "app"}, {"name": "two", "pool": "two"}])
    config["pools"].append(pool("two", [b]))
    proxy = stage.evergate(config)
    assert stage.get(proxy, "/one").get("set-cookie").startswith("ONE=")
    assert stage.get(proxy, "/").get("set-cookie") is None

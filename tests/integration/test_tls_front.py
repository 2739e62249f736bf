"""Line 6: TLS towards clients."""

import ssl

import pytest

from lib.commands import curl, s_client
from lib.raw_client import head
from lib.scripted_backend import answer
from lib.streams import MEGABYTE, digest, random_pieces
from lib.waiting import wait_until
from lib.wire import ConnectionEnded


def tls_listener(*leaves, **settings):
    return {"tls": {"certificates": list(leaves), **settings}}


@pytest.fixture
def leaf(certificates):
    return certificates.leaf("localhost", "IP:127.0.0.1")


def test_curl_is_served_over_https_with_verification(stage, certificates, leaf):
    backend = stage.recorder()
    proxy = stage.proxy(backend, listener=tls_listener(leaf))
    result = curl(proxy.url("/over-tls", scheme="https"), "--cacert", certificates.ca)
    assert (result.status, result.body) == (200, b"backend"), result.stderr
    assert backend.last.target == "/over-tls"
    assert backend.last.get("x-forwarded-proto") == "https"


@pytest.mark.parametrize("name, expected", [
    ("one.test", "one.test"), ("TWO.test", "two.test"), ("deep.wild.test", "*.wild.test"),
    ("other.test", "one.test"), ("a.b.wild.test", "one.test"), (None, "one.test")])
def test_the_certificate_is_chosen_by_sni_and_the_first_is_the_default(
        stage, certificates, name, expected):
    leaves = [certificates.leaf(n) for n in ("one.test", "two.test", "*.wild.test")]
    proxy = stage.proxy(stage.recorder(), listener=tls_listener(*leaves))
    report = s_client(proxy, *(["-servername", name] if name else ["-noservername"]))
    assert report.subject == expected, report.text
    assert "HTTP/1.1 200" in report.text


def test_an_exact_certificate_beats_a_wildcard(stage, certificates):
    leaves = [certificates.leaf(n) for n in ("*.wild.test", "exact.wild.test")]
    proxy = stage.proxy(stage.recorder(), listener=tls_listener(*leaves))
    assert s_client(proxy, "-servername", "exact.wild.test").subject == "exact.wild.test"


@pytest.mark.parametrize("option, protocol", [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_tls_1_2_and_1_3_are_spoken(stage, leaf, option, protocol):
    report = s_client(stage.proxy(stage.recorder(), listener=tls_listener(leaf)), option)
    assert report.protocol == protocol, report.text
    assert "HTTP/1.1 200" in report.text


def test_tls_1_1_is_refused(stage, leaf):
    report = s_client(stage.proxy(stage.recorder(), listener=tls_listener(leaf)), "-tls1_1",
                      "-cipher", "DEFAULT@SECLEVEL=0")
    assert "HTTP/1.1 200" not in report.text


def test_min_version_1_3_refuses_1_2(stage, leaf):
    proxy = stage.proxy(stage.recorder(), listener=tls_listener(leaf, min_version="1.3"))
    assert "HTTP/1.1 200" not in s_client(proxy, "-tls1_2").text
    assert "HTTP/1.1 200" in s_client(proxy, "-tls1_3").text


def test_alpn_agrees_on_http11(stage, leaf):
    proxy = stage.proxy(stage.recorder(), listener=tls_listener(leaf))
    report = s_client(proxy, "-alpn", "h2,http/1.1")
    assert report.alpn == "http/1.1"
    assert "HTTP/1.1 200" in report.text


def test_a_client_that_only_offers_h2_is_not_told_it_got_it(stage, leaf):
    proxy = stage.proxy(stage.recorder(), listener=tls_listener(leaf))
    assert s_client(proxy, "-alpn", "h2").alpn != "h2"


@pytest.mark.parametrize("option", ["-tls1_2", "-tls1_3"])
def test_a_session_is_resumed_whichever_worker_answers(stage, leaf, tmp_path, option):
    proxy = stage.proxy(stage.recorder(), listener=tls_listener(leaf), workers=4)
    session = str(tmp_path / "session.pem")
    first = s_client(proxy, option, "-sess_out", session)
    assert not first.reused
    for _ in range(8):
        assert s_client(proxy, option, "-sess_in", session).reused


def test_client_certificates_are_not_asked_for_by_default(stage, leaf):
    report = s_client(stage.proxy(stage.recorder(), listener=tls_listener(leaf)))
    assert "No client certificate CA names sent" in report.text


def client_answer(stage, proxy, context):
    """The status that a client with this context gets, or None when TLS fails."""
    try:
        client = stage.client(proxy, tls=context, server_name="localhost")
        return client.get().status
    except (ssl.SSLError, OSError, ConnectionEnded):
        return None


@pytest.mark.parametrize("mode, without, stranger", [
    ("off", 200, 200), ("optional", 200, None), ("require", None, None)])
def test_client_certificates_are_judged_as_configured(
        stage, certificates, leaf, mode, without, stranger):
    proxy = stage.proxy(stage.recorder(), listener=tls_listener(
        leaf, client_ca=certificates.ca, verify_client=mode))
    certificates.authority("strangers")
    good = certificates.leaf("client.test")
    bad = certificates.leaf("stranger.test", ca="strangers")
    expired = certificates.leaf("expired.test", expired=True)
    assert client_answer(stage, proxy, certificates.client_context(good)) == 200
    assert client_answer(stage, proxy, certificates.client_context()) == without
    assert client_answer(stage, proxy, certificates.client_context(bad)) == stranger
    assert client_answer(stage, proxy, certificates.client_context(expired)) == stranger


def test_plain_http_on_the_tls_port_is_refused_and_harms_nobody(stage, certificates, leaf):
    backend = stage.recorder()
    proxy = stage.proxy(backend, listener=tls_listener(leaf))
    client = stage.client(proxy)
    client.send(head())
    rest = client.read_to_eof()
    assert b" 200 " not in rest.split(b"\r\n")[0]
    assert backend.count == 0
    assert client_answer(stage, proxy, certificates.client_context()) == 200


def test_garbage_and_half_handshakes_harm_nobody(stage, certificates, leaf):
    proxy = stage.proxy(stage.recorder(), listener=tls_listener(leaf))
    for opening in (b"\x16\x03\x01\x02\x00\x01\x00", b"\xff" * 500, b"\x80\x2e\x01\x00\x02"):
        client = stage.client(proxy)
        client.send(opening)
        client.half_close()
        client.read_to_eof()
    abandoned = stage.client(proxy)
    abandoned.send(bytes.fromhex("1603010200010001fc0303") + b"\x11" * 60)
    assert client_answer(stage, proxy, certificates.client_context()) == 200
    abandoned.reset()


def test_a_handshake_that_stalls_is_ended_by_the_header_timeout(stage, leaf):
    proxy = stage.proxy(stage.recorder(), listener={
        **tls_listener(leaf), "timeouts": {"header": "1s"}})
    client = stage.client(proxy)
    client.send(bytes.fromhex("1603010200010001fc0303") + b"\x11" * 60)
    client.read_to_eof()


def test_keep_alive_and_pipelining_work_over_tls(stage, certificates, leaf):
    backend = stage.recorder(respond=lambda request: answer(request.target.encode()))
    proxy = stage.proxy(backend, listener=tls_listener(leaf))
    client = stage.client(proxy, tls=certificates.client_context(), server_name="localhost")
    client.send(head(path="/1") + head(path="/2"))
    assert [client.read_response().text for _ in range(2)] == ["/1", "/2"]
    assert client.get("/3").text == "/3"


def test_a_request_whose_bytes_come_in_tiny_records_is_understood(stage, certificates, leaf):
    proxy = stage.proxy(stage.recorder(), listener=tls_listener(leaf))
    client = stage.client(proxy, tls=certificates.client_context(), server_name="localhost")
    client.send_byte_by_byte(head())
    assert client.read_response().status == 200


def test_big_bodies_survive_tls_both_ways(stage, certificates, leaf):
    backend = stage.recorder(respond=lambda request: answer(request.body))
    proxy = stage.proxy(backend, listener=tls_listener(leaf))
    client = stage.client(proxy, tls=certificates.client_context(), server_name="localhost",
                          remember=False)
    body = b"".join(random_pieces(10 * MEGABYTE, seed=10))
    # In turn: Python's ssl objects may not be read and written by two threads at once. The backend
    # answers when it has everything.
    client.send(head("POST", headers=[("Content-Length", str(len(body)))]) + body)
    answered = client.read_response("POST")
    assert digest([answered.body]) == digest([body])


def test_the_end_of_a_tls_connection_is_announced(stage, certificates, leaf):
    """close_notify: without it the ssl module raises instead of telling the end."""
    proxy = stage.proxy(stage.recorder(), listener=tls_listener(leaf))
    context = certificates.client_context()
    client = stage.client(proxy, tls=context, server_name="localhost")
    assert client.get(headers=[("Connection", "close")]).status == 200
    assert client.sock.recv(10) == b""


def test_a_tls_client_that_leaves_cancels_the_backends_work(stage, certificates, leaf):
    backend = stage.backend(lambda peer: (peer.read_request(), peer.wait_gone()))
    proxy = stage.proxy(backend, listener=tls_listener(leaf))
    client = stage.client(proxy, tls=certificates.client_context(), server_name="localhost")
    client.send(head())
    peer = backend.wait_for_connections(1)
    wait_until(lambda: b"\r\n\r\n" in peer.received, "the request arrives")
    client.reset()
    assert peer.closed.wait(60)


def test_a_proxy_header_comes_before_the_handshake(stage, certificates, leaf):
    backend = stage.recorder()
    proxy = stage.proxy(backend, listener={**tls_listener(leaf), "proxy_protocol": True})
    client = stage.client(proxy)
    client.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 5555 443\r\n")
    client.sock = certificates.client_context().wrap_socket(
        client.sock, server_hostname="localhost")
    assert client.get().status == 200
    assert backend.last.get("x-forwarded-for") == "203.0.113.9"

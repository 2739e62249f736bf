"""Line 5: WebSocket, other upgrades and CONNECT: tunnels with their limits and their records."""

import json
import threading

import pytest

from lib.raw_client import head
from lib.real_servers import run_node
from lib.scripted_backend import answer
from lib.streams import MEGABYTE, digest, random_pieces, receive_digest
from lib.waiting import wait_until

UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "chat/2")]
SWITCHING = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: chat/2\r\n\r\n")
CONNECT_ROUTE = [{"name": "tunnel", "methods": ["CONNECT"], "pool": "app"}]
CONNECT = b"CONNECT db.example:5432 HTTP/1.1\r\nHost: db.example:5432\r\n\r\n"


def ws_url(proxy, path="/"):
    return proxy.url(path, scheme="ws")


def echo_tunnel(peer):
    """Switches protocols, then sends back what comes until the other side is through."""
    peer.read_head()
    peer.send(SWITCHING)
    while True:
        data = peer.read_some()
        if not data:
            break
        peer.send(data)


def test_a_websocket_echoes_through_the_proxy(stage):
    proxy = stage.proxy(stage.node("ws_server"))
    result = json.loads(run_node("ws_client", ws_url(proxy), "echo"))
    assert result == {"got": ["first", "second", "third"], "code": 1000, "reason": "bye"}


def test_a_big_websocket_message_comes_back_whole(stage):
    proxy = stage.proxy(stage.node("ws_server"))
    result = json.loads(run_node("ws_client", ws_url(proxy), "big"))
    assert result == {"equal": True, "size": 8 * 1024 * 1024}


def test_thousands_of_small_websocket_messages_keep_their_order(stage):
    proxy = stage.proxy(stage.node("ws_server"))
    assert json.loads(run_node("ws_client", ws_url(proxy), "many")) == {"count": 2000}


def test_close_codes_and_pings_of_a_websocket_pass(stage):
    proxy = stage.proxy(stage.node("ws_server"))
    closed = json.loads(run_node("ws_client", ws_url(proxy, "/close"), "listen"))
    assert closed == {"got": [], "code": 4001, "reason": "as asked"}
    pinged = json.loads(run_node("ws_client", ws_url(proxy, "/ping"), "listen"))
    assert pinged["got"] == ["pong:are you there"]


def test_a_websocket_that_the_backend_refuses_gets_the_refusal(stage):
    proxy = stage.proxy(stage.node("ws_server"))
    assert json.loads(run_node("ws_client", ws_url(proxy, "/refuse"), "listen")) == {"status": 401}


def test_a_websocket_through_tls_works(stage, certificates):
    leaf = certificates.leaf("localhost", "IP:127.0.0.1")
    proxy = stage.proxy(stage.node("ws_server"), listener={"tls": {"certificates": [leaf]}})
    result = json.loads(run_node("ws_client", proxy.url(scheme="wss"), "big"))
    assert result["equal"]


def test_any_upgrade_token_becomes_a_tunnel_of_raw_bytes(stage):
    client = stage.client(stage.proxy(stage.backend(echo_tunnel)))
    client.send(head(headers=UPGRADE))
    switched = client.read_head()
    assert switched.status == 101
    assert switched.get("upgrade") == "chat/2"
    assert switched.get("connection").lower() == "upgrade"
    message = bytes(range(256)) + b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"
    client.send(message)
    assert client.read_exactly(len(message)) == message


def test_bytes_sent_right_behind_the_upgrade_request_reach_the_tunnel(stage):
    client = stage.client(stage.proxy(stage.backend(echo_tunnel)))
    client.send(head(headers=UPGRADE) + b"eager")
    assert client.read_head().status == 101
    assert client.read_exactly(5) == b"eager"


def test_bytes_sent_right_behind_the_101_reach_the_client(stage):
    def script(peer):
        peer.read_head()
        peer.send(SWITCHING + b"server speaks first")
        peer.wait_gone()

    client = stage.client(stage.proxy(stage.backend(script)))
    client.send(head(headers=UPGRADE))
    assert client.read_head().status == 101
    assert client.read_exactly(19) == b"server speaks first"


def test_the_backend_sees_the_upgrade_headers(stage):
    backend = stage.backend(echo_tunnel)
    client = stage.client(stage.proxy(backend))
    client.send(head(headers=[*UPGRADE, ("Sec-WebSocket-Key", "abc")]))
    client.read_head()
    forwarded = bytes(backend.peers[0].received).lower()
    assert b"\r\nconnection: upgrade\r\n" in forwarded
    assert b"\r\nupgrade: chat/2\r\n" in forwarded
    assert b"\r\nsec-websocket-key: abc\r\n" in forwarded


def test_an_upgrade_that_connection_does_not_name_is_not_forwarded(stage):
    backend = stage.recorder()
    assert stage.get(stage.proxy(backend), headers=[("Upgrade", "chat/2")]).status == 200
    assert backend.last.get("upgrade") is None


def test_a_101_that_nobody_asked_for_is_a_502(stage):
    backend = stage.recorder(respond=lambda request: SWITCHING)
    proxy = stage.proxy(backend)
    client = stage.client(proxy)
    answered = client.get()
    assert (answered.status, answered.get("x-evergate-error")) == (502, "connection")
    assert client.get("/next").status == 502


def test_a_101_to_another_protocol_than_was_offered_is_a_502(stage):
    backend = stage.recorder(respond=lambda request: SWITCHING.replace(b"chat/2", b"other"))
    client = stage.client(stage.proxy(backend))
    client.send(head(headers=UPGRADE))
    assert client.read_head().status == 502


def test_a_backend_that_ignores_the_upgrade_answers_as_usual(stage):
    client = stage.client(stage.proxy(stage.recorder()))
    for _ in range(2):
        answered = client.get(headers=UPGRADE)
        assert (answered.status, answered.body) == (200, b"backend")


def test_connect_becomes_a_tunnel_where_a_route_allows_it(stage):
    def script(peer):
        request = peer.read_head()
        assert request.start_line == "CONNECT db.example:5432 HTTP/1.1"
        peer.send(b"HTTP/1.1 200 Connected\r\n\r\n")
        while data := peer.read_some():
            peer.send(data.upper())

    client = stage.client(stage.proxy(stage.backend(script), routes=CONNECT_ROUTE))
    client.send(CONNECT)
    opened = client.read_head()
    assert opened.status == 200
    assert opened.get("content-length") is None and opened.get("transfer-encoding") is None
    client.send(b"select 1;")
    assert client.read_exactly(9) == b"SELECT 1;"


def test_a_refused_connect_is_an_ordinary_answer(stage):
    backend = stage.recorder(respond=lambda request: answer(b"no", "403 Forbidden"))
    client = stage.client(stage.proxy(backend, routes=CONNECT_ROUTE))
    answered = client.request(CONNECT)
    assert (answered.status, answered.body) == (403, b"no")


@pytest.mark.parametrize("target", ["/path", "*", "db.example", "http://db.example/", "a:b", ":80"])
def test_connect_to_anything_but_an_authority_is_refused(stage, target):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend, routes=CONNECT_ROUTE))
    sent = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()
    assert client.request(sent).status == 400
    assert backend.count == 0


def test_a_tunnel_where_nothing_moves_is_closed_after_the_idle_timeout(stage):
    backend = stage.backend(echo_tunnel)
    client = stage.client(stage.proxy(
        backend, listener={"timeouts": {"idle": "1s"}},
        pool_settings={"timeouts": {"idle": "1s"}}))
    client.send(head(headers=UPGRADE))
    assert client.read_head().status == 101
    client.expect_close()
    assert backend.peers[0].closed.wait(60)


def test_a_half_close_of_the_client_goes_through_the_tunnel(stage):
    def script(peer):
        peer.read_head()
        peer.send(SWITCHING)
        everything = peer.read_to_eof()
        peer.send(b"you said " + everything)

    client = stage.client(stage.proxy(stage.backend(script)))
    client.send(head(headers=UPGRADE))
    client.read_head()
    client.send(b"all of it")
    client.half_close()
    assert client.read_to_eof() == b"you said all of it"


def test_a_half_close_of_the_backend_goes_through_the_tunnel(stage):
    def script(peer):
        peer.read_head()
        peer.send(SWITCHING + b"that was all")
        peer.half_close()
        assert peer.read_to_eof() == b"thank you"

    backend = stage.backend(script)
    client = stage.client(stage.proxy(backend))
    client.send(head(headers=UPGRADE))
    client.read_head()
    assert client.read_to_eof() == b"that was all"
    client.send(b"thank you")
    client.close()
    assert backend.peers[0].closed.wait(60)


def test_a_client_that_leaves_its_tunnel_closes_it(stage):
    backend = stage.backend(echo_tunnel)
    client = stage.client(stage.proxy(backend))
    client.send(head(headers=UPGRADE))
    client.read_head()
    client.reset()
    assert backend.peers[0].closed.wait(60)


def test_a_backend_that_resets_its_tunnel_closes_it(stage):
    def script(peer):
        peer.read_head()
        peer.send(SWITCHING)
        peer.read_exactly(1)
        peer.reset()

    client = stage.client(stage.proxy(stage.backend(script)))
    client.send(head(headers=UPGRADE))
    client.read_head()
    client.send(b"x")
    client.expect_close()


def test_a_tunnel_has_back_pressure_and_loses_nothing(stage):
    total = 32 * MEGABYTE
    go = threading.Event()
    received = []

    def script(peer):
        peer.read_head()
        peer.send(SWITCHING)
        go.wait(120)
        received.append(receive_digest(peer, total))
        peer.send(b"done")

    backend = stage.backend(script, receive_buffer=65536, remember=False)
    client = stage.client(stage.proxy(backend), remember=False)
    client.send(head(headers=UPGRADE))
    client.read_head()
    sent = []

    def upload():
        for piece in random_pieces(total, seed=9):
            client.send(piece)
            sent.append(len(piece))

    client.sock.settimeout(300)
    thread = threading.Thread(target=upload, daemon=True)
    thread.start()
    wait_until(lambda: sum(sent) > 100_000, "the tunnel takes some")
    assert sum(sent) < total
    go.set()
    thread.join(300)
    assert client.read_exactly(4) == b"done"
    assert received == [digest(random_pieces(total, seed=9))]


def test_a_tunnels_bytes_are_in_the_access_log(stage):
    proxy = stage.proxy(stage.backend(echo_tunnel))
    client = stage.client(proxy)
    client.send(head(headers=UPGRADE))
    client.read_head()
    client.send(b"x" * 5000)
    client.read_exactly(5000)
    client.close()
    line = proxy.wait_access_lines(1)[0]
    assert line["status"] == 101
    assert line["bytes_in"] >= 5000 and line["bytes_out"] >= 5000


def test_an_upgrade_with_a_body_is_an_ordinary_request(stage):
    """RFC 9110 section 7.8 lets a server ignore it: where the new protocol begins is disputable."""
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    answered = client.request(head("POST", headers=[*UPGRADE, ("Content-Length", "4")]) + b"body")
    assert answered.status == 200
    assert backend.last.get("upgrade") is None
    assert backend.last.body == b"body"


def test_an_upgrade_of_an_http10_client_is_ignored(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    assert client.request(head(version="HTTP/1.0", headers=UPGRADE)).status == 200
    assert backend.last.get("upgrade") is None

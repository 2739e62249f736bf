"""Line 9: what the proxy answers by itself: the contract's table, row by row."""

import json
import re

import pytest

from lib import libconfig
from lib.raw_client import head
from lib.scripted_backend import answer

ROUTE = [{"name": "only", "path": "/here", "pool": "app"}]


def assert_own(answered, status, kind):
    assert (answered.status, answered.get("x-evergate-error")) == (status, kind), answered


def error_of(answered):
    """The error object of a JSON answer, checked for the contract's members."""
    assert answered.get("content-type").startswith("application/json")
    error = json.loads(answered.body)["error"]
    assert set(error) == {"type", "message", "code", "request_id"}
    return error


def test_no_route_is_a_404_not_found(stage):
    backend = stage.recorder()
    assert_own(stage.get(stage.proxy(backend, routes=ROUTE), "/else"), 404, "not_found")
    assert backend.count == 0


def test_a_method_the_route_does_not_allow_is_a_405_with_allow(stage):
    proxy = stage.proxy(stage.recorder(), routes=[
        {"name": "some", "path": "/", "methods": ["GET", "POST"], "pool": "app"}])
    answered = stage.get(proxy, method="DELETE")
    assert answered.status == 405
    assert answered.get("x-evergate-error")
    assert set(re.split(r",\s*", answered.get("allow"))) == {"GET", "POST"}


def test_a_method_another_route_allows_is_served_there(stage):
    proxy = stage.proxy(stage.recorder(), routes=[
        {"name": "reads", "path": "/", "methods": ["GET"], "pool": "app"},
        {"name": "writes", "path": "/", "methods": ["POST"], "pool": "app"}])
    client = stage.client(proxy)
    assert client.get().status == 200
    assert client.request(head("POST", headers=[("Content-Length", "0")])).status == 200
    assert client.get(method="PUT").status == 405
    assert [line["route"] for line in proxy.wait_access_lines(3)][:2] == ["reads", "writes"]


def test_a_malformed_request_is_a_400_validation(stage):
    client = stage.client(stage.proxy(stage.recorder()))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n")
    assert_own(client.read_response(), 400, "validation")


def test_no_reachable_endpoint_is_a_502_connection(stage):
    assert_own(stage.get(stage.proxy(stage.refusing_port())), 502, "connection")


@pytest.mark.parametrize("settings", [{"drain": True}, {"weight": 0}])
def test_a_pool_without_a_usable_endpoint_is_a_503_with_retry_after(stage, settings):
    backend = stage.recorder()
    proxy = stage.proxy({"id": "a", "address": backend.address, **settings})
    answered = stage.get(proxy)
    assert_own(answered, 503, "connection")
    assert int(answered.get("retry-after")) >= 1


def test_a_route_timeout_is_a_504_timeout(stage):
    backend = stage.backend(lambda peer: (peer.read_request(), peer.wait_gone()))
    proxy = stage.proxy(backend, routes=[
        {"name": "quick", "path": "/", "pool": "app", "timeout": "300ms"}])
    assert_own(stage.get(proxy), 504, "timeout")
    assert backend.peers[0].closed.wait(60)


@pytest.mark.parametrize("accept", [
    "application/json", "text/html, application/json;q=0.9", "application/problem+json"])
def test_the_body_is_json_where_the_client_accepts_json(stage, accept):
    proxy = stage.proxy(stage.recorder(), routes=ROUTE)
    answered = stage.get(proxy, "/else", headers=[("Accept", accept), ("X-Request-Id", "my-id.1")])
    error = error_of(answered)
    assert error["type"] == "not_found"
    assert error["request_id"] == "my-id.1"
    assert error["message"] and error["code"]


@pytest.mark.parametrize("headers", [[], [("Accept", "text/html")], [("Accept", "text/plain")]])
def test_the_body_is_plain_text_otherwise(stage, headers):
    answered = stage.get(stage.proxy(stage.recorder(), routes=ROUTE), "/else", headers=headers)
    assert answered.get("content-type").startswith("text/plain")
    assert 0 < len(answered.body) < 500
    assert not answered.body.startswith(b"{")


def test_an_own_answer_without_a_clients_id_carries_a_made_one(stage):
    proxy = stage.proxy(stage.recorder(), routes=ROUTE)
    answered = stage.get(proxy, "/else", headers=[("Accept", "application/json")])
    assert re.fullmatch(r"[0-9a-f]{32}", error_of(answered)["request_id"])
    assert proxy.wait_access_lines(1)[0]["request_id"] == error_of(answered)["request_id"]


def test_a_refused_request_that_wants_json_gets_json_or_text_but_its_type(stage):
    """Before a head is understood its Accept is not known: only the header is promised."""
    client = stage.client(stage.proxy(stage.recorder()))
    client.send(b"GET / HTTP/1.1\r\nAccept: application/json\r\n\r\n")
    assert_own(client.read_response(), 400, "validation")


def test_an_own_answer_to_head_has_no_body_and_keeps_the_connection(stage):
    client = stage.client(stage.proxy(stage.recorder(), routes=ROUTE))
    assert_own(client.get("/else", method="HEAD"), 404, "not_found")
    assert client.get("/here").status == 200


def test_an_own_answer_keeps_the_connection_when_the_request_was_good(stage):
    client = stage.client(stage.proxy(stage.recorder(), routes=ROUTE))
    for _ in range(3):
        assert_own(client.get("/else"), 404, "not_found")
    assert client.get("/here").status == 200


def test_an_own_answer_to_an_upload_does_not_read_its_body_as_a_request(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend, routes=ROUTE))
    body = head(path="/here")
    client.send(head("POST", "/else", headers=[("Content-Length", str(len(body)))]) + body)
    assert_own(client.read_response(), 404, "not_found")
    client.half_close()
    assert b"HTTP/1.1" not in client.read_to_eof()
    assert backend.count == 0


def test_a_backends_own_errors_are_relayed_without_our_header(stage):
    for status in ("404 Not Found", "500 Internal Server Error", "503 Service Unavailable"):
        backend = stage.recorder(respond=lambda request, s=status: answer(b"theirs", s))
        answered = stage.get(stage.proxy(backend))
        assert answered.start_line == f"HTTP/1.1 {status}"
        assert answered.get("x-evergate-error") is None
        assert answered.body == b"theirs"


def test_every_own_answer_is_in_the_access_log_with_its_type(stage):
    proxy = stage.proxy(stage.refusing_port(), routes=ROUTE)
    client = stage.client(proxy)
    client.get("/else")
    client.get("/here")
    lines = proxy.wait_access_lines(2)
    assert [(line["status"], line["error_type"]) for line in lines] == [
        (404, "not_found"), (502, "connection")]


def test_text_of_the_request_never_appears_unescaped_in_an_own_answer(stage):
    """An own answer quotes nothing that a request could smuggle markup or JSON with."""
    proxy = stage.proxy(stage.recorder(), routes=ROUTE)
    for accept in ("application/json", "text/html"):
        answered = stage.get(proxy, '/<script>"}', headers=[
            ("Accept", accept), ("X-Request-Id", '"><script>')])
        assert b"<script>" not in answered.body
        assert "<script>" not in (answered.get("x-request-id") or "")
        if accept == "application/json" and answered.status == 404:
            json.loads(answered.body)


def test_two_listeners_answer_alike(stage):
    settings = libconfig.simple([stage.recorder()], routes=ROUTE)
    settings["listeners"] = [{"name": n, "bind": "127.0.0.1:0"} for n in ("one", "two")]
    proxy = stage.evergate(settings, names=("one", "two"))
    for name in ("one", "two"):
        assert_own(stage.client(proxy, name).get("/else"), 404, "not_found")

"""Line 6: TLS towards backends, verified unless told otherwise."""

import ssl
import subprocess

import pytest

from lib.recording_backend import RecordingBackend
from lib.scripted_backend import answer
from lib.streams import MEGABYTE, digest, random_pieces


def tls_backend(stage, certificates, *names, client_ca=None, **leaf_settings):
    """A recorder behind TLS that also notes the SNI and the client's certificate."""
    context = certificates.server_context(
        certificates.leaf(*names, **leaf_settings), client_ca)
    seen = []
    context.sni_callback = lambda sock, name, ctx: seen.append(name)
    backend = stage.recorder(tls=context)
    backend.server_names = seen
    return backend


def localhost(backend):
    return {"id": "b", "address": f"localhost:{backend.port}"}


def assert_502_tls(stage, proxy, backend):
    answered = stage.get(proxy)
    assert (answered.status, answered.get("x-evergate-error")) == (502, "connection")
    assert backend.count == 0


def test_a_backend_of_a_trusted_authority_is_verified_and_used(stage, certificates):
    backend = tls_backend(stage, certificates, "localhost")
    proxy = stage.proxy(localhost(backend), pool_settings={"tls": {"ca": certificates.ca}})
    assert stage.get(proxy).status == 200
    assert backend.server_names[0] == "localhost"


def test_a_certificate_of_an_unknown_authority_is_refused_by_default(stage, certificates):
    backend = tls_backend(stage, certificates, "localhost")
    assert_502_tls(stage, stage.proxy(localhost(backend), pool_settings={"tls": {}}), backend)


def test_a_certificate_for_another_name_is_refused(stage, certificates):
    backend = tls_backend(stage, certificates, "other.test")
    proxy = stage.proxy(localhost(backend), pool_settings={"tls": {"ca": certificates.ca}})
    assert_502_tls(stage, proxy, backend)


def test_an_expired_certificate_is_refused(stage, certificates):
    backend = tls_backend(stage, certificates, "localhost", expired=True)
    proxy = stage.proxy(localhost(backend), pool_settings={"tls": {"ca": certificates.ca}})
    assert_502_tls(stage, proxy, backend)


def test_sni_can_be_set_and_is_what_is_verified(stage, certificates):
    backend = tls_backend(stage, certificates, "inner.test")
    proxy = stage.proxy(backend, pool_settings={
        "tls": {"ca": certificates.ca, "sni": "inner.test"}})
    assert stage.get(proxy).status == 200
    assert backend.server_names[0] == "inner.test"


def test_without_verification_any_certificate_will_do(stage, certificates):
    backend = tls_backend(stage, certificates, "whoever.test", expired=True)
    proxy = stage.proxy(backend, pool_settings={"tls": {"verify": False}})
    assert stage.get(proxy).status == 200


def test_a_client_certificate_is_shown_where_one_is_configured(stage, certificates):
    backend = tls_backend(stage, certificates, "localhost", client_ca=certificates.ca)
    ours = certificates.leaf("proxy.test")
    with_one = stage.proxy(localhost(backend), pool_settings={"tls": {
        "ca": certificates.ca, "cert": ours["cert"], "key": ours["key"]}})
    assert stage.get(with_one).status == 200
    without = stage.proxy(localhost(backend), pool_settings={"tls": {"ca": certificates.ca}})
    assert stage.get(without).status == 502
    assert backend.count == 1


def test_a_plain_backend_behind_a_tls_pool_is_a_502(stage, certificates):
    def script(peer):
        peer.read_some()  # a ClientHello, which a plain server takes for a bad request
        peer.send(answer(b"what?", "400 Bad Request"))

    proxy = stage.proxy(stage.backend(script), pool_settings={"tls": {"verify": False}})
    assert stage.get(proxy).status == 502


def test_a_backend_that_never_shakes_hands_is_a_502(stage):
    proxy = stage.proxy(stage.backend(lambda peer: peer.wait_gone()), pool_settings={
        "tls": {"verify": False}, "timeouts": {"connect": "300ms"}})
    assert stage.get(proxy).status == 502


def test_connections_over_tls_are_reused(stage, certificates):
    backend = tls_backend(stage, certificates, "localhost")
    proxy = stage.proxy(localhost(backend), pool_settings={"tls": {"ca": certificates.ca}})
    client = stage.client(proxy)
    for _ in range(10):
        assert client.get().status == 200
    assert len(backend.peers) == 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_second_connection_to_a_backend_resumes_the_session(stage, certificates, version):
    context = certificates.server_context(certificates.leaf("localhost"))
    context.maximum_version = version
    resumed = []

    def respond(request):
        return answer(b"ok", headers=[("Connection", "close")])

    class Watching(RecordingBackend):
        def record(self, peer):
            resumed.append(peer.sock.session_reused)
            super().record(peer)

    backend = stage.ending(Watching("watching", respond, tls=context))
    proxy = stage.proxy(localhost(backend), workers=1,
                        pool_settings={"tls": {"ca": certificates.ca}})
    client = stage.client(proxy)
    for _ in range(4):
        assert client.get().status == 200
    assert resumed[0] is False and any(resumed[1:])


def test_big_bodies_survive_tls_to_the_backend(stage, certificates):
    backend = tls_backend(stage, certificates, "localhost")
    backend.respond = lambda request: answer(request.body)
    proxy = stage.proxy(localhost(backend), pool_settings={"tls": {"ca": certificates.ca}})
    body = b"".join(random_pieces(5 * MEGABYTE, seed=11))
    client = stage.client(proxy, remember=False)
    answered = client.request(
        f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    assert digest([answered.body]) == digest([body])


def test_openssl_s_server_is_a_backend_too(stage, certificates):
    """A second implementation's idea of TLS records and close_notify."""
    leaf = certificates.leaf("localhost")
    with subprocess.Popen(
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", leaf["cert"], "-key",
             leaf["key"], "-www"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True) as server:
        try:
            port = accepting_port(server)
            proxy = stage.proxy({"id": "s", "address": f"localhost:{port}"},
                                pool_settings={"tls": {"ca": certificates.ca}})
            answered = stage.get(proxy)
            assert answered.status == 200
            assert "s_server" in answered.text
        finally:
            server.terminate()


def accepting_port(server):
    for line in server.stdout:
        if line.startswith("ACCEPT"):
            return int(line.rsplit(":", 1)[1])
    raise AssertionError("s_server did not tell its port")

"""Line 3: listeners on IPv4, IPv6 and Unix sockets; the PROXY protocol."""

import pathlib
import socket
import struct

import pytest

from lib import libconfig
from lib.raw_client import head
from lib.waiting import wait_until

V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v2_header(source, destination, source_port, destination_port, tlvs=b""):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    body = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    body += struct.pack("!HH", source_port, destination_port) + tlvs
    kind = 0x21 if family == socket.AF_INET6 else 0x11
    return V2_SIGNATURE + struct.pack("!BBH", 0x21, kind, len(body)) + body


def behind_proxy_protocol(stage, backend):
    return stage.proxy(backend, listener={"proxy_protocol": True})


def test_an_ipv6_listener_serves_and_forwards_the_ipv6_address(stage):
    backend = stage.recorder()
    proxy = stage.proxy(backend, listener={"bind": "[::1]:0"})
    assert proxy.address().startswith("[::1]:")
    assert stage.get(proxy).status == 200
    assert backend.last.get("x-forwarded-for") == "::1"


def test_a_unix_socket_listener_serves_and_removes_its_socket(stage, tmp_path):
    backend = stage.recorder()
    path = tmp_path / "in.sock"
    proxy = stage.proxy(backend, listener={"bind": f"unix:{path}"})
    assert stage.get(proxy).status == 200
    proxy.stop()
    assert not path.exists()


def test_a_socket_file_left_behind_by_a_dead_process_is_replaced(stage, tmp_path):
    path = tmp_path / "in.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    proxy = stage.proxy(stage.recorder(), listener={"bind": f"unix:{path}"})
    assert stage.get(proxy).status == 200


def test_several_listeners_serve_side_by_side(stage, tmp_path):
    backend = stage.recorder()
    settings = libconfig.simple([backend])
    settings["listeners"] = [
        {"name": "four", "bind": "127.0.0.1:0"}, {"name": "six", "bind": "[::1]:0"},
        {"name": "local", "bind": f"unix:{tmp_path}/l.sock"}]
    proxy = stage.evergate(settings, names=("four", "six", "local"))
    for name in ("four", "six", "local"):
        assert stage.client(proxy, name).get().status == 200
    lines = proxy.wait_access_lines(3)
    assert {line["listener"] for line in lines} == {"four", "six", "local"}


def test_a_v1_header_gives_the_client_its_address(stage):
    backend = stage.recorder()
    proxy = behind_proxy_protocol(stage, backend)
    client = stage.client(proxy)
    client.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 5555 80\r\n")
    assert client.get().status == 200
    assert client.get("/kept").status == 200
    assert [r.get("x-forwarded-for") for r in backend.requests] == ["203.0.113.9"] * 2
    assert proxy.wait_access_lines(2)[0]["client"].startswith("203.0.113.9")


def test_a_v1_header_with_ipv6_is_understood(stage):
    backend = stage.recorder()
    client = stage.client(behind_proxy_protocol(stage, backend))
    client.send(b"PROXY TCP6 2001:db8::9 2001:db8::1 5555 80\r\n")
    assert client.get().status == 200
    assert backend.last.get("x-forwarded-for") == "2001:db8::9"


def test_a_v1_header_of_an_unknown_client_keeps_the_real_address(stage):
    backend = stage.recorder()
    client = stage.client(behind_proxy_protocol(stage, backend))
    client.send(b"PROXY UNKNOWN\r\n")
    assert client.get().status == 200
    assert backend.last.get("x-forwarded-for") == "127.0.0.1"


@pytest.mark.parametrize("source, destination", [
    ("203.0.113.9", "192.0.2.1"), ("2001:db8::9", "2001:db8::1")])
def test_a_v2_header_gives_the_client_its_address(stage, source, destination):
    backend = stage.recorder()
    client = stage.client(behind_proxy_protocol(stage, backend))
    client.send(v2_header(source, destination, 5555, 80, tlvs=b"\x04\x00\x02no") + head())
    assert client.read_response().status == 200
    assert backend.last.get("x-forwarded-for") == source


def test_a_v2_header_of_a_health_check_keeps_the_real_address(stage):
    backend = stage.recorder()
    client = stage.client(behind_proxy_protocol(stage, backend))
    client.send(V2_SIGNATURE + struct.pack("!BBH", 0x20, 0, 0) + head())
    assert client.read_response().status == 200
    assert backend.last.get("x-forwarded-for") == "127.0.0.1"


def test_proxy_headers_may_come_one_byte_at_a_time(stage):
    backend = stage.recorder()
    proxy = behind_proxy_protocol(stage, backend)
    for header in (b"PROXY TCP4 203.0.113.9 192.0.2.1 5555 80\r\n",
                   v2_header("203.0.113.9", "192.0.2.1", 5555, 80)):
        client = stage.client(proxy)
        client.send_byte_by_byte(header + head())
        assert client.read_response().status == 200
        assert backend.last.get("x-forwarded-for") == "203.0.113.9"


@pytest.mark.parametrize("opening", [
    b"", b"PROXY\r\n", b"PROXY TCP4 999.0.113.9 192.0.2.1 5555 80\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 5555 80\n", b"PROXY TCP4 203.0.113.9 192.0.2.1 99999 80\r\n",
    b"PROXY TCP4 203.0.113.9 192.0.2.1 5555\r\n", b"PROXY " + b"x" * 200 + b"\r\n",
    V2_SIGNATURE + b"\x31\x11\x00\x0c" + b"\x00" * 12,
    V2_SIGNATURE + b"\x21\x11\x00\x04" + b"\x00" * 4])
def test_a_connection_without_a_good_proxy_header_is_refused(stage, opening):
    backend = stage.recorder()
    client = stage.client(behind_proxy_protocol(stage, backend))
    client.send(opening + head())
    rest = client.read_to_eof()
    assert rest == b"" or rest.startswith(b"HTTP/1.1 400 ")
    assert backend.count == 0


def test_a_proxy_header_is_refused_where_none_is_configured(stage):
    backend = stage.recorder()
    client = stage.client(stage.proxy(backend))
    client.send(b"PROXY TCP4 203.0.113.9 192.0.2.1 5555 80\r\n" + head())
    assert client.read_response().status == 400
    client.read_to_eof()
    assert backend.count == 0


def test_connections_spread_over_the_workers(stage):
    """SO_REUSEPORT hashes the ports: with 200 connections every worker gets some."""
    backend = stage.recorder()
    proxy = stage.proxy(backend, pool_settings={"keepalive": {"idle": 1}})
    for _ in range(200):
        assert stage.get(proxy).status == 200
    threads = pathlib.Path(f"/proc/{proxy.process.pid}/task")
    wait_until(lambda: len(list(threads.iterdir())) >= libconfig.DEFAULT_WORKERS, "workers run")
    assert len({request.peer_index for request in backend.requests}) >= libconfig.DEFAULT_WORKERS


def test_an_ipv6_wildcard_listener_leaves_ipv4_to_another(stage):
    """Each family may have a listener of its own, as people write it who come from nginx."""
    backend = stage.recorder()

    def same_port_on_both():
        """The IPv4 port of that number may belong to a test beside this one: then another."""
        six = stage.proxy(backend, listener={"bind": "[::]:0"})
        four = stage.evergate(libconfig.simple(
            [backend], listener={"bind": f"0.0.0.0:{six.port()}"}), names=())
        wait_until(lambda: four.listeners() or four.process.poll() is not None, "it has tried")
        four.expected_exit = 0 if four.listeners() else 1
        return four.listeners() and (six, four)

    six, four = wait_until(same_port_on_both, "a port is free in both families")
    assert stage.client(f"[::1]:{six.port()}").get().status == 200
    assert stage.client(f"127.0.0.1:{four.port()}").get().status == 200


def test_a_bare_port_listens_for_both_families(stage):
    proxy = stage.proxy(stage.recorder(), listener={"bind": ":0"})
    for host in ("127.0.0.1", "[::1]"):
        assert stage.client(f"{host}:{proxy.port()}").get().status == 200

"""Sockets that a service manager passes: taken instead of bound, shared, kept, never removed."""

import os
import signal
import socket

import pytest

from lib import libconfig
from lib.activation import Activated, address_of, kernel_socket, listening
from lib.management import Management
from lib.processes import open_files
from lib.raw_client import RawClient
from lib.waiting import wait_until


def configuration(backend, *binds, admin="off"):
    settings = libconfig.simple([backend], drain_timeout="5s", admin={"bind": admin})
    settings["listeners"] = [{"name": f"l{i}", "bind": bind} for i, bind in enumerate(binds)]
    return settings


def start(stage, config, names=("l0",), **passed):
    process = stage.ending(Activated(stage.room("evergate"), config, passed))
    return process.wait_started(names) if names else process


def own(stage, sock):
    stage.ending(sock, "close")
    return sock


def ask(sock):
    client = RawClient(address_of(sock))
    try:
        return client.get().status
    finally:
        client.close()


@pytest.mark.parametrize("where", ["127.0.0.1", "::1"])
def test_a_listener_takes_the_socket_that_was_passed_for_its_address(stage, where):
    passed = own(stage, listening(where))
    proxy = start(stage, configuration(stage.recorder(), address_of(passed)), edge=passed)
    assert ask(passed) == 200
    assert kernel_socket(passed) in open_files(proxy.pid)
    assert not proxy.log_lines("was passed for")


def test_every_address_of_both_families_is_one_passed_socket(stage):
    passed = own(stage, socket.create_server(("::", 0), family=socket.AF_INET6,
                                             dualstack_ipv6=True))
    port = passed.getsockname()[1]
    start(stage, configuration(stage.recorder(), f":{port}"), http=passed)
    for address in (f"127.0.0.1:{port}", f"[::1]:{port}"):
        client = stage.client(address)
        assert client.get().status == 200


def test_a_unix_socket_that_was_passed_is_not_removed_at_the_end(stage):
    passed = own(stage, listening(stage.room("run") / "in.sock"))
    proxy = start(stage, configuration(stage.recorder(), address_of(passed)), app=passed)
    assert ask(passed) == 200
    proxy.upgrade()
    assert ask(passed) == 200
    proxy.stop()
    assert os.path.exists(passed.getsockname())


def test_management_may_be_passed_too(stage):
    web, admin = own(stage, listening()), own(stage, listening())
    proxy = start(stage, configuration(stage.recorder(), address_of(web), admin=address_of(admin)),
                  web=web, admin=admin)
    assert Management(proxy).ask("/health/live").status == 200
    assert not proxy.log_lines("was passed for")


def test_clients_wait_from_one_process_to_the_next_and_none_is_refused(stage):
    passed = own(stage, listening())
    config = configuration(stage.recorder(), address_of(passed))
    start(stage, config, web=passed).stop()
    waiting = [stage.client(address_of(passed)) for _ in range(5)]
    for client in waiting:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    start(stage, config, web=passed)
    assert [client.read_response().status for client in waiting] == [200] * 5


def test_a_socket_without_a_listener_is_told_of_and_a_reload_may_take_it(stage):
    web, later = own(stage, listening()), own(stage, listening())
    backend = stage.recorder()
    proxy = start(stage, configuration(backend, address_of(web)), web=web, later=later)
    assert len(proxy.log_lines(rf'later\\?" was passed for {address_of(later)}')) == 1
    proxy.reload(configuration(backend, address_of(web), address_of(later)))
    assert ask(later) == 200
    proxy.reload(configuration(backend, address_of(web)))
    wait_until(lambda: open_files(proxy.pid).count(kernel_socket(later)) == 1,
               "the listener is gone and the passed socket stays")
    proxy.reload(configuration(backend, address_of(web), address_of(later)))
    assert ask(later) == 200


def test_an_upgrade_keeps_what_was_passed_used_or_not(stage):
    web, later = own(stage, listening()), own(stage, listening())
    backend = stage.recorder()
    proxy = start(stage, configuration(backend, address_of(web)), web=web, later=later)
    for _ in range(2):
        proxy.upgrade()
        assert ask(web) == 200
    proxy.write_config(configuration(backend, address_of(web), address_of(later)))
    proxy.signal_now(signal.SIGHUP)
    assert ask(later) == 200
    assert len(proxy.log_lines(r'later\\?" was passed for')) == 3, "each process says it once"


def connected(stage):
    a, b = socket.socketpair()
    stage.ending(b, "close")
    return a


@pytest.mark.parametrize("make, why", [
    (lambda stage: socket.socket(socket.AF_INET, socket.SOCK_DGRAM), "no stream socket"),
    (connected, "a connection, not a listening socket"),
    (lambda stage: open("/dev/null", "rb"), "no socket"),
], ids=["datagrams", "a-connection", "a-file"])
def test_what_cannot_be_accepted_from_is_refused(stage, make, why):
    passed = own(stage, make(stage))
    proxy = start(stage, configuration(stage.recorder(), "127.0.0.1:0"), names=(), odd=passed)
    proxy.expected_exit = 1
    proxy.wait_exit()
    assert proxy.log_lines(rf'descriptor 3 \(\\?"odd\\?"\), passed in LISTEN_FDS, is {why}')

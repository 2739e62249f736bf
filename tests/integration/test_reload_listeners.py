"""Reload: listeners come, go and move; what is connected is served to its end."""

import pathlib
import shutil
import signal
import socket
import ssl

from lib.failover import group, serve
from lib.found_file import FoundFile
from lib.raw_client import RawClient, head
from lib.reloads import Reloader, Site, elsewhere, held
from lib.waiting import wait_until


def guest(**more):
    return {"name": "guest", "bind": elsewhere(), **more}


def site_with_guest(stage, *backends, **more):
    site = Site(stage, *backends)
    site.config["listeners"].append(guest(**more))
    site.reload()
    return site


def refuses(address):
    with socket.socket() as probe:
        host, _, port = address.rpartition(":")
        return probe.connect_ex((host, int(port))) != 0


def test_a_listener_comes_and_goes(stage):
    site = site_with_guest(stage, stage.failing("a"))
    address = site.listeners()["guest"]
    client = stage.client(address)
    assert client.get().text == "a"
    del site.config["listeners"][1]
    told = site.reload()
    assert told["closing"] == 1, told
    wait_until(lambda: refuses(address), "it refuses")
    assert list(site.listeners()) == ["edge"]
    client.read_to_eof()
    assert serve(stage, site.proxy, 2) == {"a": 2}
    site.config["listeners"].append(guest(bind=address))
    site.reload()
    assert stage.client(address).get().text == "a"


def test_a_request_on_a_listener_that_goes_is_answered_and_told_to_leave(stage):
    a = stage.failing("a")
    a.mood = "hold"
    site = site_with_guest(stage, a)
    client = stage.client(site.listeners()["guest"])
    client.send(head())
    a.wait_held(1)
    del site.config["listeners"][1]
    site.reload()
    a.release()
    answered = client.read_response("GET")
    assert (answered.status, answered.get("connection")) == (200, "close")
    client.expect_close()


def test_connections_in_the_queue_of_a_listener_that_goes_are_answered(stage):
    """The process stands still while they come, so that it has accepted none of them when it is
    told to go."""
    a = stage.failing("a")
    site = site_with_guest(stage, a)
    address = site.listeners()["guest"]
    site.proxy.send_signal(signal.SIGSTOP)
    clients = []
    for number in range(40):
        clients.append(stage.client(address))
        clients[-1].send(head(path=f"/{number}"))
    del site.config["listeners"][1]
    site.proxy.reload(site.config)
    site.proxy.send_signal(signal.SIGCONT)
    for client in clients:
        assert client.read_response("GET").status == 200
    wait_until(lambda: refuses(address), "it refuses")
    assert sorted(a.paths) == sorted(f"/{number}" for number in range(40))


def test_a_listener_moves_to_another_address(stage):
    site = site_with_guest(stage, stage.failing("a"))
    before = site.listeners()["guest"]
    client = stage.client(before)
    assert client.get().status == 200
    site.config["listeners"][1] = guest()
    site.reload()
    after = site.listeners()["guest"]
    assert after != before and stage.client(after).get().text == "a"
    wait_until(lambda: refuses(before), "the old address refuses")
    client.read_to_eof()


def test_two_listeners_change_places(stage):
    """Each takes the other's address: the sockets are there already."""
    site = Site(stage, stage.failing("a"))
    one, two = guest(name="one"), guest(name="two")
    site.config["listeners"] += [one, two]
    site.reload()
    one["bind"], two["bind"] = two["bind"], one["bind"]
    site.reload()
    assert site.listeners()["one"] == one["bind"] and site.listeners()["two"] == two["bind"]
    for address in (one["bind"], two["bind"]):
        assert stage.client(address).get().status == 200


def test_a_listener_that_is_the_same_loses_nobody(stage):
    site = Site(stage, stage.failing("a"))
    clients = [stage.client(site.proxy) for _ in range(5)]
    for client in clients:
        assert client.get().status == 200
    site.config["listeners"].append(guest())
    site.reload()
    site.config["listeners"].reverse()  # its place in the file does not matter
    site.reload()
    for client in clients:
        assert client.get().status == 200
    assert site.admin.json("/api/v1/status")["connections"]["total"] == 5


def test_a_unix_socket_comes_and_goes(stage):
    site = Site(stage, stage.failing("a"))
    path = site.proxy.directory / "in.sock"
    site.config["listeners"].append({"name": "local", "bind": f"unix:{path}"})
    site.reload()
    assert stage.client(f"unix:{path}").get().text == "a"
    del site.config["listeners"][1]
    site.reload()
    wait_until(lambda: not path.exists(), "its file is removed")


def test_settings_of_a_listener_apply_to_connections_there_are(stage):
    site = Site(stage, stage.failing("a"))
    client = stage.client(site.proxy)
    assert client.get().status == 200
    site.config["listeners"][0]["limits"] = {"headers": 3}
    site.reload()
    many = [(f"X-{number}", "1") for number in range(5)]
    assert stage.get(site.proxy, headers=many).status == 431
    assert client.get().status == 200
    site.config["listeners"][0]["limits"] = {"headers": 20}
    site.reload()
    assert stage.get(site.proxy, headers=many).status == 200


def test_the_next_request_of_a_kept_connection_takes_the_new_routes(stage):
    a, b = stage.failing("a"), stage.failing("b")
    site = Site(stage, a, routes=[{"name": "all", "pool": "app"}])
    client = stage.client(site.proxy)
    assert client.get().text == "a"
    site.config["routes"].insert(0, {"name": "own", "path": "/own",
                                     "respond": {"status": 418, "body": "own"}})
    site.serve_from(b)
    site.reload()
    assert client.get("/own").status == 418
    assert client.get("/").text == "b"
    site.config["routes"] = [{"name": "away", "redirect": {"to": "https://else.test/",
                                                           "status": 308}}]
    site.reload()
    assert client.get("/").status == 308


def test_a_head_that_came_in_part_is_answered(stage):
    a = stage.failing("a")
    site = Site(stage, a)
    client = stage.client(site.proxy)
    assert client.get().status == 200
    whole = head(path="/in-two-parts")
    client.send(whole[:20])
    site.backends[0]["weight"] = 2
    site.reload()
    client.send(whole[20:])
    assert client.read_response("GET").text == "a"


def test_an_upload_in_flight_arrives_whole(stage):
    backend = stage.recorder(respond=None)
    site = Site(stage, {"id": "a", "address": backend.address})
    client = stage.client(site.proxy)
    client.send(head("POST", headers=[("Content-Length", "20")]) + b"first half")
    backend.wait_for_connections(1)
    site.backends[0]["weight"] = 2
    site.config["routes"] = [{"name": "none", "respond": {"status": 404}}]
    site.reload()
    client.send(b"other half")
    assert client.read_response("POST").status == 200
    assert backend.last.body == b"first halfother half"


# ---- Certificates ----

def tls_site(stage, certificates, *names):
    """(the site, the files its listener names), which begin as the certificate of `names`."""
    files = {kind: stage.directory / f"site.{kind}" for kind in ("cert", "key")}
    use(files, certificates.leaf(*names))
    listener = {"tls": {"certificates": [{kind: str(path) for kind, path in files.items()}]}}
    return Site(stage, stage.failing("a"), listener=listener), files


def use(files, leaf):
    for kind, path in files.items():
        fresh = pathlib.Path(f"{path}.new")
        shutil.copy(leaf[kind], fresh)
        fresh.replace(path)


def shown_names(proxy):
    """The names of the certificate that a new handshake sees."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = RawClient(proxy.address(), tls=context)
    try:
        der = client.sock.getpeercert(binary_form=True)
    finally:
        client.close()
    return {name for name in ("old.test", "new.test") if name.encode() in der}


def test_a_certificate_is_swapped_by_a_reload_of_the_same_file(stage, certificates):
    site, files = tls_site(stage, certificates, "old.test")
    assert shown_names(site.proxy) == {"old.test"}
    context = certificates.client_context()
    before = stage.client(site.proxy, tls=context, server_name="old.test")
    assert before.get().status == 200
    use(files, certificates.leaf("new.test"))
    assert shown_names(site.proxy) == {"old.test"}  # nobody has asked for it yet
    told = site.reload()
    assert [c["of"] for c in told["plan"]["changes"]] == ["listener"], told
    assert shown_names(site.proxy) == {"new.test"}
    assert before.get().status == 200
    after = stage.client(site.proxy, tls=context, server_name="new.test")
    assert after.get().status == 200


def test_a_certificate_that_does_not_fit_its_key_changes_nothing(stage, certificates):
    site, files = tls_site(stage, certificates, "old.test")
    shutil.copy(certificates.leaf("new.test")["cert"], files["cert"])
    assert "key" in site.refused()["message"]
    assert shown_names(site.proxy) == {"old.test"}


def test_what_is_no_reload_reads_no_certificate_again(stage, certificates):
    """A renewal that is half done is nothing that an edit, or discovery, should fail for."""
    a, b = stage.failing("a"), stage.failing("b")
    found = FoundFile(stage, a)
    site, files = tls_site(stage, certificates, "old.test")
    site.config["pools"].append(found.pool("found"))
    site.config["routes"] = [{"name": "all", "pool": "app"}]
    site.reload()
    shutil.copy(certificates.leaf("new.test")["cert"], files["cert"])
    site.admin.json("/api/v1/pools/app/endpoints/a", "PATCH", {"weight": 5})
    found.write(a, b)
    wait_until(lambda: sorted(site.admin.endpoints("found")) == ["a", "b"], "b was found")
    assert shown_names(site.proxy) == {"old.test"}


def test_a_plain_listener_becomes_a_tls_one_on_the_same_address(stage, certificates):
    a = stage.failing("a")
    a.mood = "hold"
    site = Site(stage, a)
    port = site.proxy.port()
    client = held(stage, site.proxy, a)
    leaf = certificates.leaf("localhost", "IP:127.0.0.1")
    site.config["listeners"][0]["tls"] = {"certificates": [leaf]}
    site.reload()
    assert site.proxy.port() == port
    a.mood = "good"
    secure = stage.client(site.proxy, tls=certificates.client_context(), server_name="localhost")
    assert secure.get().status == 200
    a.release()
    assert client.read_response("GET").status == 200


def test_a_plain_connection_does_not_stay_on_a_listener_with_tls(stage, certificates):
    site = Site(stage, stage.failing("a"))
    client = stage.client(site.proxy)
    assert client.get().status == 200
    leaf = certificates.leaf("localhost", "IP:127.0.0.1")
    site.config["listeners"][0]["tls"] = {"certificates": [leaf]}
    site.reload()
    last = client.get()
    assert (last.status, last.get("connection")) == (200, "close")
    assert client.read_to_eof() == b""
    secure = stage.client(site.proxy, tls=certificates.client_context(), server_name="localhost")
    assert secure.get().get("connection") != "close"


def test_reloads_by_signal_do_the_same(stage):
    a, b = stage.failing("a"), stage.failing("b")
    site = Site(stage, a)
    assert serve(stage, site.proxy, 2) == {"a": 2}
    site.config["pools"][0]["backends"] = [group(b)]
    Reloader(site.proxy, site.admin).by_signal(site.config)
    assert serve(stage, site.proxy, 2) == {"b": 2}


def test_two_listeners_on_ports_of_the_kernels_choice_keep_theirs(stage):
    """Their addresses read the same in the file: they are told apart by their names."""
    site = Site(stage, stage.failing("a"))
    site.config["listeners"].append({"name": "second", "bind": "127.0.0.1:0"})
    site.reload()
    before = site.listeners()
    assert before["edge"] != before["second"]
    site.config["listeners"].reverse()
    site.reload()
    assert site.listeners() == before
    site.config["listeners"][0]["name"] = "renamed"
    site.reload()
    assert site.listeners() == {"edge": before["edge"], "renamed": before["second"]}
    for address in site.listeners().values():
        assert stage.client(address).get().text == "a"

"""Endpoints from a file, on a real disk: however it is written, swapped, broken, deleted and
returned, what it says in the end is what the pool has, and until then the pool keeps what it had.
"""

import json
import os
import shutil

import pytest

from lib.failover import serve
from lib.found_file import FoundFile, FoundSite, entry
from lib.libconfig import pool
from lib.processes import open_files
from lib.reloads import Site
from lib.waiting import wait_until


def listed(*ids, **more):
    """Endpoints that nobody is to reach."""
    return [{"id": name, "address": f"127.0.0.9:{1000 + ord(name)}", **more} for name in ids]


def document(*ids):
    return json.dumps({"endpoints": listed(*ids)})


class FileSite(FoundSite):
    """A site whose source is at `path`, wherever that leads."""

    def __init__(self, stage, path, **block):
        self.path = path
        Site.__init__(self, stage, discovery={"type": "file", "path": str(path), **block})

    @property
    def source(self):
        only, = self.providers()
        return only

    def wait_failing(self, words):
        wait_until(lambda: self.source["state"] == "failing"
                   and words in self.source["last_error"], f"the file fails: {words}")

    def wait_synced(self):
        wait_until(lambda: self.source["state"] == "synced", "the file is read again")


@pytest.fixture
def room(stage):
    return stage.room("files")


@pytest.fixture
def site(stage, room):
    """With the endpoints a and b, from room/endpoints."""
    path = room / "endpoints"
    path.write_text(document("a", "b"))
    made = FileSite(stage, path)
    assert made.ids() == ["a", "b"]
    return made


# ---- Both languages ----

LIBCONFIG = """
# written by a template
endpoints = (
  { id = "a"; address = "127.0.0.9:1097"; weight = 3; tags = ["x", "y"]; zone = "z1"; },
  { address = "127.0.0.9:1098"; backup = true; metadata = { version = "1.2"; }; }
);
"""


def test_libconfig_says_the_same_as_json(stage, room):
    (room / "endpoints").write_text(LIBCONFIG)
    site = FileSite(stage, room / "endpoints")
    assert site.ids() == ["127.0.0.9:1098", "a"]
    a, b = site.endpoint("a"), site.endpoint("127.0.0.9:1098")
    assert (a["weight"], a["tags"], a["zone"]) == (3, ["x", "y"], "z1")
    assert (b["backup"], b["metadata"]) == (True, {"version": "1.2"})
    site.path.write_text(json.dumps([
        {"id": "a", "address": "127.0.0.9:1097", "weight": 3, "tags": ["x", "y"], "zone": "z1"},
        {"address": "127.0.0.9:1098", "backup": True, "metadata": {"version": "1.2"}}]))
    wait_until(lambda: site.source["syncs"] > 1, "the JSON was read")
    assert site.reloader.generation() == 1, "it is no change"


# ---- However it is written ----

def test_a_file_that_is_written_in_place(site):
    site.path.write_text(document("a", "c"))
    site.wait_ids("a", "c")


def test_a_file_that_is_replaced_by_a_rename(site, room):
    for ids in ("ac", "c", "abc"):
        (room / "new").write_text(document(*ids))
        os.rename(room / "new", site.path)
        site.wait_ids(*ids)


def test_a_file_that_stays_open_while_it_is_written(site):
    whole = document("a", "b", "c")
    with open(site.path, "w") as out:
        out.write(whole[:40])
        out.flush()
        site.wait_failing("line 1")
        assert site.ids() == ["a", "b"]
        out.write(whole[40:])
        out.flush()
        site.wait_ids("a", "b", "c")
    site.wait_synced()


def test_a_file_that_was_cut_to_nothing_is_no_empty_set(site):
    site.path.write_text("")
    site.wait_failing("it is empty")
    assert site.ids() == ["a", "b"]


def test_a_file_that_is_broken_keeps_the_last_good_set(site):
    site.path.write_text('{"endpoints": [\n  {"id": "a" "address": 5}]}')
    site.wait_failing("line 2")
    lost = site.admin.wait_for_event(type="discovery", to="failing")
    assert "line 2" in lost["why"]
    site.path.write_text("endpoints = ( { address = ; } );")
    site.wait_failing("line 1")
    assert site.ids() == ["a", "b"]
    assert len(site.admin.events(type="discovery", to="failing")) == 1, "once per outage"
    site.path.write_text(document("c"))
    site.wait_ids("c")
    site.admin.wait_for_event(type="discovery", to="synced")


def test_many_writes_in_a_row_end_with_the_last(site, room):
    for step in range(100):
        (room / "new").write_text(json.dumps(listed("a", weight=1 + step)))
        os.rename(room / "new", site.path)
    wait_until(lambda: site.ids() == ["a"] and site.endpoint("a")["weight"] == 100,
               "the last one counts")
    assert site.source["syncs"] < 100, "they were not read one by one"


# ---- However it comes and goes ----

def test_a_file_that_is_deleted_and_returns(site):
    site.path.unlink()
    site.wait_failing("No such file or directory")
    assert site.ids() == ["a", "b"]
    site.path.write_text(document("c"))
    site.wait_ids("c")
    site.wait_synced()


def test_a_directory_that_is_deleted_and_returns(stage, room):
    directory = room / "mounted" / "here"
    directory.mkdir(parents=True)
    (directory / "endpoints").write_text(document("a"))
    site = FileSite(stage, directory / "endpoints")
    shutil.rmtree(room / "mounted")
    site.wait_failing("No such file or directory")
    assert site.ids() == ["a"]
    directory.mkdir(parents=True)
    site.path.write_text(document("b"))
    site.wait_ids("b")
    os.rename(room / "mounted", room / "aside")
    site.wait_failing("No such file or directory")
    os.rename(room / "aside", room / "mounted")
    site.wait_synced()
    site.path.write_text(document("c"))
    site.wait_ids("c")


def swap(room, version, *ids):
    """As kubelet does with a ConfigMap: a directory of its own, and a link that is renamed."""
    versioned = room / f"..{version}"
    versioned.mkdir()
    (versioned / "endpoints").write_text(document(*ids))
    os.symlink(versioned.name, room / "..data_tmp")
    os.rename(room / "..data_tmp", room / "..data")


def test_the_swaps_of_a_configmap(stage, room):
    swap(room, 1, "a")
    os.symlink("..data/endpoints", room / "endpoints")
    site = FileSite(stage, room / "endpoints")
    assert site.ids() == ["a"]
    for version, ids in ((2, "ab"), (3, "b"), (4, "abc")):
        swap(room, version, *ids)
        shutil.rmtree(room / f"..{version - 1}")
        site.wait_ids(*ids)
    assert site.source["failures"] == 0


def test_a_link_that_leads_elsewhere(stage, room):
    for name in "ab":
        (room / name).write_text(document(name))
    os.symlink("a", room / "endpoints")
    site = FileSite(stage, room / "endpoints")
    os.symlink("b", room / "new")
    os.rename(room / "new", room / "endpoints")
    site.wait_ids("b")
    (room / "b").write_text(document("c"))
    site.wait_ids("c")


def test_a_file_that_comes_after_the_start(stage, room):
    site = FileSite(stage, room / "deep" / "down" / "endpoints")
    assert site.ids() == []
    (room / "deep" / "down").mkdir(parents=True)
    site.path.write_text(document("a"))
    site.wait_ids("a")


# ---- What is no such file ----

def test_what_is_no_file_is_refused_without_waiting_for_it(site):
    site.path.unlink()
    os.mkfifo(site.path)
    site.wait_failing("it is a FIFO, not a file")
    site.path.unlink()
    site.path.mkdir()
    site.wait_failing("it is a directory, not a file")
    assert site.ids() == ["a", "b"]
    site.path.rmdir()
    site.path.write_text(document("c"))
    site.wait_ids("c")


def test_a_file_that_is_too_large_is_refused(stage, room):
    (room / "endpoints").write_text(document("a"))
    site = FileSite(stage, room / "endpoints", max_bytes="64k")
    site.path.write_text(document("a", "b") + " " * 65536)
    site.wait_failing("max_bytes is 65536")
    assert site.ids() == ["a"]
    site.path.write_text(document("a", "b"))
    site.wait_ids("a", "b")


def test_a_way_that_leads_through_a_file_or_in_a_circle(stage, room):
    (room / "directory").write_text("in its place")
    site = FileSite(stage, room / "directory" / "endpoints")
    assert "Not a directory" in site.source["last_error"]
    os.unlink(room / "directory")
    os.symlink("directory", room / "directory")
    site.wait_failing("Too many levels of symbolic links")
    os.unlink(room / "directory")
    (room / "directory").mkdir()
    site.path.write_text(document("a"))
    site.wait_ids("a")


# ---- What it says ----

def test_nonsense_is_refused_one_by_one_with_a_sentence_each(site):
    site.path.write_text(json.dumps([
        *listed("a"), *listed("a", weight=2), 7, None, {"id": "n"}, {"address": "[::1"},
        {"id": "w", "address": "h:1", "weight": 10**12}, {"id": "x\x1b[1m", "address": "h:1"},
        {"id": "k", "address": "h:1", "no_such_key": 1}, *listed("c")]))
    site.wait_ids("a", "c")
    refused = site.source["refused"]
    assert refused["count"] == 8 and len(refused["reasons"]) == 8, refused
    assert "\x1b" not in json.dumps(refused)
    assert site.endpoint("a")["weight"] == 1, "the first of two counts"
    assert len(site.admin.events(type="discovery", severity="warn")) == 1
    site.path.write_text(document("a"))
    site.wait_ids("a")
    assert site.source["refused"] == {"count": 0, "reasons": []}


def test_everything_that_an_endpoint_may_have(stage, room):
    full = {"id": "a", "address": "127.0.0.9:80", "weight": 5, "priority": 2, "region": "eu",
            "zone": "z", "tags": ["t"], "metadata": {"k": "v"}, "backup": True, "drain": False,
            "max_connections": 9, "name": "the first"}
    (room / "endpoints").write_text(json.dumps([full, {"address": "unix:/run/app.sock"},
                                                {"address": "[::1]:80"}]))
    site = FileSite(stage, room / "endpoints")
    shown = site.endpoint("a")
    for key in ("weight", "priority", "region", "zone", "tags", "metadata", "backup", "name"):
        assert shown[key] == full[key], key
    assert site.ids() == ["[::1]:80", "a", "unix:/run/app.sock"]


# ---- Two pools, one file ----

def test_two_pools_that_say_the_same_share_one_watch(stage, room):
    path = room / "endpoints"
    path.write_text(document("a"))
    block = {"type": "file", "path": str(path)}
    site = FileSite(stage, path)
    site.add_pool(pool("second", [], discovery={**block, "allow_empty": True}))
    site.reload()
    assert site.source["pools"] == ["app", "second"]
    path.write_text(document("b", "c"))
    site.wait_ids("b", "c")
    site.wait_ids("b", "c", pool="second")
    assert sum("inotify" in name for name in open_files(site.proxy.process.pid)) == 1


def test_traffic_goes_to_what_the_file_says(stage):
    a, b = stage.failing("a"), stage.failing("b")
    found = FoundFile(stage, a)
    site = FoundSite(stage, found)
    assert set(serve(stage, site.proxy, 4)) == {"a"}
    found.write_text("endpoints = ( { id = \"b\"; address = \"%s\"; } );" % entry(b)["address"])
    site.wait_ids("b")
    assert set(serve(stage, site.proxy, 4)) == {"b"}

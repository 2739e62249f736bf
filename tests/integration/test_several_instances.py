"""docs/scaling.md: what several instances of one configuration have in common without knowing of
each other, and what belongs to each.
"""

import pathlib
import random
import re
import shlex
import subprocess

import pytest

from lib.evergate import ROOT, binary
from lib.failover import ADMIN
from lib.libconfig import simple
from lib.management import Management
from lib.waiting import wait_until

IDS = ["a", "b", "c", "d", "e"]
GUIDE = (ROOT / "docs" / "scaling.md").read_text()


def backends(order):
    """Nobody is asked; where they stand in the file says nothing."""
    return [{"id": name, "address": f"127.0.0.9:{9000 + IDS.index(name)}",
             "weight": 3 if name == "a" else 1} for name in order]


def instance(stage, order, **settings):
    proxy = stage.evergate(simple(backends(order), admin=ADMIN, pool_settings=settings))
    return Management(proxy)


def choices(admin):
    asked = [{"client_ip": f"10.0.{n % 7}.{n}", "path": f"/{n}", "method": "GET"}
             for n in range(200)]
    return [admin.json("/api/v1/pools/app/select", "POST", body)["endpoint"]["id"]
            for body in asked]


@pytest.mark.parametrize("settings", [
    {"algorithm": "consistent_hash", "hash_key": "uri"},
    {"algorithm": "consistent_hash", "hash_key": "ip"},
    {"algorithm": "ip_hash"}], ids=["uri", "ip", "ip_hash"])
def test_instances_send_a_key_to_the_same_endpoint_by_its_id(stage, settings):
    shuffled = random.Random(7).sample(IDS, len(IDS))
    assert shuffled != IDS
    one, two = instance(stage, IDS, **settings), instance(stage, shuffled, **settings)
    chosen = choices(one)
    assert set(chosen) == set(IDS)
    assert choices(two) == chosen
    for admin in (one, two):
        admin.json("/api/v1/pools/app/endpoints/c/drain", "POST")
    without = choices(one)
    assert "c" not in without and choices(two) == without
    # Only what c had has moved.
    assert [b for a, b in zip(chosen, without) if a != "c"] == [a for a in chosen if a != "c"]


def test_an_endpoint_is_drained_everywhere_as_the_guide_says(stage):
    """Its loop, with addresses, file and names of this test."""
    token = pathlib.Path(stage.room("secret")) / "token"
    token.write_text("0123456789abcdef\n")
    settings = {"admin": {**ADMIN, "token_file": str(token)}}
    hosts = [Management(stage.evergate(simple(backends(IDS), **settings))) for _ in range(2)]
    (loop,) = re.findall(r"^for host in .*?^done$", GUIDE, re.M | re.S)
    for there, here in (("edge-1 edge-2", " ".join(host.address for host in hosts)),
                        ("$host:9900", "$host"), ("shop shop-2", "app b"),
                        ("--token-file token", f"--token-file {shlex.quote(str(token))}"),
                        ("    evergate ", f"    {shlex.quote(str(binary()))} ")):
        assert there in loop
        loop = loop.replace(there, here)
    done = subprocess.run(["sh", "-ec", loop], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    def drained(host):
        answered = host.send("/api/v1/pools/app/endpoints/b", "GET",
                             headers=[("Authorization", "Bearer 0123456789abcdef")])
        return '"status":"draining"' in answered.text.replace(" ", "")
    for host in hosts:
        wait_until(lambda: drained(host), "it is drained there")

"""The examples of docs/management.md, run as they are written, in their order."""

import re
import shutil
import subprocess

from lib import libconfig
from lib.evergate import ROOT
from lib.failover import ADMIN, group
from lib.management import Management

GUIDE = ROOT / "docs" / "management.md"


def examples():
    """Every curl command of the guide, its continued lines joined."""
    text = GUIDE.read_text()
    commands = []
    for block in re.findall(r"^```\n(.*?)^```", text, re.M | re.S):
        block = block.replace("\\\n", " ")
        commands += re.findall(r"^curl (?:[^'\n]|'[^']*')*", block, re.M)
    return commands


def test_the_guides_examples_work_as_written(stage):
    a, b = stage.failing("a"), stage.failing("b")
    config = libconfig.simple([], admin=ADMIN)
    config["pools"] = [libconfig.pool("api", [group(a), group(b)], health={"type": "tcp"})]
    proxy = stage.evergate(config)
    admin = Management(proxy)
    following = stage.room("next") / "next.conf"
    shutil.copy(proxy.config_path, following)
    commands = examples()
    assert len(commands) > 15
    for command in commands:
        command = command.replace("127.0.0.1:9900", admin.address)
        command = command.replace("/etc/evergate/next.conf", str(following))
        done = subprocess.run(["sh", "-c", f"{command} -sS -o /dev/null -w '%{{http_code}}'"],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout in ("200", "201"), (command, done.stdout, done.stderr)


def test_every_error_of_the_guide_is_one_that_is_answered(stage):
    """Its table of statuses and types, against the source's words."""
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", GUIDE.read_text(), re.M)
    assert {int(status) for status, _ in rows} == {400, 401, 403, 404, 405, 409, 413, 422, 503}
    sources = "".join(path.read_text() for path in (ROOT / "admin").glob("*.c"))
    for _, kind in rows:
        assert f'"{kind}"' in sources

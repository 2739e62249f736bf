"""docs/operations.md, followed word by word."""

import os

import pytest

from lib.evergate import FATAL_SIGNS, ROOT, binary
from lib.guide import Guide
from lib.real_servers import free_port

DOCUMENT = ROOT / "docs" / "operations.md"
PORTS = (8080, 8443, 9001, 9002, 9003, 9004, 9900)


def free_ports(count):
    """Different ones."""
    found = set()
    while len(found) < count:
        found.add(free_port())
    return sorted(found)


def environment(directory):
    """evergate is in the PATH, as an operator has it."""
    programs = directory / "bin"
    programs.mkdir()
    (programs / "evergate").symlink_to(binary())
    path = f"{programs}:{os.environ['PATH']}:/usr/sbin"
    return {**os.environ, "PATH": path, "no_proxy": "*", "NO_COLOR": "1"}


@pytest.fixture
def room(tmp_path):
    path = tmp_path / "walk"
    path.mkdir()
    return path


def test_the_walk_of_the_operations_guide_is_true(stage, room, tmp_path):
    ports = dict(zip(PORTS, free_ports(len(PORTS))))
    text = DOCUMENT.read_text()
    guide = stage.ending(Guide(text, room, environment(tmp_path), ports))
    guide.follow()
    log = (room / "evergate.log").read_text(errors="replace")
    assert not FATAL_SIGNS.search(log), log[-8000:]

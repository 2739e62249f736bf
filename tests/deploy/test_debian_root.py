"""What the other tests stand on: the mirror that apt names, and the root made from it."""

import pytest
from parts import debian

DEB822 = """Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://security.example/debian-security
Suites: bookworm-security
Components: main
"""


@pytest.mark.parametrize("name, text, expected", [
    ("debian.sources", DEB822, "http://mirror.example/debian"),
    ("a.list", "# deb http://old.example bookworm main\n"
               "deb [signed-by=/x.gpg] https://one.example/debian bookworm main\n",
     "https://one.example/debian"),
    ("a.list", "deb http://one.example/debian trixie main\n", debian.DEFAULT_MIRROR),
    ("a.list.dpkg-old", "deb http://one.example/debian bookworm main\n", debian.DEFAULT_MIRROR),
], ids=["deb822", "one-line", "another-suite", "a-file-that-apt-ignores"])
def test_the_mirror_is_the_one_that_apt_uses(tmp_path, name, text, expected):
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / name).write_text(text)
    assert debian.mirror(tmp_path) == expected


def test_the_root_is_debian_12_with_apt_and_without_a_running_process(debian_root):
    assert debian_root.inside("/etc/debian_version").read_text().startswith("12.")
    assert debian_root.run("apt-get", "--version").stdout.startswith("apt 2.")
    assert debian_root.processes() == []

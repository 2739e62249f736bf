"""The manual pages as their readers' programs see them. That they say what the program says is held
by tests/unit/config/test_man.c and tests/unit/cli/test_man.c."""

import pathlib
import subprocess
import sys

import pytest
from conftest import need_program

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "man").iterdir())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_has_no_faults(page):
    for command in ([need_program("mandoc", "mandoc"), "-Tlint", "-Wwarning", page],
                    [need_program("man", "man-db"), "--warnings", "-l", page]):
        result = subprocess.run(command, text=True, capture_output=True, check=False)
        assert (result.returncode, result.stderr) == (0, "")
        if command[1] == "-Tlint":
            assert result.stdout == ""


def test_the_keys_are_those_of_the_documentation():
    result = subprocess.run([sys.executable, ROOT / "scripts" / "man_keys.py", "--check"],
                            text=True, capture_output=True, check=False)
    assert result.returncode == 0, result.stderr

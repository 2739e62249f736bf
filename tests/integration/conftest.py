"""Fixtures; what they are made of is in lib/."""

import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lib import evergate as evergate_process  # noqa: E402
from lib.certificates import CertificateFactory  # noqa: E402
from lib.load import compile_once  # noqa: E402
from lib.stage import Stage  # noqa: E402


def pytest_configure(config):
    # A shell's background jobs ignore SIGINT, and what is ignored is inherited: tests that press
    # Ctrl-C need children who hear it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "heavy: moves hundreds of megabytes")


@pytest.fixture
def stage(tmp_path):
    """Makes and ends everything that a test needs."""
    it = Stage(tmp_path)
    yield it
    it.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return CertificateFactory(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def load_program(tmp_path_factory):
    """One for all processes that run tests: their directories stand side by side."""
    mine = tmp_path_factory.getbasetemp()
    return compile_once(mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine)


@pytest.fixture(scope="session")
def sanitizer():
    """The sanitizer in the binary: "address", "thread" or ""."""
    return evergate_process.sanitizer()

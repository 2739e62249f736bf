"""Fixtures of the deploy tests; see README.md."""

import os
import pathlib
import shutil
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

from lib.load import compile_load  # noqa: E402
from lib.stage import Stage  # noqa: E402
from parts import debian  # noqa: E402


@pytest.fixture
def stage(tmp_path):
    """Makes and ends everything that a test needs: tests/integration/README.md."""
    it = Stage(tmp_path)
    yield it
    it.close()


@pytest.fixture(scope="session")
def evergate_binary():
    """The release binary that is deployed."""
    return pathlib.Path(os.environ["EVERGATE"])


@pytest.fixture(scope="session")
def load_program(tmp_path_factory):
    return compile_load(tmp_path_factory.mktemp("load"))


@pytest.fixture(scope="session")
def need_root():
    """For tests that mount, chroot or make namespaces. In CI their absence would be a hole that
    nobody sees; a developer is told."""
    if os.geteuid() == 0:
        return
    if os.environ.get("CI"):
        pytest.fail("this test needs root, and continuous integration has to give it")
    pytest.skip("NOT RUN: needs root (chroot, mount, namespaces): sudo scripts/test.sh deploy")


@pytest.fixture
def tell(record_property):
    """tell("buildah, chroot isolation"): which way a test went that has several. Printed at the
    end and kept in the JUnit file."""
    return lambda way: record_property("way", way)


@pytest.fixture(scope="session")
def debian_tarball(need_root):
    """Debian 12, minbase, as a tar file: to make images of. Not to be changed."""
    return debian.base_tarball()


@pytest.fixture(scope="session")
def make_root(debian_tarball, worker_id):
    """make_root("name"): a fresh Debian 12 root (debian.DebianRoot), the caller's own."""
    made = []

    def make(name):
        root = debian.DebianRoot(debian.deploy_dir() / f"{name}-{worker_id}", debian_tarball)
        made.append(root)
        return root

    yield make
    for root in made:
        root.remove()


@pytest.fixture(scope="session")
def debian_root(make_root):
    """A Debian 12 root for what does no harm to the next test."""
    return make_root("root")


def need_program(name, package):
    """Its path; a failure that names the package where it is not there."""
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if path is None:
        pytest.fail(f"{name} is missing: scripts/install-deps.sh test installs {package}")
    return path


def _ways(reports):
    for report in reports:
        for key, value in getattr(report, "user_properties", ()):
            if key == "way" and getattr(report, "when", "") == "call":
                yield report.nodeid, value


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    lines = [f"{nodeid}: {way}" for kind in ("passed", "failed")
             for nodeid, way in _ways(stats.get(kind, ()))]
    lines += [f"{report.nodeid}: {report.longrepr[2]}" for report in stats.get("skipped", ())]
    if lines:
        terminalreporter.section("which way it went")
        for line in lines:
            terminalreporter.write_line(line)

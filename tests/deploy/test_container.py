"""The image: docker/Dockerfile carried out, and what comes of it run as users run it."""

import json
import os
import pathlib
import shutil
import stat

import pytest
import yaml
from lib import libconfig
from lib.certificates import CertificateFactory
from lib.waiting import wait_until
from parts import debian
from parts.chrooted import ChrootBuilder
from parts.netns import NetworkNamespace
from parts.podman import Podman

ROOT = debian.ROOT
DOCKERFILE = ROOT / "docker" / "Dockerfile"
MB = 1 << 20


def built(builder):
    return builder.build(ROOT, DOCKERFILE, debian.deploy_dir() / "apt")


@pytest.fixture(scope="module")
def image(debian_tarball, make_root, tmp_path_factory):
    """Made by podman, or where that cannot work by our own reading of the Dockerfile.
    EVERGATE_CONTAINER_WAY=chroot asks for the latter."""
    why = "EVERGATE_CONTAINER_WAY asks for it"
    if os.environ.get("EVERGATE_CONTAINER_WAY") != "chroot":
        try:
            podman = Podman(debian.deploy_dir())
            try:
                podman.take_base(debian_tarball, DOCKERFILE)
            except OSError:
                podman.close()
                raise
        except OSError as cannot:
            why = str(cannot)
        else:
            try:
                yield built(podman)
            finally:
                podman.close()
            return
    image = built(ChrootBuilder(make_root, tmp_path_factory.mktemp("chroot")))
    image.way += f" ({why})"
    yield image


@pytest.fixture
def network(stage):
    return stage.ending(NetworkNamespace(), "close")


def files(root):
    for folder, _, names in os.walk(root):
        for name in names:
            path = pathlib.Path(folder, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


def test_the_image_is_small_and_has_nothing_but_the_program(image, tell):
    root = image.root
    size = sum(path.stat().st_size for path in files(root))
    tell(f"{image.way}; {size / MB:.1f} MB")
    assert size < 40 * MB
    programs = {str(path.relative_to(root)) for path in files(root)
                if path.stat().st_mode & stat.S_IXUSR and ".so" not in path.name}
    assert programs == {"usr/bin/evergate"}
    assert len(list((root / "etc/ssl/certs").glob("*.0"))) > 100
    assert not [path for path in files(root) if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)]


@pytest.mark.parametrize("name", ["run/evergate", "var/lib/evergate", "var/cache/evergate"])
def test_what_may_be_written_is_its_users_and_that_of_any_user_of_group_0(image, name):
    about = (image.root / name).stat()
    assert (stat.S_IMODE(about.st_mode), about.st_uid, about.st_gid) == (0o770, 65532, 0)


def test_the_image_says_how_it_is_run(image):
    assert image.user == "65532:65532"
    assert image.stop_signal == "SIGTERM"
    assert image.ports == ["8080/tcp"]
    assert image.healthcheck == ["/usr/bin/evergate", "status"]
    assert image.argv == ["/usr/bin/evergate", "run", "-c", "/etc/evergate/evergate.conf"]


def status_of(container):
    text = pathlib.Path(f"/proc/{container.pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def start(stage, image, network, config=None, hosts=None, mounts=(), healthy=True):
    """A container that is healthy, with `config` in the place of the image's own."""
    mounts = dict(mounts)
    for text, inside in ((config, "/etc/evergate/evergate.conf"), (hosts, "/etc/hosts")):
        if text is not None:
            path = stage.room("mounted") / "file"
            path.write_text(text if isinstance(text, str) else libconfig.to_libconfig(text))
            mounts[path] = inside
    container = image.start(network, mounts)
    stage.ending(container, "close")
    if healthy:
        wait_until(container.is_healthy, "HEALTHCHECK's command exits with 0")
    return container


def config_before(backend):
    return {"workers": 1, "drain_timeout": "60s",
            "listeners": [{"name": "edge", "bind": "0.0.0.0:8080"}],
            "pools": [{"name": "app", "backends": [{"address": backend.address}]}],
            "admin": {"bind": "127.0.0.1:9900"}}


def access_lines(text):
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if "request_id" in line]


def test_a_container_without_root_rights_or_a_writable_file_serves(stage, image, network, tell):
    tell(image.way)
    with network.entered():
        backend = stage.recorder("behind")
        container = start(stage, image, network, config_before(backend))
        client = stage.client("127.0.0.1:8080")
        assert client.get("/hello").status == 200

    status = status_of(container)
    assert status["Uid"].split() == ["65532"] * 4
    assert int(status["CapEff"], 16) == 0 and status["NoNewPrivs"].strip() == "1"
    mounts = pathlib.Path(f"/proc/{container.pid}/mountinfo").read_text().splitlines()
    of_root = [line.split() for line in mounts if line.split()[4] == "/"]
    assert "ro" in of_root[-1][5].split(",")
    assert container.execute("/bin/sh", "-c", "true").returncode != 0
    wait_until(lambda: access_lines(container.logs()[0]), "the access log is on standard output")
    assert access_lines(container.logs()[0])[0]["path"] == "/hello"
    container.begin_to_stop()
    assert container.exit_code() == 0


def test_a_container_that_is_stopped_answers_what_is_in_flight(stage, image, network, tell):
    tell(image.way)
    with network.entered():
        backend = stage.failing("slow")
        container = start(stage, image, network, config_before(backend))
        backend.mood = "hold"
        client = stage.client("127.0.0.1:8080")
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        backend.wait_held(1)
        container.begin_to_stop()
        wait_until(lambda: "draining: 1 connection" in container.logs()[1], "it drains")
        backend.release()
        assert client.read_response().status == 200
    assert container.exit_code() == 0


def statuses(container, pool):
    answer = container.execute("/usr/bin/evergate", "endpoints", pool, "--json").stdout
    return [endpoint["status"] for endpoint in json.loads(answer)["endpoints"]]


def test_what_compose_runs_serves_from_three_backends(stage, image, network, tell):
    tell(f"{image.way}; Compose's file by hand")
    service = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]["evergate"]
    hosts = {name: f"127.0.1.{number}" for number, name in enumerate(service["depends_on"], 1)}
    with network.entered():
        for name, address in hosts.items():
            stage.recorder(name, address=f"{address}:80")
        config = (ROOT / "docker" / service["volumes"][0].split(":")[0]).read_text()
        container = start(stage, image, network, config,
                          "".join(f"{address} {name}\n" for name, address in hosts.items()))
        ready = service["healthcheck"]["test"][1:]
        wait_until(lambda: container.execute(*ready).returncode == 0, "it could serve")
        client = stage.client("127.0.0.1:8080")
        # "3/3" of `pools` counts those that were not checked yet, who come after those that were.
        wait_until(lambda: statuses(container, "web") == ["healthy"] * 3, "all three passed a check")
        answers = {client.get().text for _ in range(12)}
    assert answers == set(hosts)


def test_a_container_whose_management_does_not_answer_is_unhealthy(stage, image, network, tell):
    tell(image.way)
    with network.entered():
        config = config_before(stage.recorder("behind"))
        config["admin"] = {"bind": "127.0.0.1:9901"}
        container = start(stage, image, network, config, healthy=False)
        status = ("/usr/bin/evergate", "status")
        wait_until(lambda: container.execute(*status, "--admin", "127.0.0.1:9901").returncode == 0,
                   "management answers elsewhere")
        assert not container.is_healthy()


def https_pool(stage, certificates, ca):
    context = certificates.server_context(certificates.leaf("localhost", ca=ca))
    backend = stage.recorder(ca, tls=context)
    return {"name": ca, "tls": {"verify": True},
            "backends": [{"address": f"localhost:{backend.port}"}]}


def test_https_backends_are_verified_by_the_authorities_of_the_image(
        stage, image, network, tell, tmp_path):
    tell(image.way)
    certificates = CertificateFactory(tmp_path / "certificates")
    certificates.authority("unknown")
    authorities = tmp_path / "authorities"  # by their hashes, as update-ca-certificates has them
    authorities.mkdir()
    shutil.copy(certificates.ca, authorities / "ca.pem")
    certificates.openssl("rehash", str(authorities))
    with network.entered():
        config = config_before(stage.recorder())
        config["pools"] = [https_pool(stage, certificates, ca) for ca in ("ca", "unknown")]
        config["routes"] = [{"name": ca, "host": ca, "pool": ca} for ca in ("ca", "unknown")]
        start(stage, image, network, config, "127.0.0.1 localhost\n",
              {authorities: "/etc/ssl/certs"})
        client = stage.client("127.0.0.1:8080")
        assert [client.get(host=name).status for name in ("ca", "unknown")] == [200, 502]


def test_without_a_file_of_its_own_it_says_that_it_runs(stage, image, network, tell):
    tell(image.way)
    with network.entered():
        container = start(stage, image, network)
        answered = stage.client("127.0.0.1:8080").get()
    assert answered.status == 503 and b"evergate runs here" in answered.body
    container.begin_to_stop()
    assert container.exit_code() == 0

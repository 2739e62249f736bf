"""What can be said of docker/ without building anything, and our own reading of Dockerfiles."""

import re

import pytest
import yaml
from lib.evergate import run_command
from parts import debian
from parts.dockerfile import Ignored, Interpreter, base_images, instructions

DOCKER = debian.ROOT / "docker"


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text).group(1))


def test_the_compose_file_says_how_evergate_is_run():
    services = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]
    evergate = services.pop("evergate")
    assert evergate["depends_on"] == sorted(services) == ["web-1", "web-2", "web-3"]
    assert evergate["read_only"] and evergate["cap_drop"] == ["ALL"]
    assert evergate["security_opt"] == ["no-new-privileges:true"]
    assert seconds(evergate["stop_grace_period"]) > seconds(evergate["environment"]["DRAIN_TIMEOUT"])
    assert {"cpus", "mem_limit"} <= set(evergate)
    assert (DOCKER / evergate["build"]["context"]).resolve() == debian.ROOT
    assert (debian.ROOT / evergate["build"]["dockerfile"]).is_file()
    config = (DOCKER / evergate["volumes"][0].split(":")[0]).read_text()
    assert sorted(re.findall(r'address = "([^":]+):80"', config)) == sorted(services)


@pytest.mark.parametrize("file, environment", [
    ("evergate.conf", {}), ("compose.conf", {}),
    ("sidecar/evergate.conf", {"ORDERS": "orders.internal:80", "STOCK": "stock.internal:80"})])
def test_every_configuration_is_valid(file, environment):
    result = run_command("check", "-c", DOCKER / file, env=environment)
    assert result.returncode == 0, result.stderr


def test_the_image_can_wait_less_than_docker_stop_does():
    text = (DOCKER / "evergate.conf").read_text()
    assert seconds(re.search(r"DRAIN_TIMEOUT:-(\d+s)", text).group(1)) < 10


def test_the_dockerfile_begins_from_one_image():
    assert base_images((DOCKER / "Dockerfile").read_text()) == ["debian:bookworm-slim"]


def test_a_dockerfile_is_read_as_builders_read_it():
    text = "# syntax\nFROM a AS b\nRUN one && \\\n# between\n    two\n\nFROM scratch\nCOPY --from=b /x /\n"
    assert [(word, " ".join(rest.split())) for word, rest in instructions(text)] == [
        ("FROM", "a AS b"), ("RUN", "one && two"), ("FROM", "scratch"), ("COPY", "--from=b /x /")]
    assert base_images(text) == ["a"]


def test_what_dockerignore_names_stays_out():
    ignored = Ignored("# a comment\n/build\n/build-*\n**/__pycache__\n**/*.o\n")
    assert all(map(ignored, ["build", "build-asan", "tests/lib/__pycache__", "a/b.o", "b.o"]))
    assert not any(map(ignored, ["cmake/build", "builder.c", "a/b.out"]))


def test_the_steps_of_a_dockerfile_are_carried_out_in_a_debian_root(make_root, tmp_path):
    context = tmp_path / "context"
    (context / "in").mkdir(parents=True)
    (context / "in" / "kept").write_text("kept")
    (context / "in" / "left.o").write_text("left out")
    (context / ".dockerignore").write_text("**/*.o\n")

    def empty(name):
        path = tmp_path / name
        path.mkdir()
        return path

    last = Interpreter(context, make_root, empty, tell=lambda line: None).build(
        "FROM debian:bookworm-slim AS work\nARG WORD=hello\nENV SAID=${WORD}\nWORKDIR /src\n"
        "COPY . .\nRUN test ! -e in/left.o && mkdir /out && echo $SAID >/out/said && "
        "chown 7:8 /out/said && cp in/kept /out/\n"
        "FROM scratch\nCOPY --from=work /out /there\nUSER 7:8\nENTRYPOINT [\"/x\"]\n")
    assert (last.path / "there/said").read_text() == "hello\n"
    assert (last.path / "there/said").stat().st_uid == 7
    assert (last.path / "there/kept").read_text() == "kept"
    assert last.noted == {"USER": "7:8", "ENTRYPOINT": '["/x"]'}

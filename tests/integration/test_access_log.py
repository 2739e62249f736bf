"""Line 12: the access log: what a line holds, where it goes, and that it never blocks traffic."""

import datetime
import os
import signal

import pytest

from lib.confinement import spawner_of
from lib.libconfig import DEFAULT_WORKERS
from lib.raw_client import head
from lib.scripted_backend import answer
from lib.waiting import wait_until

FIELDS = ["time", "request_id", "client", "listener", "route", "pool", "endpoint", "attempts",
          "method", "host", "path", "protocol", "status", "error_type", "error", "bytes_in",
          "bytes_out", "time_total", "time_connect", "time_first_byte", "user_agent", "trace_id"]


def to_file(path, log_format="json"):
    return {"log": {"level": "info", "access": str(path), "format": log_format}}


def text_lines(path):
    return path.read_text().splitlines() if path.exists() else []


def test_a_line_holds_every_field_of_the_contract(stage):
    backend = stage.recorder(respond=lambda request: answer(b"twelve bytes"))
    proxy = stage.proxy(backend)
    client = stage.client(proxy)
    client.request(head("POST", "/a/b?c=d", "shop.example:80", headers=[
        ("User-Agent", "test/1.0 \"quoted\""), ("Content-Length", "4")]) + b"body")
    line = proxy.wait_access_lines(1)[0]
    assert list(line) == FIELDS
    assert line["listener"] == "edge" and line["pool"] == "app" and line["endpoint"] == "b0"
    assert line["client"].startswith("127.0.0.1")
    assert (line["method"], line["protocol"], line["status"]) == ("POST", "HTTP/1.1", 200)
    assert line["host"].startswith("shop.example")
    assert line["path"] == "/a/b?c=d"
    assert line["attempts"] == 1
    assert line["user_agent"] == 'test/1.0 "quoted"'
    assert line["error_type"] is None and line["error"] is None


def test_times_are_iso_8601_and_seconds(stage):
    proxy = stage.proxy(stage.recorder())
    client = stage.client(proxy)
    client.get()
    client.get()
    first, second = proxy.wait_access_lines(2)
    when = datetime.datetime.fromisoformat(first["time"].replace("Z", "+00:00"))
    age = datetime.datetime.now(datetime.timezone.utc) - when
    assert abs(age.total_seconds()) < 3600
    assert first["time_total"] >= first["time_first_byte"] >= 0
    assert first["time_connect"] is not None
    assert second["time_connect"] is None or DEFAULT_WORKERS > 1


def test_bytes_count_what_went_over_the_wire(stage):
    backend = stage.recorder(respond=lambda request: answer(b"d" * 10_000))
    proxy = stage.proxy(backend)
    client = stage.client(proxy)
    sent = head("POST", headers=[("Content-Length", "3000")]) + b"u" * 3000
    client.request(sent)
    line = proxy.wait_access_lines(1)[0]
    assert 3000 <= line["bytes_in"] <= len(sent)
    assert 10_000 <= line["bytes_out"] <= client.received_count


def test_a_line_says_what_went_wrong(stage):
    proxy = stage.proxy(stage.refusing_port())
    stage.get(proxy)
    line = proxy.wait_access_lines(1)[0]
    assert (line["status"], line["error_type"]) == (502, "connection")
    assert "refused" in line["error"]
    assert line["attempts"] == 2  # the only endpoint there is got a second chance


def test_a_refused_head_has_a_line_too(stage):
    proxy = stage.proxy(stage.recorder())
    client = stage.client(proxy)
    client.send(b"NONSENSE\r\n\r\n")
    client.read_to_eof()
    line = proxy.wait_access_lines(1)[0]
    assert (line["status"], line["error_type"]) == (400, "validation")


def test_hostile_text_is_escaped(stage):
    proxy = stage.proxy(stage.recorder())
    client = stage.client(proxy)
    client.get('/"\\<>', headers=[("User-Agent", "\xff\xfe \"\\ \u0080")])
    line = proxy.wait_access_lines(1)[0]
    assert line["path"] == '/"\\<>'
    assert len(proxy.stdout.splitlines()) == 1


def test_lines_of_one_connection_are_in_order(stage):
    proxy = stage.proxy(stage.recorder())
    client = stage.client(proxy)
    for number in range(50):
        client.get(f"/{number}")
    assert [line["path"] for line in proxy.wait_access_lines(50)] == [f"/{n}" for n in range(50)]


def test_lines_of_many_workers_never_mix(stage):
    proxy = stage.proxy(stage.recorder(), workers=4)
    for number in range(200):
        stage.get(proxy, f"/{number}")
    lines = proxy.wait_access_lines(200)
    assert {line["path"] for line in lines} == {f"/{n}" for n in range(200)}


def test_everything_is_written_before_it_exits(stage):
    proxy = stage.proxy(stage.recorder())
    for number in range(100):
        stage.get(proxy, f"/{number}")
    proxy.stop()
    assert len(proxy.access_lines()) == 100


def test_the_text_format_is_one_line_of_words(stage, tmp_path):
    path = tmp_path / "access.log"
    proxy = stage.proxy(stage.recorder(), **to_file(path, "text"))
    stage.get(proxy, "/text%20me")
    wait_until(lambda: text_lines(path), "a line is written")
    line = text_lines(path)[0]
    assert not line.startswith("{")
    for part in ("127.0.0.1", "edge", "app", "b0", "GET", "/text%20me", "200"):
        assert part in line


def test_off_writes_nothing(stage):
    proxy = stage.proxy(stage.recorder(), log={"level": "info", "access": "off"})
    for _ in range(3):
        assert stage.get(proxy).status == 200
    proxy.stop()
    assert proxy.stdout == ""


def test_stderr_can_be_the_target(stage):
    proxy = stage.proxy(stage.recorder(), log={
        "level": "info", "access": "stderr", "format": "json"})
    stage.get(proxy, "/on-stderr")
    proxy.wait_for_log('"path":"/on-stderr"')


def test_sigusr1_reopens_the_file_after_it_was_renamed(stage, tmp_path):
    path, old = tmp_path / "access.log", tmp_path / "access.log.1"
    proxy = stage.proxy(stage.recorder(), **to_file(path))
    stage.get(proxy, "/before")
    proxy.wait_access_lines(1, path)
    path.rename(old)
    stage.get(proxy, "/between")
    proxy.wait_access_lines(2, old)
    proxy.send_signal(signal.SIGUSR1)
    wait_until(path.exists, "the file is made again")
    stage.get(proxy, "/after")
    assert [line["path"] for line in proxy.wait_access_lines(1, path)] == ["/after"]
    assert [line["path"] for line in proxy.access_lines(old)] == ["/before", "/between"]


def test_a_reopen_that_fails_keeps_the_old_file(stage, tmp_path):
    room = tmp_path / "logs"
    room.mkdir()
    path = room / "access.log"
    proxy = stage.proxy(stage.recorder(), **to_file(path))
    stage.get(proxy, "/before")
    proxy.wait_access_lines(1, path)
    moved = tmp_path / "moved"
    room.rename(moved)
    proxy.send_signal(signal.SIGUSR1)
    proxy.wait_for_log("(?i)access.*log|cannot open|reopen")
    stage.get(proxy, "/after")
    assert len(proxy.wait_access_lines(2, moved / "access.log")) == 2


def test_an_existing_file_is_appended_to(stage, tmp_path):
    path = tmp_path / "access.log"
    path.write_text('{"kept":1}\n')
    proxy = stage.proxy(stage.recorder(), **to_file(path))
    stage.get(proxy)
    assert proxy.wait_access_lines(2, path)[0] == {"kept": 1}


def test_a_reader_that_does_not_read_blocks_no_traffic(stage):
    """The pipe and the rings fill up; requests are served all the same and lines are dropped."""
    reader, writer = os.pipe()
    try:
        proxy = stage.proxy(stage.recorder(), workers=1, stdout=writer)
        client = stage.client(proxy)
        path = "/" + "p" * 8000
        for _ in range(400):  # 3 MB of lines: more than the pipe and the ring hold
            assert client.get(path).status == 200
        os.close(writer)
        writer = None
        empty_pipe(reader)
        client.close()
        wait_until(lambda: (empty_pipe(reader), proxy.log_lines("(?i)drop"))[1],
                   "the log says how many lines were dropped")
    finally:
        os.close(reader)
        if writer is not None:
            os.close(writer)


def empty_pipe(reader):
    """Empties a pipe without waiting."""
    os.set_blocking(reader, False)
    try:
        while os.read(reader, 1 << 20):
            pass
    except BlockingIOError:
        pass


def test_a_fifo_that_nobody_reads_holds_up_neither_the_start_nor_a_reload_nor_the_end(
        stage, tmp_path):
    fifo = tmp_path / "access.fifo"
    os.mkfifo(fifo)
    proxy = stage.proxy(stage.recorder(), **to_file(fifo))
    assert stage.get(proxy).status == 200
    proxy.send_signal(signal.SIGUSR1)
    proxy.wait_for_log("access log: reopened")
    assert stage.get(proxy).status == 200
    proxy.send_signal(signal.SIGHUP)
    proxy.wait_for_log("SIGHUP.*nothing|reload")
    with open(fifo, "rb", buffering=0) as reader:
        assert stage.get(proxy).status == 200
        wait_until(lambda: b'"status":200' in (reader.read(4096) or b""), "a line comes")
    assert stage.get(proxy).status == 200
    assert proxy.stop() == 0


def test_a_reader_that_goes_away_does_not_end_it(stage):
    reader, writer = os.pipe()
    proxy = stage.proxy(stage.recorder(), stdout=writer)
    os.close(writer)
    os.close(reader)
    for _ in range(5):
        assert stage.get(proxy).status == 200


def close_input_and_output():
    os.close(0)
    os.close(1)


def test_a_closed_standard_output_is_no_sockets_number(stage):
    proxy = stage.proxy(stage.recorder(), preexec=close_input_and_output)
    for process in (proxy.process.pid, spawner_of(proxy.process.pid)):
        open_as = [os.readlink(f"/proc/{process}/fd/{number}") for number in (0, 1)]
        assert open_as == ["/dev/null"] * 2
    assert stage.get(proxy).status == 200


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_the_operators_log_tells_the_listeners_in_either_format(stage, log_format):
    proxy = stage.proxy(stage.recorder(), log={
        "level": "info", "access": "off", "format": log_format})
    assert stage.get(proxy).status == 200
    line = proxy.log_lines("is listening on")[0]
    assert line.startswith("{") == (log_format == "json")

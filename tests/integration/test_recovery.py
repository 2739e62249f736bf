"""Recovery: what is done for an endpoint that became unhealthy, and what is told of it."""

import json
import os
import signal
import threading

from lib.failover import checks, group, ms, serve, start, wait_status
from lib.processes import is_running, script
from lib.scripted_backend import answer
from lib.waiting import wait_until

LONG = "10m"  # longer than any test


def recovery(command="", **more):
    action = {"command": command} if command else {}
    return {**action, "max_attempts": 3, "interval": LONG, "timeout": ms(10000), **more}


def told(admin, to, **more):
    return admin.wait_for_event(type="recovery", endpoint="a", to=to, **more)


def sequence(admin):
    """What recovery did for a, in order."""
    return [event["to"] for event in admin.events(type="recovery", endpoint="a")]


def test_a_command_starts_the_server_again_and_a_check_verifies_it(stage):
    """The whole of it, with a real server that the command leaves running."""
    port = stage.refusing_port()
    number = port.address.rpartition(":")[2]
    port.stop()
    pid_file = stage.directory / "pid"
    serving = stage.room("serving")
    (serving / "index.html").write_text("up again")
    command = script(stage, f"""
cd {serving}
python3 -m http.server --bind 127.0.0.1 {number} >/dev/null 2>&1 &
echo $! >{pid_file}
for i in $(seq 500); do
    curl -s -o /dev/null http://127.0.0.1:{number}/ && break
    sleep 0.02
done
echo started $EG_ENDPOINT_ID""")
    proxy, admin = start(stage, {"id": "a", "address": f"127.0.0.1:{number}"},
                         health=checks(path="/", timeout=ms(200)), recovery=recovery(command))
    try:
        event = told(admin, "started")
        assert event["from"] == "attempt 1 of 3"
        assert "connection refused" in event["why"]
        event = told(admin, "ended")
        assert event["why"].startswith("exit status 0 after ")
        assert event["why"].endswith(": started a")
        told(admin, "verified")
        wait_status(admin, "healthy", "a")
        assert stage.get(proxy).text == "up again"
        assert sequence(admin) == ["started", "ended", "verified"]
    finally:
        os.kill(int(pid_file.read_text()), signal.SIGKILL)


def test_it_is_given_up_after_the_last_attempt_and_begins_anew_after_a_recovery(stage):
    a = stage.failing("a")
    _, admin = start(stage, a, health=checks(),
                     recovery=recovery("true", max_attempts=2, interval="300ms"))
    wait_status(admin, "healthy", "a")
    a.health = 500
    event = told(admin, "given up")
    assert event["why"] == "it is still unhealthy after 2 attempts"
    assert sequence(admin) == ["started", "ended", "not verified"] * 2 + ["given up"]
    event = told(admin, "not verified")
    assert "status 500" in event["why"] and "attempt 2 of 2 in" in event["next"]
    a.health = 200
    wait_status(admin, "healthy", "a")
    a.health = 500
    wait_until(lambda: sequence(admin).count("started") == 3, "a third attempt begins")
    assert admin.events(type="recovery", to="started")[-1]["from"] == "attempt 1 of 2"


def test_a_command_learns_what_is_the_matter_and_no_shell_reads_it(stage):
    seen = stage.directory / "seen"
    command = script(stage, f"""
printf '%s\\n' "$EG_POOL" "$EG_ENDPOINT_ID" "$EG_ADDRESS" "$EG_HOST" "$EG_PORT" "$EG_ATTEMPT" \\
    "$EG_STATUS" "$EG_SINCE" "$EG_REASON" "$1" >{seen}.new
mv {seen}.new {seen}""")
    hostile = "$(touch pwned); `id` ' \""
    backend = stage.recorder("a", lambda request: answer(b"", "500 as told"))
    start(stage, group(backend), health=checks(path="/x", expect_body=hostile),
          recovery=recovery(command + " on-${EG_ENDPOINT_ID}"))
    wait_until(seen.exists, "the command was run")
    lines = seen.read_text().splitlines()
    assert lines[:7] == ["app", "a", backend.address, "127.0.0.1", str(backend.port), "1",
                         "unhealthy"]
    assert lines[7].startswith("20") and lines[7].endswith("Z")
    assert "status 500, expected 200-299" in lines[8]
    assert lines[9] == "on-a"


def test_a_command_that_hangs_is_killed_with_its_children(stage):
    a = stage.failing("a")
    a.health = 500
    pids = stage.directory / "pids"
    command = script(stage, f"sleep 1000 & echo $! >>{pids}; echo $$ >>{pids}; wait")
    _, admin = start(stage, a, health=checks(), recovery=recovery(command, timeout=ms(500)))
    event = told(admin, "failed")
    assert event["why"].startswith("killed, it had not ended within ")
    begun = [int(line) for line in pids.read_text().split()]
    wait_until(lambda: not any(map(is_running, begun)), "both are gone")


def test_a_command_that_fails_is_told_with_its_last_line(stage):
    a = stage.failing("a")
    a.health = 500
    command = script(stage, "echo trying; echo no such unit >&2; exit 4")
    _, admin = start(stage, a, health=checks(), recovery=recovery(command))
    why = told(admin, "failed")["why"]
    assert why.startswith("exit status 4 after ") and why.endswith(": no such unit")
    told(admin, "not verified")


def test_the_brake_holds_back_what_fails_together(stage):
    backends = [stage.failing(name) for name in ("a", "b", "c", "d")]
    for backend in backends:
        backend.health = 500
    _, admin = start(stage, *backends, health=checks(), recovery=recovery("true"),
                     top={"supervision": {"recoveries_per_minute": 2}})
    held = wait_until(lambda: len(admin.events(type="recovery", to="held back")) == 2
                      and admin.events(type="recovery", to="held back"), "two are held back")
    assert len(admin.events(type="recovery", to="started")) == 2
    assert "supervision.recoveries_per_minute = 2" in held[0]["why"]
    assert "at the earliest" in held[0]["next"]
    seen = backends[0].checks
    wait_until(lambda: backends[0].checks > seen + 10, "checks go on")
    assert len(admin.events(type="recovery", to="held back")) == 2


def test_none_is_begun_for_an_endpoint_that_is_drained(stage):
    a, b = stage.failing("a"), stage.failing("b")
    _, admin = start(stage, a, b, health=checks(), recovery=recovery("true"))
    wait_status(admin, "healthy", "a", "b")
    admin.json("/api/v1/pools/app/endpoints/a/drain", "POST")
    a.health = 500
    seen = a.checks
    wait_until(lambda: a.checks > seen + 5, "a is asked and fails")
    assert not admin.events(type="recovery")


# ---- webhooks ----

def hooked(stage, respond, **more):
    """(the hook, management) of an endpoint that is ill from the start."""
    a = stage.failing("a")
    a.health = 500
    hook = stage.recorder("hook", respond)
    _, admin = start(stage, a, health=checks(), recovery=recovery(
        webhook=f"http://{hook.address}/repair?team=edge", **more))
    return a, hook, admin


def test_a_webhook_is_told_what_is_the_matter(stage):
    a, hook, admin = hooked(stage, lambda request: answer(b"", "202 Accepted"))
    event = told(admin, "ended")
    assert event["why"] == "webhook: status 202"
    request = hook.requests[0]
    assert (request.method, request.target) == ("POST", "/repair?team=edge")
    assert request.get("content-type") == "application/json"
    assert request.get("host") == hook.address
    document = json.loads(bytes(request.body))
    since = document.pop("since")
    assert since.startswith("20") and since.endswith("Z")
    assert "status 500, expected 200-299" in document.pop("reason")
    assert document == {"pool": "app", "endpoint": "a", "address": a.address,
                        "status": "unhealthy", "attempt": 1}
    told(admin, "not verified")


def test_a_webhook_that_answers_with_an_error_has_failed_and_is_called_again(stage):
    _, hook, admin = hooked(stage, lambda request: answer(b"", "503 as told"), interval="200ms",
                            max_attempts=2)
    assert told(admin, "failed")["why"] == "webhook: status 503"
    hook.wait_for_requests(2)
    assert json.loads(bytes(hook.requests[1].body))["attempt"] == 2
    told(admin, "given up")
    assert hook.count == 2


def test_a_webhook_that_does_not_answer_has_its_time(stage):
    may_end = threading.Event()
    _, _, admin = hooked(stage, lambda request: may_end.wait() and None, timeout="300ms")
    assert told(admin, "failed")["why"] == "webhook: no answer within 300 ms"
    may_end.set()


def test_a_webhook_is_verified_over_tls_and_found_by_name(stage, certificates):
    a = stage.failing("a")
    a.health = 500
    hook = stage.recorder("hook", tls=certificates.server_context(certificates.leaf("localhost")))
    _, admin = start(stage, a, health=checks(), recovery=recovery(
        webhook=f"https://localhost:{hook.port}/", interval="100ms", max_attempts=100),
        top={"env": {"SSL_CERT_FILE": certificates.ca}})
    told(admin, "ended", why="webhook: status 200")
    assert hook.count >= 1


def test_a_webhook_whose_certificate_is_not_good_has_failed(stage, certificates):
    a = stage.failing("a")
    a.health = 500
    leaf = certificates.leaf("IP:127.0.0.1")  # and nothing that trusts its authority
    hook = stage.recorder("hook", tls=certificates.server_context(leaf))
    _, admin = start(stage, a, health=checks(),
                     recovery=recovery(webhook=f"https://{hook.address}/"))
    assert told(admin, "failed")["why"].startswith("webhook: TLS: ")
    assert hook.count == 0


def test_traffic_goes_on_while_actions_hang(stage):
    a, b = stage.failing("a"), stage.failing("b")
    a.health = 500
    proxy, admin = start(stage, a, b, health=checks(), recovery=recovery("sleep 1000"))
    told(admin, "started")
    wait_status(admin, "healthy", "b")
    assert set(serve(stage, proxy, 20)) == {"b"}
    proxy.stop()

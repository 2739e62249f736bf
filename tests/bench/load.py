"""What each scenario does to a proxy, and what it measures."""

import json
import multiprocessing
import pathlib
import socket
import ssl
import subprocess
import time

REQUEST_LUA = pathlib.Path(__file__).with_name("request.lua")
WARM_UP_S = 0.3
IDLE_CONNECTIONS = 2000
HANDSHAKERS = 4
GET = b"GET /1k HTTP/1.1\r\nHost: localhost\r\n"

#: name: (title, connections, path, method, body bytes, "keep" or "close", TLS) for wrk, or a kind.
SCENARIOS = {
    "get_1k": ("1 KB GET, keep-alive", 32, "/1k", "GET", 0, "keep", False),
    "get_16k": ("16 KB GET, keep-alive", 32, "/16k", "GET", 0, "keep", False),
    "get_1m": ("1 MB GET, keep-alive", 8, "/1m", "GET", 0, "keep", False),
    "post_10k": ("10 KB POST, keep-alive", 32, "/post", "POST", 10240, "keep", False),
    "close": ("1 KB GET, new connection each", 32, "/1k", "GET", 0, "close", False),
    "https": ("1 KB GET, HTTPS keep-alive", 32, "/1k", "GET", 0, "keep", True),
    "handshake": ("1 KB GET, full TLS handshake each", "handshake"),
    "idle": ("resident memory per idle connection", "idle"),
    "idle_tls": ("resident memory per idle TLS connection", "idle_tls"),
    "endpoints_round_robin": ("1 KB GET, many endpoints, round robin", "endpoints",
                              "round_robin"),
    "endpoints_least_connections": ("1 KB GET, many endpoints, least connections", "endpoints",
                                    "least_connections"),
    "endpoints_consistent_hash": ("1 KB GET, many endpoints, by a hash of the path", "endpoints",
                                  "consistent_hash"),
    "pick": ("the choice alone", "pick"),
}


def run_wrk(scenario, proxy, seconds):
    """`keep` may also be "spread": kept connections, and another path for each request."""
    _, connections, path, method, body_bytes, keep, tls = scenario
    url = f"https://127.0.0.1:{proxy.tls_port}" if tls else f"http://127.0.0.1:{proxy.port}"
    result = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "-s", REQUEST_LUA,
         url + path, "--", method, str(body_bytes), keep],
        capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def warm_up(proxy, seconds=WARM_UP_S):
    """Connections to the backend, caches and the branch predictor, before anything is counted."""
    end = time.monotonic() + seconds
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        while time.monotonic() < end:
            client.sendall(GET + b"\r\n")
            read_answer(client)


def read_answer(client):
    """One answer with a Content-Length, over a plain or TLS socket."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += receive(client)
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"not 200: {head[:200]!r}")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                  if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += receive(client)


def receive(client):
    piece = client.recv(65536)
    if not piece:
        raise RuntimeError("closed before the answer was complete")
    return piece


def tls_context():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def handshake_loop(port, seconds, results):
    """New TLS connections one after the other, none resumed; each one's time in microseconds."""
    context = tls_context()
    times_us, errors = [], 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.perf_counter()
        try:
            plain = socket.create_connection(("127.0.0.1", port))
            with context.wrap_socket(plain, server_hostname="localhost") as client:
                client.sendall(GET + b"Connection: close\r\n\r\n")
                read_answer(client)
            times_us.append((time.perf_counter() - begin) * 1e6)
        except (OSError, RuntimeError):
            errors += 1
    results.put((times_us, errors))


def run_handshakes(proxy, seconds):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    begin = time.monotonic()
    clients = [context.Process(target=handshake_loop, args=(proxy.tls_port, seconds, results))
               for _ in range(HANDSHAKERS)]
    for client in clients:
        client.start()
    collected = [results.get() for _ in clients]
    duration_us = (time.monotonic() - begin) * 1e6
    for client in clients:
        client.join()
    times_us = sorted(t for times, _ in collected for t in times)
    return {"requests": len(times_us), "duration_us": duration_us,
            "p50_us": times_us[len(times_us) // 2], "p99_us": times_us[len(times_us) * 99 // 100],
            "errors": sum(errors for _, errors in collected)}


def measure_idle(proxy, tls):
    """Growth of resident memory per connection that has had one answer and now waits."""
    context = tls_context()
    open_clients = []

    def open_one():
        client = socket.create_connection(("127.0.0.1", proxy.tls_port if tls else proxy.port))
        if tls:
            client = context.wrap_socket(client, server_hostname="localhost")
        client.sendall(GET + b"\r\n")
        read_answer(client)
        open_clients.append(client)

    open_one()
    before = proxy.resident_bytes()
    for _ in range(IDLE_CONNECTIONS):
        open_one()
    growth = proxy.resident_bytes() - before
    for client in open_clients:
        client.close()
    return {"bytes_per_connection": growth / IDLE_CONNECTIONS}


def run_scenario(name, proxy, seconds):
    scenario = SCENARIOS[name]
    if scenario[1] in ("idle", "idle_tls"):
        return measure_idle(proxy, scenario[1] == "idle_tls")
    warm_up(proxy)
    if scenario[1] == "handshake":
        return with_cpu(proxy, lambda: run_handshakes(proxy, seconds))
    return with_cpu(proxy, lambda: run_wrk(scenario, proxy, seconds))


def with_cpu(proxy, run):
    begin_us = proxy.cpu_us()
    result = run()
    used_us = proxy.cpu_us() - begin_us
    answered = max(1, result["requests"])
    return {"requests_per_s": result["requests"] / result["duration_us"] * 1e6,
            "p50_us": result["p50_us"], "p99_us": result["p99_us"], "errors": result["errors"],
            "cpu_us": used_us / answered, "proxy_load": used_us / result["duration_us"]}

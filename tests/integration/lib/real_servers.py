"""Servers that other people wrote: Debian's nginx and node, as backends."""

import collections
import os
import pathlib
import random
import signal
import socket
import subprocess

from .waiting import DEADLINE_S, wait_until

PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
NODE = "/usr/bin/node"
NODE_ENVIRONMENT = {**os.environ, "NODE_PATH": "/usr/share/nodejs", "NODE_NO_WARNINGS": "1"}
LOWEST_PORT, HIGHEST_PORT = 10000, 60000
CLAIMS = 200  # a descriptor each


class ChildServer:
    """A server process that stop() ends."""

    def __init__(self, command, directory, env=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.output_path = self.directory / "output.log"
        with open(self.output_path, "wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                cwd=self.directory, env=env)

    @property
    def output(self):
        return self.output_path.read_text(errors="replace")

    def alive(self):
        assert self.process.poll() is None, f"it ended:\n{self.output}"
        return True

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGCONT)  # a stopped one would not end
        self.process.terminate()
        try:
            self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class NodeServer(ChildServer):
    """programs/PROGRAM.js, which prints the port it listens on as its first line."""

    def __init__(self, program, directory):
        super().__init__([NODE, str(PROGRAMS / f"{program}.js")], directory, NODE_ENVIRONMENT)
        wait_until(lambda: self.alive() and "\n" in self.output, f"{program} listens")
        self.address = f"127.0.0.1:{int(self.output.splitlines()[0])}"


def run_node(program, *arguments, timeout_s=DEADLINE_S * 2):
    """Runs programs/PROGRAM.js to its end and returns what it printed."""
    result = subprocess.run([NODE, str(PROGRAMS / f"{program}.js"), *map(str, arguments)],
                            capture_output=True, text=True, env=NODE_ENVIRONMENT,
                            timeout=timeout_s, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


NGINX_CONF = """
daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_max_body_size 0; keepalive_requests 100000;
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5; types {{ }} default_type text/plain;
  server {{ listen unix:{dir}/nginx.sock; listen 127.0.0.1:{port}; root {dir}/files; {more} }}
}}
"""


class Nginx(ChildServer):
    """Serves .files/ over TCP (.address) and a Unix socket (.unix_address)."""

    def __init__(self, directory, more="", port=None):
        directory = pathlib.Path(directory)
        self.files = directory / "files"
        self.files.mkdir(parents=True, exist_ok=True)
        self.files.joinpath("index.html").write_text("hello from nginx\n")
        port = port or free_port()
        conf = directory / "nginx.conf"
        conf.write_text(NGINX_CONF.format(dir=directory, port=port, more=more))
        super().__init__(["/usr/sbin/nginx", "-c", str(conf), "-e", str(directory / "error.log")],
                         directory)
        self.address = f"127.0.0.1:{port}"
        self.unix_address = f"unix:{directory}/nginx.sock"
        wait_until(lambda: self.alive() and accepts(port), "nginx listens")


def first_ephemeral_port():
    """From here on the kernel takes the ports of outgoing connections, and of those who bind 0."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as text:
        first = int(text.read().split()[0])
    return first if first > 2 * LOWEST_PORT else HIGHEST_PORT  # some machines leave no others


#: Abstract Unix sockets: a claim is gone with its process, however that ends.
claims = collections.deque()


def claim(port):
    """Whether nobody has it, nor any other process of tests was given it lately."""
    mark = socket.socket(socket.AF_UNIX)
    try:
        mark.bind(f"\0evergate-test-port-{port}")
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(type=kind) as probe:
                probe.bind(("127.0.0.1", port))
    except OSError:
        mark.close()
        return False
    claims.append(mark)
    if len(claims) > CLAIMS:
        claims.popleft().close()
    return True


def free_port():
    """A port for servers that cannot tell which one they got, and for those that are to be started
    on it again: no connection's, not even while they are dead."""
    choose = random.SystemRandom()
    for _ in range(1000):
        port = choose.randrange(LOWEST_PORT, first_ephemeral_port())
        if claim(port):
            return port
    raise AssertionError("no port of 127.0.0.1 can be had")


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

"""The servers that are broken: nginx, node, nginx in a network of its own."""

import os
import subprocess

from lib.real_servers import (NODE, NODE_ENVIRONMENT, ChildServer, Nginx, free_port)
from lib.waiting import wait_until

from places import HERE

BODY = "e" * 1024

NGINX_MORE = """
  keepalive_timeout 300s; {tls}
  location / {{ add_header X-Backend {name} always; return 200 "{body}"; }}
"""

NGINX_TLS = "ssl_certificate {cert}; ssl_certificate_key {key};"


def nginx_more(name):
    return NGINX_MORE.format(name=name, body=BODY, tls="")


class NodeBackend(ChildServer):
    """backend.js; `say` changes its mood."""

    def __init__(self, directory, name, database=None):
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.output_path = directory, directory / "output.log"
        command = [NODE, str(HERE / "backend.js"), name, str(self.port)]
        if database:
            command.append(database.rpartition(":")[2])
        with open(self.output_path, "wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE,
                stdout=output, stderr=subprocess.STDOUT, env=NODE_ENVIRONMENT)
        wait_until(lambda: self.alive() and self.output, "node listens")

    def say(self, mood):
        self.process.stdin.write(mood.encode() + b"\n")
        self.process.stdin.flush()

    def total(self):
        """How many requests it got, checks not counted."""
        told = self.output.count("total")
        self.say("tell")
        wait_until(lambda: self.output.count("total") > told, "it tells its total")
        return int(self.output.split()[-1])


TLS_CONF = """
daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log; worker_processes 1; {user}
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 100000000; client_body_temp_path {dir}/t1;
  proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4;
  scgi_temp_path {dir}/t5;
  server {{ listen 127.0.0.1:{port} ssl; {refuse} {more} }}
}}
"""


class TlsNginx(ChildServer):
    """nginx over TLS, which can be told to refuse handshakes from its next reload on."""

    def __init__(self, directory, name, leaf):
        self.port, self.name, self.leaf = free_port(), name, leaf
        self.address = f"127.0.0.1:{self.port}"
        directory.mkdir(parents=True, exist_ok=True)
        self.conf = directory / "nginx.conf"
        self.write(directory, refuse=False)
        super().__init__(["/usr/sbin/nginx", "-c", str(self.conf), "-e",
                          str(directory / "error.log")], directory)

    def write(self, directory, refuse):
        tls = NGINX_TLS.format(**self.leaf)
        self.conf.write_text(TLS_CONF.format(
            dir=directory, port=self.port, user="user root;" if os.geteuid() == 0 else "",
            refuse="ssl_reject_handshake on;" if refuse else "",
            more=NGINX_MORE.format(name=self.name, body=BODY, tls=tls)))

    def refuse(self, refuse):
        self.write(self.directory, refuse)
        subprocess.run(["/usr/sbin/nginx", "-c", str(self.conf), "-e",
                        str(self.directory / "error.log"), "-s", "reload"], check=True)


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Skipped(Exception):
    """The scenario cannot run here; its text says why."""


class Network:
    """A network namespace with a veth pair; `drop` makes it swallow every packet."""

    def __init__(self, number):
        self.name = f"chaos-{os.getpid()}-{number}"
        self.link = f"chaos{os.getpid() % 100000}{number}"[-14:]
        prefix = f"10.{200 + os.getpid() % 50}.{number}"
        self.ours, self.theirs = f"{prefix}.1", f"{prefix}.2"
        try:
            run("ip", "netns", "add", self.name)
        except (OSError, subprocess.CalledProcessError) as refused:
            raise Skipped("network namespaces are not permitted here") from refused
        try:
            self.connect()
        except (OSError, subprocess.CalledProcessError) as refused:
            self.stop()
            raise Skipped(f"a veth pair or nftables cannot be had here: "
                          f"{getattr(refused, 'stderr', refused)}") from refused

    def connect(self):
        peer = self.link + "p"
        run("ip", "link", "add", self.link, "type", "veth", "peer", "name", peer, "netns",
            self.name)
        run("ip", "addr", "add", f"{self.ours}/24", "dev", self.link)
        run("ip", "link", "set", self.link, "up")
        run(*self.inside("ip", "addr", "add", f"{self.theirs}/24", "dev", peer))
        run(*self.inside("ip", "link", "set", peer, "up"))
        run(*self.inside("nft", "add table inet chaos"))

    def inside(self, *command):
        return ["ip", "netns", "exec", self.name, *command]

    def drop(self):
        run(*self.inside("nft", "add chain inet chaos in { type filter hook input priority 0; "
                                "policy drop; }"))

    def pass_again(self):
        run(*self.inside("nft", "delete chain inet chaos in"))

    def stop(self):
        subprocess.run(["ip", "link", "del", self.link], capture_output=True, check=False)
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)


class RemoteNginx(ChildServer):
    """nginx inside a Network."""

    def __init__(self, directory, name, network):
        directory.mkdir(parents=True, exist_ok=True)
        conf = directory / "nginx.conf"
        conf.write_text(TLS_CONF.format(
            dir=directory, port=8000, user="user root;", refuse="", more=nginx_more(name))
            .replace("127.0.0.1:8000 ssl", f"{network.theirs}:8000"))
        self.address = f"{network.theirs}:8000"
        super().__init__(network.inside("/usr/sbin/nginx", "-c", str(conf), "-e",
                                        str(directory / "error.log")), directory)


def nginx_on(stage, name, port=None):
    """A plain one, of one process: what kill -9 and SIGSTOP hit is the whole server."""
    server = Nginx(stage.room(f"nginx-{name}-"), nginx_more(name), port or free_port())
    return stage.ending(server)

"""The three proxies and their common backend, as child processes with equal settings.

Equal means: one worker, pinned; upstream connections kept (64) and reused; no access log unless asked
for; the same certificate; TLS 1.2 and 1.3; and, unless --plain, the same added header fields
(X-Forwarded-For, -Proto, -Host, Forwarded, Via, X-Request-Id, traceparent).
"""

import os
import pathlib
import signal
import socket
import subprocess
import time

START_DEADLINE_S = 20


def make_certificate(directory):
    """A self-signed ECDSA P-256 certificate; the path of a file that holds it and its key."""
    key, cert, both = directory / "key.pem", directory / "cert.pem", directory / "both.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-keyout", key, "-out", cert], check=True, capture_output=True)
    both.write_text(cert.read_text() + key.read_text())
    return {"key": key, "cert": cert, "both": both}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_listening(port, process, log):
    end = time.monotonic() + START_DEADLINE_S
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"it ended at once:\n{log.read_text(errors='replace')}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.02)


class Server:
    """A program that runs on one core for the length of a `with` block."""

    def __init__(self, directory, core):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.core = core
        self.port = free_port()
        self.tls_port = free_port()
        self.process = None

    def command(self):
        raise NotImplementedError

    def config(self):
        raise NotImplementedError

    def __enter__(self):
        self.config_path = self.directory / "config"
        self.config_path.write_text(self.config())
        log = self.directory / "log"
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                cwd=self.directory, preexec_fn=lambda: os.sched_setaffinity(0, {self.core}))
        try:
            wait_until_listening(self.port, self.process, log)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # nginx and HAProxy stop at once; evergate drains, and nobody is connected any more.
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def pids(self):
        """The process and its children (nginx's worker)."""
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        return [pid] + [int(child) for child in children.read_text().split()]

    def cpu_us(self):
        """Processor time of all threads so far, user and system."""
        total = 0
        for pid in self.pids():
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                total += int((task / "schedstat").read_text().split()[0])
        return total / 1000

    def resident_bytes(self):
        total_kb = 0
        for pid in self.pids():
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total_kb += int(line.split()[1])
        return total_kb * 1024


NGINX_TOP = """
daemon off; {user} pid {dir}/pid; error_log stderr crit;
worker_processes 1; worker_rlimit_nofile 16384;
events {{ worker_connections 16384; }}
http {{
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3;
  uwsgi_temp_path {dir}/t4; scgi_temp_path {dir}/t5;
  default_type text/plain; keepalive_requests 100000000; keepalive_timeout 300s;
  sendfile on; tcp_nopush on; client_body_buffer_size 64k;
"""


def nginx_top(directory, log="off"):
    user = "user root;" if os.geteuid() == 0 else ""
    return NGINX_TOP.format(dir=directory, user=user) + f"  access_log {log};\n"


class Backend(Server):
    """nginx on the load's core: fixed bodies, and a place that reads a body before it answers."""

    def __init__(self, directory, core):
        super().__init__(directory, core)
        self.many_port = free_port()

    def addresses(self, count):
        """Of so many endpoints, all of which are this server."""
        return [f"127.1.{number // 250}.{number % 250 + 1}:{self.many_port}"
                for number in range(count)]

    def command(self):
        return ["nginx", "-p", str(self.directory), "-c", str(self.config_path)]

    def config(self):
        for name, size in (("1k", 1024), ("16k", 16 * 1024), ("1m", 1024 * 1024)):
            (self.directory / name).write_bytes(b"e" * size)
        reader = self.directory / "reader.sock"
        return nginx_top(self.directory) + f"""
  open_file_cache max=10 inactive=600s;
  server {{
    listen 127.0.0.1:{self.port} backlog=4096;
    root {self.directory};
    location /post {{ proxy_pass http://unix:{reader}:; proxy_pass_request_body off;
                      proxy_set_header Content-Length ""; }}
  }}
  server {{ listen unix:{reader}; return 200 "stored"; }}
  # On every address of loopback's network, each of which can be an endpoint of its own.
  server {{
    listen {self.many_port} backlog=4096;
    allow 127.0.0.0/8; deny all;
    root {self.directory};
  }}
}}
"""


class Proxy(Server):
    """`addresses` are those of the pool's endpoints, None: the backend's. `algorithm` is evergate's
    name for what chooses among them."""

    def __init__(self, directory, core, backend, certificate, options, addresses=None,
                 algorithm="round_robin"):
        super().__init__(directory, core)
        self.addresses = addresses or [f"127.0.0.1:{backend.port}"]
        self.algorithm, self.certificate, self.options = algorithm, certificate, options

    #: Kept connections to backends, where they are counted for all together.
    @property
    def kept(self):
        return max(64, 2 * len(self.addresses))


class Nginx(Proxy):
    ALGORITHMS = {"round_robin": "", "least_connections": "least_conn;",
                  "consistent_hash": "hash $request_uri consistent;"}
    FIELDS = """
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"""
    MORE_FIELDS = """
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header Forwarded "for=$remote_addr;host=\\"$http_host\\";proto=$scheme";
    proxy_set_header Via "1.1 nginx";
    proxy_set_header X-Request-Id $request_id;
    proxy_set_header traceparent "00-$request_id-00f067aa0ba902b7-01";
    add_header Via "1.1 nginx";"""

    def command(self):
        return ["nginx", "-p", str(self.directory), "-c", str(self.config_path)]

    def config(self):
        log = f"{self.directory}/access.log combined buffer=64k" if self.options.access_log else "off"
        fields = self.FIELDS + ("" if self.options.plain else self.MORE_FIELDS)
        servers = " ".join(f"server {address};" for address in self.addresses)
        return nginx_top(self.directory, log) + f"""
  proxy_max_temp_file_size 0;
  upstream pool {{ {self.ALGORITHMS[self.algorithm]} {servers} keepalive {self.kept};
                   keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{self.port} backlog=4096;
    listen 127.0.0.1:{self.tls_port} ssl backlog=4096;
    ssl_certificate {self.certificate["cert"]}; ssl_certificate_key {self.certificate["key"]};
    ssl_protocols TLSv1.2 TLSv1.3;
    location / {{
    proxy_pass http://pool; proxy_http_version 1.1;
    proxy_set_header Connection ""; proxy_set_header Host $http_host;{fields}
    }}
  }}
}}
"""


class Haproxy(Proxy):
    ALGORITHMS = {"round_robin": "balance roundrobin", "least_connections": "balance leastconn",
                  "consistent_hash": "balance uri whole\n  hash-type consistent"}
    FIELDS = """
  option forwardfor"""
    MORE_FIELDS = """
  unique-id-format %[uuid]
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header Forwarded for=%[src];host=\\"%[req.hdr(host)]\\";proto=%[ssl_fc,iif(https,http)]
  http-request set-header Via "1.1 haproxy"
  http-request set-header X-Request-Id %[unique-id]
  http-request set-header traceparent 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
  http-response set-header Via "1.1 haproxy"
"""

    def command(self):
        return ["haproxy", "-db", "-f", str(self.config_path)]

    def config(self):
        log = "log stdout format raw local0\n  option httplog" if self.options.access_log else ""
        fields = self.FIELDS + ("" if self.options.plain else self.MORE_FIELDS)
        servers = "\n".join(f"  server s{number} {address} pool-max-conn 64"
                            for number, address in enumerate(self.addresses))
        return f"""
global
  nbthread 1
  maxconn 8000
  tune.ssl.default-dh-param 2048
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout client 300s
  timeout http-keep-alive 300s
  timeout server 60s
  timeout connect 5s
frontend edge
  bind 127.0.0.1:{self.port} backlog 4096
  bind 127.0.0.1:{self.tls_port} ssl crt {self.certificate["both"]} alpn http/1.1 backlog 4096
  {log}{fields}
  default_backend pool
backend pool
  {self.ALGORITHMS[self.algorithm]}
  http-reuse always
{servers}
"""


class Evergate(Proxy):
    EXTRA = ""

    def command(self):
        return [self.options.binary, "run", "-c", str(self.config_path)]

    def config(self):
        log = f"{self.directory}/access.log" if self.options.access_log else "off"
        backends = ", ".join(f'{{ id = "e{number}"; address = "{address}"; }}'
                             for number, address in enumerate(self.addresses))
        return f"""
workers = 1;
listeners = (
  {{ name = "plain"; bind = "127.0.0.1:{self.port}"; timeouts = {{ idle = "300s"; }}; }},
  {{ name = "tls"; bind = "127.0.0.1:{self.tls_port}"; timeouts = {{ idle = "300s"; }};
    tls = {{ certificates = ( {{ cert = "{self.certificate["cert"]}";
                                 key = "{self.certificate["key"]}"; }} ); }}; }} );
pools = ( {{ name = "pool"; keepalive = {{ idle = 64; }};
  algorithm = "{self.algorithm}"; hash_key = "uri"; backends = ( {backends} ); }} );
admin = {{ bind = "unix:{self.directory}/admin.sock"; }};
log = {{ access = "{log}"; }};
{self.EXTRA}"""


class EvergateUnfiltered(Evergate):
    """What the system call filter costs: the same without it."""

    EXTRA = "sandbox = false;\n"


PROXIES = {"evergate": Evergate, "nginx": Nginx, "haproxy": Haproxy,
           "evergate-unfiltered": EvergateUnfiltered}
USUAL = ("evergate", "nginx", "haproxy")

"""HAProxy and nginx as a good operator sets them up for failover, and evergate with its defaults.

All three listen on 127.0.0.1, keep connections on both sides, write no access log and add the same
header fields (as in tests/bench; with `plain` nginx and HAProxy add X-Forwarded-For only). nginx
and HAProxy give up on a backend after a second; HAProxy checks each backend every second, watches
the traffic too and takes a backend out after five errors.
"""

import os
import sys

from lib.real_servers import ChildServer, accepts, free_port
from lib.waiting import wait_until

from places import EVERGATE, ROOT

sys.path.append(str(ROOT / "tests" / "bench"))

import proxies as bench  # noqa: E402


def fields_of(cls, plain):
    return cls.FIELDS + ("" if plain else cls.MORE_FIELDS)


class Rival(ChildServer):
    name = ""
    arguments = ()

    def __init__(self, directory, addresses, workers, plain=False):
        self.port, self.addresses, self.workers = free_port(), addresses, workers
        self.plain = plain
        directory.mkdir(parents=True, exist_ok=True)
        self.conf = directory / "config"
        self.conf.write_text(self.config(directory))
        super().__init__([*self.arguments, str(self.conf)], directory)
        wait_until(lambda: self.alive() and accepts(self.port), f"{self.name} listens")

    def config(self, directory):
        raise NotImplementedError


class Nginx(Rival):
    name = "nginx"
    arguments = ("/usr/sbin/nginx", "-c")

    def config(self, directory):
        servers = " ".join(f"server {address} max_fails=2 fail_timeout=10s;"
                           for address in self.addresses)
        return f"""
daemon off; {"user root;" if os.geteuid() == 0 else ""} pid {directory}/pid;
error_log {directory}/error.log crit; worker_processes {self.workers};
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
  client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2;
  fastcgi_temp_path {directory}/t3; uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
  access_log off; keepalive_requests 100000000; keepalive_timeout 300s; tcp_nopush on;
  upstream pool {{ zone pool 64k; {servers} keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{self.port} backlog=4096 reuseport;
    location / {{
      proxy_pass http://pool; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_set_header Host $http_host;
      {fields_of(bench.Nginx, self.plain)}
      proxy_connect_timeout 1s; proxy_read_timeout 1s; proxy_send_timeout 1s;
      proxy_next_upstream error timeout invalid_header http_502 http_503 http_504;
      proxy_next_upstream_tries 3;
    }}
  }}
}}
"""


class Haproxy(Rival):
    name = "HAProxy"
    arguments = ("/usr/sbin/haproxy", "-db", "-f")

    def config(self, directory):
        servers = "\n".join(f"  server s{number} {address}"
                            for number, address in enumerate(self.addresses))
        return f"""
global
  nbthread {self.workers}
  maxconn 8000
defaults
  mode http
  timeout client 300s
  timeout http-keep-alive 300s
  timeout server 1s
  timeout connect 1s
frontend edge
  bind 127.0.0.1:{self.port} backlog 4096
  {fields_of(bench.Haproxy, self.plain)}
  default_backend pool
backend pool
  balance roundrobin
  http-reuse always
  option redispatch 1
  option httpchk GET /health
  retries 3
  retry-on all-retryable-errors
  default-server check inter 1s fastinter 100ms downinter 1s fall 2 rise 2 pool-max-conn 64
  default-server observe layer7 error-limit 5 on-error mark-down
{servers}
"""


class Evergate(Rival):
    name = "evergate"
    arguments = (str(EVERGATE), "run", "-c")

    def config(self, directory):
        backends = ", ".join(f'{{ id = "s{number}"; address = "{address}"; }}'
                             for number, address in enumerate(self.addresses))
        return f"""
workers = {self.workers};
listeners = ( {{ name = "edge"; bind = "127.0.0.1:{self.port}"; }} );
pools = ( {{ name = "pool"; backends = ( {backends} ); }} );
admin = {{ bind = "unix:{directory}/admin.sock"; }};
log = {{ access = "off"; }};
"""


RIVALS = (Evergate, Haproxy, Nginx)

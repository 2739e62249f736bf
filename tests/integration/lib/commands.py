"""curl and openssl as clients."""

import os
import re
import subprocess

from .waiting import PATIENCE


def run(command, input_bytes=None, timeout_s=60):
    environment = {**os.environ, "no_proxy": "*"}
    return subprocess.run(command, input=input_bytes, capture_output=True, env=environment,
                          timeout=timeout_s * PATIENCE, check=False)


class CurlResult:
    def __init__(self, result):
        self.code = result.returncode
        self.stderr = result.stderr.decode("utf-8", "replace")
        head, _, self.body = result.stdout.rpartition(b"\r\n\r\n")
        self.head = head.decode("latin-1")
        statuses = re.findall(r"^HTTP/[0-9.]+ (\d+)", self.head, re.M)
        self.status = int(statuses[-1]) if statuses else None


def curl(url, *options, input_bytes=None):
    """.code is curl's exit code, .status the answer's."""
    command = ["curl", "-sS", "-i", "--max-time", str(int(60 * PATIENCE)), *options, url]
    return CurlResult(run(command, input_bytes))


class HandshakeReport:
    """What `openssl s_client` tells about a connection."""

    def __init__(self, result):
        self.code = result.returncode
        self.text = (result.stdout + result.stderr).decode("utf-8", "replace")

    def field(self, pattern):
        match = re.search(pattern, self.text)
        return match.group(1).strip() if match else None

    @property
    def subject(self):
        return self.field(r"subject=CN = (\S+)")

    @property
    def protocol(self):
        return self.field(r"(?:New|Reused), (TLSv[\d.]+|\(NONE\))") if self.field(
            r"(Reused), ") or self.field(r"(New), ") else None

    @property
    def alpn(self):
        return self.field(r"ALPN protocol: (\S+)")

    @property
    def reused(self):
        return "Reused, TLS" in self.text


REQUEST = b"GET / HTTP/1.1\r\nHost: s-client\r\nConnection: close\r\n\r\n"


def s_client(proxy, *options, request=REQUEST):
    """Shakes hands, sends `request` and reads to the end."""
    return HandshakeReport(run(
        ["openssl", "s_client", "-connect", proxy.address(), "-ign_eof", *options], request))

"""A client that sends exactly the bytes it is told to, in the pieces it is told to."""

import socket
import ssl
import struct

from .wire import Stream, connect


class RawClient(Stream):
    """One connection to the proxy. `tls` is an ssl.SSLContext, with `server_name` as SNI."""

    def __init__(self, address, tls=None, server_name=None, receive_buffer=None, remember=True):
        sock = connect(address, receive_buffer=receive_buffer)
        if tls:
            sock = tls.wrap_socket(sock, server_hostname=server_name)
        super().__init__(sock, remember)

    @property
    def port(self):
        return self.sock.getsockname()[1]

    def send(self, data):
        self.sock.sendall(data)

    def send_byte_by_byte(self, data):
        """TCP_NODELAY is on: each byte is a segment of its own, though the kernel may join some."""
        for position in range(len(data)):
            self.sock.sendall(data[position:position + 1])

    def request(self, data, method=None):
        """Sends a request and reads its final response."""
        self.send(data)
        return self.read_response(method or data.split(b" ", 1)[0].decode("latin-1"))

    def get(self, path="/", host="test", headers=(), method="GET"):
        return self.request(head(method, path, host, headers))

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Leaves with RST instead of FIN: SO_LINGER with no time to linger."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def expect_close(self):
        """The proxy closes the connection without another byte."""
        rest = self.read_to_eof()
        assert rest == b"", f"bytes before the close: {rest[:300]!r}"

    def is_open(self):
        """False once a FIN or RST has arrived and nothing is left to read."""
        self.sock.setblocking(False)
        try:
            return bool(self.buffer) or self.sock.recv(1, socket.MSG_PEEK) != b""
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        finally:
            self.sock.settimeout(None)

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass


def head(method="GET", path="/", host="test", headers=(), version="HTTP/1.1"):
    """The bytes of a request head."""
    lines = [f"{method} {path} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

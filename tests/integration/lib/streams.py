"""Bodies too big to hold: made on the fly, hashed on both sides."""

import hashlib
import os
import random

MEGABYTE = 1024 * 1024

#: How much the heavy streaming tests move; EVERGATE_STREAM_MB=1024 is the full size.
STREAM_BYTES = int(os.environ.get("EVERGATE_STREAM_MB", "300")) * MEGABYTE

_BLOCK = os.urandom(4 * MEGABYTE)


def random_pieces(total, seed=1, largest=200_000):
    """`total` bytes in pieces of random sizes; the same again for the same seed."""
    source = random.Random(seed)
    left = total
    while left > 0:
        size = min(left, source.randint(1, largest))
        start = source.randrange(len(_BLOCK) - size + 1)
        yield _BLOCK[start:start + size]
        left -= size


def digest(pieces):
    total = hashlib.sha256()
    for piece in pieces:
        total.update(piece)
    return total.hexdigest()


def send_chunked(send, pieces, seed=2):
    """Pieces as a chunked body whose chunk borders are not where the pieces' are."""
    total = hashlib.sha256()
    source = random.Random(seed)
    for piece in pieces:
        total.update(piece)
        start = 0
        while start < len(piece):
            size = source.randint(1, 100_000)
            part = piece[start:start + size]
            send(b"%x\r\n" % len(part) + part + b"\r\n")
            start += size
    send(b"0\r\n\r\n")
    return total.hexdigest()


def send_plain(send, pieces):
    total = hashlib.sha256()
    for piece in pieces:
        total.update(piece)
        send(piece)
    return total.hexdigest()


def receive_digest(stream, total):
    """Reads exactly `total` bytes and returns their hash; remembers nothing."""
    result = hashlib.sha256()
    left = total
    while left > 0:
        data = stream.read_some(min(left, 1 << 20))
        assert data, f"the stream ended {left} bytes early"
        result.update(data)
        left -= len(data)
    return result.hexdigest()

"""Line 7: every case of tests/corpus/responses.corpus through the real proxy."""

import re

import pytest

from lib import libconfig
from lib.corpus import read_corpus
from lib.expected_forwarding import HOP_BY_HOP, named_in_connection, take_chunks
from lib.raw_client import RawClient, head
from lib.stage import Stage
from lib.wire import ConnectionEnded, Message

CASES = read_corpus("responses.corpus")

DRIP_LIMIT = 700

#: What the proxy may add to an answer.
ADDED = {"via", "date"}


class Bench:
    """One proxy whose backend says what the current case says."""

    def __init__(self, directory):
        self.stage = Stage(directory)
        self.backend = self.stage.backend(self.script)
        self.proxy = self.stage.evergate(libconfig.simple(
            [self.backend], workers=1, routes=[{"name": "all", "pool": "app"}],
            pool_settings={"timeouts": {"response": "10s", "idle": "10s"},
                           "retry": {"attempts": 1}, "breaker": {"failure_threshold": 0,
                                                                 "error_percent": 0}}))
        self.data = b""
        self.piece = None

    def script(self, peer):
        peer.read_request()
        if self.piece:
            peer.drip(self.data, piece=self.piece, pause_s=0)
        else:
            peer.send(self.data)
        peer.half_close()
        peer.wait_gone()

    def ask(self, case, piece=None):
        """The client's side of one exchange: the response, or None where it was cut."""
        self.data, self.piece = case.data, piece
        before = len(self.backend.peers)
        client = RawClient(self.proxy.address())
        try:
            client.send(head(case["method"], headers=[("Content-Length", "0")]
                             if case["method"] == "POST" else []))
            answered = client.read_response(case["method"])
        except (ConnectionEnded, ConnectionResetError):
            answered = None
        finally:
            client.close()
        used = self.backend.peers[before:]
        assert len(used) == 1, "exactly one attempt"
        assert used[0].closed.wait(30), "the proxy keeps a connection it must not reuse"
        assert bytes(used[0].received).count(b" HTTP/1.1\r\n") == 1
        return answered


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    it = Bench(tmp_path_factory.mktemp("corpus"))
    yield it
    it.stage.close()


def final_of(data):
    """The final answer in the case's bytes, read independently."""
    while True:
        raw, _, data = data.partition(b"\r\n\r\n")
        message = Message(raw + b"\r\n\r\n")
        if not 100 <= message.status <= 199:
            return message, data


def compare(case, answered):
    want, rest = final_of(case.data)
    assert answered is not None and answered.status == want.status
    dropped = HOP_BY_HOP | named_in_connection(want)
    fields = [(n, v) for n, v in want.fields if n.lower() not in dropped]
    given = [(n, v) for n, v in answered.fields if n.lower() not in HOP_BY_HOP]
    for field in fields:
        assert field in given, field
    surplus = [n for n, v in given if (n, v) not in fields]
    assert {n.lower() for n in surplus} <= ADDED
    if case["method"] == "HEAD" or want.status in (204, 304):
        assert answered.body == b""
    elif (want.get("transfer-encoding") or "").lower() == "chunked":
        assert answered.body == take_chunks(rest)[0]
    else:
        length = want.get("content-length")
        assert answered.body == (rest if length is None else rest[:int(length)])


def judge(bench, case, piece=None):
    answered = bench.ask(case, piece)
    if case["verdict"] == "accept":
        compare(case, answered)
    elif case["verdict"] == "502":
        assert answered is not None and answered.status == 502
        assert answered.get("x-evergate-error") == "connection"
    else:
        assert answered is None or answered.status == 502


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_an_answer_is_judged_as_the_corpus_says(bench, case):
    judge(bench, case)


@pytest.mark.parametrize("case", [c for c in CASES if len(c.data) <= DRIP_LIMIT], ids=repr)
def test_an_answer_is_judged_alike_one_byte_at_a_time(bench, case):
    judge(bench, case, piece=1)


def test_the_corpus_is_there():
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    assert all(re.fullmatch(r"accept|502|abort", case["verdict"]) for case in CASES)

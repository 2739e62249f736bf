"""Line 3: every case of tests/corpus/requests.corpus through the real proxy.

The backend records every byte. After each case a request of our own goes through the same worker:
whatever the case had put on a backend connection would come before it, or spoil its answer.
"""

import re

import pytest

from lib import libconfig
from lib.corpus import read_corpus
from lib.expected_forwarding import split_requests
from lib.raw_client import RawClient
from lib.stage import Stage
from lib.waiting import wait_until

CASES = read_corpus("requests.corpus")

#: Cases up to this size are also sent one byte at a time.
DRIP_LIMIT = 700

STATUS = re.compile(rb"HTTP/1\.1 ([2-5]\d\d) ")


class Bench:
    """One proxy with one worker and a recording backend, for all the cases of a test process."""

    def __init__(self, directory):
        self.stage = Stage(directory)
        self.backend = self.stage.recorder()
        routes = [{"name": "all", "pool": "app"}]
        self.proxy = self.stage.evergate(libconfig.simple(
            [self.backend], workers=1, routes=routes,
            listener={"timeouts": {"header": "10s", "body": "10s"}}))
        self.sentinels = 0

    def forwarded(self):
        """Complete requests since the last call, and the bytes of incomplete ones."""
        self.sentinels += 1
        path = f"/sentinel-{self.sentinels}"
        answered = self.stage.get(self.proxy, path)
        assert (answered.status, answered.body) == (200, b"backend")
        requests = [r for r in self.backend.requests if r.target != path]
        sentinels = [r for r in self.backend.requests if r.target == path]
        assert len(sentinels) == 1
        incomplete = [bytes(p.buffer) for p in self.backend.peers if p.buffer]
        self.backend.requests.clear()
        idle = sentinels[0].peer_index
        for peer in self.backend.peers:
            if peer.buffer and peer.index != idle:
                assert peer.closed.wait(30), "a request is still under way on a backend connection"
                peer.buffer.clear()
        return requests, incomplete


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    it = Bench(tmp_path_factory.mktemp("corpus"))
    yield it
    it.stage.close()


def converse(bench, case, send):
    """Sends the case; the statuses of all final answers up to the end of the connection."""
    client = RawClient(bench.proxy.address())
    try:
        send(client, case.data)
    except OSError:
        pass  # refused before the last byte: the answer is there to be read
    if case["verdict"] == "accept":
        expected = int(case["upstream"])

        def answered():
            return len(STATUS.findall(bytes(client.received))) >= expected or not client.fill()

        wait_until(answered, "every request is answered")
        try:
            client.half_close()
        except OSError:
            pass  # the last request asked for the close
    client.read_to_eof()
    client.close()
    return [int(status) for status in STATUS.findall(bytes(client.received))]


def judge(bench, case, send):
    statuses = converse(bench, case, send)
    requests, incomplete = bench.forwarded()
    if case["verdict"] == "accept":
        assert statuses == [200] * int(case["upstream"])
        expected = split_requests(case.data)  # those behind a `close` are not to be served
        assert len(requests) == int(case["upstream"]) <= len(expected)
        for want, seen in zip(expected, requests):
            want.compare(seen)
        assert incomplete == []
        return
    assert statuses and statuses[-1] == int(case["verdict"]), statuses
    if case["upstream"] == "1 incomplete":
        assert requests == [] and len(incomplete) <= 1
        assert len(statuses) == 1
    else:
        assert len(requests) == int(case["upstream"])
        assert incomplete == []
        assert statuses[:-1] == [200] * len(requests)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_a_request_is_judged_as_the_corpus_says(bench, case):
    judge(bench, case, RawClient.send)


@pytest.mark.parametrize("case", [c for c in CASES if len(c.data) <= DRIP_LIMIT], ids=repr)
def test_a_request_is_judged_alike_one_byte_at_a_time(bench, case):
    judge(bench, case, RawClient.send_byte_by_byte)


def test_the_corpus_is_there():
    assert len(CASES) >= 200
    assert len({case.name for case in CASES}) == len(CASES)

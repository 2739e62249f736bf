"""A management API that answers what a test wants, for what a running instance does rarely or never:
refusals, odd answers, a plan with everything in it."""

import json

from .recording_backend import RecordingBackend
from .scripted_backend import answer

NOT_FOUND = (404, {"error": {"type": "not_found", "message": "there is no such path"}})


class FakeManagement(RecordingBackend):
    """`answers` by (method, path): an object, or (status, object); callables are called with the
    request's body. `.asked` are the requests as (method, path, body)."""

    def __init__(self, answers):
        self.answers = answers
        super().__init__("management", self.reply)

    def reply(self, request):
        found = self.answers.get((request.method, request.target), NOT_FOUND)
        if callable(found):
            found = found(json.loads(request.body) if request.body else None)
        status, body = found if isinstance(found, tuple) else (200, found)
        data = b"" if body is None else (json.dumps(body) + "\n").encode()
        return answer(data, f"{status} Whatever", [("Content-Type", "application/json"),
                                                   ("Connection", "close")])

    @property
    def asked(self):
        return [(request.method, request.target,
                 json.loads(request.body) if request.body else None) for request in self.requests]

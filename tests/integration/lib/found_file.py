"""A file that the file provider watches, and pools that fill themselves from it.

    found = FoundFile(stage, a, b)
    site = FoundSite(stage, found)
    found.write(a, b, c)
"""

import json
import os

from .libconfig import pool
from .reloads import Site
from .waiting import wait_until


def entry(backend, **more):
    """An endpoint as the management API takes it."""
    return {"id": backend.name, "address": backend.address, **more}


class FoundFile:
    def __init__(self, stage, *backends):
        self.path = stage.room("found") / "endpoints.json"
        self.write(*backends)

    def write(self, *backends):
        """Replaces it as a whole. `backends` are servers, or endpoints' objects."""
        self.write_text(json.dumps({"endpoints": [
            b if isinstance(b, dict) else entry(b) for b in backends]}))

    def write_text(self, text):
        aside = self.path.with_suffix(".new")
        aside.write_text(text)
        os.rename(aside, self.path)

    def remove(self):
        self.path.unlink()

    def block(self, **more):
        """What `discovery` of a pool is."""
        return {"type": "file", "path": str(self.path), **more}

    def pool(self, name, backends=(), block=None, **settings):
        return pool(name, backends, discovery=self.block(**(block or {})), **settings)


class FoundSite(Site):
    """A site whose pool has no backends but those that are found."""

    def __init__(self, stage, found, *backends, block=None, **settings):
        self.found = found
        super().__init__(stage, *backends, discovery=found.block(**(block or {})), **settings)

    def add_pool(self, another):
        """Beside the one that is found; no request goes there."""
        self.config["pools"].append(another)
        self.config["routes"] = [{"name": "all", "pool": "app"}]

    def providers(self):
        return self.admin.json("/api/v1/providers")

    def ids(self, pool="app"):
        """Of those that are members now, sorted."""
        return sorted(self.admin.endpoints(pool))

    def wait_ids(self, *ids, pool="app"):
        wait_until(lambda: self.ids(pool) == sorted(ids), f"{pool} consists of {sorted(ids)}")

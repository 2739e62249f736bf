"""A proxy with one pool that fills itself from one source, and how that source is doing.

    site = SourceSite(stage, discovery={"type": "file", "path": path})
    site.wait_state("failing")
    site.wait_source_events("failing", "synced")
"""

from .reloads import Site
from .waiting import wait_until


class SourceSite(Site):
    def source(self):
        [found] = self.admin.json("/api/v1/providers")
        return found

    def wait_state(self, state):
        wait_until(lambda: self.source()["state"] == state, f"the source is {state}")
        return self.source()

    def wait_failures(self, count):
        wait_until(lambda: self.source()["failures"] >= count, f"it has failed {count} times")

    def source_events(self):
        """What became of the source; not that endpoints came and went."""
        return [event for event in self.admin.events(type="discovery")
                if "failing" in (event["from"], event["to"])]

    def wait_source_events(self, *states):
        """Until so many are told: a state can be seen a moment before its event. The events."""
        wait_until(lambda: len(self.source_events()) >= len(states), f"{states} are told")
        events = self.source_events()
        assert [event["to"] for event in events] == list(states)
        return events

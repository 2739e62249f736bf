"""What both parts have around the instance: servers behind it, traffic in front of it."""

from lib.load import Load
from lib.real_servers import NodeServer, free_port
from lib.reloads import Tour

from backends import nginx_on  # tests/chaos

FRESH_SHARE = 5  # one in so many requests comes on a connection of its own
#: Clients that keep their connections, and clients that come for one request each.
KINDS = {"kept": {"connections": 256}, "fresh": {"connections": 128, "fresh": True}}


def make_tour(stage, workers):
    backends = {name: nginx_on(stage, name).address for name in "abcd"}
    return Tour(backends, echo_on(stage).address, free_port(), workers)


def echo_on(stage):
    return stage.ending(NodeServer("ws_server", stage.room("echo")))


def begin_load(stage, arguments, port):
    room = stage.room("load")
    fresh_rate = max(1, arguments.rate // FRESH_SHARE)
    rates = {"kept": arguments.rate - fresh_rate, "fresh": fresh_rate}
    return [stage.ending(Load(arguments.load, port, room, name, rates[name], **kind), "close")
            for name, kind in KINDS.items()]


def failures(results):
    """"0 of 12000", or how many of which kind."""
    total = sum(result.total for result in results)
    kinds = {}
    for result in results:
        for kind, count in result.failures.items():
            kinds[kind] = kinds.get(kind, 0) + count
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    return f"{sum(kinds.values())} of {total}" + (f" ({told})" if told else "")


def add_load(report, what, results):
    report.add_bar(f"failed requests {what}", failures(results),
                   all(result.failed == 0 and result.total > 0 for result in results))
    print("          " + "; ".join(f"p99 {result.p99_ms:.1f} ms, worst {result.worst_ms:.0f} ms"
                                   for result in results), flush=True)


def add_crowds(report, what, crowds):
    """Crowds of WebSockets have stopped: was a message lost, or a tunnel?"""
    results = [crowd.stop() for crowd in crowds]
    count = sum(crowd.count for crowd in crowds)
    closed, corrupted = ([example for result in results for example in result[key]]
                         for key in ("closed", "corrupted"))
    overdue, received, opened = (sum(result[key] for result in results)
                                 for key in ("overdue", "received", "opened"))
    harmed = len(closed) + len(corrupted) + overdue
    report.add_bar(f"tunnels closed, of {count} WebSockets {what}",
                   f"{len(closed)}; {received} messages came back",
                   harmed == 0 and opened == count and received > 0)
    for example in (closed + corrupted)[:5]:
        print(f"          {example}", flush=True)

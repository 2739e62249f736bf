"""What the tests of database checks share: HTTP backends that stand beside a database each.

evergate forwards HTTP; which backend it uses is decided by asking the database (`check_address`).
"""

from .failover import checks, group, ms, start
from .waiting import wait_until


def asked(**more):
    """Quick checks, with time for a busy machine's logins."""
    settings = checks(**{"timeout": ms(2000), **more})
    del settings["path"]
    return settings


def beside(stage, name, address):
    return group(stage.recorder(name), check_address=address)


def start_beside(stage, addresses, **health):
    """(the proxy, its management) with a backend "a", "b", ... beside each address."""
    groups = [beside(stage, name, address) for name, address in zip("abc", addresses)]
    return start(stage, *groups, health=asked(**health))


def wait_why(admin, endpoint, status, why):
    """Until the endpoint has that status for that reason; the reason as it is told. It is the one
    that the status began with."""
    def told():
        found = admin.json(f"/api/v1/pools/app/endpoints/{endpoint}")
        return found["status"] == status and why in found["status_why"] and found["status_why"]
    return wait_until(told, f"{endpoint} is {status}: {why}")


def assert_moved(admin, lost, found):
    """The events say who was lost and who was found, once each."""
    event, = admin.events(type="health", endpoint=lost, to="unhealthy")
    assert event["from"] == "healthy" and event["why"] and event["next"], event
    event, = admin.events(type="health", endpoint=found, to="healthy")
    assert event["from"] == "unhealthy" and event["why"], event


def password_file(stage, password):
    path = stage.directory / "password"
    path.write_text(f"{password}\n")
    return path

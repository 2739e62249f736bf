"""Python values as libconfig text, and the usual small configuration.

A dict becomes a group, a list or tuple of dicts a list `( )`, one of plain values an array `[ ]`.
"""

import os

DEFAULT_WORKERS = int(os.environ.get("EVERGATE_WORKERS", "2"))


def to_libconfig(settings):
    return "".join(f"{name} = {value_text(value)};\n" for name, value in settings.items())


def value_text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, dict):
        return "{ " + " ".join(f"{k} = {value_text(v)};" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return list_text(value)
    raise TypeError(f"no libconfig form for {value!r}")


def string_text(value):
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + '"'


def list_text(values):
    opening, closing = "()" if any(isinstance(v, dict) for v in values) or not values else "[]"
    return opening + " " + ", ".join(value_text(v) for v in values) + " " + closing


def backend_list(backends):
    """Backends given as addresses, as objects with .address, or as groups."""
    groups = []
    for position, backend in enumerate(backends):
        if isinstance(backend, dict):
            groups.append(backend)
        else:
            groups.append({"id": f"b{position}", "address": getattr(backend, "address", backend)})
    return groups


def pool(name, backends, outlier=None, **settings):
    """A machine that runs many tests at once halts a backend for a moment now and then. That is no
    stall unless the test is about stalls."""
    outlier = {"stall_min": "10s", **(outlier or {})}
    return {"name": name, "outlier": outlier, **settings, "backends": backend_list(backends)}


def simple(backends, listener=None, pool_settings=None, routes=None, **top):
    """One listener "edge" in front of one pool "app"; everything can be added to."""
    settings = {
        "workers": DEFAULT_WORKERS,
        "listeners": [{"name": "edge", "bind": "127.0.0.1:0", **(listener or {})}],
        "pools": [pool("app", backends, **(pool_settings or {}))],
        "admin": {"bind": "off"},
        "log": {"level": "info", "access": "stdout", "format": "json"},
    }
    if os.geteuid() != 0:
        settings["core_dumps"] = True  # else its /proc/PID/fd is for root's eyes only
    if routes is not None:
        settings["routes"] = routes
    settings.update(top)
    return settings

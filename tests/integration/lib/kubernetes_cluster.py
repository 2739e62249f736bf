"""What a Kubernetes API server keeps: EndpointSlices, each write with a resourceVersion, and the
history of writes as far as it was not forgotten.

    cluster = Cluster()
    cluster.put(slice_of("web-1", "web", [endpoint("10.0.0.1")], port("http", 8080)))
    cluster.delete("web-1")
    cluster.forget()                  # the history: older resourceVersions are gone

The versions are those of etcd: one counter for the whole cluster, which things that nobody here
sees move too (`cluster.happen()`).
"""

import base64
import copy
import datetime
import itertools
import json
import re
import threading
import uuid

GROUP = "discovery.k8s.io"
SERVICE_LABEL = "kubernetes.io/service-name"


class Expired(Exception):
    """A resourceVersion or a continue token from before what is remembered: 410."""


class BadRequest(Exception):
    """400."""


class TooNew(Exception):
    """A resourceVersion that has not been yet: 504."""


# ---- what is written ----

def endpoint(address, pod=None, ready=True, serving=None, terminating=None, zone=None, node=None,
             hints=(), **more):
    """An endpoint of a slice; conditions that are None are not said, as the API allows."""
    conditions = {"ready": ready, "serving": serving, "terminating": terminating}
    made = {"addresses": [address],
            "conditions": {name: value for name, value in conditions.items() if value is not None}}
    if pod:
        made["targetRef"] = {"kind": "Pod", "namespace": "default", "name": pod,
                             "uid": str(uuid.uuid5(uuid.NAMESPACE_DNS, pod))}
    if zone:
        made["zone"] = zone
    if node:
        made["nodeName"] = node
    if hints:
        made["hints"] = {"forZones": [{"name": name} for name in hints]}
    return {**made, **more}


def port(name, number, protocol="TCP"):
    return {"name": name, "port": number, "protocol": protocol}


def slice_of(name, service, endpoints, *ports, namespace="default", address_type="IPv4",
             labels=None):
    return {"kind": "EndpointSlice", "apiVersion": f"{GROUP}/v1",
            "metadata": {"name": name, "namespace": namespace,
                         "labels": {SERVICE_LABEL: service, **(labels or {})}},
            "addressType": address_type, "endpoints": list(endpoints), "ports": list(ports)}


# ---- what is kept ----

class Write:
    """One change: `before` and `after` are whole objects, None when there is none."""

    def __init__(self, version, before, after):
        self.version, self.before, self.after = version, before, after

    def seen_by(self, wanted):
        """(type, object) for a watch for what `wanted` says, None when it does not concern it: what
        no longer matches is deleted for it, what matches now was added."""
        was = self.before is not None and wanted(self.before)
        now = self.after is not None and wanted(self.after)
        if now:
            return ("MODIFIED" if was else "ADDED", self.after)
        if was:
            last = copy.copy(self.before)
            last["metadata"] = {**last["metadata"], "resourceVersion": str(self.version)}
            return ("DELETED", last)
        return None


class Cluster:
    """Safe from any thread; `changed` is notified after each write."""

    def __init__(self):
        self.changed = threading.Condition(threading.RLock())
        self.version = 4711
        self.oldest = 0  # what is asked from before this version on is too old
        self.objects = {}
        self.history = []

    def put(self, *slices):
        """Creates or replaces; each is a write of its own."""
        with self.changed:
            for given in slices:
                key = (given["metadata"]["namespace"], given["metadata"]["name"])
                before = self.objects.get(key)
                after = copy.deepcopy(given)
                after["metadata"] = self.metadata(given["metadata"], before)
                self.write(key, before, after)

    def delete(self, name, namespace="default"):
        with self.changed:
            key = (namespace, name)
            self.write(key, self.objects[key], None)

    def metadata(self, given, before):
        kept = before["metadata"] if before else {
            "uid": str(uuid.uuid4()), "generation": 0,
            "creationTimestamp": datetime.datetime.now(datetime.timezone.utc)
            .strftime("%Y-%m-%dT%H:%M:%SZ")}
        return {**given, "generateName": f"{given['labels'].get(SERVICE_LABEL, 'x')}-",
                "uid": kept["uid"], "generation": kept["generation"] + 1,
                "creationTimestamp": kept["creationTimestamp"],
                "resourceVersion": str(self.version + 1)}

    def write(self, key, before, after):
        self.version += 1
        self.history.append(Write(self.version, before, after))
        self.objects.pop(key, None)
        if after is not None:
            self.objects[key] = after
        self.changed.notify_all()

    def happen(self, count=1):
        """Writes elsewhere in the cluster."""
        with self.changed:
            self.version += count
            self.changed.notify_all()

    def forget(self):
        """Compaction: no list and no watch can go back before now."""
        with self.changed:
            self.oldest = self.version
            self.history.clear()
            self.changed.notify_all()

    # ---- what is asked ----

    def at(self, version):
        """The objects as they were then, sorted as etcd sorts them."""
        with self.changed:
            self.assert_remembered(version)
            objects = dict(self.objects)
            for write in reversed(self.history):
                if write.version <= version:
                    break
                whole = write.before or write.after
                key = (whole["metadata"]["namespace"], whole["metadata"]["name"])
                objects.pop(key, None)
                if write.before is not None:
                    objects[key] = write.before
            return [objects[key] for key in sorted(objects)]

    def assert_remembered(self, version):
        if version < self.oldest:
            raise Expired(f"too old resource version: {version} ({self.oldest})")
        if version > self.version:
            raise TooNew(f"too large resource version: {version}, current: {self.version}")

    def since(self, version):
        """The writes after that version, and the version that has been reached by them."""
        with self.changed:
            if version < self.oldest:
                raise Expired(f"too old resource version: {version} ({self.oldest})")
            later = itertools.takewhile(lambda write: write.version > version,
                                        reversed(self.history))
            return list(later)[::-1], self.version

    def page(self, query, wanted):
        """A list as the parameters limit, continue, resourceVersion and resourceVersionMatch ask
        for it: (objects, version, continue or "", how many remain)."""
        limit = int(query.get("limit") or 0)
        version, start = self.where_to_begin(query, limit)
        if query.get("resourceVersion") == "0":
            limit = 0  # answered from a cache, which knows no pages
        found = [one for one in self.at(version) if wanted(one) and name_of(one) > start]
        if not limit or len(found) <= limit:
            return found, version, "", 0
        token = make_continue(version, name_of(found[limit - 1]))
        return found[:limit], version, token, len(found) - limit

    def where_to_begin(self, query, limit):
        version, match = query.get("resourceVersion", ""), query.get("resourceVersionMatch", "")
        if query.get("continue"):
            if version not in ("", "0"):
                raise BadRequest("resourceVersion must not be given together with continue")
            begun, start = read_continue(query["continue"])
            return (self.version if begun is None else begun), start
        if match and not version:
            raise BadRequest("resourceVersionMatch is for lists with a resourceVersion")
        if version in ("", "0"):
            return self.version, ""
        if not version.isdigit():
            raise BadRequest(f"resourceVersion: Invalid value: \"{version}\"")
        if match == "Exact" or (not match and limit):
            return int(version), ""
        if int(version) > self.version:
            raise TooNew(f"too large resource version: {version}, current: {self.version}")
        return self.version, ""


def name_of(one):
    return f'{one["metadata"]["namespace"]}/{one["metadata"]["name"]}'


def make_continue(version, start):
    """`version` None: of the list as it will be when it is asked for."""
    rest = {"v": "meta.k8s.io/v1", "rv": version, "start": start}
    return base64.urlsafe_b64encode(json.dumps(rest).encode()).decode()


def read_continue(token):
    """(version or None, start)"""
    try:
        rest = json.loads(base64.urlsafe_b64decode(token))
        return rest["rv"], rest["start"]
    except (ValueError, KeyError, TypeError) as wrong:
        raise BadRequest(f"continue key is not valid: {wrong}") from wrong


# ---- selectors ----

SET_BASED = re.compile(r"^(?P<key>[^\s!=,()]+)\s+(?P<how>in|notin)\s+\((?P<values>[^)]*)\)$")
EQUALITY = re.compile(r"^(?P<key>[^\s!=,()]+)\s*(?P<how>==|=|!=)\s*(?P<value>[^\s=,()]*)$")


def label_requirement(text):
    """One requirement of a labelSelector as a function of labels."""
    found = SET_BASED.match(text)
    if found:
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["how"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    found = EQUALITY.match(text)
    if found:
        key, value = found["key"], found["value"]
        if found["how"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if re.fullmatch(r"!?[^\s!=,()]+", text):
        return lambda labels: (text.lstrip("!") in labels) != text.startswith("!")
    raise BadRequest(f"unable to parse requirement: {text!r}")


def selector(query, namespace, name):
    """Whether an object is asked for, by path, labelSelector and fieldSelector."""
    texts = re.split(r",(?![^(]*\))", query.get("labelSelector", ""))
    requirements = [label_requirement(text.strip()) for text in texts if text.strip()]
    fields = dict(re.split("==?", text, maxsplit=1)
                  for text in query.get("fieldSelector", "").split(",") if text)
    if not set(fields) <= {"metadata.name", "metadata.namespace"}:
        raise BadRequest(f"field label not supported: {sorted(fields)}")

    def wanted(one):
        metadata = one["metadata"]
        return (namespace in ("", metadata["namespace"]) and name in ("", metadata["name"])
                and fields.get("metadata.name", metadata["name"]) == metadata["name"]
                and fields.get("metadata.namespace", metadata["namespace"])
                == metadata["namespace"]
                and all(holds(metadata.get("labels", {})) for holds in requirements))
    return wanted

"""What a Kubernetes API server writes besides the objects themselves: which resources there are,
why something is refused (Status), and lists as tables for people."""

import datetime

from .kubernetes_cluster import GROUP

#: By path. What kubectl asks before it knows what "endpointslices" are.
ROOTS = {
    "/version": {"major": "1", "minor": "32", "gitVersion": "v1.32.0", "gitCommit": "0" * 40,
                 "gitTreeState": "clean", "buildDate": "2024-12-11T17:59:15Z",
                 "goVersion": "go1.23.3", "compiler": "gc", "platform": "linux/amd64"},
    "/api": {"kind": "APIVersions", "versions": ["v1"],
             "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0",
                                             "serverAddress": "127.0.0.1:6443"}]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
}


def group():
    version = {"groupVersion": f"{GROUP}/v1", "version": "v1"}
    return {"name": GROUP, "versions": [version], "preferredVersion": version}


def resources():
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/v1",
            "resources": [{"name": "endpointslices", "singularName": "endpointslice",
                           "namespaced": True, "kind": "EndpointSlice",
                           "verbs": ["get", "list", "watch"],
                           "storageVersionHash": "Nx3SIv6I0mE="}]}


ROOTS["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group()]}
ROOTS[f"/apis/{GROUP}"] = {"kind": "APIGroup", "apiVersion": "v1", **group()}
ROOTS[f"/apis/{GROUP}/v1"] = resources()


def status(code, reason, message, details=None, metadata=None):
    """A Status: the body of every refusal, and the object of an ERROR event."""
    made = {"kind": "Status", "apiVersion": "v1", "metadata": metadata or {}, "status": "Failure",
            "message": message, "reason": reason, "code": code}
    if details:
        made["details"] = details
    return made


def listing(objects, metadata):
    # The items of a list do not repeat what the list says of them all.
    items = [{name: value for name, value in one.items() if name not in ("kind", "apiVersion")}
             for one in objects]
    return {"kind": "EndpointSliceList", "apiVersion": f"{GROUP}/v1", "metadata": metadata,
            "items": items}


def bookmark(resource_version):
    """An object of the watched kind of which nothing but the resourceVersion means something."""
    return {"kind": "EndpointSlice", "apiVersion": f"{GROUP}/v1",
            "metadata": {"resourceVersion": str(resource_version), "creationTimestamp": None},
            "addressType": "", "endpoints": None, "ports": None}


# ---- tables ----

COLUMNS = [{"name": name, "type": "string", "format": "name" if name == "Name" else "",
            "description": "", "priority": 0}
           for name in ("Name", "AddressType", "Ports", "Endpoints", "Age")]


def table(objects, metadata, with_columns=True, include="Metadata"):
    return {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
            "columnDefinitions": COLUMNS if with_columns else None,
            "rows": [row(one, include) for one in objects]}


def row(one, include):
    made = {"cells": cells(one)}
    if include == "Metadata":
        made["object"] = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                          "metadata": one["metadata"]}
    elif include == "Object":
        made["object"] = one
    return made


def cells(one):
    ports = ",".join(str(port["port"]) for port in one["ports"]) or "<unset>"
    addresses = [address for endpoint in one["endpoints"] for address in endpoint["addresses"]]
    shown = ",".join(addresses[:3]) or "<unset>"
    if len(addresses) > 3:
        shown += f" + {len(addresses) - 3} more..."
    return [one["metadata"]["name"], one["addressType"], ports, shown, age(one)]


def age(one):
    made = datetime.datetime.strptime(one["metadata"]["creationTimestamp"], "%Y-%m-%dT%H:%M:%SZ")
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    return f"{max(0, int((now - made).total_seconds()))}s"

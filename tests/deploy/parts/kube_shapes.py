"""What the Kubernetes API lets stand in the objects that deploy/kubernetes writes: fields and types,
no more than are used. An API server drops or refuses what it does not know; kubectl's client-side dry
run without a cluster does not notice.

    misfits(object) == []

Written down from the API's reference (v1.30).
"""

import re

QUANTITY = re.compile(r"\d+(\.\d+)?(m|[kMG]|[KMG]i)?$")
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$")


class Map:
    """Any keys, values of one shape."""

    def __init__(self, shape):
        self.shape = shape


class One:
    """Exactly one of these fields, as the API's unions have it."""

    def __init__(self, **fields):
        self.fields = fields


class Word:
    def __init__(self, *words):
        self.words = words


class Number:
    def __init__(self, low, high=2 ** 31 - 1):
        self.low, self.high = low, high


PORT = Number(1, 65535)
WORDS = Map(str)
SELECTOR = {"matchLabels": WORDS}
META = {"name": NAME, "namespace": NAME, "labels": WORDS, "annotations": WORDS}
HTTP_GET = {"path": str, "port": (PORT, PORT_NAME)}
EXEC = {"command": [str]}
PROBE = {**dict.fromkeys(("initialDelaySeconds", "timeoutSeconds", "periodSeconds",
                          "failureThreshold", "successThreshold"), Number(1)),
         "": One(httpGet=HTTP_GET, exec=EXEC)}
CONTAINER = {
    "name": NAME, "image": str, "env": [{"name": str, "value": str}],
    "ports": [{"name": PORT_NAME, "containerPort": PORT}],
    "securityContext": {"allowPrivilegeEscalation": bool, "readOnlyRootFilesystem": bool,
                        "capabilities": {"drop": [Word("ALL")]}},
    **dict.fromkeys(("startupProbe", "livenessProbe", "readinessProbe"), PROBE),
    "lifecycle": {"preStop": {"": One(sleep={"seconds": Number(1)}, exec=EXEC, httpGet=HTTP_GET)}},
    "resources": dict.fromkeys(("requests", "limits"), {"cpu": QUANTITY, "memory": QUANTITY}),
    "volumeMounts": [{"name": NAME, "mountPath": str, "readOnly": bool}]}
VOLUME = {"name": NAME, "": One(configMap={"name": NAME}, emptyDir={"sizeLimit": QUANTITY},
                                secret={"secretName": NAME, "defaultMode": Number(0, 0o777)})}
POD = {
    "serviceAccountName": NAME, "automountServiceAccountToken": bool,
    "terminationGracePeriodSeconds": Number(1),
    "securityContext": {"runAsNonRoot": bool, "runAsUser": Number(1), "runAsGroup": Number(1),
                        "fsGroup": Number(1), "seccompProfile": {"type": Word("RuntimeDefault")}},
    "topologySpreadConstraints": [{
        "maxSkew": Number(1), "topologyKey": str, "labelSelector": SELECTOR,
        "whenUnsatisfiable": Word("ScheduleAnyway", "DoNotSchedule")}],
    "initContainers": [{**CONTAINER, "restartPolicy": Word("Always")}],
    "containers": [CONTAINER], "volumes": [VOLUME]}
METRIC = One(
    resource={"name": Word("cpu", "memory"),
              "target": {"type": Word("Utilization"), "averageUtilization": Number(1)}},
    pods={"metric": {"name": str},
          "target": {"type": Word("AverageValue"), "averageValue": QUANTITY}})
KINDS = {
    ("apps/v1", "Deployment"): {"spec": {
        "replicas": Number(0), "selector": SELECTOR,
        "strategy": {"rollingUpdate": dict.fromkeys(("maxUnavailable", "maxSurge"), Number(0)),
                     "type": Word("RollingUpdate")},
        "template": {"metadata": {"labels": WORDS}, "spec": POD}}},
    ("autoscaling/v2", "HorizontalPodAutoscaler"): {"spec": {
        "scaleTargetRef": {"apiVersion": str, "kind": Word("Deployment"), "name": NAME},
        "minReplicas": Number(1), "maxReplicas": Number(1),
        "metrics": [{"type": Word("Resource", "Pods"), "": METRIC}],
        "behavior": {"scaleDown": {
            "stabilizationWindowSeconds": Number(0, 3600),
            "policies": [{"type": Word("Pods", "Percent"), "value": Number(1),
                          "periodSeconds": Number(1, 1800)}]}}}},
    ("networking.k8s.io/v1", "NetworkPolicy"): {"spec": {
        "podSelector": SELECTOR, "policyTypes": [Word("Ingress", "Egress")],
        "ingress": [{"ports": [{"port": (PORT, PORT_NAME)}],
                     "from": [{"namespaceSelector": SELECTOR, "podSelector": SELECTOR}]}]}},
    ("policy/v1", "PodDisruptionBudget"): {"spec": {
        "selector": SELECTOR, "unhealthyPodEvictionPolicy": Word("AlwaysAllow", "IfHealthyBudget"),
        "": One(maxUnavailable=Number(0), minAvailable=Number(0))}},
    ("v1", "ConfigMap"): {"data": WORDS},
    ("v1", "Service"): {"spec": {
        "type": Word("ClusterIP", "LoadBalancer"), "selector": WORDS,
        "externalTrafficPolicy": Word("Local", "Cluster"),
        "ports": [{"name": PORT_NAME, "port": PORT, "targetPort": (PORT, PORT_NAME)}]}},
    ("v1", "ServiceAccount"): {},
    ("rbac.authorization.k8s.io/v1", "Role"): {
        "rules": [{"apiGroups": [str], "resources": [str], "verbs": [str]}]},
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): {
        "roleRef": {"apiGroup": str, "kind": Word("Role"), "name": str},
        "subjects": [{"kind": Word("ServiceAccount"), "name": NAME, "namespace": NAME}]},
}


def _fits(value, shape):
    if isinstance(shape, re.Pattern):
        return isinstance(value, str) and bool(shape.match(value))
    if isinstance(shape, Word):
        return value in shape.words
    if isinstance(shape, Number):
        return type(value) is int and shape.low <= value <= shape.high
    return type(value) is shape


def _of_fields(value, shape, path):
    if not isinstance(value, dict):
        yield f"{path}: an object belongs here, not {value!r}"
        return
    fields = {name: one for name, one in shape.items() if name}
    union = shape.get("")
    if union:
        fields |= union.fields
        if len(union.fields.keys() & value.keys()) != 1:
            yield f"{path}: exactly one of {', '.join(union.fields)}"
    for name, inner in value.items():
        if name in fields:
            yield from _walk(inner, fields[name], f"{path}/{name}")
        else:
            yield f"{path}/{name}: no such field"


def _walk(value, shape, path):
    if isinstance(shape, tuple):
        if not any(_fits(value, one) for one in shape):
            yield f"{path}: {value!r}"
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{path}: a list belongs here"
        else:
            for index, one in enumerate(value):
                yield from _walk(one, shape[0], f"{path}/{index}")
    elif isinstance(shape, Map):
        yield from _of_fields(value, dict.fromkeys(value, shape.shape), path)
    elif isinstance(shape, dict):
        yield from _of_fields(value, shape, path)
    elif not _fits(value, shape):
        yield f"{path}: {value!r}"


def misfits(made):
    """Sentences: what the API does not know in an object, or knows as something else."""
    kind = (made.get("apiVersion"), made.get("kind"))
    if kind not in KINDS:
        return [f"no such kind: {kind}"]
    return list(_walk(made, {"apiVersion": str, "kind": str, "metadata": META, **KINDS[kind]},
                      made["kind"]))

"""An API server that knows the kinds which deploy/kubernetes writes, and lets a service account do
what the manifests' Roles allow, no more.

    server = stage.ending(ManifestServer())
    server.roles = rules_of(objects, "evergate")
"""

from lib.kubernetes import KubernetesServer, Refused
from lib.kubernetes_documents import ROOTS, status

#: By group and version: (kind, resource).
KINDS = {
    "v1": [("ConfigMap", "configmaps"), ("Service", "services"),
           ("ServiceAccount", "serviceaccounts")],
    "apps/v1": [("Deployment", "deployments")],
    "autoscaling/v2": [("HorizontalPodAutoscaler", "horizontalpodautoscalers")],
    "networking.k8s.io/v1": [("NetworkPolicy", "networkpolicies")],
    "policy/v1": [("PodDisruptionBudget", "poddisruptionbudgets")],
    "rbac.authorization.k8s.io/v1": [("Role", "roles"), ("RoleBinding", "rolebindings")],
}


def _resources(version):
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [
        {"name": name, "singularName": kind.lower(), "namespaced": True, "kind": kind,
         "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"]}
        for kind, name in KINDS[version]]}


def _group(version):
    name, _, number = version.partition("/")
    entry = {"groupVersion": version, "version": number}
    return {"name": name, "versions": [entry], "preferredVersion": entry}


def _documents():
    made = dict(ROOTS)
    made["/api/v1"] = _resources("v1")
    grouped = [version for version in KINDS if "/" in version]
    made["/apis"] = {**ROOTS["/apis"],
                     "groups": ROOTS["/apis"]["groups"] + [_group(v) for v in grouped]}
    for version in grouped:
        made[f"/apis/{version}"] = _resources(version)
    return made


def rules_of(objects, account):
    """{(api group, resource, verb)} that RoleBindings give to a ServiceAccount."""
    roles = {o["metadata"]["name"]: o["rules"] for o in objects if o["kind"] == "Role"}
    bound = [o["roleRef"]["name"] for o in objects if o["kind"] == "RoleBinding"
             for s in o["subjects"] if (s["kind"], s["name"]) == ("ServiceAccount", account)]
    return {(group, resource, verb) for name in bound for rule in roles[name]
            for group in rule["apiGroups"] for resource in rule["resources"]
            for verb in rule["verbs"]}


class ManifestServer(KubernetesServer):
    DOCUMENTS = _documents()

    def __init__(self, **settings):
        self.roles = None  # None: everybody may do everything
        super().__init__(**settings)

    def answer(self, peer, asked):
        if asked.path in self.DOCUMENTS and asked.request.method == "GET":
            self.send(peer, 200, self.DOCUMENTS[asked.path])
            return True
        if asked.path.startswith(("/api/v1/", *(f"/apis/{version}/" for version in KINDS))):
            # A dry run asks for what there is already: nothing.
            self.send(peer, 404, status(404, "NotFound", f"{asked.path} not found"))
            return True
        return super().answer(peer, asked)

    def authorize(self, asked):
        super().authorize(asked)
        wanted = ("discovery.k8s.io", "endpointslices", asked.verb)
        if self.roles is not None and wanted not in self.roles:
            raise Refused(403, "Forbidden", f"no Role lets {asked.user} {asked.verb} slices")

"""A proxy whose pool fills itself from a KubernetesServer.

    site = KubernetesSite(stage, server, port="http")
    site.wait_ids("web-a", "web-b")
"""

from .kubectl import kubeconfig
from .source_site import SourceSite
from .waiting import wait_until

SERVICE = "web"


def account(stage, server, token, ca, namespace="default"):
    """What the kubelet puts into each container: (directory, environment)."""
    room = stage.room("serviceaccount")
    (room / "token").write_text(token)
    (room / "namespace").write_text(namespace)
    with open(ca, encoding="ascii") as pem:
        (room / "ca.crt").write_text(pem.read())
    return room, {"EVERGATE_SERVICE_ACCOUNT_DIR": str(room),
                  "KUBERNETES_SERVICE_HOST": "127.0.0.1",
                  "KUBERNETES_SERVICE_PORT": str(server.port)}


class KubernetesSite(SourceSite):
    """`block` is more of what the discovery block says; `user` goes to the kubeconfig; with `env`
    there is none, as within a cluster."""

    def __init__(self, stage, server, *backends, block=None, user=None, env=None, account_env=None,
                 **settings):
        self.server = server
        self.block = {"type": "kubernetes", "service": SERVICE, **(block or {})}
        if account_env is None:
            self.kubeconfig = kubeconfig(stage.room("kube"), server, **(user or {}))
            self.block.setdefault("kubeconfig", str(self.kubeconfig))
        super().__init__(stage, *backends, discovery=self.block,
                         env={**(env or {}), **(account_env or {})}, **settings)

    def wait_ids(self, *ids, pool="app"):
        wait_until(lambda: sorted(self.admin.endpoints(pool)) == sorted(ids),
                   f"the endpoints are {ids}")

    def wait_endpoint(self, name, **wanted):
        """Until the endpoint says all of this."""
        def says():
            found = self.admin.endpoints().get(name, {})
            return all(found.get(key) == value for key, value in wanted.items())
        wait_until(says, f"endpoint {name} says {wanted}")

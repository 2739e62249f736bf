"""The real kubectl as a client of a KubernetesServer."""

import json
import os
import subprocess

from .waiting import DEADLINE_S, PATIENCE, wait_until

KUBECTL = os.environ.get("KUBECTL", "kubectl")


def kubeconfig(room, server, token=None, ca=None, client=None, namespace="default", host=None,
               **user):
    """Writes one into `room`; its path. `ca` is a file, `client` a leaf of the tests' certificates,
    `user` more of what the user entry says."""
    address = server.address if host is None else f"{host}:{server.port}"
    cluster = {"server": f"{'https' if server.tls else 'http'}://{address}"}
    if ca:
        cluster["certificate-authority"] = str(ca)
    if token:
        user["token"] = token
    if client:
        user |= {"client-certificate": client["cert"], "client-key": client["key"]}
    # JSON is YAML.
    path = room / "kubeconfig"
    path.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "clusters": [{"name": "fake", "cluster": cluster}],
        "users": [{"name": "somebody", "user": user}],
        "contexts": [{"name": "here", "context": {"cluster": "fake", "user": "somebody",
                                                  "namespace": namespace}}]}))
    return path


class Kubectl:
    def __init__(self, stage, server, **settings):
        self.stage, self.room = stage, stage.room("kubectl")
        self.config = kubeconfig(self.room, server, **settings)
        # Nothing of whoever runs the tests, and nothing left in their home.
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(self.room),
                            "KUBECACHEDIR": str(self.room / "cache"), "NO_PROXY": "*"}

    def command(self, *arguments):
        return [KUBECTL, f"--kubeconfig={self.config}", *map(str, arguments)]

    def run(self, *arguments):
        """.returncode, .stdout, .stderr"""
        return subprocess.run(self.command(*arguments), cwd=self.room, env=self.environment,
                              capture_output=True, text=True, timeout=60 * PATIENCE, check=False)

    def get(self, *arguments):
        """What `kubectl get endpointslices ...` prints, which must go well."""
        result = self.run("get", "endpointslices", *arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def json(self, *arguments):
        return json.loads(self.get("-o", "json", *arguments))

    def watch(self, *arguments):
        return self.stage.ending(RunningWatch(self, arguments))


class RunningWatch:
    """`kubectl get --watch endpointslices ...` until stop()."""

    def __init__(self, kubectl, arguments):
        self.output = kubectl.room / f"watch{kubectl.stage.made}"
        kubectl.stage.made += 1
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                kubectl.command("get", "--watch", "endpointslices", *arguments),
                cwd=kubectl.room, env=kubectl.environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT)

    @property
    def lines(self):
        return self.output.read_text().splitlines()

    def wait_line(self, *words):
        """The first line with all these words."""
        def found():
            return [line for line in self.lines if all(word in line for word in words)]
        try:
            return wait_until(found, f"kubectl prints {words}")[0]
        except AssertionError as failure:
            raise AssertionError(f"{failure}; it printed {self.lines}") from None

    def wait_end(self):
        return self.process.wait(DEADLINE_S)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(DEADLINE_S)

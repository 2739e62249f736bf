"""deploy/kubernetes: what kubectl builds of it is consistent in itself, an API server's client
takes it, and the program does with it what it says there.

There is no cluster here. The API server is a fake (tests/integration/lib/kubernetes.py); evergate,
its configuration and kubectl are the real ones.
"""

import os
import pathlib
import re
import subprocess

import pytest
import yaml

from lib.certificates import CertificateFactory
from lib.evergate import Evergate, binary, run_command
from lib.kubectl import Kubectl
from lib.kubernetes_cluster import endpoint, port, slice_of
from lib.kubernetes_site import account
from lib.management import Management
from lib.waiting import wait_until
from parts.kube_cluster import ManifestServer, rules_of
from parts.kube_shapes import misfits

ROOT = pathlib.Path(__file__).resolve().parents[2]
MANIFESTS = ROOT / "deploy" / "kubernetes"
BUILDS = ["base", "sidecar", "overlays/shop"]
EDGES = ["base", "overlays/shop"]
TOKEN = "0123456789abcdef"


@pytest.fixture(name="server")
def fixture_server(stage):
    return stage.ending(ManifestServer())


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory):
    return CertificateFactory(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(name="built", scope="module")
def fixture_built():
    """What kustomize has made already: always the same."""
    return {}


@pytest.fixture(name="build")
def fixture_build(stage, server, built):
    """build("base"): the objects that kustomize makes of it."""
    def build(name):
        if name not in built:
            result = Kubectl(stage, server).run("kustomize", MANIFESTS / name)
            assert result.returncode == 0, result.stderr
            built[name] = result.stdout
        return list(yaml.safe_load_all(built[name]))
    return build


def only(objects, kind):
    found, = [o for o in objects if o["kind"] == kind]
    return found


def pod_of(objects):
    return only(objects, "Deployment")["spec"]["template"]


def evergate_of(objects):
    spec = pod_of(objects)["spec"]
    found, = [c for c in spec["containers"] + spec.get("initContainers", [])
              if c["name"] == "evergate"]
    return found


def config_of(objects):
    return only(objects, "ConfigMap")["data"]["evergate.conf"]


# ---- kubectl ----

@pytest.mark.parametrize("name", BUILDS)
def test_kubectl_would_apply_it(stage, server, build, name):
    """As far as a client can tell; every object, once."""
    result = Kubectl(stage, server).run("apply", "--dry-run=client", "--validate=false",
                                        "-k", MANIFESTS / name)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("created (dry run)") == len(build(name))


@pytest.mark.parametrize("name", BUILDS)
def test_the_api_knows_every_field(build, name):
    assert [line for o in build(name) for line in misfits(o)] == []


@pytest.mark.parametrize("kind, path, value", [
    ("Deployment", "spec/template/spec/containers/0/readinessProbe/periodSecond", 2),
    ("Deployment", "spec/template/spec/containers/0/readinessProbe/periodSeconds", "2"),
    ("Deployment", "spec/template/spec/containers/0/readinessProbe/exec", {"command": ["x"]}),
    ("Deployment", "spec/template/spec/containers/0/resources/limits/cpu", "2 cores"),
    ("Deployment", "spec/template/spec/volumes/0/emptyDir", {}),
    ("HorizontalPodAutoscaler", "spec/metrics/1/resource", {"name": "cpu"}),
    ("PodDisruptionBudget", "spec/minAvailable", 1),
    ("Service", "spec/ports/0/targetPort", "a-name-that-is-too-long"),
    ("NetworkPolicy", "apiVersion", "extensions/v1beta1")])
def test_what_the_api_would_not_take_is_found(build, kind, path, value):
    changed = only(build("base"), kind)
    *way, last = path.split("/")
    there = changed
    for step in way:
        there = there[int(step) if step.isdigit() else step]
    there[last] = value
    assert misfits(changed)


def test_an_overlay_changes_what_it_says_and_keeps_the_rest(build):
    base, shop = build("base"), build("overlays/shop")
    assert {o["kind"] for o in base} == {o["kind"] for o in shop}
    assert {o["metadata"]["namespace"] for o in shop} == {"shop"}
    assert only(shop, "RoleBinding")["subjects"][0]["namespace"] == "shop"
    assert evergate_of(shop)["image"] == "registry.example.com/evergate:0.1.0"
    assert only(shop, "HorizontalPodAutoscaler")["spec"]["minReplicas"] == 3
    assert config_of(shop) == (MANIFESTS / "overlays/shop/evergate.conf").read_text()


# ---- consistent in itself ----

def selects(selector, pod):
    return selector.items() <= pod["metadata"]["labels"].items()


@pytest.mark.parametrize("name", BUILDS)
def test_selectors_find_the_pods(build, name):
    objects = build(name)
    pod = pod_of(objects)
    for o in objects:
        selector = o.get("spec", {}).get("selector") or o.get("spec", {}).get("podSelector")
        if selector:
            assert selects(selector.get("matchLabels", selector), pod), o["kind"]
    for spread in pod["spec"].get("topologySpreadConstraints", []):
        assert selects(spread["labelSelector"]["matchLabels"], pod)


@pytest.mark.parametrize("name", BUILDS)
def test_names_of_ports_and_volumes_lead_somewhere(build, name):
    objects = build(name)
    container, spec = evergate_of(objects), pod_of(objects)["spec"]
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    target = only(objects, "Service")["spec"]["ports"][0]["targetPort"]
    if container in spec["containers"]:
        assert target in ports
    else:  # Kubernetes before 1.32 does not know a native sidecar's names
        assert target == ports["http"]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if "httpGet" in container[probe]:
            assert container[probe]["httpGet"]["port"] in ports
    volumes = {v["name"]: v for v in spec["volumes"]}
    assert {m["name"] for m in container["volumeMounts"]} <= set(volumes)
    assert volumes["config"]["configMap"]["name"] == only(objects, "ConfigMap")["metadata"]["name"]
    # Ports of listeners are those of the container.
    binds = set(re.findall(r'bind = ":(\d+)"', config_of(objects)))
    assert {str(p) for p in ports.values()} == binds


@pytest.mark.parametrize("name", BUILDS)
def test_a_change_of_the_configuration_is_a_reload(build, name):
    """Under a name that stays, in a directory that is mounted as a whole."""
    objects = build(name)
    assert not re.search(r"-[0-9a-z]{10}$", only(objects, "ConfigMap")["metadata"]["name"])
    mount, = [m for m in evergate_of(objects)["volumeMounts"] if m["name"] == "config"]
    assert mount["mountPath"] == "/etc/evergate" and "subPath" not in mount
    assert "reload_on_change = true;" in config_of(objects)


@pytest.mark.parametrize("name", BUILDS)
def test_nothing_runs_with_more_than_it_needs(build, name):
    spec = pod_of(build(name))["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"] + spec.get("initContainers", []):
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}


@pytest.mark.parametrize("name", BUILDS)
def test_a_pod_has_the_time_to_drain(build, name):
    objects = build(name)
    spec = pod_of(objects)["spec"]
    times = dict(re.findall(r'^(drain_\w+) = "(\d+)s"', config_of(objects), re.M))
    pauses = [c["lifecycle"]["preStop"]["sleep"]["seconds"] for c in spec["containers"]]
    assert spec["terminationGracePeriodSeconds"] >= 5 + max(pauses) + int(
        times["drain_timeout"]) + int(times.get("drain_delay", 0))


@pytest.mark.parametrize("name", EDGES)
def test_another_deployment_may_stand_beside_it_behind_the_same_service(build, name):
    objects = build(name)
    other = pod_of(build(name))
    other["metadata"]["labels"]["app.kubernetes.io/instance"] = "canary"
    assert selects(only(objects, "Service")["spec"]["selector"], other)
    assert not selects(only(objects, "Deployment")["spec"]["selector"]["matchLabels"], other)


@pytest.mark.parametrize("name", EDGES)
def test_pods_can_go_and_one_of_them_stays(build, name):
    """Nodes can be emptied, a rollout can go on, and there is always one that serves."""
    objects = build(name)
    scaling = only(objects, "HorizontalPodAutoscaler")["spec"]
    assert scaling["scaleTargetRef"]["name"] == only(objects, "Deployment")["metadata"]["name"]
    assert scaling["maxReplicas"] > scaling["minReplicas"] > only(
        objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    deployment = only(objects, "Deployment")["spec"]
    assert "replicas" not in deployment  # the autoscaler's
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}


@pytest.mark.parametrize("name", EDGES)
def test_clients_and_prometheus_come_through_the_network_policy_and_it_gets_everywhere(build, name):
    """DNS, the API server and backends are egress, which is not restricted; kubelet's probes are
    let through by network plugins."""
    objects = build(name)
    policy = only(objects, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    doors = {rule["ports"][0]["port"]: rule.get("from") for rule in policy["ingress"]}
    assert doors == {"http": None, "admin": [{"namespaceSelector": {"matchLabels": {
        "kubernetes.io/metadata.name": "monitoring"}}}]}


@pytest.mark.parametrize("name", BUILDS)
def test_probes_ask_where_management_listens(build, name):
    """Over the network only where it is on all addresses; on loopback by a command in the pod."""
    objects = build(name)
    container = evergate_of(objects)
    bind = re.search(r'^admin = \{ bind = "([^"]*)"', config_of(objects), re.M)[1]
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        if "httpGet" in container[probe]:
            assert bind == f":{ports[container[probe]['httpGet']['port']]}"
        else:
            assert bind == "127.0.0.1:9900", "where `evergate status` asks without being told"


def test_the_user_is_the_one_of_the_image(build):
    user = re.search(r"^USER (\d+):(\d+)", (ROOT / "docker/Dockerfile").read_text(), re.M)
    for name in BUILDS:
        context = pod_of(build(name))["spec"]["securityContext"]
        assert (str(context["runAsUser"]), str(context["runAsGroup"])) == user.groups()


def test_management_is_in_no_service_and_behind_a_token(build):
    for name in EDGES:
        objects = build(name)
        targets = [p["targetPort"] for p in only(objects, "Service")["spec"]["ports"]]
        assert targets == ["http"]
        assert 'token_file = "${SECRETS:-/run/secrets/evergate}/token"' in config_of(objects)
        mounts = {m["mountPath"]: m["name"] for m in evergate_of(objects)["volumeMounts"]}
        volume, = [v for v in pod_of(objects)["spec"]["volumes"]
                   if v["name"] == mounts["/run/secrets/evergate"]]
        # It is not made by kustomize: a token in a repository is none.
        assert volume["secret"]["secretName"] == "evergate-admin"
        assert not [o for o in objects if o["kind"] == "Secret"]


# ---- run ----

def swap(room, version, text):
    """What kubelet does for a mounted ConfigMap."""
    (room / f"..{version}").mkdir()
    (room / f"..{version}" / "evergate.conf").write_text(text)
    (room / "..data_tmp").symlink_to(f"..{version}")
    os.rename(room / "..data_tmp", room / "..data")
    if not (room / "evergate.conf").is_symlink():
        (room / "evergate.conf").symlink_to("..data/evergate.conf")


class Pod:
    """The container's program with the ConfigMap's file: paths lead into a room, ports are the
    kernel's to choose, and nothing else is another."""

    def __init__(self, stage, objects, env):
        self.room = stage.room("pod")
        for name in ("etc", "secrets", "cache"):
            (self.room / name).mkdir()
        (self.room / "secrets" / "token").write_text(TOKEN + "\n")
        self.text = self.localise(config_of(objects))
        swap(self.room / "etc", "first", self.text)
        path = self.room / "etc" / "evergate.conf"
        checked = run_command("check", "-c", path, env=env)
        assert checked.returncode == 0, checked.stderr
        self.proxy = stage.ending(Evergate(
            stage.room("evergate"), "", env=env,
            command=[os.environ["EVERGATE"], "run", "-c", str(path)])).wait_started(["http"])
        self.admin = Management(self.proxy)

    def localise(self, text):
        for path, name in (("/run/secrets/evergate", "secrets"), ("/var/cache/evergate", "cache")):
            text = text.replace(f":-{path}}}", f":-{self.room / name}}}")
        return re.sub(r'bind = ":\d+"', 'bind = "127.0.0.1:0"', text).replace(
            '"127.0.0.1:9900"', '"127.0.0.1:0"')

    def probe(self, probe):
        return self.admin.ask(probe["httpGet"]["path"]).status

    def asked_with_the_token(self, path):
        return self.admin.send(path, "GET", headers=[("Authorization", f"Bearer {TOKEN}")])

    def get(self, stage):
        client = stage.client(self.proxy, "http")
        return client.get("/")


@pytest.fixture(name="edge")
def fixture_edge(stage, server, build, certificates):
    """The base as a pod would run it, with one pod behind the Service "web", and no more rights
    than the Roles give."""
    objects = build("base")
    backend = stage.recorder("web-a")
    host, _, number = backend.address.rpartition(":")
    secured = stage.ending(ManifestServer(
        cluster=server.cluster, tls=certificates.server_context(certificates.leaf("IP:127.0.0.1"))))
    secured.tokens = {"a-token": "system:serviceaccount:default:evergate"}
    secured.roles = rules_of(objects, pod_of(objects)["spec"]["serviceAccountName"])
    secured.cluster.put(slice_of("web-1", "web", [endpoint(host, pod="web-a")],
                                 port("http", int(number))))
    _, env = account(stage, secured, "a-token", certificates.ca)
    return objects, Pod(stage, objects, env)


def test_the_edge_runs_with_its_configuration_and_its_rights(stage, edge):
    objects, pod = edge
    container = evergate_of(objects)
    wait_until(lambda: pod.probe(container["readinessProbe"]) == 200, "it is ready")
    assert pod.probe(container["livenessProbe"]) == pod.probe(container["startupProbe"]) == 200
    assert pod.get(stage).text == "web-a"
    wait_until((pod.room / "cache" / "web.json").exists, "the cache is written")


def test_nothing_but_health_is_told_without_the_token(edge):
    _, pod = edge
    for path in ("/metrics", "/api/v1/status", "/api/v1/pools"):
        assert pod.admin.ask(path).status == 401
        assert pod.asked_with_the_token(path).status == 200
    assert pod.admin.ask("/api/v1/reload", "POST").status == 401


def test_the_metric_that_scales_it_stands_in_metrics(edge):
    objects, pod = edge
    names = [m["pods"]["metric"]["name"] for m in
             only(objects, "HorizontalPodAutoscaler")["spec"]["metrics"] if m["type"] == "Pods"]
    text = pod.asked_with_the_token("/metrics").text
    assert names
    for name in names:
        assert re.search(rf"^{name} \d", text, re.M), f"{name}: one series without labels"


def test_a_change_of_the_config_map_is_served(stage, edge):
    _, pod = edge
    swap(pod.room / "etc", "second",
         pod.text.replace('pool = "web"; }', 'respond = { status = 200; body = "second"; }; }'))
    wait_until(lambda: pod.get(stage).text == "second", "the new file is served")


def test_a_configuration_is_checked_on_another_machine_as_the_guide_says(stage):
    room = stage.room("tmp")
    guide = (ROOT / "docs" / "kubernetes.md").read_text()
    commands = re.search(r"^openssl .*\n.* evergate check .*\n", guide, re.M)[0]
    commands = commands.replace("/tmp", str(room)).replace(" evergate ", f" {binary()} ")
    done = subprocess.run(["sh", "-ec", commands], cwd=ROOT, capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    assert "overlays/shop/evergate.conf: ok: 1 listener" in done.stdout


def test_the_sidecar_starts_before_the_application_and_is_ready_with_it(stage, build):
    objects = build("sidecar")
    container = evergate_of(objects)
    assert container["restartPolicy"] == "Always"
    assert container in pod_of(objects)["spec"]["initContainers"]
    socket = stage.room("run") / "app.sock"
    env = {e["name"]: e["value"].replace("/run/app/app.sock", str(socket))
           for e in container["env"]}
    pod = Pod(stage, objects, env)

    def command(probe):
        words = container[probe]["exec"]["command"]
        assert words[0] == "/usr/bin/evergate"
        return run_command(*words[1:], "--admin", pod.admin.address).returncode
    assert command("startupProbe") == command("livenessProbe") == 0
    wait_until(lambda: command("readinessProbe") == 1, "it knows that nobody is there")
    app = stage.recorder("app", address=f"unix:{socket}")
    wait_until(lambda: command("readinessProbe") == 0, "the pod is ready")
    assert pod.get(stage).text == app.name

"""What docs/kubernetes.md says to Prometheus and to its adapter, said to the real Prometheus: of all
ports of all pods it asks evergate's management, with the token, and the autoscaler's query gives the
requests that each pod serves.
"""

import os
import pathlib
import re

import pytest
import yaml

from lib.evergate import Evergate
from lib.failover import ADMIN
from lib.libconfig import simple, to_libconfig
from lib.management import Management
from lib.raw_client import head
from lib.waiting import wait_until
from parts.prometheus import Prometheus

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "kubernetes.md").read_text()
BASE = ROOT / "deploy" / "kubernetes" / "base"
TOKEN = "0123456789abcdef"
EDGE = {"app.kubernetes.io/name": "evergate"}


def blocks_of_the_guide(beginning):
    """Its YAML that begins so."""
    return [block for block in re.findall(r"^```\n(.*?)^```$", GUIDE, re.M | re.S)
            if block.lstrip().startswith(beginning)]


def scrape_job():
    (text,) = blocks_of_the_guide("- job_name")
    (job,) = yaml.safe_load(text)
    return job


def adapter_rules():
    """By the name that the autoscaler knows."""
    rules = yaml.safe_load("".join(
        blocks_of_the_guide("rules:") + blocks_of_the_guide("- seriesQuery")))["rules"]
    return {rule["name"]["as"]: rule for rule in rules}


def as_the_adapter_asks(rule, pods):
    """prometheus-adapter's template, filled in for pods of the namespace "default"."""
    series = re.match(r"\w+", rule["seriesQuery"])[0]
    matchers = f'namespace="default",pod=~"{"|".join(pods)}"'
    return (rule["metricsQuery"].replace("<<.Series>>", series)
            .replace("<<.LabelMatchers>>", matchers).replace("<<.GroupBy>>", "pod"))


def found_by_role_pod(name, labels, **ports):
    """The targets that `role: pod` makes of a pod: one for each port of its containers."""
    labels = {re.sub(r"\W", "_", f"__meta_kubernetes_pod_label_{key}"): value
              for key, value in labels.items()}
    return [{"targets": [f"127.0.0.1:{number}"], "labels": {
        "__meta_kubernetes_namespace": "default", "__meta_kubernetes_pod_name": name,
        "__meta_kubernetes_pod_container_port_name": port, **labels}}
            for port, number in ports.items()]


class Edge:
    """evergate as the pod `name`, with requests that wait for the backend."""

    def __init__(self, stage, name, held):
        self.stage, self.name = stage, name
        self.backend = stage.failing(name)
        self.backend.mood = "hold"
        token = stage.room("secret") / "token"
        token.write_text(TOKEN + "\n")
        config = simple([self.backend], admin={**ADMIN, "token_file": str(token)})
        self.proxy = stage.ending(Evergate(stage.room(name), to_libconfig(config))).wait_started()
        self.admin = Management(self.proxy)
        self.clients = [stage.client(self.proxy) for _ in range(held)]
        for client in self.clients:
            client.send(head())
        self.backend.wait_held(held)

    @property
    def admin_port(self):
        return int(self.admin.address.rpartition(":")[2])

    def release(self):
        self.backend.release()
        while self.clients:
            assert self.clients.pop().read_response("GET").status == 200


@pytest.fixture(name="edges")
def fixture_edges(stage):
    made = [Edge(stage, "edge-a", held=3), Edge(stage, "edge-b", held=5)]
    yield made
    for edge in made:
        edge.release()


@pytest.fixture(name="prometheus")
def fixture_prometheus(stage, edges):
    job, room = scrape_job(), stage.room("prometheus")
    (room / "token").write_text(TOKEN)
    assert os.path.basename(job["authorization"]["credentials_file"]) == "token"
    job["authorization"]["credentials_file"] = str(room / "token")
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod"}]  # which Debian leaves out
    job["static_configs"] = [target for edge in edges for target in found_by_role_pod(
        edge.name, EDGE, http=edge.proxy.port(), admin=edge.admin_port)]
    job["static_configs"] += found_by_role_pod("web-a", {"app": "web"}, http=1, admin=2)
    return stage.ending(Prometheus(room, job))


def metric_of_the_autoscaler():
    (metric,) = [m["pods"]["metric"]["name"] for m in yaml.safe_load(
        (BASE / "horizontalpodautoscaler.yaml").read_text())["spec"]["metrics"]
                 if m["type"] == "Pods"]
    return metric


def test_the_adapter_s_queries_give_what_each_pod_does(edges, prometheus):
    """In one test, since Prometheus takes five seconds to look at its targets first."""
    rules, first = adapter_rules(), edges[0]
    active, rate = (as_the_adapter_asks(rules[name], ["edge-a", "edge-b"]) for name in (
        metric_of_the_autoscaler(), "evergate_requests_per_second"))
    wait_until(lambda: prometheus.targets() == {
        f"127.0.0.1:{edge.admin_port}": "up" for edge in edges}, "both are asked, nobody else")
    # They were being served when Prometheus began to ask, and are.
    wait_until(lambda: prometheus.ask(active) == [({"pod": "edge-a"}, 3.0), ({"pod": "edge-b"}, 5.0)],
               "there is the value of each pod")
    assert prometheus.ask(rate) == []
    first.release()
    wait_until(lambda: prometheus.ask("sum by (pod) (evergate_requests_total)")
               == [({"pod": "edge-a"}, 3.0)], "its requests are counted")
    wait_until(lambda: [labels for labels, _ in prometheus.ask(rate)] == [{"pod": "edge-a"}],
               "it has a rate from its first requests on")

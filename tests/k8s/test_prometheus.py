#!/usr/bin/env python3
"""A real Prometheus with our configuration and rules scrapes a running network: it finds who is there, every name in rules
and dashboards is exported, every panel shows something, and what is broken makes its alert fire."""
import json
import pathlib
import re
import subprocess
import sys
import unittest
import urllib.error
import urllib.parse
import urllib.request

import yaml

import observability
import policy
import rendering

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from network import Network, Process, ProcessTest, eventually, free_port, series  # noqa: E402

POINTS = 3
# Alerts that the test waits for do not take their time: what replaces what in them.
SHORT = {"KafkaGone": {"for": "2s"}, "CentralDown": {"for": "2s"}, "FactsNotBooked": {"expr": "ev_oldest_unsettled_seconds > 2"}}


class Prometheus:
    """Debian's, in a folder."""

    def __init__(self, test, config):
        self.url = f"http://127.0.0.1:{free_port()}"
        file = test.folder / "prometheus.yml"
        file.write_text(yaml.safe_dump(config), encoding="utf-8")
        self.process = test.keep(Process("prometheus", [
            observability.tool("prometheus"), f"--config.file={file}", f"--storage.tsdb.path={test.folder / 'prometheus'}",
            f"--web.listen-address={self.url.removeprefix('http://')}"], test.folder, stdin=subprocess.DEVNULL))

    def get(self, path, **parameters):
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from error

    def targets(self):
        """{address: target} of those that are scraped."""
        return {t["discoveredLabels"]["__address__"]: t for t in self.get("targets", state="active")["activeTargets"]}

    def query(self, expr):
        """(labels, value) of each series that is a number now."""
        found = self.get("query", query=expr)["result"]
        return [(s["metric"], float(s["value"][1])) for s in found if s["value"][1] != "NaN"]

    def firing(self):
        return {a["labels"]["alertname"]: a for a in self.get("alerts")["alerts"] if a["state"] == "firing"}


def is_understood(query):
    """As eventually() wants it, of a Prometheus that may not listen yet."""
    try:
        return query()
    except urllib.error.URLError:
        return None


class PrometheusTest(ProcessTest):
    def start_network(self):
        """A network in which something of everything happens, and {(pod, port's name): its address}."""
        broker_port = free_port()
        self.broker = self.keep(Process("broker", ["ev-broker", "--port", str(broker_port)], self.folder,
                                        stdin=subprocess.DEVNULL))
        self.broker.wait_output(str(broker_port))
        net = Network(f"127.0.0.1:{broker_port}", points=POINTS, engine=["--sim-full-after", "3s"])
        self.addCleanup(net.stop)
        net.__enter__()
        driver = net.driver("driver_001")
        http = lambda process: process.wait_said("^listening$")["http"]
        addresses = {("central-0", "metrics"): f"127.0.0.1:{net.http_port}", ("driver-0", "metrics"): http(driver)}
        for number, cp in enumerate(net.engines):
            addresses[f"charging-point-{number}", "engine-metrics"] = http(net.engines[cp])
            addresses[f"charging-point-{number}", "monitor-metrics"] = http(net.monitors[cp])
        self.driver_grpc = driver.wait_said("^listening$")["grpc"]
        return net, addresses

    def discovered(self, addresses):
        """What Kubernetes would tell of every port of every pod in the production overlay, and of a pod that has ended."""
        objects = rendering.load(rendering.kustomize(rendering.K8S / "overlays/production"))
        nowhere = f"127.0.0.1:{free_port()}"
        for workload, pod in policy.pods(objects):
            for number in range(workload["spec"]["replicas"]):
                name = f"{workload['metadata']['name']}-{number}"
                for container in policy.containers(pod):
                    for port in container.get("ports", []):
                        labels = {
                            "__meta_kubernetes_pod_name": name, "__meta_kubernetes_pod_phase": "Running",
                            "__meta_kubernetes_pod_container_name": container["name"],
                            "__meta_kubernetes_pod_container_port_name": port["name"],
                            "__meta_kubernetes_pod_container_port_number": str(port["containerPort"])}
                        for key, value in policy.template(workload)["metadata"]["labels"].items():
                            labels["__meta_kubernetes_pod_label_" + re.sub(r"\W", "_", key)] = value
                        yield addresses.get((name, port["name"]), nowhere), labels
                        if port["name"] == "metrics":
                            yield nowhere, {**labels, "__meta_kubernetes_pod_phase": "Failed"}

    def configuration(self, addresses):
        """That of the manifests: once a second, and with our folders and targets."""
        config = yaml.safe_load((observability.COMPONENT / "prometheus/prometheus.yml").read_text(encoding="utf-8"))
        config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        rules = self.folder / "rules"
        rules.mkdir()
        for name, file in observability.load_rules().items():
            for alert in observability.alerts_of({name: file}):
                alert.update(SHORT.get(alert["alert"], {}))
            (rules / name).write_text(yaml.safe_dump(file), encoding="utf-8")
        config["rule_files"] = [f"{rules}/*.yaml"]
        observability.without_kubernetes(config, self.discovered(addresses))
        # Nobody receives alerts here, and Prometheus itself listens elsewhere.
        del config["alerting"], config["scrape_configs"][1]
        return config

    def exported(self, net, addresses):
        """{metric: [labels]} of all programs."""
        found = {}
        for (pod, port), address in addresses.items():
            job = port.removesuffix("-metrics") if "-" in port else pod.removesuffix("-0")
            for name, labels, _ in series(net.metrics(address)):
                found.setdefault(name, []).append({**labels, "job": job})
        return found

    def charge_everywhere(self, net):
        """A charge at each point that is free, one that is denied, and one through the Driver."""
        for cp in net.engines:
            net.grpcurl("SessionService/StartSession", {"driver_id": "ann", "charging_point_id": cp}, check=False)
        net.grpcurl("evcharging.driver.v1.DriverService/StartCharge", {"charging_point_id": "cp_001"}, self.driver_grpc,
                    check=False)

    def test_a_real_prometheus_finds_all_understands_all_and_fires_when_something_is_broken(self):
        net, addresses = self.start_network()
        exported = self.exported(net, addresses)
        rules, dashboards = observability.load_rules(), observability.load_dashboards()
        expressions = [(f"{r.get('record', r.get('alert'))}", r["expr"]) for r in observability.rules_of(rules)]
        expressions += list(observability.queries(dashboards))
        unknown = list(observability.unknown_series(expressions, rules, exported))
        self.assertFalse(unknown, "\n" + "\n".join(unknown))

        prometheus = Prometheus(self, self.configuration(addresses))
        eventually("all are scraped", lambda: is_understood(
            lambda: all(t["health"] == "up" for t in prometheus.targets().values()) and prometheus.targets()))
        found = {(t["labels"]["instance"], t["labels"]["job"], address) for address, t in prometheus.targets().items()}
        self.assertEqual(found, {
            (pod, port.removesuffix("-metrics") if "-" in port else pod.removesuffix("-0"), address)
            for (pod, port), address in addresses.items()})

        silent = dict.fromkeys((where, expr.replace("[1m]", "[10s]")) for where, expr in observability.queries(dashboards))
        silent = {question: None for question in silent if not re.search(r"\bALERTS\b", question[1])}

        def all_panels_show_something():
            self.charge_everywhere(net)
            for question in list(silent):
                if prometheus.query(question[1]):
                    del silent[question]
            assert not silent, list(silent)
            return True

        eventually("every panel shows something", all_panels_show_something, 120)
        # Nothing is wrong: nothing fires.
        self.assertEqual(set(prometheus.firing()), set())
        failed = [r["lastError"] for g in prometheus.get("rules")["groups"] for r in g["rules"] if r["health"] != "ok"]
        self.assertEqual(failed, [])

        for cp in net.engines:
            net.wait_state(cp, "AVAILABLE")
        net.charge("ann", "cp_001")
        net.wait_state("cp_001", "CHARGING")
        self.broker.kill()  # What the Engine measures now is not booked.
        eventually("KafkaGone and FactsNotBooked fire", lambda: set(prometheus.firing()) == {"KafkaGone", "FactsNotBooked"})
        alert = prometheus.firing()["FactsNotBooked"]
        self.assertEqual((alert["labels"]["instance"], alert["labels"]["severity"]), ("charging-point-0", "critical"))
        for alert in prometheus.firing().values():
            self.assertNotRegex(" ".join(alert["annotations"].values()), "error|no value|%!")
        shown = [labels for labels, _ in prometheus.query("ALERTS")]
        self.assertIn("KafkaGone", [labels["alertname"] for labels in shown])  # The one panel that was left out.
        net.central.kill()
        eventually("CentralDown fires, and KafkaGone is its business no more",
                   lambda: set(prometheus.firing()) == {"CentralDown", "FactsNotBooked"})


if __name__ == "__main__":
    unittest.main()

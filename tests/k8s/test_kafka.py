#!/usr/bin/env python3
"""Kafka as the manifests have it, one node and three: its pods' commands, variables and files, run by the Kafka that Maven
brings (tools/kafka)."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest

import policy
import rendering
from pod_process import JARS, Cluster
from network import LIMIT_S, Network, ProcessTest, eventually, run

TOPICS = ("charging_session_data", "charging_session_complete", "charging_status_updates", "system_alerts",
          "charging_dead_letter")
ENDED_BY_SIGTERM = 143  # Java's exit code when it has ended in order.


class KafkaTest(ProcessTest):
    def setUp(self):
        super().setUp()
        if not JARS.is_dir():
            self.fetch_jars()

    def fetch_jars(self):
        tool = [str(rendering.ROOT / "tools/kafka"), "--port", "0", "--dir", str(self.folder / "fetch")]
        subprocess.run([*tool, "start"], check=True, timeout=300, env={**os.environ, "KAFKA_VERSION": "4.2.0"})
        subprocess.run([*tool, "stop"], check=True, timeout=120)

    def cluster(self, name):
        texts = dict(rendering.overlays())
        return Cluster(rendering.load(texts[name]), self.folder)

    def start(self, cluster, pod, name):
        return self.keep(cluster.start(pod, name))

    def write_files(self, cluster, pod, is_reachable=True):
        """The ConfigMap's files where the pod finds them, moved to this machine. All that is changed: the ports become
        ours, on loopback; the folder of the volume becomes ours; and with `is_reachable` the advertised name, which nobody
        here can look up, becomes loopback."""
        volume = next(v for v in cluster.pod_spec("kafka")["volumes"] if v["name"] == "files")
        folder = cluster.place(pod, "/etc/evcharge")
        folder.mkdir(parents=True, exist_ok=True)
        kafka, controller = cluster.port(pod, 9092), cluster.port(pod, 9093)
        for name, text in policy.find(cluster.objects, "ConfigMap", volume["configMap"]["name"])["data"].items():
            changes = [("PLAINTEXT://:9092,CONTROLLER://:9093",
                        f"PLAINTEXT://127.0.0.1:{kafka},CONTROLLER://127.0.0.1:{controller}"),
                       ("svc:9092", f"svc:{kafka}"),
                       ("/var/lib/kafka", str(cluster.place(pod, "/var/lib/kafka")))]
            if is_reachable:
                changes.append((f"${{env:POD_NAME}}.kafka.${{env:POD_NAMESPACE}}.svc:{kafka}", f"127.0.0.1:{kafka}"))
            for old, new in changes:
                if name == "server.properties":
                    self.assertIn(old, text)
                text = text.replace(old, new)
            (folder / name).write_text(text, encoding="utf-8")

    def format(self, cluster, pod):
        process = self.start(cluster, pod, "format")
        self.assertEqual(process.process.wait(timeout=120), 0, process.records()[-5:])

    def brokers(self, cluster, pod):
        """What a client is told: {id: address}; {} while the node does not answer."""
        done = subprocess.run(["kcat", "-L", "-J", "-m", "3", "-b", f"127.0.0.1:{cluster.port(pod, 9092)}"],
                              capture_output=True, text=True, timeout=60)
        return {b["id"]: b["name"] for b in json.loads(done.stdout)["brokers"]} if done.returncode == 0 else {}

    def copies(self, cluster, pod):
        """{topic: copies of each partition} of the topics that Central makes."""
        done = subprocess.run(["kcat", "-L", "-J", "-m", "3", "-b", f"127.0.0.1:{cluster.port(pod, 9092)}"],
                              capture_output=True, text=True, timeout=60, check=True)
        return {t["topic"]: {len(p["replicas"]) for p in t["partitions"]} for t in json.loads(done.stdout)["topics"]
                if not t["topic"].startswith("__")}

    def in_sync(self, cluster, pod):
        """How many copies of each partition are whole, of those with the fewest."""
        done = subprocess.run(["kcat", "-L", "-J", "-m", "3", "-b", f"127.0.0.1:{cluster.port(pod, 9092)}"],
                              capture_output=True, text=True, timeout=60, check=True)
        return min(len(p["isrs"]) for t in json.loads(done.stdout)["topics"] for p in t["partitions"])

    def start_node(self, cluster, pod):
        self.write_files(cluster, pod)
        self.format(cluster, pod)
        return self.start(cluster, pod, "kafka")

    def min_insync(self, cluster, pod, topic):
        done = subprocess.run(
            ["java", "-Xmx128m", "-cp", f"{JARS}/*", "kafka.admin.ConfigCommand", "--bootstrap-server",
             f"127.0.0.1:{cluster.port(pod, 9092)}", "--describe", "--all", "--entity-type", "topics", "--entity-name", topic],
            capture_output=True, text=True, timeout=120, check=True)
        return int(re.search(r"min\.insync\.replicas=(\d+)", done.stdout)[1])

    def assert_ended(self, cluster, process):
        process.signal(signal.SIGTERM)
        self.assertEqual(process.process.wait(timeout=cluster.grace_s("kafka")), ENDED_BY_SIGTERM)

    def start_central(self, cluster):
        central = self.start(cluster, "central-0", "central")
        cluster.wait_probe("central-0", "central", "readinessProbe")
        return central

    def test_one_node_keeps_its_name_id_and_data_over_a_restart_and_serves_central(self):
        cluster = self.cluster("demo")
        pod = "kafka-0"
        self.write_files(cluster, pod, is_reachable=False)
        self.format(cluster, pod)
        kafka = self.start(cluster, pod, "kafka")
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            cluster.wait_probe(pod, "kafka", probe)
        name = f"kafka-0.kafka.evcharge.svc:{cluster.port(pod, 9092)}"
        eventually("clients learn the pod's name", lambda: self.brokers(cluster, pod) == {0: name})
        self.assert_ended(cluster, kafka)
        meta = cluster.place(pod, "/var/lib/kafka/data/meta.properties").read_text(encoding="utf-8")
        variables = cluster.variables(pod, cluster.container("kafka", "kafka"))
        self.assertIn(f"cluster.id={variables['KAFKA_CLUSTER_ID']}\n", meta)

        # The pod starts again: the init container finds what it has formatted.
        self.write_files(cluster, pod)
        self.format(cluster, pod)
        self.assertEqual(meta, cluster.place(pod, "/var/lib/kafka/data/meta.properties").read_text(encoding="utf-8"))
        kafka = self.start(cluster, pod, "kafka")
        cluster.wait_probe(pod, "kafka", "readinessProbe")
        self.start_central(cluster)
        eventually("Central's topics have one copy", lambda: self.copies(cluster, pod) == dict.fromkeys(TOPICS, {1}))
        self.assertEqual(self.min_insync(cluster, pod, "charging_session_data"), 1)
        self.assert_ended(cluster, kafka)

    def test_three_nodes_form_a_quorum_keep_three_copies_and_serve_on_without_one(self):
        cluster = self.cluster("production")
        pods = [f"kafka-{i}" for i in range(cluster.workload("kafka")["spec"]["replicas"])]
        self.assertEqual(len(pods), 3)
        for pod in pods:
            self.write_files(cluster, pod)
            self.format(cluster, pod)
        kafkas = {pods[0]: self.start(cluster, pods[0], "kafka")}
        # Alone it is alive, and not ready.
        cluster.wait_probe(pods[0], "kafka", "startupProbe")
        container = cluster.container("kafka", "kafka")
        for _ in range(20):
            self.assertFalse(cluster.probe(pods[0], container, "readinessProbe"))
            time.sleep(0.1)  # That it stays so is what is tested.
        self.assertTrue(cluster.probe(pods[0], container, "livenessProbe"))

        for pod in pods[1:]:
            kafkas[pod] = self.start(cluster, pod, "kafka")
        for pod in pods:
            cluster.wait_probe(pod, "kafka", "readinessProbe")
        eventually("each node knows all", lambda: all(set(self.brokers(cluster, pod)) == {0, 1, 2} for pod in pods))
        central = self.start_central(cluster)
        eventually("Central's topics have three copies",
                   lambda: self.copies(cluster, pods[0]) == dict.fromkeys(TOPICS, {3}))
        self.assertEqual(self.min_insync(cluster, pods[0], "charging_session_data"), 2)

        self.assert_ended(cluster, kafkas.pop(pods[2]))
        eventually("two nodes are left", lambda: set(self.brokers(cluster, pods[0])) == {0, 1})
        subprocess.run(["kcat", "-P", "-b", f"127.0.0.1:{cluster.port(pods[0], 9092)}", "-t", "system_alerts", "-X",
                        "acks=all", "-X", "message.timeout.ms=30000"], input=b"x", timeout=60, check=True)
        self.assertEqual(cluster.end([central], cluster.grace_s("central")), [0])

    # B233
    def test_a_network_moves_from_one_node_to_three_at_the_same_address_and_a_lost_node_is_replaced(self):
        """As docs/operations.md says it."""
        one, three = self.cluster("demo"), Cluster(self.cluster("production").objects, self.folder / "three")
        three.folder.mkdir()
        three.ports["kafka-0", 9092] = one.port("kafka-0", 9092)
        kafka = self.start_node(one, "kafka-0")
        one.wait_probe("kafka-0", "kafka", "readinessProbe")
        address = f"127.0.0.1:{one.port('kafka-0', 9092)}"
        with Network(address, points=2, engine=["--sim-full-after", "1h"]) as net:
            charges = {"cp_001": net.charge("ann", "cp_001"), "cp_002": net.charge("bob", "cp_002")}
            for session in charges.values():
                net.wait_session(session, "CHARGING")
            eventually("Central has read of both", lambda: net.metric("ev_facts_applied_total") > len(charges))
            self.assert_ended(one, kafka)
            net.engine_call("cp_001", "Unplug")  # While there is no Kafka.
            pods = [f"kafka-{i}" for i in range(3)]
            nodes = {pod: self.start_node(three, pod) for pod in pods}
            for pod in pods:
                three.wait_probe(pod, "kafka", "readinessProbe")

            def doctor():
                return run("evctl", "doctor", "--central", net.central_address, "--kafka-brokers", address).stdout

            advice = eventually("the doctor knows what to do", lambda: re.search(r"evctl accept-cluster (\S+)", doctor()))
            done = run("evctl", "accept-cluster", advice[1], "--central", net.central_address)
            self.assertEqual(done.returncode, 0, done.stderr)
            net.engine_call("cp_002", "Unplug")
            for cp, session in charges.items():
                net.wait_session(session, "COMPLETED", 2 * LIMIT_S)
                (energy, amount, _), = net.ended_at_point(cp)
                self.assertEqual(net.tickets_in_store(session), [(energy, amount)])
            self.assertEqual(len(net.tickets()), 2)
            eventually("the topics have three copies", lambda: self.copies(three, "kafka-0") == dict.fromkeys(TOPICS, {3}))

            # A node comes back without its disk.
            self.assert_ended(three, nodes.pop("kafka-2"))
            eventually("a copy is missing", lambda: self.in_sync(three, "kafka-0") == 2)
            shutil.rmtree(three.place("kafka-2", "/var/lib/kafka"))
            third = net.charge("cleo", "cp_001")
            self.start_node(three, "kafka-2")
            eventually("it has copied all", lambda: self.in_sync(three, "kafka-0") == 3, 2 * LIMIT_S)
            net.wait_session(third, "CHARGING")
            net.engine_call("cp_001", "Unplug")
            net.wait_session(third, "COMPLETED", 2 * LIMIT_S)


if __name__ == "__main__":
    unittest.main(verbosity=2)

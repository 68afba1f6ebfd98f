#!/usr/bin/env python3
"""The manifests and the programs fit: each container is started with exactly the arguments and variables that its manifest
gives it, asked by its probes, and ended as a pod is."""
import contextlib
import json
import re
import sqlite3
import subprocess
import unittest

import policy
import rendering
from pod_process import PROGRAMS, Cluster
from network import BIN, TOOLS, Process, ProcessTest, eventually

# What a manifest decides and no ConfigMap should: an option of each program is here, or documented in its .env file.
FIXED = {"listen", "insecure", "grpc-port", "http-port", "data-dir", "log-format", "config"}
FIXED_OF = {"central": {"panel", "check-store"}, "engine": set(), "monitor": {"cp-id"},
            # Lists and prompts are not served by a pod.
            "driver": {"driver-id", "requests", "pause", "charge-timeout", "stuck-timeout", "live-interval",
                       "kafka-enabled", "kafka-config", "topic-status-updates"}}
ENV_FILES = {"central": "central/central.env", "engine": "charging-points/engine.env",
             "monitor": "charging-points/monitor.env", "driver": "driver/driver.env"}


def print_config(arguments, variables):
    """What the program makes of them: (exit code, {option: value}, stderr)."""
    done = subprocess.run([*arguments, "--print-config"], env=variables, capture_output=True, text=True, timeout=60)
    section, options = "", {}
    for line in done.stdout.splitlines():
        if head := re.fullmatch(r"\[(\w+)\]", line):
            section = head[1] + "-"
        elif option := re.fullmatch(r"([\w-]+) = (.*?)  # .*", line):
            options[section + option[1]] = json.loads(option[2])
    return done.returncode, options, done.stderr


class ContractTest(ProcessTest):
    @classmethod
    def setUpClass(cls):
        cls.rendered = {name: rendering.load(text) for name, text in rendering.overlays()}

    def cluster(self, overlay="demo"):
        return Cluster(self.rendered[overlay], self.folder)

    def start(self, cluster, pod, name):
        return self.keep(cluster.start(pod, name))

    def ours(self, cluster):
        """(pod, container) of each program."""
        for workload, pod in policy.pods(cluster.objects):
            for container in policy.containers(pod):
                if policy.is_ours(container):
                    yield f"{workload['metadata']['name']}-0", container

    def test_the_image_of_each_container_is_the_program_of_its_name(self):
        for overlay in self.rendered:
            for _, container in self.ours(self.cluster(overlay)):
                self.assertEqual(policy.OUR_IMAGES.match(container["image"])[1], container["name"])

    def test_each_program_takes_its_arguments_and_variables_without_a_complaint_and_listens_where_the_manifest_says(self):
        for overlay in self.rendered:
            cluster = self.cluster(overlay)
            found = {}
            for pod, container in self.ours(cluster):
                with self.subTest(f"{overlay}: {container['name']}"):
                    variables = cluster.variables(pod, container)
                    arguments = [str(BIN / PROGRAMS[container["name"]]), *cluster.command(container, variables)]
                    code, options, said = print_config(arguments, variables)
                    self.assertEqual((code, said), (0, ""))
                    self.assertEqual((options["listen"], options["insecure"]), ("0.0.0.0", True))
                    declared = {p["containerPort"] for p in container["ports"]}
                    self.assertEqual({options["grpc-port"], options["http-port"]}, declared)
                    if "data-dir" in options:
                        self.assertIn(options["data-dir"], [m["mountPath"] for m in container["volumeMounts"]])
                    found[container["name"]] = options
            self.assertEqual(set(found), set(PROGRAMS))
            self.assertEqual(found["monitor"]["cp-id"], "charging-point-0")
            for topic in ("topic-session-data", "topic-session-complete"):
                self.assertEqual(found["engine"][topic], found["central"][topic])

    def test_each_option_of_each_program_is_in_its_config_or_fixed_by_its_manifest(self):
        for name, program in PROGRAMS.items():
            arguments = [str(BIN / program), "--data-dir=/data"] if name != "monitor" else [str(BIN / program), "--cp-id=x"]
            _, options, _ = print_config(arguments, {})
            text = (rendering.K8S / "base" / ENV_FILES[name]).read_text(encoding="utf-8")
            documented = {key.lower().replace("_", "-") for key in re.findall(r"^#?EV_(\w+)=", text, re.MULTILINE)}
            self.assertEqual(documented | ((FIXED | FIXED_OF[name]) & set(options)), set(options), name)
            self.assertFalse(documented & FIXED, name)
            # What is shown as a default is one.
            for key, value in re.findall(r"^#EV_(\w+)=(.*)$", text, re.MULTILINE):
                default = options[key.lower().replace("_", "-")]
                shown = "" if default == [] else default if isinstance(default, str) else json.dumps(default)
                self.assertEqual(value, shown, f"{name}: {key}")
            # A comment above each key, or above the keys that it stands with.
            for block in text.strip().split("\n\n"):
                self.assertRegex(block.splitlines()[0], r"^# ", f"{name}: {block}")

    def test_without_kafka_and_without_each_other_programs_live_are_ready_and_end_with_0_in_time(self):
        for overlay in self.rendered:
            cluster = self.cluster(overlay)
            for pod, container in self.ours(cluster):
                with self.subTest(f"{overlay}: {container['name']}"):
                    process = self.start(cluster, pod, container["name"])
                    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                        cluster.wait_probe(pod, container["name"], probe)
                    self.assertIsNone(process.said("^configuration$"), "no word of an unknown variable")
                    self.assertEqual(cluster.end([process], cluster.grace_s(pod.rpartition("-")[0])), [0])
                    # The log is one JSON record a line, nothing else.
                    self.assertTrue(all("level" in record for record in process.records()), process.records())

    def test_a_probe_that_names_an_unknown_service_or_port_fails(self):
        cluster = self.cluster()
        container = cluster.container("central", "central")
        self.start(cluster, "central-0", "central")
        cluster.wait_probe("central-0", "central", "livenessProbe")
        for change in ({"service": "livenes"}, {"port": 50059}):
            broken = {**container, "livenessProbe": {"grpc": {**container["livenessProbe"]["grpc"], **change}}}
            self.assertFalse(cluster.probe("central-0", broken, "livenessProbe"), change)

    def test_a_charging_point_that_is_deleted_while_it_charges_ends_with_a_ticket(self):
        """The whole network as the manifests have it; the pod ends as the kubelet ends it: the Engine, then its sidecar."""
        cluster = self.cluster()
        broker = Process("broker", ["ev-broker", "--port", str(cluster.port("kafka-0", 9092))], self.folder,
                         stdin=subprocess.DEVNULL)
        self.started.append(broker)
        broker.wait_output(r":\d+ ")
        point = "charging-point-0"
        pods = {"central-0": ["central"], point: ["monitor", "engine"], "driver-0": ["driver"]}
        running = {name: self.start(cluster, pod, name) for pod, names in pods.items() for name in names}
        for pod, names in pods.items():
            for name in names:
                cluster.wait_probe(pod, name, "readinessProbe")

        def call(pod, port, method, request):
            done = subprocess.run([TOOLS / "grpcurl", "-plaintext", "-max-time", "20", "-d", json.dumps(request),
                                   f"127.0.0.1:{cluster.port(pod, port)}", method], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            return json.loads(done.stdout or "{}")

        running["central"].wait_said("^charging point changed$", cp_id=point, state="AVAILABLE")
        call("driver-0", 50054, "evcharging.driver.v1.DriverService/StartCharge",
             {"driver_id": "ann", "charging_point_id": point})
        eventually("energy flows", lambda: call(point, 50052, "evcharging.engine.v1.EngineService/GetStatus", {}).get(
            "energy_flows"))
        self.assertEqual(cluster.end([running["engine"], running["monitor"]], cluster.grace_s("charging-point")), [0, 0])
        ticket = running["central"].wait_said("^ticket issued$", driver_id="ann")
        self.assertEqual(ticket["end_reason"], "ENGINE_RESTARTED")
        for workload in ("driver", "central"):
            self.assertEqual(cluster.end([running[workload]], cluster.grace_s(workload)), [0])

    def test_a_central_that_is_rolled_back_behind_its_store_says_so_and_leaves_the_store_as_it_is(self):
        cluster = self.cluster()
        store = cluster.place("central-0", "/data") / "central/central.db"

        def version(number=None):
            with contextlib.closing(sqlite3.connect(store)) as db:
                if number is not None:
                    db.execute(f"PRAGMA user_version = {number}")
                return db.execute("PRAGMA user_version").fetchone()[0]

        central = self.start(cluster, "central-0", "central")
        cluster.wait_probe("central-0", "central", "readinessProbe")
        self.assertEqual(cluster.end([central], cluster.grace_s("central")), [0])
        known = version()
        version(known + 1)  # As a newer program leaves it.
        central = self.start(cluster, "central-0", "central")
        self.assertEqual(central.process.wait(timeout=60), 1)
        said = central.said("^cannot start$")["reason"]
        self.assertIn(f"was written by a newer version (schema {known + 1}, known up to {known})", said)
        self.assertIn("it was left as it is: start that version again", said)
        self.assertEqual(version(), known + 1)
        version(known)  # And the newer program again.
        self.start(cluster, "central-0", "central")
        cluster.wait_probe("central-0", "central", "readinessProbe")


if __name__ == "__main__":
    unittest.main(verbosity=2)

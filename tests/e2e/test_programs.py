"""Each program as people start it: arguments, ports, signals, health, and what it says when something is wrong. On the
embedded broker: nothing here is about durability."""
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

from network import BIN, TOOLS, Network, Process, eventually, free_port

SERVICES = ("ev-central", "ev-engine", "ev-monitor", "ev-driver")
MORE = {"ev-monitor": ("--cp-id", "cp_001")}  # What has no default.


def run(program, *arguments, env=None):
    return subprocess.run([str(BIN / program), *arguments], capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, **(env or {})})


class Programs(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.started = []
        self.addCleanup(self.end_all)

    def end_all(self):
        for process in self.started:
            if process.process.poll() is None:
                process.kill()
            if process.process.stdin:
                process.process.stdin.close()

    def start(self, name, *arguments):
        process = Process(name, [*arguments, "--data-dir", str(self.folder), "--log-format", "json"], self.folder)
        self.started.append(process)
        return process

    def broker(self):
        port = free_port()
        process = Process("broker", ["ev-broker", "--port", str(port)], self.folder)
        self.started.append(process)
        eventually("the broker prints its address", lambda: str(port) in process.output())
        return f"localhost:{port}"

    # B130 B131 B132 B133 B180
    def test_the_ancestors_arguments_start_a_network_and_sigterm_ends_it_with_0(self):
        broker, central_port, engine_port = self.broker(), free_port(), free_port()
        central = self.start("central", "ev-central", str(central_port), broker, "--http-port", "0")
        central.wait_said("^listening$", grpc=f"127.0.0.1:{central_port}")
        os.environ["ENGINE_LISTEN_PORT"] = str(engine_port)
        self.addCleanup(os.environ.pop, "ENGINE_LISTEN_PORT", None)
        engine = self.start("engine", "ev-engine", broker, "--http-port", "0")
        engine.wait_said("^listening$", grpc=f"127.0.0.1:{engine_port}")
        monitor = self.start("monitor", "ev-monitor", f"localhost:{engine_port}", f"localhost:{central_port}", "cp_001",
                             "--grpc-port", "0", "--http-port", "0")
        central.wait_said("^charging point changed$", cp_id="cp_001", state="AVAILABLE")
        driver = self.start("driver", "ev-driver", broker, "driver_001", "--central", f"localhost:{central_port}",
                            "--grpc-port", "0", "--http-port", "0")
        driver.type("charge cp_001 1000mWh" if False else "charge cp_001")
        central.wait_said("^session changed$", driver_id="driver_001", state="CHARGING")
        for process in (driver, monitor, engine, central):
            begin = time.monotonic()
            self.assertEqual(process.terminate(), 0, process.name)
            self.assertLess(time.monotonic() - begin, 10, process.name)

    # B176
    def test_a_port_that_is_taken_moves_only_when_it_was_left_at_its_default(self):
        with Network() as net:
            for kafka in ("--kafka-enabled=false", "--kafka-brokers=127.0.0.1:1"):
                second = run("ev-central", kafka, "--http-port", "0", "--grpc-port", str(net.central_port),
                             "--data-dir", str(self.folder))
                self.assertEqual(second.returncode, 1, second.stderr)
                self.assertIn(str(net.central_port), second.stderr)

    # B171 B172 B177
    def test_a_misconfiguration_names_the_option_and_exits_with_2(self):
        for program in SERVICES:
            done = run(program, "--grpc-port", "99999")
            self.assertEqual(done.returncode, 2, program)
            self.assertIn("--grpc-port", done.stderr)
            done = run(program, "--listen", "0.0.0.0", "--check-config", *MORE.get(program, ()))
            self.assertEqual(done.returncode, 2, program)
            self.assertIn("--insecure", done.stderr)
        for arguments, names in ((["--kafka-brokers", ""], "kafka"), (["--kafka-config", "no.such.setting=1"],
                                                                      "no.such.setting")):
            done = run("ev-central", "--check-config", *arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn(names, done.stderr)
        shown = run("ev-central", "--kafka-config", "sasl.password=hunter2", "--print-config")
        self.assertEqual(shown.returncode, 0)
        self.assertNotIn("hunter2", shown.stdout + shown.stderr)

    # B170
    def test_help_version_and_print_config_work_in_every_program(self):
        for program in SERVICES:
            self.assertRegex(run(program, "--version").stdout, r"\d+\.\d+\.\d+")
            self.assertIn("Examples", run(program, "--help").stdout)
            shown = run(program, "--print-config", *MORE.get(program, ()))
            self.assertEqual(shown.returncode, 0, program)
            self.assertIn("# default", shown.stdout)

    # B174
    def test_port_0_wants_an_explicit_data_folder_and_a_folder_belongs_to_one_process(self):
        self.assertEqual(run("ev-central", "--grpc-port", "0", "--check-config").returncode, 2)
        with Network() as net:
            second = run("ev-central", "--grpc-port", "0", "--http-port", "0", "--kafka-enabled=false", "--data-dir",
                         str(net.folder))
            self.assertEqual(second.returncode, 1)
            self.assertIn("is in use by process", second.stderr)

    # B175
    def test_a_foreign_or_truncated_database_file_is_refused_and_left_as_it_is(self):
        (self.folder / "central").mkdir()
        file = self.folder / "central" / "central.db"
        for content in (b"not a database at all, but somebody's notes\n" * 30, b"SQLite format 3\x00" + b"\x00" * 20):
            file.write_bytes(content)
            done = run("ev-central", "--grpc-port", "0", "--http-port", "0", "--kafka-enabled=false", "--data-dir",
                       str(self.folder))
            self.assertEqual(done.returncode, 1)
            self.assertIn("central.db", done.stderr)
            self.assertEqual(file.read_bytes(), content)

    # B173 B183
    def test_a_broker_that_is_absent_at_start_is_said_once_and_then_used(self):
        port = free_port()
        with Network(f"localhost:{port}") as net:
            net.central.wait_said(f"^Kafka producer cannot reach localhost:{port}: ")
            self.assertEqual(net.grpcurl("ServerService/GetServerInfo")["broker"]["health"], "HEALTH_DEGRADED")
            broker = Process("late-broker", ["ev-broker", "--port", str(port)], self.folder)
            self.started.append(broker)
            net.central.wait_said("^Kafka producer initialized successfully$")
            eventually("the broker is OK", lambda: net.grpcurl("ServerService/GetServerInfo")["broker"]["health"] ==
                       "HEALTH_OK")
            said = [r for r in net.central.records() if "Kafka producer cannot reach" in r["message"]]
            self.assertEqual(len(said), 1)

    # B183
    def test_topics_with_another_number_of_partitions_make_central_not_ready(self):
        port = free_port()
        broker = Process("broker-of-5", ["ev-broker", "--port", str(port), "--partitions", "5"], self.folder)
        self.started.append(broker)
        eventually("the broker prints its address", lambda: str(port) in broker.output())
        with Network(f"localhost:{port}") as net:
            eventually("not ready", lambda: net.grpcurl("grpc.health.v1.Health/Check", {"service": "readiness"})[
                "status"] == "NOT_SERVING")
            net.central.wait_said("^the topics cannot be used$")

    # B156 B157 B161 B163 B178 B181
    def test_every_server_has_reflection_health_metrics_and_answers_empty_requests(self):
        with Network(self.broker(), points=1) as net:
            driver = net.driver("ann")
            servers = {"central": net.central, "engine": net.engines["cp_001"], "monitor": net.monitors["cp_001"],
                       "driver": driver}
            for name, process in servers.items():
                listening = process.wait_said("^listening$")
                self.assertEqual(net.grpcurl("grpc.health.v1.Health/Check", {"service": "liveness"},
                                             address=listening["grpc"])["status"], "SERVING", name)
                for path in ("metrics", "livez", "readyz"):
                    done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}",
                                           f"http://{listening['http']}/{path}"], capture_output=True, text=True,
                                          timeout=20, check=True)
                    self.assertEqual(done.stdout, "200", f"{name} /{path}")
            self.assertEqual(len(net.grpcurl("ChargingPointService/ListChargingPoints")["charging_points"]), 1)
            self.assertEqual(net.grpcurl("TicketService/ListTickets")["tickets"], [])
            monitor = net.grpcurl("evcharging.monitor.v1.MonitorService/GetStatus",
                                  address=net.monitors["cp_001"].said("^listening$")["grpc"])
            self.assertIn("cp_001", str(monitor))
            for method in ("InjectFault", "InjectFault", "ClearFault", "ClearFault", "PlugIn", "PlugIn", "Unplug"):
                net.engine_call("cp_001", method)
            self.assertIn("HEALTHY", str(net.engine_call("cp_001", "GetStatus")))
            # A person at the charging point: checked by Central like anybody.
            net.wait_state("cp_001", "AVAILABLE")
            net.engine_call("cp_001", "RequestSession", {"driver_id": "walk_in"})
            session = eventually("the manual session", lambda: net.grpcurl("SessionService/ListSessions")["sessions"][0])
            self.assertEqual((session["driver_id"], session["requested_at_point"]), ("walk_in", True))

    # B135
    def test_a_driver_program_serves_requests_that_name_another_driver(self):
        with Network(self.broker(), points=1) as net:
            driver = net.driver("ann")
            address = driver.wait_said("^listening$")["grpc"]
            net.grpcurl("evcharging.driver.v1.DriverService/StartCharge",
                        {"driver_id": "bob", "charging_point_id": "cp_001"}, address=address)
            sessions = net.grpcurl("SessionService/ListSessions", {"driver_id": "bob"})["sessions"]
            self.assertEqual(len(sessions), 1)

    # B162
    def test_calls_that_are_cancelled_leave_nothing_that_grows(self):
        with Network(self.broker(), points=1) as net:
            for _ in range(5):
                subprocess.run([str(TOOLS / "grpcurl"), "-plaintext", "-max-time", "0.3", net.central_address,
                                "evcharging.central.v1.ChargingPointService/WatchChargingPoints"],
                               capture_output=True, timeout=20, check=False)
            eventually("no call waits", lambda: net.metric("ev_calls_waiting") == 0)
            self.assertEqual(net.state("cp_001"), "AVAILABLE")


if __name__ == "__main__":
    unittest.main(verbosity=2)

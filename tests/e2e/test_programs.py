"""Each program as people start it: arguments, ports, signals, health, and what it says when something is wrong. On the
embedded broker: nothing here is about durability."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import unittest

from network import TOOLS, Network, Process, ProcessTest, eventually, free_port, run, series

SERVICES = ("ev-central", "ev-engine", "ev-monitor", "ev-driver")
MORE = {"ev-monitor": ("--cp-id", "cp_001")}  # What has no default.
VERSION = r"\d+\.\d+\.\d+(\+[0-9A-Za-z.-]+)?"  # And the commit, which is not always known.


def shown_config(program, *arguments, env=None):
    """{"kafka.brokers": ('"localhost:9092"', "default")}: value and source of every option."""
    done = run(program, "--print-config", *arguments, env=env)
    assert done.returncode == 0, done.stderr
    section, options = "", {}
    for line in done.stdout.splitlines():
        if head := re.fullmatch(r"\[(\w+)\]", line):
            section = head.group(1) + "."
        elif option := re.fullmatch(r"([\w-]+) = (.*?)  # (.*)", line):
            options[section + option.group(1)] = (option.group(2), option.group(3))
    return options


@contextlib.contextmanager
def taken(port):
    """The port is in use for a while: by us, unless somebody has it already."""
    with socket.socket() as s:
        with contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            s.listen()
        yield


class Programs(ProcessTest):
    def start(self, name, *arguments, env=None):
        """In the data folder of this test, unless `env` says where data is kept; a Monitor keeps none."""
        folder = [] if env or "ev-monitor" in arguments else ["--data-dir", str(self.folder)]
        return self.keep(Process(name, [*arguments, *folder, "--log-format", "json"], self.folder, env=env))

    def broker(self, *arguments, port=None):
        port = port or free_port()
        process = self.keep(Process("broker", ["ev-broker", "--port", str(port), *arguments], self.folder))
        process.wait_output(f":{port} ")
        return f"localhost:{port}"

    def partitions(self, broker, topic):
        listed = subprocess.run(["kcat", "-b", broker, "-L"], capture_output=True, text=True, timeout=60, check=True)
        return int(re.search(rf'topic "{topic}" with (\d+) partitions', listed.stdout).group(1))

    # B130 B131 B132 B133 B179 B180
    def test_the_ancestors_arguments_start_a_network_that_needs_no_input_and_sigterm_ends_it_with_0(self):
        broker, central_port, engine_port = self.broker(), free_port(), free_port()
        central = self.start("central", "ev-central", str(central_port), broker, "--http-port", "0")
        central.wait_said("^listening$", grpc=f"127.0.0.1:{central_port}")
        central.wait_said("^Kafka consumers initialized successfully$")
        os.environ["ENGINE_LISTEN_PORT"] = str(engine_port)
        self.addCleanup(os.environ.pop, "ENGINE_LISTEN_PORT", None)
        engine = self.start("engine", "ev-engine", broker, "--http-port", "0")
        engine.wait_said("^listening$", grpc=f"127.0.0.1:{engine_port}")
        engine.wait_said("^Kafka producer initialized successfully$")
        monitor = self.start("monitor", "ev-monitor", f"localhost:{engine_port}", f"localhost:{central_port}", "cp_001",
                             "--grpc-port", "0", "--http-port", "0")
        for process in (central, engine, monitor):
            process.end_input()
        central.wait_said("^charging point changed$", cp_id="cp_001", state="AVAILABLE")
        driver = self.start("driver", "ev-driver", broker, "driver_001", "--central", f"localhost:{central_port}",
                            "--grpc-port", "0", "--http-port", "0")
        driver.wait_said("^listening$", driver_id="driver_001", follows="Kafka")
        driver.wait_said("^Kafka consumers initialized successfully$")
        driver.type("charge cp_001")
        central.wait_said("^session changed$", driver_id="driver_001", state="CHARGING")
        # The Engine first: what it has metered so far must reach the ledger before it ends.
        for process in (engine, driver, monitor, central):
            begin = time.monotonic()
            # The Engine's end has cut the driver's charge short.
            self.assertEqual(process.terminate(), 1 if process is driver else 0, process.name)
            self.assertLess(time.monotonic() - begin, 10, process.name)
            if process is engine:
                ticket = central.wait_said("^ticket issued$", driver_id="driver_001", end_reason="ENGINE_RESTARTED")
                figures = {name: ticket[name] for name in ("energy_mwh", "amount_micros")}
                self.assertTrue(engine.said("^charging ended$", end_reason="ENGINE_RESTARTED", **figures))

    # B180
    def test_an_engine_that_ends_with_what_central_has_not_booked_names_it_and_exits_with_1(self):
        def assert_named(net, kafka):
            begin = time.monotonic()
            engine = net.engines["cp_001"]
            self.assertEqual(engine.terminate(), 1)
            self.assertLess(time.monotonic() - begin, 10)
            unbooked = engine.said("^a session ends with this process and Central has not booked it$", level="error",
                                   driver_id="ann")
            (energy_mwh, _, _), = net.ended_at_point("cp_001")
            self.assertEqual((unbooked["session_id"], unbooked["energy_mwh"]), (session_id, energy_mwh))
            self.assertGreater(energy_mwh, 0)
            self.assertRegex(unbooked["kafka"], kafka)

        with self.subTest("Kafka has just gone"):
            broker = self.broker()
            with Network(broker, points=1, engine=["--sim-full-after", "10m"]) as net:
                session_id = net.charge("ann", "cp_001")
                net.wait_session(session_id, "CHARGING")
                self.started[-1].kill()
                net.engines["cp_001"].wait_said("^Kafka producer cannot reach")
                assert_named(net, "facts are not acknowledged")
        with self.subTest("Kafka is off"), Network(points=1, engine=["--sim-full-after", "10m"]) as net:
            session_id = net.charge("ann", "cp_001")
            eventually("energy flows", lambda: net.engine_call("cp_001", "GetStatus")["power_w"] > 0)
            assert_named(net, "switched off")

    # B180 B190
    def test_sigterm_ends_a_program_in_time_beside_an_http_client_that_is_slow_on_purpose(self):
        over = threading.Event()

        def drip(address):
            host, port = address.split(":")
            while not over.is_set():
                with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=5) as slow:
                    slow.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
                    while not over.wait(0.2):
                        slow.sendall(b"a")

        for program, *arguments in (("ev-engine", "--kafka-enabled=false"), ("ev-monitor", *MORE["ev-monitor"])):
            with self.subTest(program):
                over.clear()
                process = self.start(program, program, *arguments, "--grpc-port", str(free_port()), "--http-port", "0")
                address = process.wait_said("^listening$")["http"]
                clients = [threading.Thread(target=drip, args=(address,), daemon=True) for _ in range(3)]
                self.addCleanup(over.set)
                for client in clients:
                    client.start()
                eventually("livez", lambda at=address: Network.http(None, "livez", at)[0] == 200)
                self.assertEqual(process.terminate(limit_s=10), 0)
                over.set()
                for client in clients:
                    client.join(timeout=10)

    # B17 B52
    def test_a_list_goes_on_when_the_engine_of_its_charge_was_killed(self):
        requests = self.folder / "requests"
        requests.write_text("cp_001\ncp_404\n")
        with Network(points=1, engine=["--sim-full-after", "10m"]) as net:
            driver = net.driver("ann", "--requests", str(requests), "--pause", "100ms", "--stuck-timeout", "2s")
            eventually("energy flows", lambda: net.engine_call("cp_001", "GetStatus")["power_w"] > 0)
            net.engines["cp_001"].kill()
            self.assertEqual(driver.process.wait(timeout=30), 1)
            self.assertRegex(driver.output(), r"cp_001: the charging point is faulted\n(.*\n)*cp_001: failed  .*\n"
                                              r"2 of 2: cp_404\n(.*\n)*0 completed, 1 denied, 1 failed\n")

    # B133
    def test_a_driver_dials_the_central_that_it_is_told_of_or_localhost_50051(self):
        for arguments, env, central in (((), {}, ('"localhost:50051"', "default")),
                                        ((), {"EV_CENTRAL": "c:1"}, ('"c:1"', "EV_CENTRAL")),
                                        (("--central", "c:2"), {"EV_CENTRAL": "c:1"}, ('"c:2"', "--central"))):
            options = shown_config("ev-driver", "b:1", "d_1", *arguments, env=env)
            self.assertEqual(options["central"], central)
            self.assertEqual((options["kafka.brokers"][0], options["driver.id"][0]), ('"b:1"', '"d_1"'))

    # B176
    def test_a_port_that_is_taken_moves_only_when_it_was_left_at_its_default(self):
        other_grpc, quiet = ("--grpc-port", "0"), ("--http-port", "0")
        for program, option, port, more in (
                ("ev-central", "http", 9464, ("--kafka-enabled=false", *other_grpc)),
                ("ev-engine", "http", 9465, ("--kafka-enabled=false", *other_grpc)),
                ("ev-monitor", "grpc", 50053, (*quiet, *MORE["ev-monitor"])),
                ("ev-driver", "grpc", 50054, quiet)):
            with self.subTest(program), taken(port):
                moved = self.start(f"moved-{program}", program, *more)
                address = moved.wait_said("^listening$")[option]
                self.assertNotEqual(address, f"127.0.0.1:{port}")
                socket.create_connection(address.split(":"), timeout=20).close()
        chosen = free_port()
        for program, port, more in (
                ("ev-central", 50051, ("--kafka-enabled=false", *quiet)),
                ("ev-engine", 50052, ("--kafka-enabled=false", *quiet)),
                ("ev-central", chosen, ("--kafka-enabled=false", "--grpc-port", str(chosen), *quiet)),
                ("ev-central", chosen, ("--kafka-brokers", "127.0.0.1:1", "--grpc-port", str(chosen), *quiet)),
                ("ev-central", chosen, ("--kafka-enabled=false", *other_grpc, "--http-port", str(chosen))),
                ("ev-monitor", chosen, ("--grpc-port", str(chosen), *quiet, *MORE["ev-monitor"])),
                ("ev-driver", chosen, (*other_grpc, "--http-port", str(chosen)))):
            with self.subTest(program, port=port), taken(port):
                folder = [] if program == "ev-monitor" else ["--data-dir", str(self.folder / "second")]
                done = run(program, *folder, *more)
                self.assertEqual(done.returncode, 1, done.stderr)
                self.assertIn(str(port), done.stderr)

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

    # B170 B202
    def test_help_version_and_print_config_work_in_every_program(self):
        for program in SERVICES:
            self.assertRegex(run(program, "--version").stdout, rf"^{program} {VERSION}\n$")
            self.assertIn("Examples", run(program, "--help").stdout)
            shown = run(program, "--print-config", *MORE.get(program, ()))
            self.assertEqual(shown.returncode, 0, program)
            self.assertIn("# default", shown.stdout)
        for program in ("ev-broker", "evctl"):
            self.assertRegex(run(program, "--version").stdout, rf"^{program} {VERSION}\n$")
            self.assertIn("Examples", run(program, "--help").stdout)
        for command in ("get", "describe", "watch", "charge", "stop", "resume", "write-off", "accept-cluster", "doctor",
                        "tail"):
            self.assertIn(f"  evctl {command} ", run("evctl", command, "--help").stdout)

    # B186
    def test_the_defaults_are_what_the_book_says(self):
        expected = {
            "ev-central": {"price.default": "350000", "price.currency": '"EUR"', "command.deadline": '"3s"',
                           "grant.time-to-live": '"30s"', "request.max-age": '"10s"', "link.silence": '"3s"',
                           "dedup.window": "1000000", "topic.retention": '"168h"', "auto.register": "true",
                           "grpc.port": "50051", "http.port": "9464", "listen": '"127.0.0.1"'},
            "ev-engine": {"sim.power-w": "11000", "sim.full-after": '"1m"', "silence.limit": '"3s"',
                          "plug.in": '"auto"', "grpc.port": "50052", "http.port": "9465", "listen": '"127.0.0.1"'},
            "ev-monitor": {"silence.limit": '"3s"', "grpc.port": "50053", "http.port": "9466",
                           "listen": '"127.0.0.1"'},
            "ev-driver": {"pause": '"4s"', "call.timeout": '"4s"', "stuck.timeout": '"30s"', "grpc.port": "50054",
                          "http.port": "9467", "listen": '"127.0.0.1"'},
        }
        for program, defaults in expected.items():
            options = shown_config(program, *MORE.get(program, ()))
            self.assertEqual({name: options[name] for name in defaults},
                             {name: (value, "default") for name, value in defaults.items()}, program)

    # B187
    def test_without_a_data_folder_each_program_has_one_of_its_own_below_the_users_state(self):
        for env, root in (({"XDG_STATE_HOME": "/s", "HOME": "/h"}, "/s/evcharge"),
                          ({"XDG_STATE_HOME": "", "HOME": "/h"}, "/h/.local/state/evcharge")):
            self.assertEqual(shown_config("ev-central", env=env)["data.dir"], (f'"{root}"', "default"))
        engine_port, quiet = free_port(), ("--http-port", "0")
        for name, program, *arguments in (
                ("central", "ev-central", "--kafka-enabled=false", "--grpc-port", str(free_port())),
                (f"engine-{engine_port}", "ev-engine", "--kafka-enabled=false", "--grpc-port", str(engine_port)),
                ("driver-ann", "ev-driver", "--driver-id", "ann", "--grpc-port", str(free_port()))):
            self.start(program, program, *arguments, *quiet, env={"XDG_STATE_HOME": str(self.folder)}).wait_said(
                "^listening$")
            self.assertTrue((self.folder / "evcharge" / name / "lock").is_file(), name)

    # B174
    def test_port_0_wants_an_explicit_data_folder_and_a_folder_belongs_to_one_process(self):
        for program in ("ev-central", "ev-engine"):
            implicit = (program, "--grpc-port", "0", "--kafka-enabled=false", "--check-config")
            done = run(*implicit)
            self.assertEqual(done.returncode, 2, program)
            self.assertIn("--grpc-port 0 wants an explicit --data-dir", done.stderr, program)
            done = run(*implicit, "--data-dir", str(self.folder))
            self.assertEqual(done.returncode, 0, done.stderr)
        for program, *more in (("ev-central",), ("ev-engine",), ("ev-driver", "--driver-id", "ann")):
            arguments = (program, *more, "--grpc-port", "0", "--http-port", "0", "--kafka-enabled=false")
            self.start(program, *arguments).wait_said("^listening$")
            second = run(*arguments, "--data-dir", str(self.folder))
            self.assertEqual(second.returncode, 1, program)
            self.assertIn("is in use by process", second.stderr, program)

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

    # B175
    def test_a_store_is_checked_on_demand(self):
        arguments = ("ev-central", "--check-store", "--data-dir", str(self.folder), "--kafka-enabled=false")
        done = run(*arguments)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("there is no store", done.stderr)
        self.assertFalse((self.folder / "central" / "central.db").exists())
        with Network() as net:
            for i in range(50):
                net.grpcurl("ChargingPointService/CreateChargingPoint", {"charging_point": {
                    "charging_point_id": f"cp_{i:03d}", "location": "a place with a long name " * 4}})
            net.central.terminate()
            shutil.copytree(net.folder / "central", self.folder / "central", dirs_exist_ok=True)
        done = run(*arguments)
        self.assertEqual((done.returncode, done.stdout), (0, f"{self.folder}/central/central.db is sound\n"), done.stderr)
        file = self.folder / "central" / "central.db"
        content = file.read_bytes()
        at = content.index(b"a place with a long name")
        page = at // 4096 * 4096
        file.write_bytes(content[:page + 8] + b"\x55" * 200 + content[page + 208:])
        done = run(*arguments)
        self.assertEqual(done.returncode, 1)
        self.assertIn("damaged", done.stderr)

    # B173
    def test_a_broker_that_is_absent_at_start_is_said_once_and_then_used(self):
        port = free_port()
        with Network(f"localhost:{port}") as net:
            net.central.wait_said("^Kafka producer cannot reach its brokers$", brokers=f"localhost:{port}")
            self.assertEqual(net.grpcurl("ServerService/GetServerInfo")["broker"]["health"], "HEALTH_DEGRADED")
            self.assertEqual(net.grpcurl("grpc.health.v1.Health/Check", {"service": "readiness"})["status"], "SERVING")
            status, body = net.http("readyz")
            self.assertEqual((status, body.splitlines()[0]), (200, "degraded"))
            self.assertIn(f"localhost:{port}", body)
            self.broker(port=port)
            net.central.wait_said("^Kafka producer initialized successfully$")
            eventually("the broker is OK", lambda: net.grpcurl("ServerService/GetServerInfo")["broker"]["health"] ==
                       "HEALTH_OK")
            eventually("ready", lambda: net.http("readyz") == (200, "ready\n"))
            said = [r for r in net.central.records() if "Kafka producer cannot reach" in r["message"]]
            self.assertEqual(len(said), 1)

    def test_the_embedded_broker_has_its_own_topics_although_clients_wait_for_its_port(self):
        port, topic = free_port(), "charging_dead_letter"
        settings = [word for setting in ("reconnect.backoff.ms=1", "reconnect.backoff.max.ms=2",
                                         "topic.metadata.refresh.interval.ms=10") for word in ("-X", setting)]
        for _ in range(4):  # Each asks for the topic as soon as it gets through, and goes on while its input is open.
            client = subprocess.Popen(["kcat", "-b", f"localhost:{port}", "-P", "-t", topic, *settings],
                                      stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            self.addCleanup(client.communicate)
            self.addCleanup(client.kill)
            self.assertIn("Connection refused", client.stderr.readline())
        self.assertEqual(self.partitions(self.broker(port=port), topic), 1)

    # B183
    def test_topics_with_another_number_of_partitions_are_left_as_they_are_and_make_central_not_ready(self):
        broker = self.broker("--partitions", "5")
        with Network(broker) as net:
            eventually("not ready", lambda: net.grpcurl("grpc.health.v1.Health/Check", {"service": "readiness"})[
                "status"] == "NOT_SERVING")
            net.central.wait_said("^the topics cannot be used$")
            status, body = net.http("readyz")
            self.assertEqual((status, body.splitlines()[0]), (503, "not ready"))
            self.assertIn("has 5 partitions, the store was made for 12", body)
            info = net.grpcurl("ServerService/GetServerInfo")
            for part in ("overall", "broker"):
                self.assertEqual(info[part]["health"], "HEALTH_FAILED")
                self.assertIn("has 5 partitions", info[part]["reason"])
            self.assertEqual(self.partitions(broker, "charging_session_data"), 5)

    # B104
    def test_with_kafka_switched_off_a_charge_runs_and_nothing_is_written_to_the_outbox(self):
        with Network(points=1) as net:
            net.central.wait_said("Kafka is switched off")
            net.engines["cp_001"].wait_said("Kafka is switched off")
            session_id = net.charge("ann", "cp_001")
            net.wait_session(session_id, "CHARGING")
            self.assertTrue(net.engine_call("cp_001", "GetStatus")["energy_flows"])
            net.engine_call("cp_001", "Unplug")
            net.wait_session(session_id, "AWAITING_FINAL")
            net.wait_state("cp_001", "AVAILABLE")
            self.assertEqual(net.metric("ev_outbox_rows"), 0)
            self.assertEqual(net.grpcurl("ServerService/GetServerInfo")["broker"]["health"], "HEALTH_OFF")

    # B157 B161 B163 B178 B181
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
                    self.assertEqual(net.http(path, listening["http"])[0], 200, f"{name} /{path}")
            self.assertEqual(len(net.grpcurl("ChargingPointService/ListChargingPoints")["charging_points"]), 1)
            self.assertEqual(net.grpcurl("TicketService/ListTickets")["tickets"], [])
            monitor = net.grpcurl("evcharging.monitor.v1.MonitorService/GetStatus",
                                  address=net.monitors["cp_001"].said("^listening$")["grpc"])
            self.assertIn("cp_001", str(monitor))

    # B156
    def test_the_engines_surface_plugs_faults_and_requests_and_each_call_may_be_repeated(self):
        with Network(self.broker(), points=1, engine=["--plug-in=manual"]) as net:
            for method, health, plug in (
                    ("InjectFault", "FAULTED", "UNPLUGGED"), ("ClearFault", "HEALTHY", "UNPLUGGED"),
                    ("PlugIn", "HEALTHY", "PLUGGED_IN"), ("Unplug", "HEALTHY", "UNPLUGGED")):
                for _ in range(2):
                    net.engine_call("cp_001", method)
                    status = net.engine_call("cp_001", "GetStatus")
                    self.assertEqual((status["report"]["health"], status["plug_state"]),
                                     (f"ENGINE_HEALTH_{health}", f"PLUG_STATE_{plug}"), method)
            # A person at the charging point: checked by Central like anybody.
            net.wait_state("cp_001", "AVAILABLE")
            asked = [net.engine_call("cp_001", "RequestSession", {"driver_id": "walk_in", "request_id": "w1"})
                     for _ in range(2)]
            sessions = net.grpcurl("SessionService/ListSessions")["sessions"]
            self.assertEqual([s["session_id"] for s in sessions], [asked[0]["session_id"]])
            self.assertEqual(asked[1], asked[0])
            self.assertEqual((sessions[0]["driver_id"], sessions[0]["requested_at_point"]), ("walk_in", True))

    # B25 B139
    def test_at_the_engines_prompt_a_person_plugs_in_asks_for_a_charge_and_breaks_the_hardware(self):
        with Network(self.broker(), points=1, engine=["--plug-in=manual"]) as net:
            engine = net.engines["cp_001"]
            engine.type("status")
            engine.wait_output(r"^cp_001  idle  unplugged  register 0\.000000 kWh")
            engine.type("request walk_in 1kWh")
            session_id = engine.wait_output(r"granted: session (\w+)").group(1)
            net.wait_session(session_id, "GRANTED")
            self.assertEqual(net.state("cp_001"), "RESERVED")  # Nobody plugs in but the person.
            engine.type("plug in")
            net.wait_session(session_id, "CHARGING")
            eventually("power flows", lambda: net.engine_call("cp_001", "GetStatus")["power_w"] == 11_000)
            engine.type("status")
            engine.wait_output(rf"cp_001  charging for walk_in, session {session_id}  11\.0 kW  .* EUR  plugged in")
            engine.type("unplug")
            ticket = net.wait_session(session_id, "COMPLETED")["ticket"]
            self.assertEqual((ticket["driver_id"], ticket["end_reason"]), ("walk_in", "END_REASON_UNPLUGGED"))
            engine.type("fault cable damaged")
            net.wait_state("cp_001", "FAULTED")
            self.assertIn("cable damaged", net.point("cp_001")["connection"]["fault"])
            engine.type("request walk_in")
            engine.wait_output("denied: POINT_FAULTED")
            engine.type("clear")
            net.wait_state("cp_001", "AVAILABLE")
            engine.type("dance")
            engine.wait_output("unknown command: dance")
            engine.type("quit")
            self.assertEqual(engine.process.wait(timeout=60), 0)

    # B25
    def test_the_simulator_plugs_in_by_itself_unless_it_is_told_to_leave_that_to_a_person(self):
        with Network(points=1) as net:
            net.wait_session(net.charge("ann", "cp_001"), "CHARGING")
            net.engines["cp_001"].wait_said("^vehicle plugged in$")

    # B181 B188
    def test_what_each_program_counts_is_there_at_0_from_the_start(self):
        names = {
            "ev-central": [
                "ev_messages_in_total", "ev_messages_out_total", "ev_duplicates_total", "ev_dead_letters_total",
                "ev_lag_seconds", "ev_commit_seconds_count", "ev_commit_rows_count", "ev_commit_failures_total",
                "ev_charging_points", "ev_sessions", "ev_links", "ev_outbox_rows", "ev_producer_queue",
                "ev_facts_applied_total", "ev_late_samples_total", "ev_unknown_samples_total",
                "ev_denials_dropped_total", "ev_alerts_total", "ev_dedup_ids", "ev_dedup_evictions_total", "ev_calls_waiting",
                "ev_commit_backlog", "ev_outbox_read_failures_total", "ev_kafka_connected", "ev_tickets_total",
                "ev_billed_energy_mwh_total", "ev_billed_micros_total"],
            "ev-engine": [
                "ev_messages_out_total", "ev_journal_facts", "ev_journal_thinned_facts_total",
                "ev_kafka_in_flight_messages", "ev_sessions", "ev_sessions_unsettled", "ev_kafka_connected"],
            "ev-monitor": ["ev_forwarded_messages_total", "ev_link_connected", "ev_engine_healthy", "ev_commands_waiting",
                           "ev_session_requests_waiting"],
            "ev-driver": [
                "ev_messages_in_total", "ev_driver_denials_total", "ev_driver_sessions_total",
                "ev_driver_undecodable_total", "ev_driver_live_dropped_total", "ev_driver_backlog"],
        }
        labels = {
            ("ev-central", "ev_messages_in_total", "topic"): {"charging_session_data", "charging_session_complete"},
            ("ev-central", "ev_messages_in_total", "result"): {"decoded", "undecodable"},
            ("ev-central", "ev_duplicates_total", "guard"): {"message_id", "ledger"},
            ("ev-central", "ev_dead_letters_total", "reason"): {
                "undecodable", "wrong_key", "wrong_partition", "nonsense", "unknown_session", "wrong_charging_point",
                "wrong_grant", "written_off", "final_differs"},
            ("ev-central", "ev_charging_points", "state"): {
                "available", "reserved", "charging", "stopped", "faulted", "disconnected"},
            ("ev-central", "ev_sessions", "state"): {
                "requested", "unconfirmed", "granted", "charging", "awaiting_final", "completed", "denied", "expired"},
            ("ev-central", "ev_tickets_total", "end_reason"): {
                "unplugged", "driver_stop", "target_reached", "operator_stop", "fault", "monitor_lost", "vehicle_full",
                "engine_restarted", "written_off", "journal_full"},
            ("ev-central", "ev_billed_micros_total", "currency"): {"EUR"},
            ("ev-central", "ev_messages_out_total", "topic"): {
                "charging_status_updates", "system_alerts", "charging_dead_letter"},
            ("ev-central", "ev_messages_out_total", "result"): {"acknowledged", "failed", "dropped"},
            ("ev-driver", "ev_messages_in_total", "topic"): {"charging_status_updates"},
            ("ev-driver", "ev_messages_in_total", "result"): {"decoded", "undecodable"},
            ("ev-monitor", "ev_forwarded_messages_total", "kind"): {
                "beat", "command", "undelivered_command", "configuration", "settlement", "session_request"},
            ("ev-engine", "ev_messages_out_total", "topic"): {"charging_session_data", "charging_session_complete"},
            ("ev-engine", "ev_messages_out_total", "result"): {"acknowledged", "failed"},
        }
        bounds = {
            "ev-central": {
                "ev_outbox_rows_bound", "ev_producer_queue_bound", "ev_commit_backlog_bound", "ev_calls_waiting_bound"},
            "ev-engine": {"ev_journal_facts_bound", "ev_kafka_in_flight_messages_bound"},
            "ev-monitor": {"ev_commands_waiting_bound", "ev_session_requests_waiting_bound"},
            "ev-driver": {"ev_driver_backlog_bound"},
        }
        nowhere = f"localhost:{free_port()}"
        arguments = {
            "ev-central": ["--kafka-brokers=" + nowhere, "--grpc-port", str(free_port())],
            "ev-engine": [nowhere, "--grpc-port", str(free_port())],
            "ev-monitor": [nowhere, nowhere, "cp_001", "--grpc-port", "0"],
            "ev-driver": [nowhere, "ann", "--central", nowhere, "--grpc-port", "0"],
        }
        for program, wanted in names.items():
            process = self.start(program, program, *arguments[program], "--http-port", "0")
            http = process.wait_said("^listening$")["http"]
            text = subprocess.run(["curl", "-sf", f"http://{http}/metrics"], capture_output=True, text=True,
                                  timeout=20, check=True).stdout
            found = list(series(text))
            for name in [*wanted, "grpc_server_started_total", "grpc_server_handled_total"]:
                self.assertEqual({value for n, _, value in found if n == name}, {0}, f"{program} {name}")
            for (where, name, label), values in labels.items():
                if where == program:
                    self.assertEqual({has[label] for n, has, _ in found if n == name}, values, f"{name} {label}")
            build = [has for n, has, value in found if (n, value) == ("ev_build_info", 1)]
            self.assertEqual(build[0]["service"], program)
            self.assertRegex(build[0]["version"], f"^{VERSION}$")
            self.assertEqual({n for n, _, value in found if n.endswith("_bound") and value > 0}, bounds[program])
            self.assertLessEqual({n.removesuffix("_bound") for n in bounds[program]}, {n for n, _, _ in found})
            # What only grows is a counter and is named so; nothing else is.
            for name, kind in re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE):
                self.assertEqual(name.endswith("_total"), kind == "counter", f"{program} {name} {kind}")

    # B135
    def test_a_driver_program_serves_requests_that_name_another_driver(self):
        with Network(self.broker(), points=1) as net:
            driver = net.driver("ann")
            address = driver.wait_said("^listening$")["grpc"]
            net.grpcurl("evcharging.driver.v1.DriverService/StartCharge",
                        {"driver_id": "bob", "charging_point_id": "cp_001"}, address=address)
            sessions = net.grpcurl("SessionService/ListSessions", {"driver_id": "bob"})["sessions"]
            self.assertEqual(len(sessions), 1)

    # B81 B162
    def test_calls_that_are_cancelled_leave_nothing_that_grows_and_cancel_nothing(self):
        # A Monitor that believes in a stopped Engine for a minute leaves the call waiting for it.
        with Network(self.broker(), points=1, central=["--command-deadline", "1m"],
                     monitor=["--silence-limit", "1m"]) as net:
            watch = "evcharging.central.v1.ChargingPointService/WatchChargingPoints"
            for _ in range(5):
                call = subprocess.Popen([str(TOOLS / "grpcurl"), "-plaintext", net.central_address, watch],
                                        stdout=subprocess.PIPE, text=True)
                self.assertIn("{", call.stdout.readline())  # The stream is open.
                call.kill()
                call.communicate(timeout=60)
            method = {"grpc_method": "WatchChargingPoints"}
            self.assertEqual(net.metric("grpc_server_started_total", **method), 5)
            eventually("the streams have ended", lambda: net.metric("grpc_server_handled_total", **method) == 5)

            engine = net.engines["cp_001"]
            engine.signal(signal.SIGSTOP)
            try:
                call = subprocess.Popen(
                    [str(TOOLS / "grpcurl"), "-plaintext", "-d", '{"driver_id": "ann", "charging_point_id": "cp_001"}',
                     net.central_address, "evcharging.central.v1.SessionService/StartSession"],
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                eventually("the call waits", lambda: net.metric("ev_calls_waiting") == 1)
                call.kill()
                call.wait(timeout=60)
                method = {"grpc_method": "StartSession"}
                eventually("the call has ended", lambda: net.metric("grpc_server_handled_total", **method) == 1)
                self.assertEqual(net.metric("grpc_server_handled_total", grpc_code="Canceled", **method), 1)
            finally:
                engine.signal(signal.SIGCONT)
            session_id = net.grpcurl("SessionService/ListSessions")["sessions"][0]["session_id"]
            net.wait_session(session_id, "CHARGING")
            eventually("no call waits", lambda: net.metric("ev_calls_waiting") == 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)

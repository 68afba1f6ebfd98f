"""The operator's command line, against running programs."""
import csv
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import unittest

from network import BIN, Network, Process, ProcessTest, eventually, free_port, run, start_broker
from terminal import TerminalProcess


class Evctl(ProcessTest):
    def network(self, **more):
        net = Network(start_broker(self), points=2, **more)
        net.__enter__()
        self.addCleanup(net.stop)
        return net

    def evctl(self, net, *arguments, code=0):
        done = run("evctl", *arguments, "--central", net.central_address)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stderr

    # B193 B194
    def test_a_charge_is_asked_for_followed_listed_described_and_its_figures_are_those_of_the_ticket(self):
        net = self.network(engine=["--sim-full-after", "3s"])
        followed = self.evctl(net, "charge", "cp_001", "--driver", "ann", "--follow")
        self.assertRegex(followed, r"(?m)^\d\d:\d\d:\d\d .*CHARGING  ann  cp_001")
        ticket = net.tickets(driver_id="ann")[0]
        energy, amount = (f"{int(ticket[name]) / 1e6:.6f}" for name in ("energy_mwh", "amount_micros"))
        self.assertIn(f"bills:       {energy} kWh x 0.350000 = {amount} EUR", followed)
        for what, one in (("ticket", ticket["ticket_id"]), ("session", ticket["session_id"])):
            self.assertIn(f"= {amount} EUR", self.evctl(net, "describe", what, one))
        rows = list(csv.DictReader(io.StringIO(self.evctl(net, "get", "tickets", "--since", "1h", "-o", "csv"))))
        self.assertEqual([(r["ticket_id"], r["energy_kwh"], r["amount"]) for r in rows],
                         [(ticket["ticket_id"], energy, amount)])
        self.assertEqual(json.loads(self.evctl(net, "get", "tickets", "-o", "json"))["ticket_id"], ticket["ticket_id"])
        self.assertEqual(self.evctl(net, "get", "tickets", "--until", "1h"), "none\n")
        table = self.evctl(net, "get", "sessions", "--driver", "ann").splitlines()
        self.assertEqual((table[0].split()[:4], table[1].split()[:4]),
                         (["SESSION", "STATE", "DRIVER", "POINT"], [ticket["session_id"], "COMPLETED", "ann", "cp_001"]))
        self.assertIn("cp_002", self.evctl(net, "get", "points", "--state", "available", "-o", "wide"))
        self.assertEqual(self.evctl(net, "get", "points", "--state", "faulted"), "none\n")
        self.assertEqual(self.evctl(net, "get", "gaps"), "none\n")

    # B194
    def test_points_and_sessions_are_stopped_and_points_resumed_with_reason_and_name(self):
        net = self.network()
        shown = self.evctl(net, "stop", "point", "cp_001", "--reason", "cable damaged", "--as", "eve")
        self.assertRegex(shown, r"cp_001 +STOPPED .*operator: cable damaged")
        self.assertEqual(net.point("cp_001")["causes"][0]["requested_by"], "eve")
        refused = self.evctl(net, "charge", "cp_001", "--driver", "ann", code=1)
        self.assertIn("POINT_STOPPED", refused)
        self.assertRegex(self.evctl(net, "resume", "point", "cp_001"), "cp_001 +AVAILABLE")
        self.evctl(net, "charge", "cp_001", "--driver", "ann")
        session = net.grpcurl("SessionService/ListSessions")["sessions"][0]["session_id"]
        net.wait_session(session, "CHARGING")
        self.evctl(net, "stop", "session", session)
        net.wait_session(session, "COMPLETED")
        self.assertRegex(self.evctl(net, "stop", "all", "--reason", "storm"), r"cp_002 +STOPPED .*storm \(all points\)")
        self.evctl(net, "resume", "all")
        net.wait_state("cp_002", "AVAILABLE")
        # What cannot be closed says why.
        self.assertIn("SESSION_CLOSED", self.evctl(net, "write-off", session, code=1))
        self.assertIn("CLUSTER_NOT_SEEN", self.evctl(net, "accept-cluster", "nonsense", code=1))

    # B194
    def test_an_order_that_is_not_clear_changes_nothing_and_exits_with_2(self):
        net = self.network()
        for words, said in (("stop point", "which one?"), ("stop all cp_001", "takes no id"), ("stop", "stop point, session or all"),
                            ("resume session x", "resume point or all"), ("charge cp_001", "--driver names"),
                            ("charge cp_001 --driver ann --target 5", "--target: "),
                            ("charge cp_001 --driver ann --target 5USD", "charges in EUR, not in USD"),
                            ("describe point", "which one?"), ("get points --driver ann", "--driver is no filter of points"),
                            ("get sessions --since 1h", "--since is no filter of sessions"),
                            ("get points --state chargin", "did you mean CHARGING?"), ("get points -o xml", "-o: table"),
                            ("watch tickets", "watch points or sessions"), ("write-off", "which session?"),
                            ("stop point ''", "id: it is empty"), ("stop point -", "evctl stop all"), ("resume point -", "evctl resume all"), ("log-level debug --for ''", "--for: it is empty"),
                            ("backup copy.db --timeout 5", "--timeout")):
            with self.subTest(words):
                self.assertIn(said, self.evctl(net, *shlex.split(words), code=2))
        self.assertEqual({p["state"] for p in net.grpcurl("ChargingPointService/ListChargingPoints")["charging_points"]},
                         {"CHARGING_POINT_STATE_AVAILABLE"})
        self.assertEqual(net.grpcurl("SessionService/ListSessions").get("sessions", []), [])

    # B205
    def test_a_flag_goes_first_then_a_named_context_the_environment_the_current_context_and_the_default(self):
        net = self.network()
        nowhere = f"127.0.0.1:{free_port()}"
        file = net.folder / "contexts" / "config.toml"
        env = {"XDG_CONFIG_HOME": str(net.folder / "none"), "EVCTL_CONFIG": str(file)}

        def evctl(*arguments, **more):
            return run("evctl", *arguments, env={**env, **more})
        self.assertIn(f"there is no {file}", evctl("get", "points").stderr)
        for name, central in (("here", net.central_address), ("far", nowhere)):
            done = evctl("config", "set-context", name, "--central", central, "--kafka-brokers", net.broker)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("localhost:50051", evctl("get", "points", "--timeout", "1").stderr)  # None is current.
        self.assertEqual(evctl("config", "current-context").returncode, 1)
        evctl("config", "use-context", "far")
        self.assertIn(f"Central at {nowhere} (context far) does not answer", evctl("get", "points").stderr)
        self.assertIn("cp_001", evctl("get", "points", "--context", "here").stdout)
        self.assertIn("cp_001", evctl("get", "points", EV_CENTRAL=net.central_address).stdout)
        self.assertIn("cp_001", evctl("get", "points", "--central", net.central_address, EV_CENTRAL="127.0.0.1:1").stdout)
        self.assertIn("cp_001", evctl("get", "points", "--context", "here", EV_CENTRAL=nowhere).stdout)
        both = evctl("get", "points", "--context", "here", "--central", nowhere)
        self.assertIn(f"Central at {nowhere} does not answer", both.stderr)
        # The brokers by the same rule.
        tail = ("tail", "charging_session_data", "--context", "far")
        self.assertEqual(evctl(*tail).returncode, 0)
        self.assertEqual(evctl("dead-letters", "list").stdout, "none\n")
        self.assertEqual(evctl(*tail, EV_KAFKA_BROKERS=nowhere).returncode, 0)
        self.assertIn(nowhere, evctl(*tail[:2], EV_KAFKA_BROKERS=nowhere).stderr)
        self.assertEqual(evctl(*tail, "--kafka-brokers", net.broker, EV_KAFKA_BROKERS=nowhere).returncode, 0)
        doctor = evctl("doctor", "--context", "here").stdout
        self.assertRegex(doctor, f"(?m)^ok +context +here of {file}; Central at {net.central_address}, brokers at {net.broker}$")
        self.assertRegex(run("evctl", "doctor", env={**env, "EVCTL_CONFIG": "", "EV_CENTRAL": net.central_address}).stdout,
                         f"(?m)^ok +context +none; Central at {net.central_address}, ")
        # --config goes before EVCTL_CONFIG, and the file in its folder is the default.
        self.assertEqual(evctl("config", "get-contexts", "-o", "name", "--config", str(net.folder / "other")).stdout, "")
        default = run("evctl", "get", "points", env={"XDG_CONFIG_HOME": str(net.folder / "xdg")}).stderr
        self.assertIn("localhost:50051", default)
        run("evctl", "config", "set-context", "x", "--central", nowhere, env={"XDG_CONFIG_HOME": str(net.folder / "xdg")})
        self.assertTrue((net.folder / "xdg/evcharge/config.toml").is_file())

    # B206
    def test_contexts_are_listed_chosen_changed_and_deleted(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-"))
        self.addCleanup(shutil.rmtree, folder, True)

        def config(*arguments, code=0):
            done = run("evctl", "config", *arguments, "--config", str(folder / "config"))
            self.assertEqual(done.returncode, code, done.stderr)
            return done.stdout if code == 0 else done.stderr
        self.assertEqual(config("get-contexts"), "none\n")
        config("set-context", "north", "--central", "central.north:1")
        config("set-context", "north", "--kafka-brokers", "kafka.north:2,kafka.north:3")
        config("set-context", "south", "--central", "dns:///central.south:1")
        self.assertIn("did you mean south?", config("use-context", "soutj", code=2))
        config("use-context", "south")
        self.assertEqual([line.split() for line in config("get-contexts").splitlines()[1:]],
                         [["north", "central.north:1", "kafka.north:2,kafka.north:3"], ["*", "south", "dns:///central.south:1"]])
        self.assertEqual(config("get-contexts", "-o", "name"), "north\nsouth\n")
        self.assertEqual(config("current-context"), "south\n")
        self.assertIn('[contexts.north]\ncentral = "central.north:1"\n', config("view"))
        config("delete-context", "south")
        self.assertEqual(config("get-contexts", "-o", "name"), "north\n")
        self.assertIn("no context is current", config("current-context", code=1))
        before = (folder / "config").read_bytes()
        for words, said in (("", "config get-contexts, current-context"), ("set-context", "which context?"),
                            ("set-context x", "--central or --kafka-brokers says so"), ("view x", "it takes no name"),
                            ("set-context x --central y", '--central: "y" is not host:port'),
                            ("set-context a/b --central y:1", "no name of a context"),
                            ("use-context north --central y:1", "are of set-context"),
                            ("delete-context x", 'no context "x"'), ("get-contexts -o csv", "table or name")):
            self.assertIn(said, config(*words.split(), code=2), words)
        self.assertEqual((folder / "config").read_bytes(), before)
        (folder / "config").write_text("current-context = north\n\n[contexts.north]\ncentrl = \"a:1\"\n", encoding="utf-8")
        for command in (("get", "points"), ("tail", "x"), ("dead-letters", "list"), ("doctor",), ("watch", "points")):
            done = run("evctl", *command, "--config", str(folder / "config"))
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, f"^evctl: {folder}/config, line 4: contexts.north.centrl: .*did you mean central\\?; mend it")

    # B193
    def test_watch_shows_what_is_there_then_each_change_until_it_is_asked_to_stop(self):
        net = self.network()
        watch = self.keep(Process("watch", ["evctl", "watch", "points", "--central", net.central_address], net.folder))
        watch.wait_output("cp_001  AVAILABLE")
        self.evctl(net, "stop", "point", "cp_002")
        watch.wait_output("cp_002  STOPPED")
        watch.signal(signal.SIGINT)
        self.assertEqual(watch.process.wait(timeout=20), 0)
        cut = self.keep(Process("cut", ["evctl", "watch", "sessions", "--central", net.central_address], net.folder))
        net.charge("ann", "cp_001")
        cut.wait_output("ann  cp_001")
        net.central.kill()
        self.assertEqual(cut.process.wait(timeout=20), 1)

    def top(self, net, *more, rows=24, env=None):
        terminal = TerminalProcess("evctl", ["evctl", "top", "--central", net.central_address, *more], net.folder, rows, 120,
                                   env=env)
        self.addCleanup(terminal.close)
        self.addCleanup(terminal.process.kill)
        return terminal

    # B207
    def test_top_shows_the_network_live_and_outlives_a_central_that_goes_away(self):
        net = self.network(engine=["--sim-power-w", "36000"])
        top = self.top(net)
        top.wait_text("2 points: 2 available  |  0.0 kW")
        self.assertTrue(top.is_panel())
        session = net.charge("ann", "cp_002")
        eventually("it charges, the highest power first", lambda: re.search(
            r"(?s)2 points: 1 available, 1 charging  \|  36.0 kW\n1 session: 1 charging .*\nPOINT .*\ncp_002 +CHARGING +ann +36.0 kW.*\ncp_001 ",
            top.text()))
        self.assertEqual(top.color_of("cp_002"), "32")
        top.type("I")
        eventually("by id", lambda: re.search(r"(?s)\ncp_001 .*\ncp_002 .*by id", top.text()))
        top.type("/CP_002")
        eventually("only those", lambda: "cp_001" not in top.text() and "filter: CP_002_" in top.text())
        top.type("\r")
        top.wait_text('filter "CP_002"')
        top.type("\x1b")
        top.wait_text("cp_001")
        top.resize(5, 60)
        top.wait_text("the window is too small")
        top.resize(7, 60)
        top.wait_text("page 1 of 1")
        top.resize(6, 60)
        top.wait_text("page 1 of 2")
        top.type("n")
        top.wait_text("page 2 of 2")
        top.resize(24, 120)
        net.grpcurl("SessionService/StopSession", {"session_id": session})
        ticket = eventually("the ticket is there", lambda: net.tickets(driver_id="ann"))[0]
        top.wait_text(f": 1 ticket, {int(ticket['energy_mwh']) / 1e6:.3f} kWh, EUR ")
        net.central.kill()
        top.wait_text("does not answer since")
        self.assertEqual(top.color_of("Central at"), "31")
        top.wait_text("cp_001")
        net.start_central()
        eventually("it is followed again", lambda: "does not answer" not in top.text() and "2 available" in top.text())
        self.assertEqual(top.screen.unknown, [])

    # B207
    def test_every_end_of_top_leaves_the_terminal_as_it_was(self):
        net = self.network()
        for name, end in (("q", lambda t: t.type("q")), ("Ctrl-C", lambda t: t.type("\x03")),
                          ("SIGTERM", lambda t: t.process.send_signal(signal.SIGTERM)),
                          ("Ctrl-S, then SIGTERM", lambda t: (t.type("\x13"), t.process.send_signal(signal.SIGTERM)))):
            with self.subTest(name):
                top = self.top(net, env={"NO_COLOR": "1"})
                top.wait_text("2 points: 2 available")
                self.assertFalse(top.is_restored())
                end(top)
                self.assertEqual(top.process.wait(timeout=20), 0)
                eventually("the terminal is as it was", top.is_restored)
                self.assertTrue(top.seen.rindex(b"\x1b[?25h") > top.seen.rindex(b"\x1b[?25l"))
                self.assertIsNone(re.search(rb"\x1b\[[0-9;]+m", top.seen))
        nowhere = TerminalProcess("evctl", ["evctl", "top", "--central", f"127.0.0.1:{free_port()}"], net.folder, 24, 120)
        self.addCleanup(nowhere.close)
        self.assertEqual(nowhere.process.wait(timeout=20), 1)
        nowhere.wait_text("does not answer")
        self.assertTrue(nowhere.is_restored())

    # B207
    def test_top_gives_the_terminal_back_while_it_is_suspended(self):
        net = self.network()
        shell = TerminalProcess("shell", ["/bin/bash", "--norc", "--noprofile", "-i"], net.folder, 24, 120)
        self.addCleanup(shell.close)
        self.addCleanup(shell.process.kill)
        shell.type(f"{BIN}/evctl top --central {net.central_address}\n")
        shell.wait_text("2 points: 2 available")
        shell.type("\x1a")
        shell.wait_text("Stopped")
        self.assertFalse(shell.is_panel())
        self.assertGreater(shell.seen.rindex(b"\x1b[?25h"), shell.seen.rindex(b"\x1b[?25l"))
        shell.type("fg\n")
        shell.wait_text("2 points: 2 available")
        self.assertTrue(shell.is_panel())
        shell.type("q")
        eventually("it has left", lambda: not shell.is_panel())
        shell.type("exit\n")
        shell.process.wait(timeout=20)

    # B208
    def test_top_without_a_terminal_or_with_once_prints_one_snapshot(self):
        net = self.network()
        net.charge("ann", "cp_002")
        net.wait_state("cp_002", "CHARGING")
        once = eventually("power flows", lambda: (lambda text: "W  " in text and text)(self.evctl(net, "top")))
        self.assertRegex(once, r"^2 points: 1 available, 1 charging  \|  11.0 kW\n1 session: 1 charging  \|  on the meter .*\n\n"
                               r"POINT .*\ncp_002 +CHARGING +ann +11.0 kW .*\ncp_001 +AVAILABLE .*\n$")
        names, *rows = csv.reader(io.StringIO(self.evctl(net, "top", "-o", "csv")))
        self.assertEqual(names, next(csv.reader(io.StringIO(self.evctl(net, "get", "points", "-o", "csv")))))
        self.assertEqual([row[0] for row in rows], ["cp_002", "cp_001"])
        self.assertEqual([json.loads(line)["charging_point_id"] for line in self.evctl(net, "top", "-o", "json").splitlines()],
                         ["cp_002", "cp_001"])
        terminal = self.top(net, "--once")
        self.assertEqual(terminal.process.wait(timeout=20), 0)
        terminal.wait_text("cp_001")
        self.assertNotIn(b"\x1b[?1049h", terminal.seen)
        self.assertIn("-o: table", self.evctl(net, "top", "-o", "xml", code=2))

    # B195
    def test_doctor_says_what_is_wrong_and_what_to_do(self):
        net = self.network()
        done = run("evctl", "doctor", "--central", net.central_address, "--kafka-brokers", net.broker)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertRegex(done.stdout, r"(?m)^ok +points +2 of 2 connected$")
        self.assertRegex(done.stdout, r"(?m)^ok +kafka ")
        self.assertNotIn("warning", done.stdout)
        self.evctl(net, "stop", "point", "cp_001", "--reason", "cable damaged")
        net.engine_call("cp_002", "InjectFault", {"fault": "relay stuck"})
        net.wait_state("cp_002", "FAULTED")
        done = run("evctl", "doctor", "--central", net.central_address, "--kafka-brokers", net.broker)
        self.assertRegex(done.stdout, r"(?m)^warning +points +cp_002 FAULTED: no charge begins\n +why: evctl describe point cp_002$")
        self.assertRegex(done.stdout, r"(?m)^warning +points +cp_001 STOPPED: no charge begins\n +if .*: evctl resume point cp_001$")
        for cp, why in (("cp_001", "is out of order: cable damaged"), ("cp_002", "is faulted: relay stuck")):
            self.assertIn(why, self.evctl(net, "charge", cp, "--driver", "ann", code=1))
        self.assertIn("evctl resume point cp_001", self.evctl(net, "resume", "all"))
        self.evctl(net, "resume", "point", "cp_001")
        net.monitors["cp_002"].kill()
        net.wait_state("cp_002", "DISCONNECTED")
        done = run("evctl", "doctor", "--central", net.central_address, "--kafka-brokers", net.broker)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"(?m)^warning +points +1 of 2 connected\n +evctl get points --state disconnected$")
        net.central.kill()
        done = run("evctl", "doctor", "--central", net.central_address, "--kafka-brokers", "127.0.0.1:1", "--timeout", "2")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"(?m)^FAILED +central +Central at .* does not answer")
        self.assertRegex(done.stdout, r"(?m)^FAILED +kafka +no broker at 127.0.0.1:1 answers")
        self.assertIn("doctor: 2 failed", done.stderr)

    # B193
    def test_colours_are_for_a_terminal_and_not_with_no_color(self):
        net = self.network()
        for env, colored in (({}, True), ({"NO_COLOR": "1"}, False)):
            terminal = TerminalProcess("evctl", ["evctl", "get", "points", "--central", net.central_address], net.folder,
                                       env={**os.environ, **env})
            self.assertEqual(terminal.process.wait(timeout=20), 0)
            terminal.wait_text("cp_002")
            self.assertEqual(terminal.color_of("AVAILABLE"), "32" if colored else "")
            terminal.close()
        self.assertNotIn("\x1b", self.evctl(net, "get", "points"))

    # B198
    def test_what_is_put_aside_is_listed_with_its_reason_and_shown_whole(self):
        net = self.network()
        asked = ("--kafka-brokers", net.broker)
        self.assertEqual(run("evctl", "dead-letters", "list", *asked).stdout, "none\n")
        subprocess.run(["kcat", "-b", net.broker, "-P", "-t", "charging_session_data", "-p", "0", "-k", "cp_001"],
                       input=b"\xff\xfe", timeout=60, check=True)
        listed = eventually("the message is put aside", lambda: [
            row for row in csv.DictReader(io.StringIO(run("evctl", "dead-letters", "list", "-o", "csv", *asked).stdout))])
        self.assertEqual([(r["offset"], r["reason"], r["key"], r["origin_topic"], r["origin_offset"]) for r in listed],
                         [("0", "UNDECODABLE", "cp_001", "charging_session_data", "0")])
        self.assertIn("UNDECODABLE", run("evctl", "dead-letters", "list", *asked).stdout)
        shown = run("evctl", "dead-letters", "show", "0", *asked).stdout
        self.assertIn("ev-reason: UNDECODABLE\n", shown)
        self.assertIn("undecodable: fffe\n", shown)
        missing = run("evctl", "dead-letters", "show", "7", *asked)
        self.assertEqual(missing.returncode, 1)
        self.assertIn("holds no 0/7", missing.stderr)
        for words in ("show", "show x", "replay"):
            self.assertEqual(run("evctl", "dead-letters", *words.split(), *asked).returncode, 2, words)

    # B198
    def test_tail_shows_what_is_about_one_session_or_point_only(self):
        net = self.network(engine=["--sim-full-after", "2s"])
        sessions = [net.charge("ann", "cp_001"), net.charge("bob", "cp_002")]
        for session in sessions:
            net.wait_session(session, "COMPLETED")
        for flags in (("--session", sessions[1]), ("--point", "cp_002"), ("--point", "cp_002", "-o", "ancestor")):
            finals = net.topic("charging_session_complete", *flags)
            self.assertEqual([m.get("value", m)["session_id"] for m in finals], [sessions[1]], flags)
        self.assertEqual(net.topic("charging_session_complete", "--session", sessions[0], "--point", "cp_002"), [])

    # B209
    def test_the_exit_code_tells_done_from_failed_from_asked_wrongly(self):
        net = self.network()
        for words, code in (("get points", 0), ("top --once", 0), ("get gaps -o csv", 0), ("stop point cp_009", 1),
                            ("describe session 0000", 2), ("describe point cp_009", 1), ("charge cp_009 --driver ann", 1),
                            ("get nothing", 2), ("top --nope", 2), ("get points --context nowhere", 2)):
            self.assertEqual(run("evctl", *words.split(), "--central", net.central_address).returncode, code, words)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([str(BIN / "evctl"), "get", "points", "--central", net.central_address], stdout=full,
                                  stderr=subprocess.PIPE, timeout=60, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"could not be written", done.stderr)
        said = run("evctl", "--help").stdout
        for text in ("Exit: 0 done", "1 it failed", "2 it was asked for wrongly", "NO_COLOR", "else the context"):
            self.assertIn(text, said)

    # B196
    def test_the_shells_complete_commands_and_their_options(self):
        script = run("evctl", "completion", "bash").stdout
        ask = script + 'COMP_WORDS=(evctl %s); COMP_CWORD=%d; _evctl; echo "${COMPREPLY[*]}"'
        for words, index, wanted in (("d", 1, "describe doctor"), ("get p", 2, "points"), ("get points --si", 3, "--site --since"),
                                     ("stop ''", 2, None)):
            done = run_shell(ask % (words, index))
            if wanted:
                self.assertEqual(done.split()[:len(wanted.split())], wanted.split(), words)
            else:
                self.assertIn("session", done)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-"))
        self.addCleanup(shutil.rmtree, folder, True)
        env = {"EVCTL_CONFIG": str(folder / "config")}
        for name in ("north", "south"):
            run("evctl", "config", "set-context", name, "--central", "a:1", env=env)
        for words, index, wanted in (("t", 1, "top tail"), ("get ga", 2, "gaps"), ("config us", 2, "use-context"),
                                     ("get points --context ''", 4, "north south"), ("top --context so", 3, "south"),
                                     ("config use-context n", 3, "north")):
            done = run_shell(ask.replace("(evctl ", f"({BIN}/evctl ") % (words, index), env)
            self.assertEqual(sorted(done.split()), sorted(wanted.split()), words)
        self.assertIn("bashcompinit", run("evctl", "completion", "zsh").stdout)
        self.assertEqual(run("evctl", "completion", "fish").returncode, 2)


def run_shell(script, env=None):
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=20, check=True,
                          env={**os.environ, **(env or {})}).stdout


if __name__ == "__main__":
    unittest.main(verbosity=2)

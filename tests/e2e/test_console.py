"""Central's console as an operator has it: on a terminal, in a pipe, and without either."""
import re
import select
import signal
import socket
import unittest

from network import LIMIT_S, Network, eventually, free_port, start_broker
from terminal import TerminalProcess


class OnTerminal(Network):
    """A network whose Central is in the foreground of a terminal."""

    def __init__(self, rows=30, columns=100, env=None, **more):
        super().__init__(**more)
        self.size, self.env = (rows, columns), env

    def start_central(self, *more):
        self.central = TerminalProcess(
            "central", ["ev-central", "--grpc-port", str(self.central_port), "--http-port", str(self.http_port),
                        *self.kafka_arguments(), "--data-dir", str(self.folder), *self.central_arguments, *more],
            self.folder, *self.size, env=self.env)
        self.processes.append(self.central)
        eventually("Central listens", self.listens)
        return self.central

    def listens(self):
        with socket.create_connection(("127.0.0.1", self.central_port), timeout=5):
            return True

    def wait_state(self, cp, state, limit_s=LIMIT_S):
        if self.central.is_panel():
            eventually(f"{cp} is shown {state}; the screen is:\n{self.central.text()}",
                       lambda: re.search(rf"^{cp} +{state}", self.central.text(), re.M), limit_s)
        else:
            super().wait_state(cp, state, limit_s)

    def stop(self):
        super().stop()
        self.central.close()


class Panel(unittest.TestCase):
    # B182
    def test_the_panel_shows_each_point_with_its_colour_live_figures_and_what_was_asked(self):
        with OnTerminal(broker=start_broker(self), points=2, engine=["--sim-power-w", "36000"]) as net:
            terminal = net.central
            terminal.wait_text("2 points: 2 available")
            self.assertEqual(terminal.color_of("cp_001"), "32")
            terminal.wait_prompt()

            terminal.type("charge ann cp_001\n")
            net.wait_state("cp_001", "CHARGING")
            terminal.wait_text("request  ann at cp_001")
            eventually("energy flows", lambda: re.search(r"cp_001 +CHARGING +36.0 kW +0.0[1-9]\d kWh +EUR 0.0\d +ann", terminal.text()))
            terminal.type("charge bob cp_unknown\n")
            terminal.wait_text("denied   bob at cp_unknown  POINT_UNKNOWN")

            terminal.type("stop cp_002 cleaning the floor\n")
            net.wait_state("cp_002", "STOPPED")
            terminal.wait_text("Out of Order: operator, cleaning the floor (console)")
            self.assertEqual(terminal.color_of("cp_002"), "38;5;208")
            terminal.type("resume cp_002\n")
            net.wait_state("cp_002", "AVAILABLE")

            net.engines["cp_002"].type("fault cable damaged")
            net.wait_state("cp_002", "FAULTED")
            terminal.wait_text("cable damaged")
            eventually("it is red", lambda: terminal.color_of("cp_002") == "31")
            net.monitors["cp_002"].kill()
            net.wait_state("cp_002", "DISCONNECTED")
            terminal.wait_text("was FAULTED")
            self.assertEqual(terminal.color_of("cp_002"), "90")
            terminal.wait_text("charging point changed cp_id=cp_002")  # The log's last lines.
            log = (net.folder / "central/log").read_text(encoding="utf-8")
            self.assertIn("charging point changed cp_id=cp_002 state=DISCONNECTED", log)
            self.assertEqual(terminal.screen.unknown, [])

    # B182
    def test_what_is_typed_stays_on_the_last_line_while_the_panel_lives_and_the_window_changes(self):
        with OnTerminal(points=1) as net:
            terminal = net.central
            terminal.wait_prompt()
            terminal.type("show cp_0")
            terminal.wait_prompt("show cp_0")
            net.add_point("cp_002")  # The panel changes meanwhile.
            net.wait_state("cp_002", "AVAILABLE")
            terminal.wait_prompt("show cp_0")
            for rows, columns in ((20, 60), (40, 120), (24, 80)):
                terminal.resize(rows, columns)
                eventually("the panel begins on the first line", lambda: terminal.lines()[0].startswith("EVCharge Central"))
                terminal.wait_prompt("show cp_0")
                self.assertEqual(len([line for line in terminal.lines() if line.startswith("EVCharge Central")]), 1)
                if columns == 60:
                    eventually("what is cut is marked", lambda: [
                        line for line in terminal.lines()
                        if "charging point changed" in line and len(line) == 60 and line.endswith(">")])
            terminal.type("01\n")
            terminal.wait_text("price: EUR 0.35 per kWh")
            terminal.wait_prompt()
            # What was typed moved nothing.
            self.assertRegex(terminal.text(), r"^EVCharge Central .*\n2 points: 2 available.*\ncp_001 .*\ncp_002 ")
            terminal.type("nonsense\n")
            terminal.wait_text('unknown command "nonsense"; `help` lists them')
            terminal.type("sh\tcp_00\t2\n")  # Completion of commands and of ids.
            terminal.wait_text("> show cp_002")

    # B182
    def test_q_leaves_the_panel_the_prompt_goes_on_and_panel_enters_it_again(self):
        with OnTerminal(points=1) as net:
            terminal = net.central
            terminal.type("q\n")
            eventually("the panel has gone", lambda: not terminal.is_panel())
            terminal.wait_text("`panel` shows the panel again")
            terminal.type("list\n")
            terminal.wait_text("cp_001        AVAILABLE")
            terminal.type("panel\n")
            eventually("the panel is there", terminal.is_panel)
            terminal.wait_text("1 point: 1 available")
            terminal.wait_prompt()

    # B182
    def test_on_a_small_terminal_the_panel_comes_when_it_is_called(self):
        with OnTerminal(points=1, rows=12, columns=60) as net:
            terminal = net.central
            self.assertFalse(terminal.is_panel())
            terminal.wait_text("the window is small: `panel` shows")
            terminal.type("panel\n")
            eventually("the panel is there", terminal.is_panel)
            terminal.wait_text("cp_001        AVAILABLE")
            terminal.wait_prompt()
            terminal.type("q\n")
            eventually("the panel has gone", lambda: not terminal.is_panel())

    # B182
    def test_no_color_means_no_colour(self):
        with OnTerminal(points=1, env={"NO_COLOR": "1"}) as net:
            net.central.wait_text("cp_001        AVAILABLE")
            net.central.type("stop cp_001\n")
            net.wait_state("cp_001", "STOPPED")
            self.assertIsNone(re.search(rb"\x1b\[[0-9;]+m", net.central.seen))

    # B182
    def test_without_the_panel_there_are_log_lines_and_a_prompt(self):
        with OnTerminal(points=1, central=["--panel=false"]) as net:
            net.central.wait_text("charging point registered")
            self.assertNotIn(b"\x1b[?1049h", net.central.seen)
            net.central.type("list\n")
            net.central.wait_text("cp_001        AVAILABLE")

    # B180 B182
    def test_every_end_leaves_the_terminal_as_it_was(self):
        for name, end in (("quit", lambda t: t.type("quit\n")), ("Ctrl-C", lambda t: t.type("\x03")),
                          ("SIGTERM", lambda t: t.process.send_signal(signal.SIGTERM))):
            with self.subTest(name), OnTerminal(points=1) as net:
                terminal = net.central
                self.assertTrue(terminal.is_panel())
                terminal.wait_prompt()
                self.assertFalse(terminal.is_restored())
                terminal.type("half a comm")
                terminal.wait_prompt("half a comm")
                if name == "quit":
                    terminal.type("\x15")  # Ctrl-U.
                end(terminal)
                self.assertEqual(terminal.process.wait(timeout=20), 0)
                eventually("the terminal is as it was", terminal.is_restored)
                self.assertIn(b"\x1b[r", terminal.seen[terminal.seen.rindex(b"\x1b[?1049h"):])
                terminal.wait_text("stopped")  # The log is on stderr again.

    # B182
    def test_an_output_that_nobody_reads_does_not_hold_up_the_end(self):
        with OnTerminal(points=1) as net:
            net.central.wait_prompt()
            net.central.type("\x13")  # Ctrl-S: the terminal takes it a moment later.
            eventually("nothing can be written", lambda: not select.select([], [net.central.slave], [], 0)[1])
            net.central.process.send_signal(signal.SIGTERM)
            self.assertEqual(net.central.process.wait(timeout=20), 0)


class EnginePrompt(unittest.TestCase):
    # B139
    def test_what_is_typed_stands_below_what_is_logged_and_answered_meanwhile(self):
        with Network(points=0) as net:
            port = free_port()
            engine = TerminalProcess("engine", ["ev-engine", "--grpc-port", str(port), "--http-port", "0", "--kafka-enabled=false",
                                                "--data-dir", str(net.folder)], net.folder)
            self.addCleanup(engine.close)
            self.addCleanup(engine.process.kill)
            engine.wait_below()
            engine.type("fault cab")
            engine.wait_below("fault cab")
            monitor = net.start("monitor", "ev-monitor", f"127.0.0.1:{port}", net.central_address, "cp_009",
                                "--grpc-port", "0", "--http-port", "0")
            engine.wait_text("Monitor connected")
            engine.wait_below("fault cab")
            engine.type("le\n")
            engine.wait_text("FAULTED (cable)")
            engine.wait_below()
            monitor.kill()
            engine.wait_text("Monitor lost")
            self.assertNotRegex(engine.text(), "(?m)^engine> .*[0-9]Z ")  # No record stands behind a prompt.
            engine.type("quit\n")
            self.assertEqual(engine.process.wait(timeout=60), 0)
            engine.wait_text("stopped")
            eventually("the terminal is as it was", engine.is_restored)


class Pipe(unittest.TestCase):
    # B179 B182
    def test_commands_from_a_pipe_are_answered_on_stdout_and_the_end_of_the_input_ends_nothing(self):
        with Network(points=1) as net:
            for line in ("list", "stop cp_001 cleaning", "show cp_009", "tickets", "price cp_001 0.42", "nonsense"):
                net.central.type(line)
            output = eventually("all are answered", lambda: "nonsense" in net.central.output() and net.central.output())
            answers = output.splitlines()
            self.assertEqual(answers[0], "cp_001        AVAILABLE     EUR 0.35 per kWh  cp_001 street")
            self.assertIn("Out of Order: operator, cleaning (console)", answers[1])
            self.assertEqual(answers[2], "show: no charging point cp_009; `list` shows those that are known")
            self.assertEqual(answers[3], "no tickets yet")
            self.assertEqual(answers[4], "cp_001: EUR 0.42 per kWh, was EUR 0.35 per kWh")
            self.assertEqual(answers[5], 'unknown command "nonsense"; `help` lists them')
            self.assertNotIn("\x1b", output)
            net.wait_state("cp_001", "STOPPED")
            net.central.process.stdin.close()
            net.central.process.stdin = None
            self.assertEqual(net.point("cp_001")["price"]["micros_per_kwh"], "420000")
            self.assertIsNone(net.central.process.poll())
            # Records only, no answers.
            self.assertTrue(net.central.records())
            self.assertEqual([record for record in net.central.records() if "level" not in record], [])

    # B140
    def test_a_letter_that_is_no_utf8_spoils_no_answer(self):
        with Network(points=1) as net:
            for process, line in ((net.engines["cp_001"], b"fault caf\xe9 \xc2\x9b\n"), (net.central, b"stop all \xff\n")):
                process.process.stdin.buffer.write(line)
                process.process.stdin.buffer.flush()
            point = eventually("fault and stop are known", lambda: (
                lambda p: p["connection"]["fault"] and p["causes"] and p)(net.point("cp_001")))
            self.assertEqual(point["connection"]["fault"], "caf? ?")
            self.assertEqual(point["causes"][0]["reason"], "?")

    # B182
    def test_quit_from_a_pipe_ends_central_with_0(self):
        with Network() as net:
            net.central.type("quit")
            self.assertEqual(net.central.process.wait(timeout=20), 0)
            self.assertTrue(net.central.said("^stopping$", why="quit"))

    # B182
    def test_an_operators_charge_brings_a_ticket_that_the_prompt_shows(self):
        with Network(start_broker(self), points=1) as net:
            net.central.type("charge ann cp_001")
            found = eventually("it is granted", lambda: re.search(r"([0-9a-f]{8})  GRANTED +ann at cp_001",
                                                                  net.central.output()))
            net.wait_state("cp_001", "CHARGING")
            net.central.type(f"end {found.group(1)}")
            eventually("the ticket is there", lambda: net.tickets(driver_id="ann"))
            net.central.type("tickets ann")
            eventually("the ticket is shown", lambda: re.search(
                rf"ann at cp_001  .* kWh  EUR .*  OPERATOR_STOP  {found.group(1)}", net.central.output()))


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""One charge, followed by its trace id through the logs of every program, through Kafka and through the store, on a real
Apache Kafka."""
import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from network import BIN, TOOLS, Kafka, Network, eventually

SENT = "4bf92f3577b34da6a3ce929d0e0e4736"


def parts(traceparent):
    """(version, trace id, parent id, flags)"""
    return re.fullmatch(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", traceparent).groups()


class Tracing(unittest.TestCase):
    def setUp(self):
        self.kafka = Kafka(pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-kafka-"))).start()
        self.addCleanup(self.kafka.stop)
        self.net = Network(self.kafka.address, points=1, engine=["--sim-full-after", "3s", "--sim-power-w", "22000"])
        self.net.__enter__()
        self.addCleanup(self.net.stop)

    def grep(self, trace_id):
        """{program: its messages} of the lines that one grep over all logs finds."""
        done = subprocess.run(["grep", "-h", trace_id, *self.net.folder.glob("*.log")], capture_output=True, text=True,
                              timeout=60, check=False)
        found = {}
        for line in done.stdout.splitlines():
            record = json.loads(line)
            self.assertIn(trace_id, (record.get("trace_id"), record.get("session_trace_id")), line)
            found.setdefault(record["service"], []).append(record["message"])
        return found

    def start(self, method, request, address, traceparent=None):
        headers = ["-H", f"traceparent: {traceparent}"] if traceparent else []
        done = subprocess.run(
            [str(TOOLS / "grpcurl"), "-plaintext", "-max-time", "20", "-emit-defaults", *headers, "-d",
             json.dumps(request), address, method], capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout)

    def assert_traced(self, session_id, trace_id, flags, driver):
        """Every program that had a hand in the charge says so under the trace; so does each of its messages."""
        expected = {
            "ev-central": {"command sent", "session changed", "ticket issued"},
            "ev-monitor": {"command received", "command answered"},
            "ev-engine": {"reserved", "charging started", "charging ended", "fact sent", "Central has booked the charge"},
        }
        if driver:
            expected["ev-driver"] = {"charge asked for", "session changed", "ticket received"}
        found = eventually("every program has said its part", lambda: (
            all(messages <= set(self.grep(trace_id).get(service, [])) for service, messages in expected.items())
            and self.grep(trace_id)))
        self.assertEqual(set(found), set(expected))
        self.assertGreaterEqual(found["ev-engine"].count("fact sent"), 2, "the start and the final")

        for process in self.net.processes:
            for record in process.records():
                if record.get("session_id") == session_id:
                    self.assertIn(trace_id, (record.get("trace_id"), record.get("session_trace_id")), record)

        parents = set()
        for topic in ("charging_session_data", "charging_session_complete", "charging_status_updates"):
            messages = eventually(f"{topic} has the session", lambda: self.net.topic(topic, session_id=session_id))
            for message in messages:
                version, trace, parent, said_flags = parts(message["headers"]["traceparent"])
                self.assertEqual((version, trace, said_flags), ("00", trace_id, flags))
                parents.add(parent)
        self.assertGreater(len(parents), 5, "each message is an operation of its own")

    # B220 B223
    def test_a_charge_is_followed_by_one_grep_from_the_callers_trace_to_its_ticket(self):
        driver = self.net.driver("ann")
        address = driver.wait_said("^listening$")["grpc"]
        session = self.start("evcharging.driver.v1.DriverService/StartCharge", {"charging_point_id": "cp_001"}, address,
                             f"00-{SENT}-00f067aa0ba902b7-01")
        self.assertEqual(session["trace_id"], SENT)
        done = self.net.wait_session(session["session_id"], "COMPLETED")
        self.assertEqual(done["trace_id"], SENT)
        self.assert_traced(session["session_id"], SENT, "01", driver=True)

    # B220 B221
    def test_without_a_trace_or_with_garbage_the_first_server_begins_one(self):
        seen = set()
        for traceparent in (None, "00-" + "0" * 32 + "-00f067aa0ba902b7-01"):
            self.net.wait_state("cp_001", "AVAILABLE")
            session = self.start("evcharging.central.v1.SessionService/StartSession",
                                 {"driver_id": "ben", "charging_point_id": "cp_001"}, self.net.central_address, traceparent)
            self.assertRegex(session["trace_id"], r"^[0-9a-f]{32}$")
            self.net.wait_session(session["session_id"], "COMPLETED")
            self.assert_traced(session["session_id"], session["trace_id"], "00", driver=False)
            seen.add(session["trace_id"])
        self.assertEqual(len(seen), 2)
        self.assertNotIn("0" * 32, seen)

    # B222 B224
    def test_the_trace_outlives_restarts_and_a_stop_has_one_of_its_own(self):
        self.net.engine_arguments = ["--sim-full-after", "10m"]
        self.net.add_point("cp_002")
        self.net.wait_state("cp_002", "AVAILABLE")
        session_id = self.start("evcharging.central.v1.SessionService/StartSession",
                                {"driver_id": "cem", "charging_point_id": "cp_002"}, self.net.central_address,
                                f"00-{SENT}-00f067aa0ba902b7-01")["session_id"]
        self.net.wait_session(session_id, "CHARGING")
        self.net.central.kill()
        self.net.monitors["cp_002"].kill()
        self.net.start_central()
        self.net.start_monitor("cp_002")
        self.net.wait_state("cp_002", "CHARGING")
        stops = "0af7651916cd43dd8448eb211c80319c"
        self.start("evcharging.central.v1.SessionService/StopSession", {"session_id": session_id},
                   self.net.central_address, f"00-{stops}-b7ad6b7169203331-00")
        session = self.net.wait_session(session_id, "COMPLETED")
        self.assertEqual(session["trace_id"], SENT)
        said = self.net.central.wait_said("^stop asked for$", session_id=session_id)
        self.assertEqual((said["trace_id"], said["session_trace_id"]), (stops, SENT))
        self.assertEqual(self.grep(stops), {"ev-central": ["stop asked for"]})
        self.net.central.wait_said("^ticket issued$", session_id=session_id, trace_id=SENT)
        self.net.monitors["cp_002"].wait_said("^command answered$", order="StopSession", trace_id=SENT)
        finals = self.net.topic("charging_session_complete", session_id=session_id)
        self.assertEqual({parts(f["headers"]["traceparent"])[1::2] for f in finals}, {(SENT, "01")})

    # B224
    def test_a_write_off_has_a_trace_of_its_own_and_names_the_sessions(self):
        self.net.engine_arguments = ["--sim-full-after", "10m"]
        self.net.add_point("cp_002")
        self.net.wait_state("cp_002", "AVAILABLE")
        session_id = self.start("evcharging.central.v1.SessionService/StartSession",
                                {"driver_id": "cem", "charging_point_id": "cp_002"}, self.net.central_address,
                                f"00-{SENT}-00f067aa0ba902b7-01")["session_id"]
        self.net.wait_session(session_id, "CHARGING")
        self.net.monitors["cp_002"].kill()
        self.net.engines["cp_002"].kill()
        self.net.wait_state("cp_002", "DISCONNECTED")
        own = "0af7651916cd43dd8448eb211c80319c"
        self.start("evcharging.central.v1.SessionService/WriteOffSession", {"session_id": session_id, "reason": "lost"},
                   self.net.central_address, f"00-{own}-b7ad6b7169203331-00")
        said = self.net.central.wait_said("^write-off asked for$", session_id=session_id)
        self.assertEqual((said["trace_id"], said["session_trace_id"]), (own, SENT))
        self.net.central.wait_said("^ticket issued$", session_id=session_id, trace_id=SENT)

    # B220
    def test_evctl_names_the_trace_of_a_charge_and_of_one_that_was_denied(self):
        def evctl(*arguments):
            return subprocess.run([str(BIN / "evctl"), *arguments, "--central", self.net.central_address], timeout=60,
                                  capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"})

        self.net.engine_arguments = ["--sim-full-after", "10m"]
        self.net.add_point("cp_002")
        self.net.wait_state("cp_002", "AVAILABLE")
        charged = evctl("charge", "cp_002", "--driver", "eva")
        self.assertEqual(charged.returncode, 0, charged.stderr)
        trace_id = re.search(r"^trace: +([0-9a-f]{32})$", charged.stdout, re.MULTILINE).group(1)
        session_id = re.search(r"^session: +(\w+)$", charged.stdout, re.MULTILINE).group(1)
        self.assertIn("ev-engine", self.grep(trace_id))
        self.assertIn(trace_id, evctl("describe", "session", session_id).stdout)
        self.assertIn(trace_id, evctl("get", "sessions", "-o", "wide").stdout)
        denied = evctl("charge", "cp_002", "--driver", "fay")
        trace_id = re.search(r"trace_id ([0-9a-f]{32})", denied.stderr).group(1)
        eventually("Central has said why", lambda: self.grep(trace_id) == {"ev-central": ["request denied"]})


if __name__ == "__main__":
    unittest.main()

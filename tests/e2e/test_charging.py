"""One network on a real Apache Kafka, asked by the tools that people use: grpcurl, kcat, Kafka's console consumer,
promtool, curl and a plain Python gRPC client."""
import base64
import json
import pathlib
import subprocess
import sys
import tempfile
import threading
import unittest

import grpc
from network import ROOT, Kafka, Network, eventually


def compile_protos():
    """Python's messages from our .proto files, in a folder that is put on the path."""
    folder = tempfile.mkdtemp(prefix="ev-e2e-protos-")
    protos = [str(p.relative_to(ROOT / "proto")) for p in (ROOT / "proto/evcharging").rglob("*.proto")]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={folder}",
                    f"--grpc_python_out={folder}", *protos], cwd=ROOT / "proto", check=True)
    sys.path.insert(0, folder)


class Charging(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        compile_protos()
        cls.kafka = Kafka(pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-kafka-"))).start()
        cls.addClassCleanup(cls.kafka.stop)
        cls.net = Network(cls.kafka.address, points=3, engine=["--sim-full-after", "3s", "--sim-power-w", "22000"])
        cls.net.__enter__()
        cls.addClassCleanup(cls.net.stop)

    # B7 B10 B15 B20
    def test_a_charge_by_grpcurl_ends_with_a_ticket_that_store_topic_and_meter_confirm(self):
        session_id = self.net.charge("ann", "cp_001")
        session = self.net.wait_session(session_id, "COMPLETED")
        ticket = session["ticket"]
        finals = [f["value"] for f in self.net.topic("charging_session_complete")
                  if f["value"]["session_id"] == session_id]
        self.assertEqual({(f["energy_mwh"], f["amount_micros"]) for f in finals},
                         {(ticket["energy_mwh"], ticket["amount_micros"])})
        self.assertIn((int(ticket["energy_mwh"]), int(ticket["amount_micros"]), "VEHICLE_FULL"),
                      self.net.ended_at_point("cp_001"))
        self.assertGreater(int(ticket["energy_mwh"]), 0)
        updates = eventually("the ticket is on charging_status_updates", lambda: [
            u["value"] for u in self.net.topic("charging_status_updates")
            if u["value"]["session_id"] == session_id and u["value"]["state"] == "SESSION_STATE_COMPLETED"])
        self.assertEqual(updates[0]["ticket"]["amount_micros"], ticket["amount_micros"])
        samples = [s for s in self.net.topic("charging_session_data") if s["value"]["session_id"] == session_id]
        self.assertGreaterEqual(len(samples), 3)  # The start and a sample a second.

    # B62 B159
    def test_denials_say_why(self):
        code, reason, _ = self.net.refused("SessionService/StartSession",
                                           {"driver_id": "ann", "charging_point_id": "cp_404"})
        self.assertEqual((code, reason), ("NotFound", "POINT_UNKNOWN"))
        code, reason, message = self.net.refused("SessionService/StartSession",
                                                 {"driver_id": "a b", "charging_point_id": "cp_001"})
        self.assertEqual(code, "InvalidArgument")
        self.assertIn("driver", message)

    # B12 B13
    def test_an_energy_target_is_met_to_the_last_mwh_and_a_money_target_is_never_exceeded(self):
        by_energy = self.net.charge("eve", "cp_002", target={"energy_mwh": 4321})
        self.assertEqual(self.net.wait_session(by_energy, "COMPLETED")["ticket"]["energy_mwh"], "4321")
        eventually("cp_002 is free", lambda: self.net.state("cp_002") == "AVAILABLE")
        by_money = self.net.charge("eve", "cp_002", target={"amount_micros": 1000})
        ticket = self.net.wait_session(by_money, "COMPLETED")["ticket"]
        price = int(ticket["price"]["micros_per_kwh"])
        bill = lambda mwh: (mwh * price + 500_000) // 1_000_000
        self.assertLessEqual(int(ticket["amount_micros"]), 1000)
        self.assertGreater(bill(int(ticket["energy_mwh"]) + 1), 1000)

    # B5
    def test_of_two_drivers_at_once_exactly_one_is_granted(self):
        results = []
        ask = lambda driver: results.append(self.net.grpcurl(
            "SessionService/StartSession", {"driver_id": driver, "charging_point_id": "cp_003"}, check=False))
        threads = [threading.Thread(target=ask, args=(f"racer_{i}",)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(r.returncode == 0 for r in results), [False, True])
        loser = next(r for r in results if r.returncode != 0)
        self.assertIn("POINT_BUSY", loser.stderr)
        winner = json.loads(next(r for r in results if r.returncode == 0).stdout)
        self.net.wait_session(winner["session_id"], "COMPLETED")

    # B154
    def test_a_plain_python_client_reads_tickets_and_watches_a_session(self):
        from evcharging.central.v1 import session_service_pb2, session_service_pb2_grpc
        from evcharging.common.v1 import states_pb2
        with grpc.insecure_channel(self.net.central_address) as channel:
            stub = session_service_pb2_grpc.SessionServiceStub(channel)
            eventually("cp_001 is free", lambda: self.net.state("cp_001") == "AVAILABLE")
            session = stub.StartSession(session_service_pb2.StartSessionRequest(
                driver_id="py", charging_point_id="cp_001", request_id="py-1"), timeout=20)
            again = stub.StartSession(session_service_pb2.StartSessionRequest(
                driver_id="py", charging_point_id="cp_001", request_id="py-1"), timeout=20)
            self.assertEqual(session.session_id, again.session_id)
            states = []
            for event in stub.WatchSessions(session_service_pb2.WatchSessionsRequest(driver_id="py"), timeout=60):
                found = event.session if event.HasField("session") else event.changed
                if found.session_id == session.session_id:
                    states.append(found.state)
                    if found.state == states_pb2.SESSION_STATE_COMPLETED:
                        break
            self.assertEqual(states[-1], states_pb2.SESSION_STATE_COMPLETED)
            self.assertEqual(states, sorted(states))  # Never backwards.

    # B138
    def test_kcat_and_the_console_consumer_read_what_the_engine_wrote(self):
        self.net.wait_session(self.net.charge("kat", "cp_002") if self.net.state("cp_002") == "AVAILABLE" else
                              self.net.grpcurl("SessionService/ListSessions")["sessions"][0]["session_id"], "COMPLETED")
        kcat = subprocess.run(["kcat", "-b", self.kafka.address, "-C", "-t", "charging_session_complete", "-o",
                               "beginning", "-e", "-q", "-f", "%k %S\n"], capture_output=True, text=True, timeout=60,
                              check=True)
        self.assertIn("cp_002 ", kcat.stdout)
        console = self.kafka.tool("console-consumer", "--topic", "charging_session_complete", "--from-beginning",
                                  "--timeout-ms", "10000", "--property", "print.key=true", check=False)
        self.assertIn("cp_002", console.stdout)
        ours = {line["value"]["message_id"]: line["value"] for line in self.net.topic("charging_session_complete")}
        ancestors = self.net.topic("charging_session_complete", "-o", "ancestor")
        self.assertIn("cp_002", [line["cp_id"] for line in ancestors])
        for line in ancestors:
            fact = ours[base64.b64encode(bytes.fromhex(line["message_id"])).decode()]
            self.assertEqual(line["type"], "charging_session_complete")
            self.assertEqual(round(line["energy_consumed_kwh"] * 1e6), int(fact["energy_mwh"]))
            self.assertEqual(round(line["total_cost"] * 1e6), int(fact["amount_micros"]))

    def test_promtool_accepts_the_metrics_and_they_say_what_happened(self):
        checked = subprocess.run(["promtool", "check", "metrics"], input=self.net.metrics(), capture_output=True,
                                 text=True, timeout=60, check=False)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        for series in ("ev_links", "ev_kafka_connected", 'ev_charging_points{state="available"}',
                       'ev_duplicates_total{guard="message_id"}', "ev_lag_seconds", "ev_outbox_rows"):
            self.assertGreaterEqual(self.net.metric(series), 0)
        self.assertEqual(self.net.metric("ev_links"), 3)

    # B155
    def test_server_info_health_and_readiness_agree(self):
        info = self.net.grpcurl("ServerService/GetServerInfo")
        self.assertEqual(info["broker"]["health"], "HEALTH_OK")
        self.assertEqual(len(info["shards"]), 12)
        health = self.net.grpcurl("grpc.health.v1.Health/Check", {"service": "readiness"})
        self.assertEqual(health["status"], "SERVING")
        ready = subprocess.run(["curl", "-sf", f"http://127.0.0.1:{self.net.http_port}/readyz"], capture_output=True,
                               text=True, timeout=20, check=True)
        self.assertEqual(ready.stdout.strip(), "ready")

    # B137
    def test_central_makes_the_topics_and_says_so(self):
        for topic in ("charging_session_data", "charging_session_complete"):
            self.net.central.wait_said(f"^Topic {topic} created successfully$")
        self.net.central.wait_said("^Kafka consumers initialized successfully$")
        self.net.central.wait_said("^Kafka producer initialized successfully$")

    # B63
    def test_garbage_on_a_fact_topic_is_put_aside_and_the_rest_flows_on(self):
        subprocess.run(["kcat", "-b", self.kafka.address, "-P", "-t", "charging_session_data", "-k", "cp_001"],
                       input="this is no fact", text=True, timeout=60, check=True)
        letters = eventually("the dead letter", lambda: [
            l for l in self.net.topic("charging_dead_letter") if l["headers"]["ev-reason"] == "UNDECODABLE"])
        self.assertEqual(letters[0]["headers"]["ev-origin-topic"], "charging_session_data")
        self.assertEqual(bytes.fromhex(letters[0]["undecodable"]), b"this is no fact")
        self.net.central.wait_said("^message put aside$", reason="UNDECODABLE")
        eventually("cp_001 is free", lambda: self.net.state("cp_001") == "AVAILABLE")
        self.net.wait_session(self.net.charge("after", "cp_001"), "COMPLETED")


if __name__ == "__main__":
    unittest.main(verbosity=2)

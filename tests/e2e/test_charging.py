"""One network on a real Apache Kafka, asked by the tools that people use: grpcurl, kcat, Kafka's console consumer,
promtool, curl and a plain Python gRPC client."""
import base64
import datetime
import os
import pathlib
import re
import subprocess
import sys
import tempfile
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


def seconds(timestamp):
    """Since 1970, of a Timestamp as JSON has it: nanoseconds are more than Python's datetime reads."""
    whole, _, fraction = timestamp.rstrip("Z").partition(".")
    return datetime.datetime.fromisoformat(whole + "+00:00").timestamp() + float(f"0.{fraction or 0}")


class Charging(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        compile_protos()
        cls.kafka = Kafka(pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-kafka-"))).start()
        cls.addClassCleanup(cls.kafka.stop)
        cls.kafka.tool("topics", "--create", "--topic", "system_alerts", "--partitions", "2")
        # Vehicles are full after 3 s at the first two; at the third the test ends the charge.
        cls.net = Network(cls.kafka.address, points=2, engine=["--sim-full-after", "3s", "--sim-power-w", "22000"])
        cls.net.__enter__()
        cls.addClassCleanup(cls.net.stop)
        cls.net.engine_arguments = ["--sim-full-after", "10m"]
        cls.net.add_point("cp_003")
        cls.net.wait_state("cp_003", "AVAILABLE")

    # B7 B15 B20
    def test_a_charge_by_grpcurl_ends_with_a_ticket_that_store_topic_and_meter_confirm(self):
        self.net.wait_state("cp_001", "AVAILABLE")
        session_id = self.net.charge("ann", "cp_001")
        ticket = self.net.wait_session(session_id, "COMPLETED")["ticket"]
        energy_mwh, amount_micros = int(ticket["energy_mwh"]), int(ticket["amount_micros"])
        self.assertGreater(energy_mwh, 0)
        self.assertEqual(self.net.tickets_in_store(session_id), [(energy_mwh, amount_micros)])
        finals = self.net.topic("charging_session_complete", session_id=session_id)
        self.assertEqual({(f["key"], f["value"]["energy_mwh"], f["value"]["amount_micros"]) for f in finals},
                         {("cp_001", ticket["energy_mwh"], ticket["amount_micros"])})
        self.assertIn((energy_mwh, amount_micros, "VEHICLE_FULL"), self.net.ended_at_point("cp_001"))
        updates = eventually("the ticket is on charging_status_updates", lambda: [
            u for u in self.net.topic("charging_status_updates", session_id=session_id)
            if u["value"]["state"] == "SESSION_STATE_COMPLETED"])
        self.assertEqual({(u["key"], u["value"]["ticket"]["energy_mwh"], u["value"]["ticket"]["amount_micros"])
                          for u in updates}, {("ann", ticket["energy_mwh"], ticket["amount_micros"])})

    # B10
    def test_while_energy_flows_there_is_a_sample_every_second_and_central_shows_them(self):
        self.net.wait_state("cp_003", "AVAILABLE")
        session_id = self.net.charge("sam", "cp_003")
        eventually("Central shows energy", lambda: int(
            self.net.point("cp_003")["current_session"]["energy_mwh"]) > 15_000)  # 11 kW: about 5 s.
        self.net.engine_call("cp_003", "Unplug")
        ticket = self.net.wait_session(session_id, "COMPLETED")["ticket"]
        charged_s = seconds(ticket["end_time"]) - seconds(ticket["start_time"])
        samples = {s["value"]["message_id"] for s in self.net.topic("charging_session_data", session_id=session_id)
                   if "sample" in s["value"]}
        self.assertLessEqual(len(samples), charged_s + 1)
        self.assertGreaterEqual(len(samples), charged_s / 2)  # One that is late because of others' load is not made up.

    # B62 B159
    def test_denials_say_why(self):
        self.assertEqual(self.net.refused("SessionService/StartSession",
                                          {"driver_id": "ann", "charging_point_id": "cp_404"}),
                         ("NotFound", "POINT_UNKNOWN", ""))
        self.assertEqual(self.net.refused("SessionService/StartSession",
                                          {"driver_id": "a b", "charging_point_id": "cp_001"}),
                         ("InvalidArgument", "INVALID_FIELD", "driver_id"))

    # B12 B13
    def test_an_energy_target_is_met_to_the_last_mwh_and_a_money_target_is_never_exceeded(self):
        self.net.wait_state("cp_002", "AVAILABLE")
        by_energy = self.net.charge("eve", "cp_002", target={"energy_mwh": 4321})
        self.assertEqual(self.net.wait_session(by_energy, "COMPLETED")["ticket"]["energy_mwh"], "4321")
        self.net.wait_state("cp_002", "AVAILABLE")
        by_money = self.net.charge("eve", "cp_002", target={"amount_micros": 1000})
        ticket = self.net.wait_session(by_money, "COMPLETED")["ticket"]
        price = int(ticket["price"]["micros_per_kwh"])
        bill = lambda mwh: (mwh * price + 500_000) // 1_000_000
        self.assertLessEqual(int(ticket["amount_micros"]), 1000)
        self.assertGreater(bill(int(ticket["energy_mwh"]) + 1), 1000)

    # B5
    def test_of_two_drivers_at_once_exactly_one_is_granted(self):
        from evcharging.central.v1 import session_service_pb2, session_service_pb2_grpc
        self.net.wait_state("cp_003", "AVAILABLE")
        with grpc.insecure_channel(self.net.central_address) as channel:
            stub = session_service_pb2_grpc.SessionServiceStub(channel)
            calls = [stub.StartSession.future(session_service_pb2.StartSessionRequest(
                driver_id=f"racer_{i}", charging_point_id="cp_003"), timeout=60) for i in range(2)]
            self.assertEqual(sorted(call.exception() is None for call in calls), [False, True])
            loser = next(call for call in calls if call.exception() is not None)
            winner = next(call for call in calls if call.exception() is None).result()
        self.assertEqual(loser.code(), grpc.StatusCode.FAILED_PRECONDITION)
        self.assertIn(b"POINT_BUSY", dict(loser.trailing_metadata())["grpc-status-details-bin"])
        self.net.wait_session(winner.session_id, "CHARGING")
        self.net.engine_call("cp_003", "Unplug")
        self.net.wait_session(winner.session_id, "COMPLETED")

    # B115 B153
    def test_a_plain_python_client_asks_twice_gets_one_session_and_watches_it_to_its_end(self):
        from evcharging.central.v1 import session_service_pb2, session_service_pb2_grpc
        from evcharging.common.v1 import states_pb2
        self.net.wait_state("cp_001", "AVAILABLE")
        with grpc.insecure_channel(self.net.central_address) as channel:
            stub = session_service_pb2_grpc.SessionServiceStub(channel)
            events = stub.WatchSessions(session_service_pb2.WatchSessionsRequest(driver_id="py"), timeout=60)
            self.assertTrue(next(events).HasField("snapshot_complete"))
            request = session_service_pb2.StartSessionRequest(driver_id="py", charging_point_id="cp_001",
                                                              request_id="py-1")
            session = stub.StartSession(request, timeout=20)
            self.assertEqual(stub.StartSession(request, timeout=20).session_id, session.session_id)
            states = []
            while states[-1:] != [states_pb2.SESSION_STATE_COMPLETED]:
                event = next(events)
                if event.HasField("changed"):
                    self.assertEqual(event.changed.session_id, session.session_id)
                    states.append(event.changed.state)
            self.assertIn(states_pb2.SESSION_STATE_CHARGING, states)
            self.assertEqual(states, sorted(states))  # Never backwards.
            events.cancel()

    # B154
    def test_sessions_and_tickets_are_listed_by_driver_point_state_and_time_page_by_page(self):
        sessions = []
        for cp in ("cp_001", "cp_002"):
            self.net.wait_state(cp, "AVAILABLE")
            sessions.append(self.net.charge("lia", cp, target={"energy_mwh": 100}))
            self.net.wait_session(sessions[-1], "COMPLETED")
        list_sessions = lambda **request: [s["session_id"] for s in self.net.grpcurl(
            "SessionService/ListSessions", {"driver_id": "lia", **request})["sessions"]]
        self.assertEqual(list_sessions(), sessions[::-1])  # Newest first.
        self.assertEqual(list_sessions(charging_point_id="cp_001"), sessions[:1])
        self.assertEqual(list_sessions(states=["SESSION_STATE_COMPLETED"]), sessions[::-1])
        self.assertEqual(list_sessions(states=["SESSION_STATE_DENIED"]), [])
        tickets = self.net.tickets(driver_id="lia")
        self.assertEqual([t["session_id"] for t in tickets], sessions[::-1])
        newest = tickets[0]["create_time"]
        self.assertEqual(self.net.tickets(driver_id="lia", charging_point_id="cp_001"), tickets[1:])
        self.assertEqual(self.net.tickets(driver_id="lia", from_time=newest), tickets[:1])
        self.assertEqual(self.net.tickets(driver_id="lia", until_time=newest), tickets[1:])
        ticket_id = tickets[0]["ticket_id"]
        self.assertEqual(self.net.grpcurl("TicketService/GetTicket", {"ticket_id": ticket_id}), tickets[0])
        for method, items, expected in (("SessionService/ListSessions", "sessions", sessions[::-1]),
                                        ("TicketService/ListTickets", "tickets", sessions[::-1])):
            pages, token = [], ""
            while not pages or token:
                page = self.net.grpcurl(method, {"driver_id": "lia", "page_size": 1, "page_token": token})
                pages.append([item["session_id"] for item in page[items]])
                token = page["next_page_token"]
            self.assertEqual(pages, [[session_id] for session_id in expected])

    # B138
    def test_kcat_and_the_console_consumer_read_what_the_engine_wrote(self):
        self.net.wait_state("cp_002", "AVAILABLE")
        session_id = self.net.charge("kat", "cp_002")
        self.net.wait_session(session_id, "COMPLETED")
        mark = "<a record>"
        records = self.kafka.kcat("-C", "-t", "charging_session_complete", "-o", "beginning", "-e", "-q",
                                  "-f", mark + "%k %s").split(mark.encode())[1:]
        mine = [r for r in records if session_id.encode() in r]
        self.assertGreaterEqual(len(mine), 1)
        for record in mine:
            self.assertTrue(record.startswith(b"cp_002 "), record)
        console = self.kafka.tool("console-consumer", "--topic", "charging_session_complete", "--from-beginning",
                                  "--max-messages", str(len(records)), "--timeout-ms", "60000")
        self.assertIn(session_id, console.stdout)
        ours = {line["value"]["message_id"]: line["value"]
                for line in self.net.topic("charging_session_complete", session_id=session_id)}
        ancestors = {base64.b64encode(bytes.fromhex(line["message_id"])).decode(): line
                     for line in self.net.topic("charging_session_complete", "-o", "ancestor")}
        for message_id, fact in ours.items():
            line = ancestors[message_id]
            self.assertEqual((line["type"], line["cp_id"]), ("charging_session_complete", "cp_002"))
            self.assertEqual(round(line["energy_consumed_kwh"] * 1e6), int(fact["energy_mwh"]))
            self.assertEqual(round(line["total_cost"] * 1e6), int(fact["amount_micros"]))

    def test_promtool_accepts_the_metrics_and_they_say_what_happened(self):
        checked = subprocess.run(["promtool", "check", "metrics"], input=self.net.metrics(), capture_output=True,
                                 text=True, timeout=60, check=False)
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        eventually("three links", lambda: self.net.metric("ev_links") == 3)
        eventually("Kafka is connected", lambda: self.net.metric("ev_kafka_connected") == 1)

    # B155
    def test_server_info_health_and_readiness_agree(self):
        eventually("ready", lambda: self.net.http("readyz") == (200, "ready\n"))
        info = self.net.grpcurl("ServerService/GetServerInfo")
        self.assertEqual(info["broker"]["health"], "HEALTH_OK")
        self.assertEqual(len(info["shards"]), 12)
        health = self.net.grpcurl("grpc.health.v1.Health/Check", {"service": "readiness"})
        self.assertEqual(health["status"], "SERVING")

    # B137 B183
    def test_central_makes_the_missing_topics_and_says_so_and_leaves_the_one_that_was_there(self):
        made = {"charging_session_data": 12, "charging_session_complete": 12, "charging_status_updates": 3,
                "charging_dead_letter": 1}
        for topic in made:
            self.net.central.wait_said(f"^Topic {topic} created successfully$")
        self.net.central.wait_said("^Kafka consumers initialized successfully$")
        self.net.central.wait_said("^Kafka producer initialized successfully$")
        self.assertIsNone(self.net.central.said("^Topic system_alerts created"))
        described = self.kafka.tool("topics", "--describe").stdout
        self.assertRegex(described, r"Topic: charging_dead_letter\s.*max\.message\.bytes=67108864")
        found = {m.group(1): (int(m.group(2)), "retention.ms=604800000" in m.group(3)) for m in re.finditer(
            r"Topic: (\S+)\s.*PartitionCount: (\d+)(.*)", described) if not m.group(1).startswith("__")}
        self.assertEqual(found, {**{topic: (count, True) for topic, count in made.items()},
                                 "system_alerts": (2, False)})

    # B63
    def test_garbage_on_a_fact_topic_is_put_aside_and_the_rest_flows_on(self):
        # As large as a broker takes it: with the headers of a dead letter it is larger.
        garbage = b"this is no fact" + os.urandom(1_048_385)
        self.kafka.produce("charging_session_data", 7, "cp_001", garbage)
        letters = eventually("the dead letter", lambda: [
            l for l in self.net.topic("charging_dead_letter") if l["headers"]["ev-reason"] == "UNDECODABLE"])
        self.assertEqual(len(letters), 1)
        self.assertEqual(letters[0]["key"], "cp_001")
        self.assertEqual(bytes.fromhex(letters[0]["undecodable"]), garbage)
        origin = {name: letters[0]["headers"][f"ev-origin-{name}"] for name in ("topic", "partition", "offset")}
        self.assertEqual((origin["topic"], origin["partition"]), ("charging_session_data", "7"))
        self.assertEqual(self.kafka.body(origin), garbage)
        said = [r for r in self.net.central.records() if r["message"] == "message put aside"]
        self.assertEqual([(r["reason"], r["topic"], str(r["partition"]), str(r["offset"])) for r in said],
                         [("UNDECODABLE", *origin.values())])
        self.assertEqual(self.net.metric("ev_dead_letters_total", reason="undecodable"), 1)
        self.assertEqual(self.net.metric("ev_dead_letters_total"), 1)
        self.net.wait_state("cp_001", "AVAILABLE")
        self.net.wait_session(self.net.charge("after", "cp_001"), "COMPLETED")


if __name__ == "__main__":
    unittest.main(verbosity=2)

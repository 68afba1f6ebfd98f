"""What happens when something dies: real processes, a real Apache Kafka, SIGKILL."""
import pathlib
import subprocess
import tempfile
import unittest

from network import LIMIT_S, Kafka, Network, eventually


LONG = ["--sim-full-after", "10m"]  # The test ends the charge.
# A producer believes a topic to be there for so long after it asked for it first: half a minute, if nobody says less.
QUICK_TO_MISS = ["--kafka-config", "topic.metadata.propagation.max.ms=1000"]


class Failures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kafka = Kafka(pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-kafka-"))).start()
        cls.addClassCleanup(cls.kafka.stop)

    def assert_billed_as_metered(self, net, cp, session_id, reason, limit_s=LIMIT_S):
        ticket = net.wait_session(session_id, "COMPLETED", limit_s)["ticket"]
        self.assertEqual(ticket["end_reason"], f"END_REASON_{reason}")
        self.assertEqual([(int(ticket["energy_mwh"]), int(ticket["amount_micros"]), reason)], net.ended_at_point(cp))

    # B15 B57 B65 B91 B99 B113
    def test_central_killed_in_the_middle_of_five_charges_makes_five_tickets_equal_to_the_meters(self):
        with Network(self.kafka.address, points=5, engine=LONG) as net:
            sessions = {cp: net.charge(f"driver_{cp}", cp) for cp in net.engines}
            for session_id in sessions.values():
                net.wait_session(session_id, "CHARGING")
            charging = net.grpcurl("SessionService/ListSessions", {"states": ["SESSION_STATE_CHARGING"]})["sessions"]
            self.assertEqual(len(charging), 5)
            net.central.kill()
            for cp in net.engines:
                net.monitors[cp].wait_said("Central cannot be reached|[Ll]ink.*(lost|closed|broke)")
            for cp in ("cp_001", "cp_002"):
                net.engine_call(cp, "Unplug")
            net.start_central()
            for cp in ("cp_003", "cp_004", "cp_005"):
                net.engine_call(cp, "Unplug")
            for cp, session_id in sessions.items():
                self.assert_billed_as_metered(net, cp, session_id, "UNPLUGGED")
                net.wait_state(cp, "AVAILABLE")
                eventually(f"all is settled at {cp}",
                           lambda cp=cp: net.engine_call(cp, "GetStatus")["report"]["unsettled_total"] == 0)
            tickets = net.tickets()
            self.assertEqual(len(tickets), 5)
            # Once more, and every final comes again, twice: the first time memory does not know it, the second it does.
            finals = {f["value"]["session_id"]: f for f in net.topic("charging_session_complete")
                      if f["value"]["session_id"] in sessions.values()}
            self.assertEqual(len(finals), 5)
            net.central.kill()
            net.start_central()
            for guard in ("ledger", "message_id"):
                before = net.metric("ev_duplicates_total", guard=guard)
                for final in finals.values():
                    self.kafka.produce(final["topic"], final["partition"], final["key"], self.kafka.body(final))
                eventually(f"five finals are known by {guard}",
                           lambda: net.metric("ev_duplicates_total", guard=guard) >= before + 5)
            self.assertEqual(net.tickets(), tickets)
            self.assertEqual(net.refused("SessionService/StopSession",
                                         {"session_id": sessions["cp_001"], "driver_id": "somebody"})[:2],
                             ("PermissionDenied", "NOT_YOUR_SESSION"))

    # B65 B189
    def test_a_store_that_vanishes_ends_central_before_anything_is_settled_and_once_it_is_back_all_is_booked(self):
        with Network(self.kafka.address, points=2, engine=LONG) as net:
            self.assertTrue(net.central.said("a new store was made", level="warn"))
            sessions = {cp: net.charge(f"driver_{cp}", cp) for cp in net.engines}
            for cp, session_id in sessions.items():
                net.wait_session(session_id, "CHARGING")
            store, away = net.folder / "central" / "central.db", net.folder / "away.db"
            for suffix in ("", "-wal", "-shm"):
                pathlib.Path(f"{store}{suffix}").rename(f"{away}{suffix}")
            for cp in sessions:
                net.engine_call(cp, "Unplug")
            self.assertEqual(net.central.process.wait(timeout=LIMIT_S), 1)
            reason = net.central.said("the store failed")["reason"]
            # UNKNOWN: a commit was under way.
            self.assertRegex(reason, f"(DATA_LOSS|UNKNOWN): .*{store} was removed .* put it back")
            for cp in sessions:
                self.assertGreater(net.engine_call(cp, "GetStatus")["report"]["unsettled_total"], 0)
            for suffix in ("", "-wal"):
                pathlib.Path(f"{away}{suffix}").rename(f"{store}{suffix}")
            net.start_central()
            self.assertFalse(net.central.said("a new store was made"))
            for cp, session_id in sessions.items():
                self.assert_billed_as_metered(net, cp, session_id, "UNPLUGGED")
                eventually(f"all is settled at {cp}",
                           lambda cp=cp: net.engine_call(cp, "GetStatus")["report"]["unsettled_total"] == 0)
            self.assertEqual(len(net.tickets()), 2)

    # B189
    def test_a_store_that_is_damaged_ends_central_before_anything_is_settled(self):
        with Network(self.kafka.address, points=1, engine=LONG) as net:
            net.wait_session(net.charge("ann", "cp_001"), "CHARGING")
            store = net.folder / "central" / "central.db"
            with open(store, "r+b") as file:
                file.write(b"Z" * 16384)
            net.engine_call("cp_001", "Unplug")
            self.assertEqual(net.central.process.wait(timeout=LIMIT_S), 1)
            reason = net.central.said("the store failed")["reason"]
            self.assertRegex(reason, f"(DATA_LOSS|UNKNOWN): .*{store} is damaged .* restore it from a backup")
            self.assertGreater(net.engine_call("cp_001", "GetStatus")["report"]["unsettled_total"], 0)

    # B37 B50
    def test_a_killed_monitor_ends_the_charge_and_the_point_takes_none_until_one_is_back(self):
        with Network(self.kafka.address, points=1, engine=LONG) as net:
            session_id = net.charge("ann", "cp_001")
            net.wait_session(session_id, "CHARGING")
            net.monitors["cp_001"].kill()
            net.wait_state("cp_001", "DISCONNECTED")
            self.assert_billed_as_metered(net, "cp_001", session_id, "MONITOR_LOST")
            self.assertEqual(net.refused("SessionService/StartSession",
                                         {"driver_id": "ann", "charging_point_id": "cp_001"})[1], "POINT_DISCONNECTED")
            self.assertEqual(net.refused("evcharging.engine.v1.EngineService/RequestSession",
                                         {"driver_id": "walk_in"}, net.engine_address("cp_001"))[:2],
                             ("FailedPrecondition", "MONITOR_MISSING"))
            net.start_monitor("cp_001")
            net.wait_state("cp_001", "AVAILABLE")
            net.wait_session(net.charge("ann", "cp_001", target={"energy_mwh": 1000}), "COMPLETED")

    # B34 B52
    def test_a_killed_engine_shows_as_faulted_and_the_driver_is_told(self):
        with Network(self.kafka.address, points=1, engine=LONG) as net:
            session_id = net.charge("ann", "cp_001")
            net.wait_session(session_id, "CHARGING")
            net.engines["cp_001"].kill()
            net.wait_state("cp_001", "FAULTED")
            told = eventually("the driver is told", lambda: [
                u for u in net.topic("charging_status_updates", session_id=session_id) if "faulted" in u["value"]["notice"]])
            self.assertEqual(told[0]["key"], "ann")

    # B40 B54
    def test_a_fault_ends_the_charge_with_a_ticket_and_its_clearing_frees_the_point(self):
        with Network(self.kafka.address, points=1, engine=LONG) as net:
            driver = net.driver("ann")
            driver.type("charge cp_001")
            session_id = eventually("the session", lambda: net.grpcurl("SessionService/ListSessions")["sessions"][0])[
                "session_id"]
            net.wait_session(session_id, "CHARGING")
            net.engine_call("cp_001", "InjectFault", {"fault": "cable damaged"})
            self.assert_billed_as_metered(net, "cp_001", session_id, "FAULT")
            net.wait_state("cp_001", "FAULTED")
            self.assertIn("cable damaged", net.point("cp_001")["connection"]["fault"])
            driver.wait_output(f"cp_001: ticket .* FAULT .*{session_id}")
            told = eventually("the ticket is on charging_status_updates", lambda: [
                u for u in net.topic("charging_status_updates", session_id=session_id) if "ticket" in u["value"]])
            self.assertEqual({(u["key"], u["value"]["ticket"]["end_reason"]) for u in told},
                             {("ann", "END_REASON_FAULT")})
            alerts = eventually("operators are told", lambda: [
                a for a in net.topic("system_alerts") if "cable damaged" in a["value"]["text"]])
            self.assertEqual([(a["key"], a["value"]["kind"]) for a in alerts],
                             [("cp_001", "ALERT_KIND_ENGINE_FAULTED")])
            net.engine_call("cp_001", "ClearFault")
            net.wait_state("cp_001", "AVAILABLE")

    # B55
    def test_a_killed_driver_ends_no_charge_and_finds_the_live_session_and_then_its_result(self):
        with Network(self.kafka.address, points=1, engine=LONG) as net:
            driver = net.driver("ann")
            driver.type("charge cp_001")
            session_id = eventually("the session", lambda: net.grpcurl("SessionService/ListSessions")["sessions"][0])[
                "session_id"]
            net.wait_session(session_id, "CHARGING")
            driver.kill()
            returning = net.driver("ann")
            returning.wait_output(f"cp_001: charging .*{session_id}")
            returning.type("status")
            returning.wait_output(f"cp_001: CHARGING .*{session_id}")
            returning.kill()
            net.engine_call("cp_001", "Unplug")
            self.assert_billed_as_metered(net, "cp_001", session_id, "UNPLUGGED")
            late = net.driver("ann")
            late.type("history")
            late.wait_output(f"cp_001: ticket .* UNPLUGGED .*{session_id}")

    def facts_of(self, net, session_id):
        """What the topics hold of a session, each fact once, as they stand there: starts and samples, finals."""
        topics = []
        for name in ("charging_session_data", "charging_session_complete"):
            facts = {}
            for fact in net.topic(name, session_id=session_id):  # All of a charging point's are in one partition.
                facts.setdefault(fact["value"]["message_id"], fact)
            topics.append(list(facts.values()))
        return topics

    # B59
    def test_without_kafka_charges_go_on_and_the_tickets_come_when_it_is_back(self):
        self.addCleanup(self.kafka.start)
        with Network(self.kafka.address, points=2, engine=LONG) as net:
            first = net.charge("ann", "cp_001")
            net.wait_session(first, "CHARGING")
            self.kafka.kill()
            net.central.wait_said("Kafka producer cannot reach")
            second = net.charge("bob", "cp_002")
            net.wait_session(second, "CHARGING")
            eventually("samples wait", lambda: int(
                net.engine_call("cp_002", "GetStatus")["report"]["occupancy"]["energy_mwh"]) > 10_000)
            charges = {"cp_001": first, "cp_002": second}
            for cp, session_id in charges.items():
                net.engine_call(cp, "Unplug")
                net.wait_session(session_id, "AWAITING_FINAL")
            info = net.grpcurl("ServerService/GetServerInfo")
            self.assertEqual(info["broker"]["health"], "HEALTH_DEGRADED")
            self.assertEqual(net.grpcurl("grpc.health.v1.Health/Check", {"service": "readiness"})["status"], "SERVING")
            self.kafka.start()
            for cp, session_id in charges.items():
                self.assert_billed_as_metered(net, cp, session_id, "UNPLUGGED", limit_s=120)
                begun, ended = self.facts_of(net, session_id)
                self.assertEqual([f["value"]["sequence"] for f in begun + ended], list(range(len(begun) + 1)))
                self.assertGreaterEqual(len(begun), 2)
                self.assertEqual({f["key"] for f in begun + ended}, {cp})
            self.assertEqual(len(net.tickets()), 2)

    # B60 B155 B191
    def test_a_broker_that_comes_back_empty_loses_no_ticket_makes_none_twice_and_the_gap_is_told(self):
        kafka = Kafka(pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-kafka-"))).start()
        self.addCleanup(kafka.stop)
        with Network(kafka.address, points=2, engine=LONG) as net:
            booked = net.charge("ann", "cp_001")
            net.wait_session(booked, "CHARGING")
            net.engine_call("cp_001", "Unplug")
            self.assert_billed_as_metered(net, "cp_001", booked, "UNPLUGGED")
            open_session = net.charge("bob", "cp_002")
            net.wait_session(open_session, "CHARGING")
            kafka.kill()
            kafka.tool("reset")
            net.engine_call("cp_002", "Unplug")
            kafka.start()
            other = eventually("another cluster is seen", lambda: net.grpcurl("ServerService/GetServerInfo")[
                "unaccepted_cluster_id"])
            self.assertIn(other, net.http("readyz")[1])
            self.assertEqual(net.session(open_session)["state"], "SESSION_STATE_AWAITING_FINAL")
            self.assertEqual(net.grpcurl("ServerService/AcceptCluster", {"cluster_id": other})["cluster_id"], other)
            self.assert_billed_as_metered(net, "cp_002", open_session, "UNPLUGGED")
            self.assertEqual(sorted(t["session_id"] for t in net.tickets()), sorted([booked, open_session]))
            gaps = net.grpcurl("ServerService/ListGaps")["gaps"]
            self.assertIn(("charging_session_complete", "0"), {(g["topic"], g["resumed_offset"]) for g in gaps})
            self.assertEqual({g["cause"] for g in gaps}, {"GAP_CAUSE_CLUSTER_CHANGED"})
            alerts = eventually("operators are told", lambda: [
                a for a in net.topic("system_alerts") if a["value"]["kind"] == "ALERT_KIND_GAP"])
            self.assertEqual({a["key"] for a in alerts}, {"ev-central"})
            # Whoever starts now gets the first producer ids that the empty broker has not given yet, and Kafka takes its
            # first message for a repeat if a survivor still writes under that id.
            final = net.topic("charging_session_complete")[0]
            newcomers = 6  # More than the ids that the old broker gave: Central and two Engines.
            for message in (alerts[0], final):
                held = len(net.topic(message["topic"]))
                for _ in range(newcomers):
                    kafka.produce(message["topic"], message["partition"], message["key"], kafka.body(message),
                                  "-X", "enable.idempotence=true")
                self.assertEqual(len(net.topic(message["topic"])), held + newcomers)

    # B56 B60
    def test_without_topics_engines_wait_and_all_is_booked_when_central_makes_them(self):
        kafka = Kafka(pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-kafka-"))).start()
        self.addCleanup(kafka.stop)
        with Network(kafka.address, points=1, engine=[*LONG, *QUICK_TO_MISS]) as net:
            session_id = net.charge("ann", "cp_001")
            net.wait_session(session_id, "CHARGING")
            eventually("samples are booked", lambda: int(net.session(session_id)["energy_mwh"]) > 0)
            net.central.kill()
            kafka.kill()
            kafka.tool("reset")
            kafka.start()
            engine = net.engines["cp_001"]
            engine.wait_said("facts wait: the broker takes none for this topic", topic="charging_session_data")
            net.engine_call("cp_001", "Unplug")
            net.start_central()
            other = eventually("another cluster is seen", lambda: net.grpcurl("ServerService/GetServerInfo").get(
                "unaccepted_cluster_id"))
            net.grpcurl("ServerService/AcceptCluster", {"cluster_id": other})
            engine.wait_said("facts are sent again", limit_s=120)
            self.assert_billed_as_metered(net, "cp_001", session_id, "UNPLUGGED", limit_s=120)
            self.assertEqual(len(net.tickets()), 1)

    # B65 B183
    def test_topics_that_are_deleted_under_a_running_charge_end_no_program_and_lose_no_energy(self):
        kafka = Kafka(pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-kafka-"))).start()
        self.addCleanup(kafka.stop)
        with Network(kafka.address, points=1, engine=[*LONG, *QUICK_TO_MISS]) as net:
            session_id = net.charge("ann", "cp_001")
            net.wait_session(session_id, "CHARGING")
            for topic in ("charging_session_data", "charging_session_complete", "charging_status_updates"):
                kafka.tool("topics", "--bootstrap-server", kafka.address, "--delete", "--topic", topic)
            engine = net.engines["cp_001"]
            engine.wait_said("facts wait: the broker takes none for this topic")
            net.engine_call("cp_001", "Unplug")
            self.assertEqual(net.central.terminate(), 0)
            net.start_central()
            self.assert_billed_as_metered(net, "cp_001", session_id, "UNPLUGGED", limit_s=120)
            self.assertEqual(len(net.tickets()), 1)

    # B18 B38
    def test_an_operators_stop_ends_the_charge_with_one_ticket_and_outlives_restarts_of_everything(self):
        with Network(self.kafka.address, points=1, engine=LONG) as net:
            session_id = net.charge("ann", "cp_001")
            net.wait_session(session_id, "CHARGING")
            net.grpcurl("ChargingPointService/StopChargingPoint", {"charging_point_id": "cp_001", "reason": "works"})
            self.assert_billed_as_metered(net, "cp_001", session_id, "OPERATOR_STOP")
            net.wait_state("cp_001", "STOPPED")
            net.central.kill()
            net.start_central()  # Shows every point as DISCONNECTED at first.
            net.wait_state("cp_001", "STOPPED")
            net.engines["cp_001"].kill()
            net.wait_state("cp_001", "FAULTED")
            net.start_engine("cp_001")
            net.wait_state("cp_001", "STOPPED")
            net.monitors["cp_001"].kill()
            net.wait_state("cp_001", "DISCONNECTED")
            net.start_monitor("cp_001")
            net.wait_state("cp_001", "STOPPED")
            self.assertEqual(net.refused("SessionService/StartSession",
                                         {"driver_id": "ann", "charging_point_id": "cp_001"})[1], "POINT_STOPPED")
            net.grpcurl("ChargingPointService/ResumeChargingPoint", {"charging_point_id": "cp_001"})
            net.wait_state("cp_001", "AVAILABLE")
            self.assertEqual(len(net.tickets()), 1)

    # B152
    def test_a_request_id_gets_the_same_session_across_a_restart_of_central(self):
        with Network(self.kafka.address, points=1, engine=["--sim-full-after", "2s"]) as net:
            first = net.charge("ann", "cp_001", request_id="r1")
            net.wait_session(first, "COMPLETED")
            net.central.kill()
            net.start_central()
            self.assertEqual(net.charge("ann", "cp_001", request_id="r1"), first)
            self.assertEqual(len(net.grpcurl("SessionService/ListSessions")["sessions"]), 1)

    # B175 B180
    def test_a_second_central_on_the_same_data_is_refused_and_sigterm_ends_the_first_with_0(self):
        with Network(self.kafka.address) as net:
            second = subprocess.run(
                [str(pathlib.Path(net.central.process.args[0])), "--grpc-port", "0", "--http-port", "0", "--data-dir",
                 str(net.folder)], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(second.returncode, 1)
            self.assertIn("is in use by process", second.stderr)
            self.assertEqual(net.central.terminate(), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)

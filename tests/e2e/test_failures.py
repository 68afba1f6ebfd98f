"""What happens when something dies: real processes, a real Apache Kafka, SIGKILL."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from network import Kafka, Network, eventually


class Failures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kafka = Kafka(pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-kafka-"))).start()
        cls.addClassCleanup(cls.kafka.stop)

    # B15 B57 B65 B99 B113
    def test_central_killed_in_the_middle_of_five_charges_makes_five_tickets_equal_to_the_meters(self):
        with Network(self.kafka.address, points=5, engine=["--sim-full-after", "8s"]) as net:
            sessions = {cp: net.charge(f"driver_{cp}", cp) for cp in net.engines}
            for session_id in sessions.values():
                net.wait_session(session_id, "CHARGING")
            net.central.kill()
            for cp in net.engines:
                net.monitors[cp].wait_said("Central cannot be reached|[Ll]ink.*(lost|closed|broke)")
            net.start_central()
            for cp, session_id in sessions.items():
                ticket = net.wait_session(session_id, "COMPLETED")["ticket"]
                self.assertEqual([(int(ticket["energy_mwh"]), int(ticket["amount_micros"]), "VEHICLE_FULL")],
                                 net.ended_at_point(cp))
                net.wait_state(cp, "AVAILABLE")
            self.assertEqual(len(net.tickets()), 5)
            # Once more: nothing is booked again by a second start.
            net.central.kill()
            net.start_central()
            for cp in net.engines:
                net.wait_state(cp, "AVAILABLE")
            self.assertEqual(len(net.tickets()), 5)
            code, reason, _ = net.refused("SessionService/StopSession",
                                          {"session_id": sessions["cp_001"], "driver_id": "somebody"})
            self.assertEqual((code, reason), ("PermissionDenied", "NOT_YOUR_SESSION"))

    # B37 B50
    def test_a_killed_monitor_ends_the_charge_and_the_point_takes_none_until_one_is_back(self):
        with Network(self.kafka.address, points=1) as net:
            session_id = net.charge("ann", "cp_001")
            net.wait_session(session_id, "CHARGING")
            net.monitors["cp_001"].kill()
            net.wait_state("cp_001", "DISCONNECTED", limit_s=20)
            ticket = net.wait_session(session_id, "COMPLETED")["ticket"]
            self.assertEqual(ticket["end_reason"], "END_REASON_MONITOR_LOST")
            self.assertEqual([(int(ticket["energy_mwh"]), int(ticket["amount_micros"]), "MONITOR_LOST")],
                             net.ended_at_point("cp_001"))
            code, reason, _ = net.refused("SessionService/StartSession",
                                          {"driver_id": "ann", "charging_point_id": "cp_001"})
            self.assertEqual(reason, "POINT_DISCONNECTED")
            net.start_monitor("cp_001")
            net.wait_state("cp_001", "AVAILABLE")
            net.wait_session(net.charge("ann", "cp_001", target={"energy_mwh": 1000}), "COMPLETED")

    # B34 B52
    def test_a_killed_engine_shows_as_faulted_and_the_driver_is_told(self):
        with Network(self.kafka.address, points=1) as net:
            session_id = net.charge("ann", "cp_001")
            net.wait_session(session_id, "CHARGING")
            net.engines["cp_001"].kill()
            net.wait_state("cp_001", "FAULTED")
            eventually("the driver is told", lambda: [
                u for u in net.topic("charging_status_updates")
                if u["value"]["session_id"] == session_id and "faulted" in u["value"]["notice"]])

    # B40 B54
    def test_a_fault_ends_the_charge_with_a_ticket_and_its_clearing_frees_the_point(self):
        with Network(self.kafka.address, points=1) as net:
            session_id = net.charge("ann", "cp_001")
            net.wait_session(session_id, "CHARGING")
            net.engine_call("cp_001", "InjectFault", {"fault": "cable damaged"})
            ticket = net.wait_session(session_id, "COMPLETED")["ticket"]
            self.assertEqual(ticket["end_reason"], "END_REASON_FAULT")
            net.wait_state("cp_001", "FAULTED")
            self.assertIn("cable damaged", net.point("cp_001")["connection"]["fault"])
            net.engine_call("cp_001", "ClearFault")
            net.wait_state("cp_001", "AVAILABLE")

    # B55
    def test_a_killed_driver_ends_no_charge(self):
        with Network(self.kafka.address, points=1, engine=["--sim-full-after", "6s"]) as net:
            driver = net.driver("ann")
            driver.type("charge cp_001")
            session = eventually("the session", lambda: net.grpcurl("SessionService/ListSessions")["sessions"][0])
            net.wait_session(session["session_id"], "CHARGING")
            driver.kill()
            self.assertEqual(net.wait_session(session["session_id"], "COMPLETED")["ticket"]["end_reason"],
                             "END_REASON_VEHICLE_FULL")
            returning = net.driver("ann")
            returning.type("history")
            eventually("the returning driver sees the result", lambda: "cp_001" in returning.output())

    # B59
    def test_without_kafka_charges_go_on_and_the_tickets_come_when_it_is_back(self):
        kafka = Kafka(pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-kafka-"))).start()
        try:
            with Network(kafka.address, points=2, engine=["--sim-full-after", "5s"]) as net:
                first = net.charge("ann", "cp_001")
                net.wait_session(first, "CHARGING")
                kafka.kill()
                net.central.wait_said("Kafka producer cannot reach", limit_s=90)
                second = net.charge("bob", "cp_002")
                for session_id in (first, second):
                    net.wait_session(session_id, "AWAITING_FINAL")
                info = net.grpcurl("ServerService/GetServerInfo")
                self.assertEqual(info["broker"]["health"], "HEALTH_DEGRADED")
                self.assertEqual(net.grpcurl("grpc.health.v1.Health/Check", {"service": "readiness"})["status"],
                                 "SERVING")
                kafka.start()
                for cp, session_id in (("cp_001", first), ("cp_002", second)):
                    ticket = net.wait_session(session_id, "COMPLETED", limit_s=120)["ticket"]
                    self.assertEqual([(int(ticket["energy_mwh"]), int(ticket["amount_micros"]), "VEHICLE_FULL")],
                                     net.ended_at_point(cp))
                self.assertEqual(len(net.tickets()), 2)
        finally:
            kafka.stop()

    # B60 B183
    def test_a_kafka_that_comes_back_empty_gets_its_topics_and_is_read_when_it_is_accepted(self):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-kafka-"))
        kafka = Kafka(folder).start()
        try:
            with Network(kafka.address, points=1, engine=["--sim-full-after", "2s"]) as net:
                net.wait_session(net.charge("ann", "cp_001"), "COMPLETED")
                kafka.kill()
                shutil.rmtree(folder)
                kafka.start()
                stranger = net.central.wait_said("^another Kafka cluster answers", limit_s=120)["cluster_id"]
                second = net.charge("bob", "cp_001")
                net.wait_session(second, "AWAITING_FINAL")
                net.grpcurl("ServerService/AcceptCluster", {"cluster_id": stranger})
                net.wait_session(second, "COMPLETED", limit_s=120)
                self.assertEqual(len(net.tickets()), 2)
                self.assertTrue(net.grpcurl("ServerService/ListGaps")["gaps"])
        finally:
            kafka.stop()

    # B18 B38
    def test_an_operators_stop_ends_the_charge_with_one_ticket_and_outlives_restarts(self):
        with Network(self.kafka.address, points=1) as net:
            session_id = net.charge("ann", "cp_001")
            net.wait_session(session_id, "CHARGING")
            net.grpcurl("ChargingPointService/StopChargingPoint", {"charging_point_id": "cp_001", "reason": "works"})
            ticket = net.wait_session(session_id, "COMPLETED")["ticket"]
            self.assertEqual(ticket["end_reason"], "END_REASON_OPERATOR_STOP")
            net.wait_state("cp_001", "STOPPED")
            net.central.kill()
            net.start_central()
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

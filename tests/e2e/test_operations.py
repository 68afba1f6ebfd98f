"""What an operator does to a running network: log levels, backups, replays of dead letters, pruning."""
import csv
import fcntl
import io
import re
import shutil
import signal
import sqlite3
import subprocess
import unittest

from network import Network, ProcessTest, eventually, run, start_broker
from terminal import TerminalProcess


class Operations(ProcessTest):
    def network(self, **more):
        net = Network(start_broker(self), **{"points": 1, **more})
        net.__enter__()
        self.addCleanup(net.stop)
        return net

    def evctl(self, net, *arguments, code=0):
        done = run("evctl", *arguments, "--central", net.central_address)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stderr

    # B210
    def test_the_log_level_of_each_service_is_shown_set_and_falls_back(self):
        net = self.network()
        driver = net.driver("ann")
        services = {"central": net.central, "engine": net.engines["cp_001"], "monitor": net.monitors["cp_001"],
                    "driver": driver}
        for name, process in services.items():
            with self.subTest(name):
                address = process.wait_said("^listening$")["grpc"]
                self.assertEqual(self.evctl(net, "log-level", "--address", address), "info\n")
                self.assertEqual(self.evctl(net, "log-level", "warn", "--address", address), "warn\n")
                # Also a record that the new level hides.
                self.assertEqual(process.wait_said("^log level changed$", to="warn")["from"], "info")
                shown = self.evctl(net, "log-level", "debug", "--for", "1s", "--address", address)
                self.assertRegex(shown, r"^debug until 20\d\d-\S+Z, then warn\n$")
                eventually("it falls back", lambda a=address: self.evctl(net, "log-level", "--address", a) == "warn\n")
                process.wait_said("^log level changed$", to="warn", **{"from": "debug"})
        # Without an address it is Central's.
        self.assertEqual(self.evctl(net, "log-level", "error"), "error\n")
        self.assertEqual(self.evctl(net, "log-level", "--address", services["engine"].said("^listening$")["grpc"]), "warn\n")

    # B210
    def test_a_log_level_that_cannot_be_is_refused(self):
        net = self.network(points=0)
        for words, said in (("loud", "debug, info, warn or error"), ("inf", "did you mean info?"), ("debug --for 25h", "1s to 24h"),
                            ("debug --for soon", "1s to 24h"), ("--for 10m", "which level?"), ("--address nowhere", "--address")):
            with self.subTest(words):
                self.assertIn(said, self.evctl(net, "log-level", *words.split(), code=2))
        self.assertIn("does not answer", self.evctl(net, "log-level", "--address", "127.0.0.1:1", "--timeout", "2", code=1))
        method = "evcharging.common.v1.LoggingService/SetLogLevel"
        for request, field in (({}, "level"), ({"level": 9}, "level"), ({"level": "LOG_LEVEL_DEBUG", "duration": "0.5s"}, "duration"),
                               ({"level": "LOG_LEVEL_DEBUG", "duration": "86401s"}, "duration"),
                               ({"level": "LOG_LEVEL_DEBUG", "duration": "-5s"}, "duration")):
            with self.subTest(request):
                self.assertEqual(net.refused(method, request), ("InvalidArgument", "INVALID_FIELD", field))
        self.assertEqual(self.evctl(net, "log-level"), "info\n")

    # B211
    def test_a_backup_is_taken_while_central_runs_and_is_complete_or_not_there(self):
        net = self.network()
        net.wait_session(net.charge("ann", "cp_001"), "CHARGING")
        file = self.folder / "backup.db"
        done = self.evctl(net, "backup", str(file))
        self.assertRegex(done, rf"^{re.escape(str(file))}: \d+ bytes, SHA-256 [0-9a-f]{{64}}\n$")
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        sound = self.store_of(file)
        self.assertIn("is sound", sound.stdout)
        before = file.read_bytes()
        self.assertIn("--force replaces it", self.evctl(net, "backup", str(file), code=1))
        self.assertEqual(file.read_bytes(), before)
        self.evctl(net, "backup", str(file), "--force")
        self.assertIn("into which file?", self.evctl(net, "backup", code=2))
        self.assertIn("cannot write", self.evctl(net, "backup", "/nowhere/backup.db", code=1))
        # Two at once do not write the same file.
        with open(self.folder / "other.db.part", "wb") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            self.assertIn("another backup writes", self.evctl(net, "backup", str(self.folder / "other.db"), code=1))
        self.assertTrue((self.folder / "other.db.part").exists())
        # What a killed one left is taken over, for its owner only.
        (self.folder / "other.db.part").write_bytes(b"x" * 1_000_000)
        (self.folder / "other.db.part").chmod(0o644)
        self.evctl(net, "backup", str(self.folder / "other.db"))
        self.assertEqual((self.folder / "other.db").stat().st_mode & 0o777, 0o600)
        self.assertIn("is sound", self.store_of(self.folder / "other.db").stdout)
        (self.folder / "other.db").unlink()
        # A Central that is gone leaves neither the file nor its beginning.
        net.central.kill()
        self.assertIn("does not answer", self.evctl(net, "backup", str(self.folder / "other.db"), code=1))
        self.assertEqual({p.name for p in self.folder.iterdir() if p.suffix in (".db", ".part")}, {"backup.db"})
        self.assertEqual([p.name for p in (net.folder / "central").iterdir() if "copy" in p.name], [])

    def store_of(self, file):
        """What --check-store says of a backup in a data folder of its own."""
        folder = self.folder / f"check-{file.stem}"
        (folder / "central").mkdir(parents=True)
        shutil.copy(file, folder / "central/central.db")
        done = run("ev-central", "--check-store", "--data-dir", str(folder))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    # B211
    def test_a_backup_shows_its_progress_on_a_terminal_only(self):
        net = self.network()
        file = str(self.folder / "backup.db")
        terminal = TerminalProcess("evctl", ["evctl", "backup", file, "--central", net.central_address], net.folder)
        self.assertEqual(terminal.process.wait(timeout=60), 0)
        terminal.wait_text("SHA-256")
        self.assertIn(b"Central copies its store", terminal.seen)
        terminal.close()
        done = run("evctl", "backup", file, "--force", "--central", net.central_address)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    # B213
    def test_after_a_backup_is_put_back_facts_since_are_booked_again_from_kafka_and_nothing_twice(self):
        net = self.network(points=3, engine=["--plug-in=manual"])
        earlier = net.charge("ann", "cp_001")
        self.complete(net, "cp_001", earlier)
        across = net.charge("bob", "cp_002")  # Its charge is under way in the backup.
        net.engine_call("cp_002", "PlugIn")
        net.wait_session(across, "CHARGING")
        granted = net.charge("cid", "cp_003")  # And of this only the grant.
        net.wait_session(granted, "GRANTED")
        file = self.folder / "backup.db"
        self.evctl(net, "backup", str(file))
        net.engine_call("cp_002", "Unplug")
        net.wait_session(across, "COMPLETED")
        self.complete(net, "cp_003", granted)
        later = net.charge("eve", "cp_001")
        self.complete(net, "cp_001", later)
        billed = {t["session_id"]: (t["energy_mwh"], t["amount_micros"]) for t in net.tickets()}
        self.assertEqual(set(billed), {earlier, across, granted, later})

        self.assertEqual(net.central.terminate(), 0)
        folder = net.folder / "central"
        for suffix in ("-wal", "-shm"):
            (folder / f"central.db{suffix}").unlink(missing_ok=True)
        shutil.copy(file, folder / "central.db")
        net.start_central()
        for session in (across, granted):
            net.wait_session(session, "COMPLETED")
        # Of a session that the backup does not know the final is put aside, and its ticket is not in the store any more.
        letter = eventually("the final of the later charge is put aside", lambda: [
            r for r in self.letters(net) if r["reason"] == "UNKNOWN_SESSION" and r["origin_topic"] == "charging_session_complete"])
        self.assertEqual([r["key"] for r in letter], ["cp_001"])
        self.assertEqual({t["session_id"]: (t["energy_mwh"], t["amount_micros"]) for t in net.tickets()},
                         {s: billed[s] for s in (earlier, across, granted)})
        for session in (earlier, across, granted):
            self.assertEqual(len(net.tickets_in_store(session)), 1)
        # What the drivers were told still is on its topic, with the bill of what the store has lost.
        told = [m["value"]["ticket"]["amount_micros"] for m in net.topic("charging_status_updates", session_id=later)
                if "ticket" in m["value"]]
        self.assertEqual(told, [billed[later][1]])
        # Numbers go on above those that the charging points have seen: they take new charges.
        for cp in net.engines:
            net.wait_state(cp, "AVAILABLE")
            self.complete(net, cp, net.charge("zoe", cp))
        self.assertEqual(len(net.tickets(driver_id="zoe")), 3)
        self.assertEqual(net.central.terminate(), 0)
        self.assertIn("is sound", self.store_of(folder / "central.db").stdout)

    def complete(self, net, cp, session):
        """Plugs in and out: the granted session is charged and billed."""
        net.engine_call(cp, "PlugIn")
        net.wait_session(session, "CHARGING")
        eventually("energy flows", lambda: int(net.session(session)["energy_mwh"]) > 0)
        net.engine_call(cp, "Unplug")
        net.wait_session(session, "COMPLETED")
        net.wait_state(cp, "AVAILABLE")

    def letters(self, net):
        listed = run("evctl", "dead-letters", "list", "-o", "csv", "--kafka-brokers", net.broker)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        return list(csv.DictReader(io.StringIO(listed.stdout)))

    def replay(self, net, *arguments, code=0):
        done = run("evctl", "dead-letters", "replay", *arguments, "--kafka-brokers", net.broker)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout if code == 0 else done.stderr

    def produce(self, net, topic, partition, key, body, *settings):
        file = self.folder / "body"
        file.write_bytes(body)
        subprocess.run(["kcat", "-b", net.broker, "-P", "-t", topic, "-p", str(partition), "-k", key, *settings, str(file)],
                       timeout=60, check=True)

    # B214
    def test_a_dead_letter_whose_cause_is_mended_is_booked_once_however_often_it_is_replayed(self):
        # The Engine's finals go elsewhere, and from there into a partition that is not their charging point's.
        net = self.network(engine=["--sim-full-after", "2s", "--topic-session-complete", "elsewhere"])
        session = net.charge("ann", "cp_001")
        net.wait_session(session, "AWAITING_FINAL")
        own = net.topic("charging_session_data", session_id=session)[0]["partition"]
        final = eventually("the final is there", lambda: net.topic("elsewhere"))[0]
        self.assertEqual(final["value"]["session_id"], session)
        body = subprocess.run(["kcat", "-b", net.broker, "-C", "-q", "-t", "elsewhere", "-p", str(final["partition"]), "-o",
                               str(final["offset"]), "-c", "1", "-f", "%s"], capture_output=True, timeout=60, check=True).stdout
        for _ in range(2):
            self.produce(net, "charging_session_complete", (own + 1) % 12, "cp_001", body, "-H", "traceparent=00-1-2-01")
        eventually("both are put aside", lambda: [r["reason"] for r in self.letters(net)] == ["WRONG_PARTITION"] * 2)
        self.assertEqual(net.tickets(), [])

        dry = self.replay(net, "--reason", "WRONG_PARTITION", "--dry-run")
        self.assertEqual(dry.count("would be put back into charging_session_complete"), 2)
        self.assertEqual(len(net.topic("charging_session_complete")), 2)
        self.assertIn("its reasons: WRONG_PARTITION", self.replay(net, "--reason", "NONSENSE", code=1))
        done = self.replay(net, "--reason", "WRONG_PARTITION", "--since", "1h")
        self.assertEqual(done.count("put back into charging_session_complete"), 2)
        ended = net.wait_session(session, "COMPLETED")
        self.assertEqual(net.tickets_in_store(session), [(int(ended["energy_mwh"]), int(ended["amount_micros"]))])
        self.assertEqual(ended["energy_mwh"], final["value"]["energy_mwh"])
        eventually("the second is known as a repeat", lambda: net.metric("ev_duplicates_total") >= 1)
        self.assertEqual(len(net.tickets_in_store(session)), 1)

        replayed = [m for m in net.topic("charging_session_complete") if m["partition"] == own]
        self.assertEqual([m["headers"] for m in replayed],
                         [{"traceparent": "00-1-2-01", "ev-replays": "1", "ev-replayed-from": f"charging_dead_letter/0/{i}"}
                          for i in range(2)])
        self.assertEqual([m["key"] for m in replayed], ["cp_001"] * 2)
        # Once: neither by name nor with all of them.
        self.assertEqual(self.replay(net, "--all"), "none\n")
        self.assertIn("left alone: it was put back before", self.replay(net, "0"))
        self.assertEqual(len(net.topic("charging_session_complete")), 4)
        self.assertEqual(len(self.letters(net)), 2, "what was noted of them is no letter")

    # B214
    def test_a_dead_letter_that_fails_again_comes_back_with_its_count_and_is_left_alone_after_three(self):
        net = self.network(points=0)
        self.produce(net, "charging_session_data", 0, "cp_001", b"\xff\xfe")
        for replays in range(4):
            letters = eventually("it is put aside", lambda n=replays + 1: (lambda found: len(found) == n and found)(self.letters(net)))
            self.assertEqual(letters[-1]["replays"], str(replays) if replays else "")
            if replays < 3:
                self.assertIn("put back into charging_session_data", self.replay(net, letters[-1]["offset"]))
        self.assertIn("left alone: it has failed 3 times again", self.replay(net, "--all"))
        self.assertEqual(net.metric("ev_dead_letters_total", reason="undecodable"), 4)

    # B214
    def test_a_replay_that_is_not_clear_changes_nothing(self):
        net = self.network(points=0)
        self.produce(net, "charging_session_data", 0, "cp_001", b"\xff\xfe")
        eventually("it is put aside", lambda: len(self.letters(net)) == 1)
        for words, said in (("", "which?"), ("0 --all", "which?"), ("x", "is no OFFSET"), ("1/2/3", "is no OFFSET"), ("--since soon", "--since: ")):
            with self.subTest(words):
                self.assertIn(said, self.replay(net, *words.split(), code=2))
        for words, said in ((["list", "3"], "lists all"), (["list", "--all"], "takes none of"), (["show", "1/x"], "is no OFFSET"),
                            (["show"], "which one?"), (["replay", "--all", "--reason", ""], "--reason: it is empty")):
            with self.subTest(words):
                done = run("evctl", "dead-letters", *words, "--kafka-brokers", net.broker)
                self.assertEqual(done.returncode, 2)
                self.assertIn(said, done.stderr)
        self.assertIn("holds no 0/7", self.replay(net, "0", "7", code=1))
        self.assertEqual(len(net.topic("charging_session_data")), 1)

    # B212
    def test_prune_removes_what_bills_nothing_only_when_it_is_meant(self):
        net = self.network(engine=["--plug-in=manual"], central=["--grant-time-to-live", "1s"])
        expired = net.charge("ann", "cp_001")
        net.wait_session(expired, "EXPIRED")
        self.assertEqual(net.central.terminate(), 0)
        net.central_arguments = []  # What is granted now is granted for long enough.
        net.start_central()
        net.wait_state("cp_001", "AVAILABLE")
        charged = net.charge("ann", "cp_001")
        self.complete(net, "cp_001", charged)
        self.assertEqual(net.central.terminate(), 0)
        store = sqlite3.connect(net.folder / "central/central.db")
        with store:  # Ninety days pass.
            for column in ("requested_ns", "updated_ns"):
                store.execute(f"UPDATE session SET {column} = {column} - 90 * 86400 * 1000000000")
        store.close()
        net.start_central()

        self.assertIn("how old?", self.evctl(net, "prune", code=2))
        self.assertIn("at least 7 days ago", self.evctl(net, "prune", "--older-than", "6d", code=2))
        self.assertIn("nothing is removed yet", self.evctl(net, "prune", "--older-than", "60d"))
        self.assertIn("would be removed: 0 ", self.evctl(net, "prune", "--before", "2020-01-01", "--dry-run"))
        self.assertEqual(net.session(expired)["state"], "SESSION_STATE_EXPIRED")
        self.assertIn("removed: 1 sessions that were denied or expired without energy, 0 refusals",
                      self.evctl(net, "prune", "--older-than", "60d", "--yes"))
        self.assertEqual(net.refused("SessionService/GetSession", {"session_id": expired})[0], "NotFound")
        self.assertEqual(net.session(charged)["state"], "SESSION_STATE_COMPLETED")
        self.assertEqual([t["session_id"] for t in net.tickets()], [charged])
        net.wait_state("cp_001", "AVAILABLE")
        net.wait_session(net.charge("bob", "cp_001"), "GRANTED")
        self.assertEqual(net.central.terminate(), 0)
        self.assertIn("is sound", self.store_of(net.folder / "central/central.db").stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)

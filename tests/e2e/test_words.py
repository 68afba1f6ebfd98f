"""What people type at programs and tools, wrong words too: what they are told, and the exit code."""
import pathlib
import shutil
import subprocess
import tempfile
import time
import unittest

from network import ROOT, Network, Process, free_port, run


class Words(unittest.TestCase):
    def broker(self):
        """An embedded broker that ends with the test."""
        port = free_port()
        broker = self.start("broker", "ev-broker", "--port", str(port))
        broker.wait_output(f":{port} ")
        return f"localhost:{port}"

    def start(self, name, *arguments):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-"))
        self.addCleanup(shutil.rmtree, folder, True)
        process = Process(name, arguments, folder, stdin=subprocess.DEVNULL)
        self.addCleanup(process.kill)
        return process

    # B141
    def test_evctl_that_gets_no_answer_says_whom_it_asked_and_what_to_do(self):
        nowhere = f"127.0.0.1:{free_port()}"
        for arguments, option in ((("get", "points", "--central", nowhere), "--central or EV_CENTRAL"),
                                  (("tail", "charging_session_data", "--kafka-brokers", nowhere),
                                   "--kafka-brokers or EV_KAFKA_BROKERS"),
                                  (("tail", "system_alerts", "--follow", "--kafka-brokers", nowhere),
                                   "--kafka-brokers or EV_KAFKA_BROKERS")):
            with self.subTest(arguments):
                begin = time.monotonic()
                done = run("evctl", *arguments)
                self.assertLess(time.monotonic() - begin, 15)
                self.assertEqual((done.returncode, done.stdout), (1, ""))
                self.assertRegex(done.stderr, f"^evctl: .* {nowhere} .*; is .* running\\? {option} names another")
        done = run("evctl", "tail", "charging_sesion_data", "--kafka-brokers", self.broker())
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, "^evctl: .*no topic .*; did you mean charging_session_data")

    # B141 B171
    def test_a_word_that_is_not_known_exits_with_2_and_the_word_that_was_meant(self):
        for words, said in (("evctl gte points", "unknown command gte; did you mean get?"),
                            ("evctl get pionts", "did you mean points?"),
                            ("evctl get", "get points, sessions, tickets or gaps"),
                            ("evctl get points --centrl x:1", "unknown option --centrl; did you mean --central?"),
                            ("evctl get points --central=", "--central: "),
                            ("evctl get points --central localhost", '--central: "localhost" is not host:port'),
                            ("evctl tail", "which topic?"), ("evctl", "which command?"),
                            ("evctl tail a --kafka-brokers a:b", "--kafka-brokers: "),
                            ("evctl tail a --kafka-config nonsense", "--kafka-config: "),
                            ("ev-broker --prot 1", "unknown option --prot; did you mean --port?"),
                            ("ev-central --panle", "unknown option --panle; did you mean --panel?"),
                            ("ev-driver --central localhost", '--central: "localhost" is not host:port'),
                            ("ev-monitor http://localhost:1 b:1 cp_001", '--engine: "http://localhost:1" is not host:port'),
                            ("ev-engine --kafka-brokers= --check-config", "--kafka-brokers: ")):
            done = run(*words.split())
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertTrue(done.stderr.startswith(words.split()[0] + ": "), done.stderr)
            self.assertIn(said, done.stderr, words)
        for target in ("dns:///central.ev.svc:50051", "[::1]:50051"):
            self.assertEqual(run("ev-driver", "--central", target, "--check-config").returncode, 0)

    def test_evctl_follows_a_topic_until_it_is_asked_to_stop(self):
        with Network(self.broker(), points=1) as net:
            follower = self.start("follower", "evctl", "tail", "charging_session_data", "--follow", "--kafka-brokers",
                                  net.broker)
            net.charge("ann", "cp_001")
            follower.wait_output('"driver_id":"ann"')
            self.assertEqual(follower.terminate(), 0)

    def test_a_tool_that_is_called_wrongly_says_so_and_exits_with_2(self):
        for words, said in (("demo --points", "demo: --points wants a number"),
                            ("demo --points x", "demo: --points wants a number, not x"),
                            ("demo --points 0", "--points 0"), ("demo --drivers 4", "--drivers 4"),
                            ("demo --nope", "demo: unknown option --nope"),
                            ("check --nope", "check: unknown option --nope"),
                            ("test --nope -R x", "test: unknown option --nope"),
                            ("kafka statr", "kafka: unknown argument statr"), ("kafka", "kafka: which command?"),
                            ("kafka --port x status", "kafka: --port wants a number")):
            tool, *arguments = words.split()
            done = subprocess.run([str(ROOT / "tools" / tool), *arguments], capture_output=True, text=True, timeout=60,
                                  check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn(said, done.stderr)
        for tool in ("demo", "check", "test", "kafka"):
            done = subprocess.run([str(ROOT / "tools" / tool), "--help"], capture_output=True, text=True, timeout=60,
                                  check=False)
            self.assertEqual((done.returncode, done.stderr), (0, ""), tool)
            self.assertIn(f"usage: tools/{tool}", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)

"""The book of the API: made from the protos, and its examples run."""
import re
import shlex
import subprocess
import sys
import unittest

from network import ROOT, Network, start_broker

PROTOS = ROOT / "proto/evcharging"
EXAMPLE = re.compile(r"^ {4}(grpcurl .*)$", re.M)
# What a call may answer when what it names is not there, or is not so. A mistake in an example has other codes: 1 (the JSON
# is not the message's), INVALID_ARGUMENT, UNIMPLEMENTED.
ANSWERS = {"OK": 0, "DEADLINE_EXCEEDED": 68, "NOT_FOUND": 69, "ALREADY_EXISTS": 70, "FAILED_PRECONDITION": 73}


def api_docs(*arguments):
    return subprocess.run([sys.executable, str(ROOT / "tools/api-docs"), *arguments], capture_output=True, text=True,
                          timeout=120, check=False)


def methods():
    """Every method of every service of ours: package.Service/Method."""
    for path in sorted(PROTOS.rglob("*.proto")):
        text = path.read_text(encoding="utf-8")
        package = re.search(r"^package (.*);", text, re.M).group(1)
        for service, body in re.findall(r"^service (\w+) \{(.*?)^\}", text, re.M | re.S):
            for method in re.findall(r"^  rpc (\w+)\(", body, re.M):
                yield f"{package}.{service}/{method}"


class Api(unittest.TestCase):
    # B197
    def test_the_book_of_the_api_is_what_the_protos_say(self):
        done = api_docs("--check")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    # B197
    def test_each_method_has_an_example_of_its_own_that_runs(self):
        text = (ROOT / "docs/api.md").read_text(encoding="utf-8")
        examples = EXAMPLE.findall(text)
        self.assertEqual(sorted(shlex.split(e)[-1] for e in examples), sorted(methods()))
        with Network(start_broker(self), points=1, engine=["--plug-in=manual"]) as net:
            session = net.charge("driver_001", "cp_001", request_id="r1")
            net.wait_session(session, "GRANTED")
            driver = net.driver("driver_001")
            address = driver.wait_said("^listening$")["grpc"]
            monitor = net.monitors["cp_001"].said("^listening$")["grpc"]
            ports = {"50051": net.central_address, "50052": net.engine_address("cp_001"), "50053": monitor, "50054": address}
            for example in examples:
                with self.subTest(example):
                    words = [re.sub("0f[.]{3}|0f[0-9a-f]*[.]{3}", session, word) for word in shlex.split(example)]
                    words = [re.sub(r"^localhost:(\d+)$", lambda m: ports[m.group(1)], word) for word in words]
                    done = subprocess.run([words[0], "-max-time", "2", *words[1:]], capture_output=True, text=True,
                                          timeout=60, check=False)
                    self.assertIn(done.returncode, ANSWERS.values(), done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)

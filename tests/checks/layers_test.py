#!/usr/bin/env python3
"""Configuring fails for a target that depends on a higher layer, and says which."""
import pathlib
import subprocess
import tempfile
import unittest

PROJECT = pathlib.Path(__file__).parent / "layers"


class LayersTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # One for all cases: looking at the compiler is what takes time.
        cls.build = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.build.cleanup)

    def configure(self, case):
        command = ["cmake", "-G", "Ninja", "-S", PROJECT, "-B", self.build.name, f"-DCASE={case}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def assert_fails(self, case, message):
        code, output = self.configure(case)
        self.assertNotEqual(code, 0, f"{case} was configured")
        self.assertIn(message, output)

    def test_targets_that_keep_the_layers_are_configured(self):
        code, output = self.configure("kept")
        self.assertEqual(code, 0, output)

    def test_a_core_must_not_depend_on_an_adapter(self):
        message = "layer check: ev_core (core) must not depend on ev::kafka (adapter)"
        self.assert_fails("upwards", message)
        self.assert_fails("upwards_header_only", message)

    def test_a_dependency_added_by_hand_counts_too(self):
        self.assert_fails("upwards_by_hand", "ev_core (core) must not depend on ev_kafka (adapter)")

    def test_below_the_adapters_only_absl_is_third_party(self):
        self.assert_fails("third_party", "ev_ports (ports) must not depend on gRPC::grpc++")

    def test_a_layer_that_does_not_exist_is_refused(self):
        self.assert_fails("unknown_layer", "ev_x: unknown layer 'utils'")

    def test_a_target_that_does_not_exist_is_refused(self):
        self.assert_fails("unknown_target", "ev_x depends on ev::nowhere, which does not exist")


if __name__ == "__main__":
    unittest.main()

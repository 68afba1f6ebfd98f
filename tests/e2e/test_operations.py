"""What an operator does to a running network: log levels, backups, replays of dead letters, pruning."""
import csv
import importlib
import io
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import unittest

from network import BIN, Network, Process, ProcessTest, compile_protos, eventually, run, start_broker
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


if __name__ == "__main__":
    unittest.main(verbosity=2)

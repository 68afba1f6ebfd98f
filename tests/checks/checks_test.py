#!/usr/bin/env python3
"""The checks find what they are for, and nothing else."""
import contextlib
import io
import pathlib
import tempfile
import unittest

import header_guards
import include_fences
import integer_money
import portable_text
import promises


class ChecksTest(unittest.TestCase):
    def findings(self, check, files):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, content in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(content, encoding="utf-8")
            with contextlib.redirect_stdout(io.StringIO()) as self.printed:
                return check(root)

    def assert_fence(self, name, header, is_allowed):
        found = self.findings(include_fences.check, {name: f"#include {header}\n"})
        self.assertEqual(len(found), 0 if is_allowed else 1, f"{name} {header}: {found}")

    def test_librdkafka_is_behind_its_folder(self):
        self.assert_fence("libs/kafka/handles.h", "<librdkafka/rdkafka.h>", True)
        self.assert_fence("libs/metrics/x.cc", "<librdkafka/rdkafka.h>", False)
        self.assert_fence("tests/unit/x_test.cc", "<librdkafka/rdkafka.h>", False)

    def test_waits_for_kafka_are_not_measured_with_the_wall_clock(self):
        self.assert_fence("libs/kafka/consumer.cc", '"absl/time/clock.h"', False)
        self.assert_fence("libs/kafka/consumer.cc", '"kafka/monotonic.h"', True)
        self.assert_fence("services/driver/main.cc", '"absl/time/clock.h"', True)

    def test_generated_messages_stay_in_adapters_and_tests(self):
        header = '"evcharging/events/v1/facts.pb.h"'
        self.assert_fence("services/central/adapters/codec.cc", header, True)
        self.assert_fence("tests/unit/x_test.cc", header, True)
        self.assert_fence("services/central/core/shard.h", header, False)
        self.assert_fence("libs/domain/fact.h", header, False)
        self.assert_fence("services/central/core/x.cc", '"evcharging/central/v1/x.grpc.pb.h"', False)

    def test_a_library_knows_no_service(self):
        self.assert_fence("libs/rpc/server.cc", '"services/central/options.h"', False)
        self.assert_fence("services/central/main.cc", '"services/central/options.h"', True)

    def test_a_core_does_no_io_and_has_no_clock_thread_or_randomness(self):
        for header in ("<fstream>", "<sys/socket.h>", "<sqlite3.h>", "<grpcpp/grpcpp.h>", "<thread>",
                       '"absl/time/clock.h"', '"base/mutex.h"'):
            self.assert_fence("services/engine/core/engine.cc", header, False)
            self.assert_fence("libs/domain/money.h", header, False)
            self.assert_fence("services/engine/adapters/host.cc", header, True)
        self.assert_fence("services/engine/core/engine.cc", '"absl/time/time.h"', True)
        self.assert_fence("libs/events/inmemory/inmemory_log.h", "<thread>", True)
        self.assert_fence("libs/events/topics.h", "<thread>", False)

    def test_a_core_may_seed_an_engine_but_not_ask_the_system_for_bits(self):
        path = "services/engine/core/engine.cc"
        self.assertEqual(self.findings(include_fences.check, {path: "#include <random>\nstd::mt19937 r(seed);\n"}), [])
        for line in ("std::random_device d;\n", "auto t = SystemClock().Now();\n", "auto t = absl::Now();\n"):
            self.assertEqual(len(self.findings(include_fences.check, {path: line})), 1)
        self.assertEqual(self.findings(include_fences.check, {"libs/base/clock.cc": "absl::Now();\n"}), [])

    def test_money_and_energy_are_no_floating_point(self):
        for path, line in (("proto/a/v1/a.proto", "double energy_mwh = 1;"), ("libs/domain/a.h", "float price = 0;"),
                           ("services/central/core/a.cc", "auto amount = energy_mwh * 0.35;"),
                           ("services/central/core/a.cc", "const double share = EnergyOf(x);"),
                           ("services/engine/adapters/a.cc", "double energy_mwh = 0;"), ("libs/wire/a.cc", "float price;")):
            self.assertEqual(len(self.findings(integer_money.check, {path: line + "\n"})), 1, line)
        for path, line in (("proto/a/v1/a.proto", "int64 energy_mwh = 1;  // 1.5 kWh is 1500000; never a double"),
                           ("services/a/core/a.h", "double Chance();"), ("libs/domain/a.cc", 'Say("price 0.35");'),
                           ("cli/a/a.cc", "double energy_mwh;")):
            self.assertEqual(self.findings(integer_money.check, {path: line + "\n"}), [], line)

    def test_a_header_guard_is_the_path_by_which_it_is_included(self):
        for path, guard in (("libs/kafka/client.h", "EV_KAFKA_CLIENT_H_"),
                            ("services/central/core/shard.h", "EV_SERVICES_CENTRAL_CORE_SHARD_H_"),
                            ("tests/sim/world.h", "EV_TESTS_SIM_WORLD_H_")):
            for other, is_right in ((guard, True), (guard.replace("EV_", "EV_X_"), False)):
                header = f"#ifndef {other}\n#define {other}\n\n#endif  // {other}\n"
                self.assertEqual(self.findings(header_guards.check, {path: header}) == [], is_right, other)
        self.assertEqual(len(self.findings(header_guards.check, {"libs/a/b.h": "int b;\n"})), 1)
        self.assertEqual(len(self.findings(
            header_guards.check, {"libs/a/b.h": "#ifndef EV_A_B_H_\n#define EV_A_C_H_\n#endif\n"})), 1)

    def test_a_promise_needs_a_test_that_names_it(self):
        document = "**B1.** One.\n\n**B2.** Two, which is\nlong. *later*\n\n**B3.** Three.\n"
        named = {"docs/behaviour.md": document, "tests/a_test.cc": "// B1\nTEST(A, B) {\n",
                 "tests/b.py": "    # B3\n    def test_b(self):\n", 
                 "tests/CMakeLists.txt": "foreach(x a b)\n COMMAND tests/${x}.py\nendforeach()\nadd(SRCS a_test.cc)"}
        self.assertEqual(self.findings(promises.check, named), [])
        unnamed = {"docs/behaviour.md": document, "tests/a_test.cc": "// B1 B2\nTEST(A, B) {\n",
                   "tests/CMakeLists.txt": "a_test.cc"}
        self.assertEqual(self.findings(promises.check, unnamed), ["docs/behaviour.md: no test names B3"])

    def test_several_promises_stand_in_one_line_and_a_comment_may_follow(self):
        files = {"docs/behaviour.md": "**B1.** One.\n\n**B2.** Two.\n",
                 "tests/a_test.cc": "// B1, B2\n// Because.\nTEST_F(A, B) {\n", "tests/CMakeLists.txt": "a_test.cc"}
        self.assertEqual(self.findings(promises.check, files), [])

    def test_a_name_above_no_test_proves_nothing(self):
        for path, text in (("a_test.cc", "// B1\nint x;\n"), ("a_test.cc", "// B1\nTEST(A, DISABLED_B) {\n"),
                           ("b.py", "# B1\nx = 1\n"), ("b.py", "# B1\n@decorated\ndef test_b(self):\n")):
            files = {"docs/behaviour.md": "**B1.** One.\n", f"tests/{path}": text, "tests/CMakeLists.txt": path}
            self.assertEqual(self.findings(promises.check, files),
                             [f"tests/{path}:1: B1 stands above no test that runs", "docs/behaviour.md: no test names B1"])

    def test_a_file_that_is_not_built_or_run_proves_nothing(self):
        for build in ("other/a_test.cc", "# a_test.cc", "a_test", "foreach(x b)\n${x}_test.cc\nendforeach()"):
            files = {"docs/behaviour.md": "**B1.** One.\n", "tests/a_test.cc": "// B1\nTEST(A, B) {\n",
                     "tests/CMakeLists.txt": build, "tests/CMakeLists.txt.in": "a_test.cc"}
            self.assertEqual(self.findings(promises.check, files),
                             ["tests/a_test.cc:1: tests/CMakeLists.txt does not name a_test.cc",
                              "docs/behaviour.md: no test names B1"], build)

    def test_no_test_is_skipped(self):
        for path, text in (("a_test.cc", "TEST(A, B) {\n  GTEST_SKIP();\n"), ("b.py", "@unittest.skip('x')\nclass B:\n"),
                           ("b.py", "@unittest.skipIf(x, 'y')\ndef test_b(self):\n"), ("b.py", "self.skipTest('x')\n")):
            files = {"docs/behaviour.md": "**B1.** One. *later*\n", f"tests/{path}": text}
            self.assertEqual(len(self.findings(promises.check, files)), 1, text)

    def test_a_document_without_promises_is_told(self):
        self.assertEqual(self.findings(promises.check, {"docs/behaviour.md": "**B1** One.\n"}),
                         ["docs/behaviour.md:1: a promise begins as **B12.** does", "docs/behaviour.md: no promises found"])

    def test_a_mention_in_a_sentence_proves_nothing(self):
        files = {"docs/behaviour.md": "**B1.** One.\n", "tests/a_test.cc": "// See B1 for more.\nTEST(A, B) {\n"}
        self.assertEqual(self.findings(promises.check, files), ["docs/behaviour.md: no test names B1"])

    def test_an_unknown_or_doubled_promise_is_told(self):
        files = {"docs/behaviour.md": "**B1.** One.\n\n**B1.** Again.\n",
                 "tests/a_test.cc": "// B1 B9\nTEST(A, B) {\n", "tests/CMakeLists.txt": "a_test.cc"}
        self.assertEqual(self.findings(promises.check, files),
                         ["docs/behaviour.md:3: B1 is there twice",
                          "tests/a_test.cc:1: B9 is no promise of docs/behaviour.md"])

    def test_machine_paths_and_unknown_hosts_are_found(self):
        slash = "/"
        files = {"a.md": f"see {slash}home/jo/x\nand {slash}work/main\n", "b.sh": "curl https:" + "//files.nowhere.dev/x\n",
                 "c.md": "http:" + "//localhost:9464/metrics and $HOME/work/x, ./root/x, https:" + "//grpc.io/docs\n"}
        found = self.findings(portable_text.check, files)
        self.assertEqual([f.split(": ")[0] for f in found], ["a.md:1", "a.md:2", "b.sh:1"])

    def test_a_long_file_is_mentioned_only(self):
        self.assertEqual(self.findings(portable_text.check, {"x.cc": "int x;\n" * 500}), [])
        self.assertIn("x.cc: 500 lines", self.printed.getvalue())


if __name__ == "__main__":
    unittest.main()

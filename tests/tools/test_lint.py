#!/usr/bin/env python3
"""tools/lint finds what it is for: run on a copy of what it reads, as it is and with a fault."""
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
READ = ("tools/lint", "tools/deps", "buf.yaml", "proto", ".hadolint.yaml", ".clang-format", "docker/Dockerfile")


class LintTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-lint-"))
        self.addCleanup(shutil.rmtree, self.folder)
        for name in READ:
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy2)(ROOT / name, target)
        (self.folder / "build").mkdir()
        (self.folder / "build/tools").symlink_to(ROOT / "build/tools")

    def change(self, name, old, new):
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        self.assertTrue(old in text, f"{name} has no {old}")
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def lint(self, step):
        """(exit code, what it said)."""
        done = subprocess.run([self.folder / "tools/lint", step], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=100)
        return done.returncode, done.stdout

    def assert_clean(self, step):
        code, said = self.lint(step)
        self.assertEqual(code, 0, said)
        self.assertIn(f"lint: {step}: clean", said)

    def assert_found(self, step, finding):
        code, said = self.lint(step)
        self.assertEqual(code, 1, said)
        self.assertRegex(said, finding)
        self.assertIn(f"lint: {step}: FAILED", said)

    # B226
    def test_what_the_last_release_has_on_the_wire_stays(self):
        self.assert_clean("proto")
        session = "proto/evcharging/central/v1/session.proto"
        self.change(session, "string driver_id = 3;", "int64 driver_id = 3;")
        self.assert_found("proto", 'Field "3" .*changed type from "string" to "int64"')

    # B226
    def test_no_method_and_no_message_of_the_last_release_goes(self):
        service = "proto/evcharging/central/v1/session_service.proto"
        self.change(service, "  rpc WriteOffSession(WriteOffSessionRequest) returns (Session);\n", "")
        self.assert_found("proto", 'RPC "WriteOffSession".*deleted')
        self.change(service, "message WriteOffSessionRequest {", "message WriteOffRequest {")
        self.assert_found("proto", 'message "WriteOffSessionRequest" was deleted')

    # B226
    def test_the_wire_may_grow(self):
        self.change("proto/evcharging/central/v1/session.proto", "string driver_id = 3;",
                    "string driver_id = 3;\n  // Tried.\n  string tried = 9999;")
        self.assert_clean("proto")

    def test_a_proto_without_comment_or_out_of_format_is_found(self):
        session = "proto/evcharging/central/v1/session.proto"
        self.change(session, "string driver_id = 3;", "string  driver_id = 3;")
        self.assert_found("proto", r"\+  string driver_id = 3;")
        self.change(session, "string  driver_id = 3;", "string driver_id = 3;\n  message Tried {}")
        self.assert_found("proto", 'Message "Tried" should have a non-empty comment')

    def test_a_shell_script_with_a_fault_is_found_whatever_its_name(self):
        subprocess.run(["git", "init", "-q", self.folder], check=True, timeout=60)
        self.assert_clean("shell")
        (self.folder / "tools/tried").write_text("#!/bin/sh\nrm $1\n", encoding="utf-8")
        self.assert_found("shell", "SC2086")

    def test_code_out_of_format_is_found(self):
        subprocess.run(["git", "init", "-q", self.folder], check=True, timeout=60)
        code = self.folder / "libs/tried.cc"
        code.parent.mkdir()
        code.write_text("int Tried() {\n  return 1;\n}\n", encoding="utf-8")
        self.assert_clean("format")
        code.write_text("int Tried()\n{ return  1; }\n", encoding="utf-8")
        self.assert_found("format", "clang-format-violations")

    def test_faults_of_the_dockerfile_are_found(self):
        self.assert_clean("docker")
        good = (self.folder / "docker/Dockerfile").read_text(encoding="utf-8")
        for old, new, finding in (("USER 65532:65532", "USER root", "DL3002"),
                                  ("USER 65532:65532", "# hadolint ignore=DL3002\nUSER root", "DL3002"),
                                  ("LABEL org.opencontainers.image.title=", "LABEL name=", "(?s)DL3049.*DL3050"),
                                  ("RUN tools/deps build", "RUN cd tools && ./deps build", "DL3003"),
                                  ('ENTRYPOINT ["/usr/bin/ev-central"]', "ENTRYPOINT /usr/bin/ev-central", "DL3025")):
            with self.subTest(new):
                (self.folder / "docker/Dockerfile").write_text(good, encoding="utf-8")
                self.change("docker/Dockerfile", old, new)
                self.assert_found("docker", finding)


if __name__ == "__main__":
    unittest.main()

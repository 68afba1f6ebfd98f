#!/usr/bin/env python3
"""The container images: small, without a shell, the same from the same commit, and running as a pod runs them."""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from network import ROOT, TOOLS, Process, ProcessTest, eventually, free_port

FOLDER = ROOT / "build/images"
PROGRAMS = ("central", "engine", "monitor", "driver", "evctl")
UID = 65532
MAX_PACKED_BYTES = 30_000_000


def build():
    subprocess.run([ROOT / "tools/images", "build"], check=True, timeout=1800)


def blob(program, digest):
    algorithm, name = digest.split(":")
    content = (FOLDER / "oci" / program / "blobs" / algorithm / name).read_bytes()
    assert hashlib.new(algorithm, content).hexdigest() == name
    return content


def manifest(program):
    """(digest, manifest, configuration) of an image."""
    index = json.loads((FOLDER / "oci" / program / "index.json").read_text(encoding="utf-8"))
    digest = index["manifests"][0]["digest"]
    found = json.loads(blob(program, digest))
    return digest, found, json.loads(blob(program, found["config"]["digest"]))["config"]


def innermost(pid):
    """The program that bubblewrap runs: it does not pass signals on."""
    while children := pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split():
        pid = int(children[0])
    return pid


class ImagesTest(ProcessTest):
    @classmethod
    def setUpClass(cls):
        build()

    def unpacked(self, program):
        version = json.loads((FOLDER / "oci" / program / "index.json").read_text(encoding="utf-8"))["manifests"][0][
            "annotations"]["org.opencontainers.image.ref.name"]
        root = self.folder / program
        subprocess.run(["umoci", "raw", "unpack", "--image", f"{FOLDER}/oci/{program}:{version}", root], check=True,
                       capture_output=True, timeout=120)
        return root

    def run_image(self, program, *arguments):
        """As a container is run: its root read-only, its user, no capability, nothing of this machine but the network."""
        root, data = self.unpacked(program), self.folder / f"{program}-data"
        data.mkdir()  # Inside, whoever runs this is the image's user.
        entry = manifest(program)[2]["Entrypoint"]
        command = [shutil.which("bwrap"), "--unshare-all", "--share-net", "--die-with-parent", "--ro-bind", str(root), "/",
                   "--proc", "/proc", "--dev", "/dev", "--bind", str(data), "/data", "--uid", str(UID), "--gid", str(UID),
                   "--cap-drop", "ALL", "--clearenv", *entry, *arguments]
        return self.keep(Process(program, command, self.folder))

    def test_the_same_commit_makes_the_same_images(self):
        first = {program: manifest(program)[0] for program in PROGRAMS}
        build()
        self.assertEqual({program: manifest(program)[0] for program in PROGRAMS}, first)

    def test_an_image_is_small_and_holds_one_program_and_no_shell(self):
        for program in PROGRAMS:
            _, found, _ = manifest(program)
            self.assertLessEqual(sum(layer["size"] for layer in found["layers"]), MAX_PACKED_BYTES, program)
            root = self.unpacked(program)
            executables = [p.relative_to(root) for folder in ("bin", "sbin", "usr/bin", "usr/sbin")
                           for p in (root / folder).glob("*")]
            self.assertEqual(len(executables), 1, executables)
            setuid = [p for p in root.rglob("*") if not p.is_symlink() and p.is_file() and p.stat().st_mode & 0o6000]
            self.assertEqual(setuid, [])

    def test_an_image_says_what_it_is_and_how_it_runs(self):
        for program in PROGRAMS:
            config = manifest(program)[2]
            self.assertEqual(config["User"], f"{UID}:{UID}")
            self.assertEqual(len(config["Entrypoint"]), 1)
            self.assertTrue(config["Entrypoint"][0].startswith("/usr/bin/"), config["Entrypoint"])
            self.assertNotIn("Cmd", config)
            for label in ("title", "description", "version", "revision"):
                self.assertTrue(config["Labels"][f"org.opencontainers.image.{label}"], label)
            if program != "evctl":
                self.assertEqual(config["StopSignal"], "SIGTERM")

    def test_each_image_runs_read_only_as_its_user_and_is_live_by_grpc(self):
        central = free_port()
        engine = free_port()
        ports = {"central": central, "engine": engine, "monitor": free_port(), "driver": free_port()}
        arguments = {
            "central": ["--kafka-enabled=false", "--panel=false", "--data-dir", "/data"],
            "engine": ["--kafka-enabled=false", "--data-dir", "/data"],
            "monitor": ["--engine", f"127.0.0.1:{engine}", "--central", f"127.0.0.1:{central}", "--cp-id", "cp_001"],
            "driver": ["--central", f"127.0.0.1:{central}", "--data-dir", "/data"],
        }
        for program, more in arguments.items():
            self.run_image(program, *more, "--grpc-port", str(ports[program]), "--http-port", "0", "--log-format", "json")
        for program, port in ports.items():
            for service in ("liveness", "readiness"):
                eventually(f"{service} of {program}", lambda port=port, service=service: subprocess.run(
                    [TOOLS / "grpcurl", "-plaintext", "-d", json.dumps({"service": service}), f"127.0.0.1:{port}",
                     "grpc.health.v1.Health/Check"], check=True, capture_output=True, text=True, timeout=30))
        points = eventually("the point is linked", lambda: [p for p in json.loads(subprocess.run(
            [TOOLS / "grpcurl", "-plaintext", f"127.0.0.1:{central}",
             "evcharging.central.v1.ChargingPointService/ListChargingPoints"], check=True, capture_output=True, text=True,
            timeout=30).stdout).get("charging_points", [])])
        self.assertEqual(len(points), 1)
        for process in reversed(self.started):
            os.kill(innermost(process.process.pid), signal.SIGTERM)
            self.assertEqual(process.process.wait(timeout=60), 0, process.process.args)
        shown = self.run_image("evctl", "--version")
        self.assertEqual(shown.process.wait(timeout=60), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)

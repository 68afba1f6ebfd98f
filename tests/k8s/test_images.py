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
from network import BIN, ROOT, TOOLS, Process, ProcessTest, eventually, free_port

FOLDER = ROOT / "build/images"
PROGRAMS = ("central", "engine", "monitor", "driver", "evctl")
UID = 65532
MAX_PACKED_BYTES = 30_000_000


# A mount and a pid namespace of its own: there a program is process 1, as in a pod, and a root can be mounted read-only.
UNSHARE = ["/usr/bin/unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--"]


def build():
    subprocess.run([ROOT / "tools/images", "build", "--from", BIN], check=True, timeout=600)


def ways():
    """The ways of in_image.py that this machine allows. A chroot, and a container without SYS_ADMIN, allow no mounts."""
    tried = subprocess.run([*UNSHARE, "true"], capture_output=True, text=True, timeout=60)
    if tried.returncode == 0:
        return ["chroot", "namespaces"]
    print(f"images: run by chroot only, not in namespaces with a root mounted read-only: {tried.stderr.strip()}", file=sys.stderr)
    return ["chroot"]


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
    """The program itself: unshare waits for it and passes no signal on."""
    while children := pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split():
        pid = int(children[0])
    return pid


def status(pid):
    """What the kernel says of a process."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def is_healthy(port, service):
    asked = subprocess.run([TOOLS / "grpcurl", "-plaintext", "-d", json.dumps({"service": service}), f"127.0.0.1:{port}",
                            "grpc.health.v1.Health/Check"], capture_output=True, text=True, timeout=30)
    return asked.returncode == 0 and json.loads(asked.stdout)["status"] == "SERVING"


class ImagesTest(ProcessTest):
    """What stands in build/images."""

    def unpacked(self, program, name=None):
        version = json.loads((FOLDER / "oci" / program / "index.json").read_text(encoding="utf-8"))["manifests"][0][
            "annotations"]["org.opencontainers.image.ref.name"]
        root = self.folder / (name or program)
        subprocess.run(["umoci", "raw", "unpack", "--image", f"{FOLDER}/oci/{program}:{version}", root], check=True,
                       capture_output=True, timeout=120)
        return root

    def run_image(self, way, program, *arguments):
        """Runs it as a container is run, with nothing of this machine but its network."""
        name = f"{program}-{way}"
        command = ["/usr/bin/setpriv", "--inh-caps=-all", sys.executable, "-B", str(ROOT / "tests/k8s/in_image.py"), way,
                   str(self.unpacked(program, name)), *manifest(program)[2]["Entrypoint"], *arguments]
        return self.keep(Process(name, [*UNSHARE, *command] if way == "namespaces" else command, self.folder))

    def assert_runs_as_in_a_pod(self, way, process):
        pid = innermost(process.process.pid)
        shown = status(pid)
        self.assertEqual(shown["Uid"] + shown["Gid"], [str(UID)] * 8)
        self.assertEqual(shown["Groups"], [])
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(shown[name][0], 16), 0, name)
        self.assertEqual(shown["NoNewPrivs"], ["1"])
        self.assertEqual(shown["NSpid"][1:], ["1"] if way == "namespaces" else [])

    # B225
    def test_an_image_is_small_and_holds_one_program_and_no_shell(self):
        for program in PROGRAMS:
            _, found, _ = manifest(program)
            self.assertLessEqual(sum(layer["size"] for layer in found["layers"]), MAX_PACKED_BYTES, program)
            root = self.unpacked(program)
            executables = [p.relative_to(root) for folder in ("bin", "sbin", "usr/bin", "usr/sbin")
                           for p in (root / folder).glob("*")]
            self.assertEqual(len(executables), 1, executables)

    # B225
    def test_of_an_image_its_user_owns_and_may_write_the_data_folder_only(self):
        for program in PROGRAMS:
            root = self.unpacked(program)
            for path in root.rglob("*"):
                shown, name = path.lstat(), path.relative_to(root).as_posix()
                if not path.is_symlink():
                    self.assertEqual(shown.st_mode & 0o6022, 0o22 if name == "tmp" else 0, f"{program} {name}")
                self.assertEqual((shown.st_uid, shown.st_gid), (UID, UID) if name == "data" else (0, 0), f"{program} {name}")

    # B225
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

    # B202 B225
    def test_a_program_names_the_version_and_the_commit_that_its_image_names(self):
        for program in PROGRAMS:
            labels = manifest(program)[2]["Labels"]
            version, revision = (labels[f"org.opencontainers.image.{label}"] for label in ("version", "revision"))
            release = subprocess.run(["git", "tag", "--points-at", "HEAD", f"v{version}"], cwd=ROOT, check=True,
                                     capture_output=True, text=True, timeout=60).stdout.strip()
            process = self.run_image("chroot", program, "--version")
            self.assertEqual(process.process.wait(timeout=60), 0)
            named = {f"{version}+g{revision}"} | ({version} if release and "dirty" not in revision else set())
            self.assertIn(process.output().split()[-1], named)

    # B225
    def test_each_image_runs_as_in_a_pod_and_is_live_by_grpc(self):
        for way in ways():
            with self.subTest(way):
                self.run_network(way)

    def run_network(self, way):
        central = free_port()
        engine = free_port()
        ports = {"central": central, "engine": engine, "monitor": free_port(), "driver": free_port()}
        arguments = {
            "central": ["--kafka-enabled=false", "--panel=false", "--data-dir", "/data"],
            "engine": ["--kafka-enabled=false", "--data-dir", "/data"],
            "monitor": ["--engine", f"127.0.0.1:{engine}", "--central", f"127.0.0.1:{central}", "--cp-id", "cp_001"],
            "driver": ["--central", f"127.0.0.1:{central}", "--data-dir", "/data"],
        }
        processes = [self.run_image(way, program, *more, "--grpc-port", str(ports[program]), "--http-port", "0",
                                    "--log-format", "json") for program, more in arguments.items()]
        for process, port in zip(processes, ports.values()):
            for service in ("liveness", "readiness"):
                process.wait(service, lambda port=port, service=service: is_healthy(port, service))
            self.assert_runs_as_in_a_pod(way, process)
        points = eventually("the point is linked", lambda: [p for p in json.loads(subprocess.run(
            [TOOLS / "grpcurl", "-plaintext", f"127.0.0.1:{central}",
             "evcharging.central.v1.ChargingPointService/ListChargingPoints"], check=True, capture_output=True, text=True,
            timeout=30).stdout).get("charging_points", [])])
        self.assertEqual(len(points), 1)
        for process in reversed(processes):
            os.kill(innermost(process.process.pid), signal.SIGTERM)
            self.assertEqual(process.process.wait(timeout=60), 0, process.process.args)

    def test_what_an_image_lets_its_program_write_is_found(self):
        root = self.unpacked("evctl")
        os.chmod(root / "etc/passwd", 0o666)
        found = subprocess.run([sys.executable, "-B", ROOT / "tests/k8s/in_image.py", "chroot", root, "/usr/bin/evctl"],
                               capture_output=True, text=True, timeout=60)
        self.assertIn("could write ['/data', '/etc/passwd']", found.stderr)


class BuildTest(unittest.TestCase):
    # B225
    def test_the_same_commit_makes_the_same_images(self):
        first = {program: manifest(program)[0] for program in PROGRAMS}
        build()
        self.assertEqual({program: manifest(program)[0] for program in PROGRAMS}, first)


if __name__ == "__main__":
    if os.geteuid() != 0:
        sys.exit("images are made and run by root only: sudo tools/images check")
    if sys.argv[1:] == ["--built"]:  # As they are there.
        unittest.main(argv=[sys.argv[0], "-v", "ImagesTest"])
    build()
    unittest.main(verbosity=2)

"""README and docs: every command block marked `sh` does what it says, on a running network."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import unittest

from documents import GENERATED, all_blocks, blocks_of, documents
from network import BIN, ROOT, TOOLS, Network, Process, eventually, free_port, run, start_broker
from stand_in import STAND_INS

sys.path.insert(0, str(ROOT / "tests/k8s"))
import policy  # noqa: E402
import rendering  # noqa: E402
from api_server import ApiServer, pods_of  # noqa: E402

NOT_RUN = 1  # Blocks of commands that nothing here can run; each says why. More of them is a decision.
# What is written where a reader writes his own, and what stands for it here: (what a document says, what is run).
SESSION, TICKET = '"$(the-session)"', '"$(the-ticket)"'
FILLED_IN = [
    (r'(?<="session_id":")\.\.\.', SESSION), (r"(?<=session )0f\w*\.\.\.", SESSION), (r"(?<=ticket )0f\w*\.\.\.", TICKET),
    (r"(?<=dead-letters show )\d+", "0"),
    (r"(\$PWD/)?build/(release|dev)/bin\b", str(BIN)), (r"\bbuild/(release|dev)\b", str(BIN.parent)),
]
# Within a pipe grep may find nothing, as its reader may; what it reads from must not fail.
PRELUDE = """trap 'echo "failed: $BASH_COMMAND" >&2' ERR
grep() { command grep "$@" || { [ $? = 1 ] && [ -p /dev/stdout ]; }; }
"""


def quoted(text, start):
    """Whether text[start] stands between single quotes."""
    return text.count("'", 0, start) % 2 == 1


class Reader:
    """Somebody with a shell in a checkout: a network runs, the package is built, a cluster answers kubectl."""

    def __init__(self, test, net, driver, cluster):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-reader-"))
        test.addClassCleanup(shutil.rmtree, self.folder, True)
        self.net = net
        here = {"central": net.central, "engine": net.engines["cp_001"], "monitor": net.monitors["cp_001"], "driver": driver}
        said = {name: process.wait_said("^listening$") for name, process in here.items()}
        # The ports that documents name are the programs' defaults, and those of README's "By hand".
        self.ports = {"50051": net.central_address, "6001": net.central_address, "9092": net.broker,
                      "50052": net.engine_address("cp_001"), "5001": net.engine_address("cp_001"),
                      "50053": said["monitor"]["grpc"], "50054": said["driver"]["grpc"], "9464": said["central"]["http"],
                      "9465": said["engine"]["http"], "9466": said["monitor"]["http"], "9467": said["driver"]["http"]}
        self.make_checkout()
        self.install_package()
        self.make_stand_ins(cluster, driver)

    def make_checkout(self):
        """What is changed there is a copy."""
        self.checkout = self.folder / "checkout"
        self.checkout.mkdir()
        for path in ROOT.iterdir():
            if path.name in ("k8s", "docker", "proto"):
                shutil.copytree(path, self.checkout / path.name)
            elif path.name not in ("tools", "build", ".git"):
                (self.checkout / path.name).symlink_to(path)

    def install_package(self):
        """The package's files in a folder, with a store of Central's."""
        self.installed = self.folder / "installed"
        made = self.checkout / "build/package"
        for command in (["cpack", "--config", BIN.parent / "CPackConfig.cmake", "-B", made], ["dpkg-deb", "-x"]):
            if command[0] == "dpkg-deb":
                self.deb, = made.glob("evcharge_*.deb")
                command += [self.deb, self.installed]
            subprocess.run(command, check=True, capture_output=True, timeout=300)
        store = self.installed / "var/lib/evcharge/central"
        store.mkdir(parents=True)
        with contextlib.closing(sqlite3.connect(self.net.folder / "central/central.db")) as source, \
                contextlib.closing(sqlite3.connect(store / "central.db")) as copy:
            source.backup(copy)

    def make_stand_ins(self, cluster, driver):
        stand_ins = self.folder / "stand-ins"
        tools = self.checkout / "tools"
        for folder, names in ((stand_ins, STAND_INS), (tools, [p.name for p in (ROOT / "tools").iterdir() if p.is_file()])):
            folder.mkdir()
            for name in names:
                (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/e2e/stand_in.py {name} "$@"\n',
                                           encoding="utf-8")
                (folder / name).chmod(0o755)
        logs = {"central-0 central": self.net.central.log_path, "driver-0 driver": driver.log_path}
        for number, cp in enumerate(self.net.engines):
            logs |= {f"charging-point-{number} engine": self.net.engines[cp].log_path,
                     f"charging-point-{number} monitor": self.net.monitors[cp].log_path}
        self.failures = self.folder / "failures"
        there = {"folder": self.folder, "stand_ins": stand_ins, "failures": self.failures,
                 "installed": self.installed, "deb": self.deb, "central": self.net.central_address,
                 "kubeconfig": cluster.config, "kubecache": cluster.folder / "cache", "logs": logs}
        file = self.folder / "there.json"
        file.write_text(json.dumps(there, default=str), encoding="utf-8")
        (self.folder / "home").mkdir()
        # Programs that a block starts, and evctl without an address, find the network and keep off its ports.
        self.environment = {
            "PATH": os.pathsep.join(map(str, (stand_ins, TOOLS, BIN, os.environ["PATH"]))), "LC_ALL": "C.UTF-8",
            "HOME": str(self.folder / "home"), "EV_STAND_IN": str(file), "EV_CENTRAL": self.net.central_address,
            "EV_KAFKA_BROKERS": self.net.broker, "EV_HTTP_PORT": "0"}

    def fill_in(self, command):
        """The command as this reader types it."""
        for pattern, text in FILLED_IN:
            command = re.sub(pattern, lambda m, text=text: f"'{text}'" if text[:2] == '"$' and quoted(m.string, m.start())
                             else text, command)
        command = re.sub(r"(?<![\w.])/(?=(etc|var/lib|usr/share/doc)/evcharge|usr/local)", f"{self.installed}/", command)
        for port in re.findall(r"\blocalhost:(\d+)", command):
            assert port in self.ports, f"{command}: which program's port is {port}?"
        return re.sub(r"\blocalhost:(\d+)", lambda m: self.ports[m[1]], command)

    def script(self, block):
        for command, until_ctrl_c in block.commands():
            command = self.fill_in(command)
            yield "until-ctrl-c '" + command.replace("'", "'\\''") + "'" if until_ctrl_c else command

    def run(self, block):
        """Runs it as one script; returns what is wrong, "" if nothing is."""
        self.failures.write_text("", encoding="utf-8")
        script = "\n".join(self.script(block))
        output = self.folder / "output"
        with open(output, "wb") as out:
            try:
                code = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", f"{PRELUDE}{script}\nwait\n"], cwd=self.checkout,
                                      env=self.environment, timeout=120, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                      check=False).returncode
            except subprocess.TimeoutExpired:
                code = "none"
        failures = self.failures.read_text(encoding="utf-8")
        if code != block.exit_code or failures:
            said = output.read_text(encoding="utf-8", errors="replace")
            return f"{script}\nexit code {code}, not {block.exit_code}; {failures}{said[-2000:]}"
        return ""

    def tidy_up(self):
        """A block finds the points as free as the one before did."""
        if self.net.state("cp_001") == "AVAILABLE":
            return
        for session in self.net.grpcurl("SessionService/ListSessions", {"charging_point_id": "cp_001"})["sessions"][:1]:
            self.net.grpcurl("SessionService/StopSession", {"session_id": session["session_id"]}, check=False)
        self.net.grpcurl("ChargingPointService/ResumeChargingPoint", {"charging_point_id": "cp_001"})
        self.net.wait_state("cp_001", "AVAILABLE")


def start_cluster(test):
    """A real API server with our manifests, and the pods and claims that controllers would make of them."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-cluster-"))
    test.addClassCleanup(shutil.rmtree, folder, True)
    server = ApiServer(folder)
    test.addClassCleanup(server.stop)
    server.start()
    objects = rendering.load(rendering.kustomize(rendering.K8S / "overlays/production"))
    refused = server.refusal("apply", "--server-side", objects=objects)
    made = list(pods_of(objects))
    for workload in policy.kind_of(objects, "StatefulSet"):
        base = workload["metadata"]["name"]
        for number in range(workload["spec"]["replicas"]):
            name = f"{base}-{number}"
            for pod in [o for o in made if o["metadata"]["name"] == f"{base}-0"] if number else []:
                made.append({**pod, "metadata": {**pod["metadata"], "name": name}})
            for claim in workload["spec"].get("volumeClaimTemplates", []):
                made.append({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": claim["spec"],
                             "metadata": {"name": f"{claim['metadata']['name']}-{name}", "namespace": "evcharge"}})
    refused += server.refusal("create", objects=made)
    assert not refused, refused
    return server


class Docs(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.blocks, cls.findings = all_blocks()

    def start_reader(self):
        cls = type(self)
        net = Network(start_broker(self), points=1, engine=["--sim-full-after", "2s"])
        cls.addClassCleanup(net.stop)
        net.__enter__()
        net.add_point("charging-point-0")
        driver = net.driver("driver_001")
        # One of everything that a reader looks for: a ticket, and a message that was put aside.
        net.charge("driver_001", "cp_001")
        subprocess.run(["kcat", "-b", net.broker, "-P", "-t", "charging_session_data", "-p", "0", "-k", "cp_001"],
                       input=b"\xff\xfe", timeout=60, check=True)
        cluster = start_cluster(cls)
        net.wait_state("charging-point-0", "AVAILABLE")
        eventually("a ticket", net.tickets)
        eventually("a dead letter", lambda: net.topic("charging_dead_letter"))
        return Reader(cls, net, driver, cluster)

    # B230
    def test_every_command_block_does_what_it_says_on_a_running_network(self):
        blocks = [b for b in self.blocks if b.info == "sh" and not b.is_terminals]
        self.assertGreater(len(blocks), 40)
        reader = self.start_reader()
        for block in blocks:
            with self.subTest(block.place):
                reader.tidy_up()
                self.assertEqual(reader.run(block), "")

    # B230
    def test_programs_started_by_hand_as_the_readme_says_charge_a_vehicle(self):
        block, = (b for b in self.blocks if b.info == "sh" and b.is_terminals)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-by-hand-"))
        self.addCleanup(shutil.rmtree, folder, True)
        ports, terminals = {}, {}

        def on_free_ports(text):
            return re.sub(r"(?<=[ :=])\d{4}\b", lambda m: str(ports.setdefault(m[0], free_port())), text)

        for command, _ in block.commands():
            command = on_free_ports(re.sub("build/release/bin", str(BIN), command))
            name = re.search(r"/bin/([\w-]+)", command)[1]
            more = {"EV_GRPC_PORT": "0"} if name in ("ev-monitor", "ev-driver") else {}
            terminals[name] = Process(name, ["/bin/bash", "-c", f"exec {command}" if "=" not in command.split()[0]
                                             else re.sub(r"(\S+=\S+) ", r"export \1; exec ", command, count=1)],
                                      folder, env={"HOME": str(folder), "EV_HTTP_PORT": "0", "EV_LOG_FORMAT": "json", **more})
            self.addCleanup(terminals[name].process.stdin.close)
            self.addCleanup(terminals[name].kill)
        central = on_free_ports("localhost:6001")
        eventually("the point is there", lambda: "AVAILABLE" in run("evctl", "get", "points", "--central", central).stdout)
        for line in ("list", "charge cp_001"):
            terminals["ev-driver"].type(line)
        eventually("energy flows", lambda: "CHARGING" in run("evctl", "get", "sessions", "--central", central).stdout)
        terminals["ev-driver"].type("quit")  # Through a pipe it waits for its charge.
        session = json.loads(run("evctl", "get", "sessions", "-o", "json", "--central", central).stdout)["session_id"]
        self.assertEqual(run("evctl", "stop", "session", session, "--central", central).returncode, 0)
        self.assertEqual(terminals["ev-driver"].process.wait(timeout=60), 0)

    # B231
    def test_every_block_says_what_it_is_and_few_are_not_run(self):
        self.assertEqual(self.findings, [])
        not_run = [b for b in self.blocks if b.info == "shell"]
        for block in not_run:
            print(f"not run: {block.place}: {block.why_not_run}")
        self.assertEqual(len(not_run), NOT_RUN)

    # B231
    def test_a_block_that_hides_what_it_is_is_found(self):
        for text, said in (("```\nls\n```", "a fence says what is in it"), ("```console\n$ ls\n```", "commands are `sh`"),
                           ("```shell\nls\n```", "say why"), ("words\n\n    ls\n", "not indented"), ("```sh\nls", "without an end"),
                           ("* item\n\n      ls\n", "not indented"), ("<!-- maybe -->\n```sh\nls\n```", "no such mark")):
            with self.subTest(text):
                self.assertIn(said, " ".join(blocks_of("x.md", text)[1]))
        blocks, findings = blocks_of("x.md", "<!-- exit: 2 -->\n```sh\na '#' \\\n  b  # c\nd  # until Ctrl-C\n```\n\n* item\n\n  more\n")
        self.assertEqual((findings, blocks[0].exit_code, list(blocks[0].commands())), ([], 2, [("a '#' b", False), ("d", True)]))

    # B234
    def test_every_link_leads_to_a_file_and_every_page_is_reached_from_the_readme(self):
        links = {}
        for name, text in documents().items():
            plain = re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.S)
            found = [t.partition("#") for t in re.findall(r"\]\(([^)\s]+)\)", plain) if not re.match(r"\w+:", t)]
            links[name] = set()
            for target, _, anchor in found:
                path = (ROOT / name).parent / target if target else ROOT / name
                self.assertTrue(path.exists(), f"{name}: {target} is not there")
                if anchor and path.suffix == ".md":
                    self.assertIn(anchor, anchors(path.read_text(encoding="utf-8")), f"{name}: {target}#{anchor}")
                page = path.resolve().relative_to(ROOT)
                links[name].add((page / "README.md" if path.is_dir() else page).as_posix())
        reached, found = set(), {"README.md"}
        while found:
            reached |= found
            found = {page for name in found for page in links[name] & set(links)} - reached
        self.assertEqual(set(links) - reached, set())
        self.assertLessEqual(GENERATED, reached)


def anchors(text):
    """Of each heading, as GitHub makes it."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", h.replace("`", "")).lower().replace(" ", "-") for h in headings}


if __name__ == "__main__":
    unittest.main(verbosity=2)

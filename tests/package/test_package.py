#!/usr/bin/env python3
"""The Debian package: what is in it, and that its units, its configuration files and its programs fit."""
import contextlib
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from network import BIN, ROOT, Process, ProcessTest, free_port, run  # noqa: E402

PROGRAMS = {"ev-central", "ev-engine", "ev-monitor", "ev-driver", "ev-broker", "evctl"}
UNITS = ("evcharge-central.service", "evcharge-driver.service", "evcharge-engine@.service", "evcharge-monitor@.service")
PROGRAM_OF = {unit: "ev-" + re.split(r"[-@.]", unit)[1] for unit in UNITS}
POINT = "cp_001"  # The instance that is tried.
MAX_EXPOSURE = 2.5
# What no configuration file names: the unit does, or it makes no sense in a service.
NOT_CONFIGURED = {"ev-central": {"EV_PANEL", "EV_CHECK_STORE"}, "ev-engine": set(), "ev-monitor": {"EV_CP_ID"},
                  "ev-driver": {"EV_REQUESTS"}}


def command(*arguments, **settings):
    """What it prints; it must succeed."""
    done = subprocess.run([str(a) for a in arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=600, **settings)
    if done.returncode != 0:
        raise AssertionError(f"{arguments} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def read_unit(path):
    """[(section, key, value)] of a unit file."""
    found, section = [], ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if head := re.fullmatch(r"\[(\w+)\]", line):
            section = head[1]
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.append((section, key, value))
    return found


def read_environment(text):
    """NAME: value, as systemd reads a file without quotes."""
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


def commented(text):
    """NAME: value of the lines that show a default."""
    return dict(re.findall(r"^#(EV_\w+)=(.*)$", text, re.MULTILINE))


def options(program, variables=None):
    """{variable: value} as the program shows its configuration; it must not complain."""
    arguments = [str(BIN / program), "--print-config", *(["--cp-id=x"] if program == "ev-monitor" else [])]
    done = subprocess.run(arguments, env={"HOME": "/nonexistent", **(variables or {})}, capture_output=True, text=True,
                          timeout=60)
    if (done.returncode, done.stderr) != (0, ""):
        raise AssertionError(f"{program} {variables}: exit code {done.returncode}: {done.stderr}")
    found, section = {}, ""
    for line in done.stdout.splitlines():
        if head := re.fullmatch(r"\[(\w+)\]", line):
            section = head[1] + "_"
        elif option := re.fullmatch(r"([\w-]+) = (.*?)  # .*", line):
            found["EV_" + (section + option[1]).replace("-", "_").upper()] = option[2]
    return found


class ServiceManager:
    """The end of systemd: a socket that a program tells how it is."""

    def __init__(self, folder):
        self.address = str(folder / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.address)
        self.said = []

    def wait_for(self, pattern, limit_s=60):
        """The first line that is `pattern`."""
        end = time.monotonic() + limit_s
        while not (found := [line for line in self.said if re.fullmatch(pattern, line)]):
            self.socket.settimeout(max(end - time.monotonic(), 0.01))
            try:
                self.said += self.socket.recv(65536).decode().splitlines()
            except TimeoutError as error:
                raise AssertionError(f"{pattern} was not said within {limit_s} s, but {self.said}") from error
        return found[0]


class PackageTest(ProcessTest):
    @classmethod
    def setUpClass(cls):
        cls.made = pathlib.Path(tempfile.mkdtemp(prefix="ev-package-"))
        cls.addClassCleanup(shutil.rmtree, cls.made)
        command("cpack", "--config", BIN.parent / "CPackConfig.cmake", "-B", cls.made / "out", cwd=cls.made)
        cls.deb, = (cls.made / "out").glob("*.deb")
        cls.root = cls.made / "root"
        command("dpkg-deb", "-x", cls.deb, cls.root)
        cls.unit_folder = cls.root / "usr/lib/systemd/system"

    def field(self, name):
        return command("dpkg-deb", "-f", self.deb, name).strip()

    def control(self, name):
        return command("dpkg-deb", "-I", self.deb, name)

    def unit(self, name):
        return read_unit(self.unit_folder / name)

    def one(self, unit, key):
        value, = (v for _, k, v in self.unit(unit) if k == key)
        return value

    def test_the_package_holds_the_programs_units_configuration_and_documents(self):
        self.assertEqual({p.name for p in (self.root / "usr/bin").iterdir()}, PROGRAMS)
        self.assertEqual({p.name for p in self.unit_folder.iterdir()}, set(UNITS))
        self.assertEqual({p.name for p in (self.root / "etc/evcharge").iterdir()},
                         {f"{name}.env" for name in ("central", "engine", "monitor", "driver")})
        docs = self.root / "usr/share/doc/evcharge"
        for name in ("README.md", "CHANGELOG.md", "docs/install.md", "examples/engine@cp_002.env"):
            self.assertTrue((docs / name).is_file(), name)
        folders = {p.relative_to(self.root).as_posix() for p in self.root.glob("*/*")}
        self.assertEqual(folders, {"etc/evcharge", "usr/bin", "usr/lib", "usr/share"})

    def test_files_belong_to_root_and_only_root_reads_what_may_hold_credentials(self):
        for line in command("dpkg-deb", "-c", self.deb).splitlines():
            mode, owner, *_, name = line.split()
            self.assertEqual(owner, "root/root", name)
            if not mode.startswith("l"):
                self.assertNotIn("w", mode[5:], name)
            if name.endswith(".env") and name.startswith("./etc/"):
                self.assertEqual(mode, "-rw-r-----", name)

    def test_it_names_the_libraries_that_its_programs_load(self):
        depends = self.field("Depends")
        for library in ("libgrpc++1.51", "librdkafka1", "libsqlite3-0", "libc6", "systemd | systemd-standalone-sysusers"):
            self.assertIn(library, depends)

    def test_its_version_is_that_of_its_programs_and_sorts_before_the_release(self):
        number, _, commit = run("ev-central", "--version").stdout.split()[1].partition("+")
        version = self.field("Version")
        if not commit:
            self.assertEqual(version, number)
            return
        self.assertRegex(version, rf"^{re.escape(number)}~git(\d{{14}})?\.{re.escape(commit.removeprefix('g'))}$")
        command("dpkg", "--compare-versions", version, "lt", number)

    def test_an_upgrade_keeps_each_configuration_file(self):
        conffiles = self.control("conffiles").split()
        self.assertEqual({self.root / name.strip("/") for name in conffiles}, set((self.root / "etc").rglob("*.env")))

    # B201
    def test_its_scripts_are_sound_and_never_remove_what_was_booked(self):
        for name in ("postinst", "prerm", "postrm"):
            script = self.made / name
            script.write_text(self.control(name), encoding="utf-8")
            command("shellcheck", script)
        scripts = "".join(self.control(name) for name in ("postinst", "prerm", "postrm"))
        removed = [line.strip() for line in scripts.splitlines() if re.search(r"\brm\b|unlink|-delete|rmdir", line)]
        self.assertEqual(removed, ["rm -f /etc/systemd/system/multi-user.target.wants/evcharge-*.service"])

    def test_systemd_finds_no_fault_in_the_units(self):
        # It looks for programs on this machine: they are those of the package, by another path.
        folder = self.folder / "units"
        folder.mkdir()
        for unit in UNITS:
            text = (self.unit_folder / unit).read_text(encoding="utf-8")
            (folder / unit).write_text(text.replace("ExecStart=/usr/", f"ExecStart={self.root}/usr/"), encoding="utf-8")
        instances = [folder / unit.replace("@.", f"@{POINT}.") for unit in UNITS]
        self.assertEqual(command("systemd-analyze", "verify", "--man=no", *instances), "")

    # B201
    def test_the_exposure_of_each_unit_is_below_the_limit(self):
        for unit in UNITS:
            with self.subTest(unit):
                path = self.folder / unit.replace("@.", f"@{POINT}.")
                shutil.copy(self.unit_folder / unit, path)
                text = command("systemd-analyze", "security", "--offline=true", "--no-pager",
                               f"--threshold={int(MAX_EXPOSURE * 10)}", path)
                exposure = re.search(r"Overall exposure level for \S+: ([\d.]+)", text)[1]
                self.assertLess(float(exposure), MAX_EXPOSURE)

    def test_a_unit_gives_its_program_more_time_to_end_than_it_may_take(self):
        for unit in UNITS:
            text = run(PROGRAM_OF[unit], "--help").stdout
            longest_min = int(re.search(r"--shutdown-timeout.*?to (\d+)m", text, re.DOTALL)[1])
            self.assertGreater(int(self.one(unit, "TimeoutStopSec").removesuffix("s")), 60 * longest_min)

    def test_a_unit_is_not_started_again_when_that_would_not_help(self):
        for unit in UNITS:
            self.assertEqual(self.one(unit, "Restart"), "on-failure")
            self.assertEqual(self.one(unit, "RestartPreventExitStatus"), "2")
            done = run(PROGRAM_OF[unit], env={"EV_GRPC_PORT": "no port"})
            self.assertEqual(done.returncode, 2, done.stderr)

    def test_an_engine_ends_before_its_monitor_and_that_before_central(self):
        def after(unit):
            return " ".join(v for _, k, v in self.unit(unit) if k == "After").split()
        self.assertLessEqual({"evcharge-monitor@%i.service", "evcharge-central.service"},
                             set(after("evcharge-engine@.service")))
        self.assertIn("evcharge-central.service", after("evcharge-monitor@.service"))
        self.assertEqual(self.one("evcharge-monitor@.service", "PartOf"), "evcharge-engine@%i.service")

    # B201
    def test_each_configuration_file_names_every_option_with_its_default_and_nothing_else(self):
        for unit in UNITS:
            program = PROGRAM_OF[unit]
            with self.subTest(program):
                text = (self.root / f"etc/evcharge/{program[3:]}.env").read_text(encoding="utf-8")
                defaults, shown, given = options(program), commented(text), read_environment(text)
                self.assertEqual(set(shown) & set(given), set())
                self.assertEqual(set(shown) | set(given) | NOT_CONFIGURED[program], set(defaults))
                self.assertLessEqual(set(given), set(options(program, given)))
                # The unit says where data is; its default is shown.
                unit_says = dict(v.split("=", 1) for _, k, v in self.unit(unit) if k == "Environment")
                if folder := shown.pop("EV_DATA_DIR", None):
                    self.assertEqual(unit_says["EV_DATA_DIR"].replace("%S", "/var/lib").replace("%i", "<charging point>"),
                                     folder)
                for name, value in shown.items():
                    self.assertEqual(options(program, {name: value})[name], defaults[name], name)

    def test_the_examples_are_options_of_their_program(self):
        for path in (self.root / "usr/share/doc/evcharge/examples").iterdir():
            program = f"ev-{path.name.partition('@')[0]}"
            given = read_environment(path.read_text(encoding="utf-8"))
            self.assertTrue(given)
            found = options(program, given)
            for name, value in given.items():
                self.assertEqual(found[name].strip('"'), value)

    def start_unit(self, unit, variables):
        """(process, its service manager): with the unit's own command and variables, and nothing else but `variables`,
        without a terminal or an input. Its folders are below ours."""
        def here(text):
            for old, new in {"%i": POINT, "%S": str(self.folder / "state")}.items():
                text = text.replace(old, new)
            return text
        settings = self.unit(unit)
        self.assertEqual(self.one(unit, "Type"), "notify")
        environment = dict(here(v).split("=", 1) for _, k, v in settings if k == "Environment")
        for _, key, value in settings:
            if key == "EnvironmentFile":
                self.assertRegex(value, "^-/etc/evcharge/")
                with contextlib.suppress(FileNotFoundError):
                    environment |= read_environment((self.root / here(value)[2:]).read_text(encoding="utf-8"))
        for _, key, value in settings:
            if key == "StateDirectory":
                (self.folder / "state" / here(value)).mkdir(parents=True, mode=0o700)
        (self.folder / unit).mkdir()
        manager = ServiceManager(self.folder / unit)
        self.addCleanup(manager.socket.close)
        environment |= variables | {"NOTIFY_SOCKET": manager.address}
        words = here(self.one(unit, "ExecStart")).split()
        self.assertEqual(words[0], f"/usr/bin/{PROGRAM_OF[unit]}")
        words[0] = str(self.root / words[0].strip("/"))
        process = Process(unit, ["/usr/bin/env", "-i", *(f"{k}={v}" for k, v in environment.items()), *words], self.folder,
                          stdin=subprocess.DEVNULL)
        return self.keep(process), manager

    # B183 B200
    def test_a_central_whose_topics_contradict_its_store_is_not_ready_and_says_why(self):
        broker = free_port()
        self.keep(Process("broker", ["ev-broker", "--port", str(broker), "--partitions", "5"], self.folder))
        process, manager = self.start_unit("evcharge-central.service", {
            "EV_GRPC_PORT": str(free_port()), "EV_HTTP_PORT": "0", "EV_KAFKA_BROKERS": f"localhost:{broker}"})
        # Until it has looked it takes requests, for Kafka may be away.
        reason = manager.wait_for(r"STATUS=not ready: .*topics: .*partitions.*")
        process.process.terminate()
        manager.wait_for("STOPPING=1")
        self.assertEqual(process.process.wait(timeout=90), 0, reason)

    # B200
    def test_each_unit_says_when_it_takes_requests_and_when_it_ends(self):
        # Kafka is away: nobody waits for it.
        ports = {unit: str(free_port()) for unit in UNITS}
        central, engine = (f"localhost:{ports[u]}" for u in ("evcharge-central.service", "evcharge-engine@.service"))
        started = []
        for unit in UNITS:
            process, manager = self.start_unit(unit, {
                "EV_GRPC_PORT": ports[unit], "EV_HTTP_PORT": "0",
                **({"EV_KAFKA_BROKERS": f"localhost:{free_port()}"} if unit != "evcharge-monitor@.service" else {}),
                **({"EV_CENTRAL": central} if unit.startswith(("evcharge-monitor", "evcharge-driver")) else {}),
                **({"EV_ENGINE": engine} if unit.startswith("evcharge-monitor") else {})})
            manager.wait_for("READY=1")
            socket.create_connection(("127.0.0.1", int(ports[unit])), timeout=10).close()
            started.append((unit, process, manager))
        for unit, process, manager in reversed(started):
            with self.subTest(unit):
                # It runs on though there is nothing to read.
                self.assertIsNone(process.process.poll())
                self.assertNotIn("STOPPING=1", manager.said)
                process.process.terminate()
                manager.wait_for("STOPPING=1")
                self.assertEqual(process.process.wait(timeout=90), 0)
                self.assertEqual(manager.said.count("READY=1"), 1)
                self.assertNotIn("unknown environment variable", process.log_path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    unittest.main(verbosity=2)

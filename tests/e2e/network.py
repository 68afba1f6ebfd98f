"""A charging network of real processes on this machine: started, killed, asked and stopped by tests.

Everything listens on loopback, on ports that were free; every wait has an end; nothing outlives the test.
"""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("EV_BIN", ROOT / "build/release/bin"))
TOOLS = ROOT / "build/tools/bin"
LIMIT_S = 60  # For anything that should happen soon: machines are shared and slow at times.


def eventually(what, condition, limit_s=LIMIT_S):
    """Returns the first truthy value of `condition`; fails with `what` and its last value or error."""
    end = time.monotonic() + limit_s
    last = None
    while True:
        try:
            last = condition()
            if last:
                return last
        except (AssertionError, KeyError, IndexError, subprocess.SubprocessError, OSError) as error:
            last = error
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit_s} s: {what}; last: {last!r}")
        time.sleep(0.05)


def compile_protos():
    """Python's messages from our .proto files, in a folder that is put on the path."""
    folder = tempfile.mkdtemp(prefix="ev-e2e-protos-")
    protos = [str(p.relative_to(ROOT / "proto")) for p in (ROOT / "proto/evcharging").rglob("*.proto")]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={folder}",
                    f"--grpc_python_out={folder}", *protos], cwd=ROOT / "proto", check=True)
    sys.path.insert(0, folder)


def free_port():
    """Below the range from which the kernel gives out ports by itself: nobody takes it by chance before it is bound,
    or between two starts of one program."""
    for port in random.sample(range(20000, 32000), 200):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port between 20000 and 32000")


def series(metrics):
    """(name, labels, value) of each line of what /metrics answers."""
    for line in metrics.splitlines():
        if not line.startswith("#"):
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            yield name, dict(re.findall(r'(\w+)="([^"]*)"', labels or "")), float(value)


class Kafka:
    """A real Apache Kafka by tools/kafka, in a folder of its own."""

    def __init__(self, folder):
        self.dir = str(folder)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"

    def tool(self, *arguments, check=True, timeout=180):
        command = [str(ROOT / "tools/kafka"), "--port", str(self.port), "--dir", self.dir, *arguments]
        # The console consumer prints bodies as they are: no text.
        return subprocess.run(command, capture_output=True, text=True, errors="replace", check=check, timeout=timeout)

    def start(self):
        self.tool("start")
        return self

    def stop(self):
        self.tool("stop", check=False)

    def kill(self):
        self.tool("kill")

    def kcat(self, *arguments):
        """Runs kcat; returns what it printed, as bytes."""
        command = ["kcat", "-b", self.address, *arguments]
        return subprocess.run(command, capture_output=True, timeout=60, check=True).stdout

    def body(self, message):
        """The bytes of one message of Network.topic()."""
        return self.kcat("-C", "-q", "-t", message["topic"], "-p", str(message["partition"]), "-o",
                         str(message["offset"]), "-c", "1", "-f", "%s")

    def produce(self, topic, partition, key, body, *settings):
        with tempfile.NamedTemporaryFile() as file:
            file.write(body)
            file.flush()
            self.kcat("-P", "-X", "message.max.bytes=2000000", "-t", topic, "-p", str(partition), "-k", key, *settings,
                      file.name)


def run(program, *arguments, env=None):
    """A program that ends by itself."""
    return subprocess.run([str(BIN / program), *arguments], capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, **(env or {})})


class Ended(Exception):
    """A program that is waited for runs no more."""


class Process:
    """A program under test. Its log is JSON, one record a line."""

    def __init__(self, name, arguments, folder, stdin=subprocess.PIPE, env=None):
        self.name = name
        self.log_path = folder / f"{name}.log"
        self.out_path = folder / f"{name}.out"
        program, *rest = arguments
        with open(self.log_path, "ab") as log, open(self.out_path, "ab") as out:
            self.log_start, self.out_start = log.tell(), out.tell()
            self.process = subprocess.Popen(
                [str(BIN / program), *rest], stdin=stdin, stdout=out, stderr=log, text=True, cwd=folder,
                env={**os.environ, **(env or {})},
            )

    def records(self):
        """Log records of this start, oldest first."""
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            log.seek(self.log_start)
            lines = log.read().splitlines()
        found = []
        for line in lines:
            try:
                found.append(json.loads(line))
            except ValueError:
                found.append({"message": line})
        return found

    def said(self, pattern, **fields):
        for record in self.records():
            if re.search(pattern, record.get("message", "")) and all(record.get(k) == v for k, v in fields.items()):
                return record
        return None

    def wait_said(self, pattern, limit_s=LIMIT_S, **fields):
        return self.wait(f"says {pattern!r} {fields or ''}", lambda: self.said(pattern, **fields), limit_s)

    def output(self):
        """What this start has printed."""
        with open(self.out_path, encoding="utf-8", errors="replace") as out:
            out.seek(self.out_start)
            return out.read()

    def wait_output(self, pattern):
        return self.wait(f"prints {pattern!r}", lambda: re.search(pattern, self.output(), re.MULTILINE))

    def wait(self, what, look, limit_s=LIMIT_S):
        """As eventually(), but a program that has ended is not waited for."""
        def look_again():
            has_ended = self.process.poll() is not None
            found = look()
            if not found and has_ended:
                raise Ended(f"{self.name} ended with {self.process.returncode}: {self.records()[-5:]}")
            return found

        return eventually(f"{self.name} {what}", look_again, limit_s)

    def type(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def end_input(self):
        self.process.stdin.close()

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=LIMIT_S)

    def terminate(self, limit_s=LIMIT_S):
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=limit_s)


class ProcessTest(unittest.TestCase):
    """A test with a folder of its own, and with processes that end before it is removed."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.started = []
        self.addCleanup(self.end_all)

    def keep(self, process):
        self.started.append(process)
        return process

    def end_all(self):
        for process in self.started:
            if process.process.poll() is None:
                process.kill()
            if process.process.stdin:
                process.process.stdin.close()


def start_broker(test):
    """An embedded broker that ends with the test."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-"))
    test.addCleanup(shutil.rmtree, folder, True)
    port = free_port()
    broker = Process("broker", ["ev-broker", "--port", str(port)], folder, stdin=subprocess.DEVNULL)
    test.addCleanup(broker.kill)
    eventually("the broker prints its address", lambda: str(port) in broker.output())
    return f"localhost:{port}"


class Network:
    """Central, charging points and drivers on one broker. Use as a context manager."""

    def __init__(self, broker=None, points=0, engine=(), central=(), monitor=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-"))
        self.broker = broker
        self.processes = []
        self.engines, self.monitors = {}, {}
        self.engine_arguments = list(engine)
        self.central_arguments = list(central)
        self.monitor_arguments = list(monitor)
        self.central_port = free_port()
        self.http_port = free_port()
        self.central_address = f"127.0.0.1:{self.central_port}"
        self.central = None
        self.point_count = points

    def __enter__(self):
        try:
            self.start_central()
            for i in range(1, self.point_count + 1):
                self.add_point(f"cp_{i:03d}")
            for cp in list(self.engines):
                self.wait_state(cp, "AVAILABLE")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind, value, trace):
        if kind is not None:
            for process in self.processes:
                print(f"--- {process.name}", file=sys.stderr)
                print("\n".join(str(r) for r in process.records()[-15:]), file=sys.stderr)
        self.stop()

    def stop(self):
        for process in self.processes:
            if process.process.poll() is None:
                process.process.terminate()
        for process in self.processes:
            try:
                process.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.process.kill()
                process.process.wait()
            if process.process.stdin:
                process.process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name, *arguments, stdin=subprocess.PIPE):
        if arguments[0] != "ev-monitor":  # It keeps nothing.
            arguments = [*arguments, "--data-dir", str(self.folder)]
        arguments = [*arguments, "--log-format", "json"]
        process = Process(name, arguments, self.folder, stdin)
        self.processes.append(process)
        return process

    def kafka_arguments(self):
        return ["--kafka-brokers", self.broker] if self.broker else ["--kafka-enabled=false"]

    def start_central(self, *more):
        self.central = self.start(
            "central", "ev-central", "--grpc-port", str(self.central_port), "--http-port", str(self.http_port),
            *self.kafka_arguments(), *self.central_arguments, *more,
        )
        self.central.wait_said("^listening$")
        return self.central

    def add_point(self, cp):
        self.start_engine(cp, free_port())
        self.start_monitor(cp)

    def start_engine(self, cp, port=None):
        port = port or self.engines[cp].port
        engine = self.start(f"engine-{cp}", "ev-engine", "--grpc-port", str(port), "--http-port", "0",
                            *self.kafka_arguments(), *self.engine_arguments)
        engine.port = port
        self.engines[cp] = engine
        engine.wait_said("^listening$")
        return engine

    def start_monitor(self, cp):
        self.monitors[cp] = self.start(
            f"monitor-{cp}", "ev-monitor", f"127.0.0.1:{self.engines[cp].port}", self.central_address, cp,
            "--grpc-port", "0", "--http-port", "0", "--location", f"{cp} street", *self.monitor_arguments,
        )
        return self.monitors[cp]

    def driver(self, driver, *arguments, stdin=subprocess.PIPE):
        return self.start(f"driver-{driver}", "ev-driver", "--driver-id", driver, "--central", self.central_address,
                          "--grpc-port", "0", "--http-port", "0", *arguments, stdin=stdin)

    # --- asking ------------------------------------------------------------------------------------------------------

    def grpcurl(self, method, request=None, address=None, check=True):
        """Calls central.v1 by its short name, or a full method name; returns the answer as a dictionary."""
        full = method if method.startswith(("evcharging.", "grpc.")) else f"evcharging.central.v1.{method}"
        done = subprocess.run(
            [str(TOOLS / "grpcurl"), "-plaintext", "-max-time", "20", "-emit-defaults", "-d", json.dumps(request or {}),
             address or self.central_address, full],
            capture_output=True, text=True, timeout=60,
        )
        if not check:
            return done
        assert done.returncode == 0, f"{method}: {done.stderr}"
        return json.loads(done.stdout or "{}")

    def refused(self, method, request, address=None):
        """The call must fail; returns (code name, reason, bad field or "")."""
        done = self.grpcurl(method, request, address, check=False)
        assert done.returncode >= 64, f"{method} did not fail: {done.stdout}"
        code = re.search(r"Code: (\w+)", done.stderr).group(1)
        reason = re.search(r'"reason": "(\w+)"', done.stderr)
        field = re.search(r'"field": "([\w.]+)"', done.stderr)
        return code, reason.group(1) if reason else "", field.group(1) if field else ""

    def point(self, cp):
        return self.grpcurl("ChargingPointService/GetChargingPoint", {"charging_point_id": cp})

    def state(self, cp):
        return self.point(cp)["state"].removeprefix("CHARGING_POINT_STATE_")

    def wait_state(self, cp, state, limit_s=LIMIT_S):
        eventually(f"{cp} is {state}", lambda: self.state(cp) == state, limit_s)

    def charge(self, driver, cp, **more):
        return self.grpcurl("SessionService/StartSession",
                            {"driver_id": driver, "charging_point_id": cp, **more})["session_id"]

    def session(self, session_id):
        return self.grpcurl("SessionService/GetSession", {"session_id": session_id})

    def wait_session(self, session_id, state, limit_s=LIMIT_S):
        def look():
            session = self.session(session_id)
            return session if session["state"] == f"SESSION_STATE_{state}" else None

        return eventually(f"session {session_id} is {state}", look, limit_s)

    def tickets(self, **request):
        return self.grpcurl("TicketService/ListTickets", {"page_size": 1000, **request})["tickets"]

    def tickets_in_store(self, session_id):
        """(energy_mwh, amount_micros) of each of a session's tickets, read from Central's file."""
        file = sqlite3.connect(f"file:{self.folder}/central/central.db?mode=ro", uri=True)
        try:
            return file.execute(
                "SELECT energy_mwh, amount_micros FROM ticket WHERE session=?", (session_id,)).fetchall()
        finally:
            file.close()

    def engine_address(self, cp):
        return f"127.0.0.1:{self.engines[cp].port}"

    def engine_call(self, cp, method, request=None):
        return self.grpcurl(f"evcharging.engine.v1.EngineService/{method}", request, self.engine_address(cp))

    def ended_at_point(self, cp):
        """Energy and amount of the charges that this Engine ended in this start, by its own log."""
        return [(r["energy_mwh"], r["amount_micros"], r["end_reason"]) for r in self.engines[cp].records()
                if r["message"] == "charging ended"]

    def topic(self, name, *flags, session_id=None):
        """What a topic holds now, decoded; with a session, what is about it."""
        done = subprocess.run([str(BIN / "evctl"), "tail", name, "--kafka-brokers", self.broker, *flags],
                              capture_output=True, text=True, timeout=120, check=True)
        messages = [json.loads(line) for line in done.stdout.splitlines()]
        return [m for m in messages if session_id in (None, m.get("value", {}).get("session_id"))]

    def http(self, path, address=None):
        """(status, body) of Central, or of the server at `address`."""
        address = address or f"127.0.0.1:{self.http_port}"
        done = subprocess.run(["curl", "-s", "-w", "\n%{http_code}", f"http://{address}/{path}"],
                              capture_output=True, text=True, timeout=20, check=True)
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), body

    def metrics(self, address=None):
        status, body = self.http("metrics", address)
        assert status == 200, body
        return body

    def metric(self, name, **labels):
        """The sum of the series of this name that have these labels, of which there must be one."""
        values = [value for found, has, value in series(self.metrics())
                  if found == name and labels.items() <= has.items()]
        if not values:
            raise KeyError(f"{name} {labels}")
        return sum(values)

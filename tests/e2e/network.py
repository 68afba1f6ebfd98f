"""A charging network of real processes on this machine: started, killed, asked and stopped by tests.

Everything listens on loopback, on ports that the system chose; every wait has an end; nothing outlives the test.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

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


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


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


class Process:
    """A program under test. Its log is JSON, one record a line."""

    def __init__(self, name, arguments, folder, stdin=subprocess.PIPE):
        self.name = name
        self.log_path = folder / f"{name}.log"
        self.out_path = folder / f"{name}.out"
        program, *rest = arguments
        with open(self.log_path, "ab") as log, open(self.out_path, "ab") as out:
            self.log_start = log.tell()
            self.process = subprocess.Popen(
                [str(BIN / program), *rest], stdin=stdin, stdout=out, stderr=log, text=True, cwd=folder
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
        def look():
            found = self.said(pattern, **fields)
            if found is None and self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended with {self.process.returncode}: {self.records()[-5:]}")
            return found

        return eventually(f"{self.name} says {pattern!r} {fields or ''}", look, limit_s)

    def output(self):
        return self.out_path.read_text(encoding="utf-8", errors="replace")

    def type(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=LIMIT_S)

    def terminate(self, limit_s=LIMIT_S):
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=limit_s)


class Network:
    """Central, charging points and drivers on one broker. Use as a context manager."""

    def __init__(self, broker=None, points=0, engine=(), central=()):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-e2e-"))
        self.broker = broker
        self.processes = []
        self.engines, self.monitors = {}, {}
        self.engine_arguments = list(engine)
        self.central_arguments = list(central)
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
        process = Process(name, [*arguments, "--data-dir", str(self.folder), "--log-format", "json"], self.folder, stdin)
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
            "--grpc-port", "0", "--http-port", "0", "--location", f"{cp} street",
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

    def refused(self, method, request):
        """The call must fail; returns (code name, reason, message)."""
        done = self.grpcurl(method, request, check=False)
        assert done.returncode >= 64, f"{method} did not fail: {done.stdout}"
        code = re.search(r"Code: (\w+)", done.stderr).group(1)
        message = re.search(r"Message: (.*)", done.stderr).group(1)
        reason = re.search(r'"reason": "(\w+)"', done.stderr)
        return code, reason.group(1) if reason else "", message

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

    def engine_call(self, cp, method, request=None):
        return self.grpcurl(f"evcharging.engine.v1.EngineService/{method}", request,
                            address=f"127.0.0.1:{self.engines[cp].port}")

    def ended_at_point(self, cp):
        """Energy and amount of the charges that this Engine ended in this start, by its own log."""
        pattern = r"charging ended \((\w+)\): (\d+) mWh, (\d+) micros"
        found = [re.search(pattern, r.get("message", "")) for r in self.engines[cp].records()]
        return [(int(m.group(2)), int(m.group(3)), m.group(1)) for m in found if m]

    def topic(self, name, *flags):
        """What a topic holds now, decoded."""
        done = subprocess.run([str(BIN / "evctl"), "tail", name, "--kafka-brokers", self.broker, *flags],
                              capture_output=True, text=True, timeout=120, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    def metrics(self):
        done = subprocess.run(["curl", "-sf", f"http://127.0.0.1:{self.http_port}/metrics"],
                              capture_output=True, text=True, timeout=20, check=True)
        return done.stdout

    def metric(self, series):
        """The value of one series, written as /metrics writes it."""
        for line in self.metrics().splitlines():
            if line.startswith(series + " "):
                return float(line.rsplit(" ", 1)[1])
        raise KeyError(series)

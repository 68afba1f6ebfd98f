"""What a network needs: memory and CPU of Central for each charging point, of one point's Engine and Monitor, and the bytes that
a charge leaves in Kafka and in Central's store. tools/bench --size runs it; docs/sizing.md says what it printed.

Central is measured with real links and facts of a fleet that this program plays: a connection, a beat and a report a second
for each point, a sample a second while it charges. Engines and Monitors are measured as they are, on a real Apache Kafka.
Everything is on loopback and ends with this program.
"""
import argparse
import asyncio
import collections
import contextlib
import ctypes
import os
import pathlib
import shutil
import sqlite3
import sys
import tempfile
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from network import Kafka, Network, Process, compile_protos, eventually, free_port  # noqa: E402

import grpc  # noqa: E402

compile_protos()
from evcharging.central.v1 import link_service_pb2 as link  # noqa: E402
from evcharging.central.v1 import link_service_pb2_grpc as link_grpc  # noqa: E402
from evcharging.central.v1 import session_service_pb2 as sessions  # noqa: E402
from evcharging.central.v1 import session_service_pb2_grpc as sessions_grpc  # noqa: E402
from evcharging.common.v1 import engine_report_pb2, states_pb2  # noqa: E402
from evcharging.events.v1 import facts_pb2  # noqa: E402

POWER_W = 11_000
MWH_A_SECOND = 4_000  # Not quite 11 kW: amounts come out whole.
MICROS_A_MWH = 0.35
LIMIT_S = 120
TOGETHER = 50  # Links that are made, and charges that begin, at once.
TICK = os.sysconf("SC_CLK_TCK")
KiB, DAY_S = 1024, 86_400

Use = collections.namedtuple("Use", "cpu_s memory")


def use(*processes):
    """CPU seconds so far, and bytes of memory that no other process shares now."""
    cpu = memory = 0
    for process in processes:
        proc = pathlib.Path(f"/proc/{process.process.pid}")
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        cpu += (int(fields[11]) + int(fields[12])) / TICK
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        memory += int(status["RssAnon"].split()[0]) * KiB
    return Use(cpu, memory)


class Producer:
    """librdkafka's, by its C functions: what our programs use."""

    def __init__(self, brokers):
        self.library = ctypes.CDLL("librdkafka.so.1")
        for name in ("rd_kafka_conf_new", "rd_kafka_new", "rd_kafka_topic_new"):
            getattr(self.library, name).restype = ctypes.c_void_p
        self.library.rd_kafka_topic_new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        self.library.rd_kafka_produce.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t,
                                                  ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p]
        error = ctypes.create_string_buffer(512)
        conf = ctypes.c_void_p(self.library.rd_kafka_conf_new())
        for key, value in ((b"bootstrap.servers", brokers.encode()), (b"linger.ms", b"5"), (b"partitioner", b"murmur2")):
            assert self.library.rd_kafka_conf_set(conf, key, value, error, len(error)) == 0, error.value
        self.handle = ctypes.c_void_p(self.library.rd_kafka_new(0, conf, error, len(error)))
        assert self.handle, error.value
        self.topics = {}

    def send(self, topic, key, body):
        if topic not in self.topics:
            self.topics[topic] = self.library.rd_kafka_topic_new(self.handle, topic.encode(), None)
        copied = 2
        sent = self.library.rd_kafka_produce(self.topics[topic], -1, copied, body, len(body), key, len(key), None)
        assert sent == 0, f"librdkafka took nothing for {topic}"
        self.library.rd_kafka_poll(self.handle, 0)

    def close(self):
        self.library.rd_kafka_flush(self.handle, 10_000)
        self.library.rd_kafka_destroy(self.handle)


class Point:
    """A Monitor and an Engine as Central sees them."""

    def __init__(self, name, central, producer):
        self.name, self.producer = name, producer
        # A connection for each, as each Monitor has its own.
        self.channel = grpc.aio.insecure_channel(central, options=[("grpc.use_local_subchannel_pool", 1)])
        self.journal = uuid.uuid4().hex
        self.mark = self.epoch = self.configured = 0
        self.grant = self.task = None
        self.sequence = self.energy_mwh = self.settled = self.lost = self.beats = 0
        self.is_linked = asyncio.Event()

    def report(self):
        report = engine_report_pb2.EngineReport(
            health=states_pb2.ENGINE_HEALTH_HEALTHY, journal_id=self.journal, journal_room_facts=99_000, grant_mark=self.mark,
            highest_link_epoch=self.epoch, configured_link_epoch=self.configured)
        if self.grant:
            report.occupancy.session_id, report.occupancy.grant_number = self.grant.session_id, self.grant.grant_number
            report.occupancy.phase = engine_report_pb2.OCCUPANCY_PHASE_CHARGING
            report.occupancy.driver_id = self.grant.driver_id
            report.occupancy.energy_mwh, report.occupancy.power_w = self.energy_mwh, POWER_W
        return report

    async def run(self):
        """Links again, as a Monitor does, when its link ends."""
        while True:
            try:
                await self.link_once()
            except grpc.aio.AioRpcError as error:
                self.lost += 1
                print(f"{self.name}: {error.code().name} {error.details()}", file=sys.stderr)

    async def link_once(self):
        call = link_grpc.LinkServiceStub(self.channel).Link()
        hello = link.Hello(charging_point_id=self.name, location=f"{self.name} street", monitor_version="size",
                           engine_health=states_pb2.ENGINE_HEALTH_HEALTHY, report=self.report())
        self.writing = asyncio.Lock()  # One write at a time is what gRPC takes.
        await call.write(link.LinkUp(hello=hello))
        beats = asyncio.create_task(self.beat(call))
        try:
            async for down in call:
                await self.take(call, down)
        finally:
            beats.cancel()

    async def write(self, call, **message):
        async with self.writing:
            await call.write(link.LinkUp(**message))

    async def beat(self, call):
        while True:
            await self.write(call, beat=link.Beat(engine_health=states_pb2.ENGINE_HEALTH_HEALTHY, report=self.report()))
            self.beats += 1
            if self.grant:
                self.energy_mwh += MWH_A_SECOND
                self.send("sample")
            await asyncio.sleep(1)

    async def take(self, call, down):
        kind = down.WhichOneof("message")
        if kind == "welcome":
            self.epoch = down.welcome.link_epoch
        elif kind == "configuration":
            self.configured = down.configuration.link_epoch
            self.mark = max(self.mark, down.configuration.highest_grant_number)
            self.is_linked.set()
        elif kind == "settlement":
            self.settled += down.settlement.settles_final
        elif kind == "command" and down.command.WhichOneof("order") == "prepare_session":
            self.mark = down.command.prepare_session.grant.grant_number
            answer = link.CommandAnswer(command_id=down.command.command_id)
            answer.prepared.grant_mark = self.mark
            await self.write(call, command_answer=answer)
            self.sequence = self.energy_mwh = 0
            self.grant = down.command.prepare_session.grant
            self.start = time.time()
            self.send("start")

    def send(self, kind):
        fact = facts_pb2.Fact(message_id=uuid.uuid4().bytes, charging_point_id=self.name, session_id=self.grant.session_id,
                              grant_number=self.grant.grant_number, sequence=self.sequence, energy_mwh=self.energy_mwh,
                              amount_micros=round(self.energy_mwh * MICROS_A_MWH))
        fact.event_time.GetCurrentTime()
        if kind == "start":
            fact.session_start.grant.CopyFrom(self.grant)
        elif kind == "sample":
            fact.power_w = POWER_W
            fact.sample.SetInParent()
        else:
            final = fact.session_final
            final.grant.CopyFrom(self.grant)
            final.register_mwh, final.end_reason = self.energy_mwh, states_pb2.END_REASON_UNPLUGGED
            final.start_time.FromNanoseconds(int(self.start * 1e9))
            final.end_time.GetCurrentTime()
        self.sequence += 1
        self.producer.send(f"charging_session_{'complete' if kind == 'final' else 'data'}", self.name.encode(),
                           fact.SerializeToString())

    def end(self):
        self.send("final")
        self.grant = None


class Fleet:
    """Charging points at one Central, with an embedded broker."""

    def __init__(self, folder):
        port = free_port()
        self.broker = Process("broker", ["ev-broker", "--port", str(port)], folder)
        eventually("the broker prints its address", lambda: str(port) in self.broker.output())
        # A busy machine makes beats late; this is not what is measured.
        self.net = Network(f"127.0.0.1:{port}", central=["--link-silence=30s"])
        self.net.__enter__()
        self.producer = Producer(self.net.broker)
        self.points = []

    def stop(self):
        self.producer.close()
        self.net.stop()
        self.broker.kill()

    async def grow(self, count):
        while len(self.points) < count:
            more = [Point(f"cp_{len(self.points) + n:05d}", self.net.central_address, self.producer)
                    for n in range(min(TOGETHER, count - len(self.points)))]
            for point in more:
                point.task = asyncio.create_task(point.run())
            await asyncio.wait_for(asyncio.gather(*(p.is_linked.wait() for p in more)), LIMIT_S)
            self.points += more

    async def until(self, what, condition):
        end = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < end, f"not within {LIMIT_S} s: {what}"
            for point in self.points:
                assert not point.task.done(), f"{point.name}: {point.task.exception()!r}"
            await asyncio.sleep(0.2)

    async def charge(self):
        async with grpc.aio.insecure_channel(self.net.central_address) as channel:
            stub = sessions_grpc.SessionServiceStub(channel)
            for first in range(0, len(self.points), TOGETHER):
                await asyncio.gather(*(self.charge_one(p, stub) for p in self.points[first:first + TOGETHER] if not p.grant))

    async def charge_one(self, point, stub):
        """The point may not be offered yet: after its link or its charge a beat has to come first."""
        end = time.monotonic() + LIMIT_S
        while not point.grant:
            try:
                await stub.StartSession(sessions.StartSessionRequest(driver_id=f"d_{point.name}", charging_point_id=point.name))
            except grpc.aio.AioRpcError as error:
                assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error.details()
                assert time.monotonic() < end, f"{point.name}: {error.details()}"
                await asyncio.sleep(0.1)

    async def end_charges(self):
        before = [p.settled for p in self.points]
        for point in self.points:
            point.end()
        await self.until("all are booked", lambda: all(p.settled > b for p, b in zip(self.points, before)))

    async def over(self, seconds):
        """(CPU of Central in cores, its memory at the end). By the beats that were sent, one a second for each point: a busy
        machine may send them late."""
        before, sent = use(self.net.central), sum(p.beats for p in self.points)
        begin = time.monotonic()
        await self.until("time is over", lambda: time.monotonic() - begin > seconds)
        after, sent = use(self.net.central), sum(p.beats for p in self.points) - sent
        second_s = sent / len(self.points) if self.points else time.monotonic() - begin
        return Use((after.cpu_s - before.cpu_s) / second_s, after.memory)


def store_bytes(net):
    """As large as the file is when what the -wal holds is in it."""
    with contextlib.closing(sqlite3.connect(f"file:{net.folder}/central/central.db?mode=ro", uri=True)) as store:
        return store.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0]


async def measure_central(counts, seconds, folder):
    fleet = Fleet(folder)
    try:
        rows = [(0, await fleet.over(seconds), None)]
        for count in counts:
            await fleet.grow(count)
            linked = await fleet.over(seconds)
            await fleet.charge()
            rows.append((count, linked, await fleet.over(seconds)))
            await fleet.end_charges()
        print("Central          linked, all free            all charge")
        for count, linked, charging in rows:
            print(f"{count:6d} points  {linked.memory / KiB**2:6.1f} MiB {linked.cpu_s:6.3f} cores" +
                  (f"    {charging.memory / KiB**2:6.1f} MiB {charging.cpu_s:6.3f} cores" if charging else ""))
        (few, few_linked, few_charging), (many, many_linked, many_charging) = rows[1] if len(counts) > 1 else rows[0], rows[-1]
        for name, a, b in (("free", few_linked, many_linked), ("charging", few_charging or few_linked, many_charging)):
            print(f"for 1000 more points {name}: {(b.memory - a.memory) / (many - few) * 1000 / KiB**2:.0f} MiB, "
                  f"{(b.cpu_s - a.cpu_s) / (many - few) * 1000:.2f} cores")
        await measure_store(fleet)
        print(f"links that were lost: {sum(p.lost for p in fleet.points)}")
    finally:
        for point in fleet.points:
            point.task.cancel()
        await asyncio.gather(*(p.task for p in fleet.points), return_exceptions=True)
        await asyncio.gather(*(p.channel.close() for p in fleet.points))
        fleet.stop()


async def measure_store(fleet, rounds=2):
    """Bytes that a charge leaves in Central's store."""
    sizes = []
    for _ in range(rounds + 1):
        await fleet.charge()
        await fleet.end_charges()
        sizes.append(store_bytes(fleet.net))
    print(f"store: {(sizes[-1] - sizes[0]) / rounds / len(fleet.points):.0f} bytes a charge")


def measure_pods(count, seconds, folder):
    kafka = Kafka(folder / "kafka").start()
    try:
        with Network(kafka.address, points=count, engine=["--sim-full-after", "24h"]) as net:
            groups = {"Engine": list(net.engines.values()), "Monitor": list(net.monitors.values())}

            def over(what):
                before = {name: use(*group) for name, group in groups.items()}
                held, begin = topic_bytes(kafka), time.monotonic()
                time.sleep(seconds)  # How long is what is measured.
                took = time.monotonic() - begin
                for name, group in groups.items():
                    after = use(*group)
                    print(f"{name} {what}: {after.memory / count / KiB**2:.1f} MiB, "
                          f"{(after.cpu_s - before[name].cpu_s) / took / count:.4f} cores")
                return (topic_bytes(kafka) - held) / took / count

            over("free")
            for cp in net.engines:
                net.charge(f"d_{cp}", cp)
            for cp in net.engines:
                net.wait_state(cp, "CHARGING")
            of_point = over("charging")
            print(f"Kafka: {of_point:.0f} bytes a second of a point that charges, "
                  f"{of_point * DAY_S / KiB**2:.1f} MiB for a day of it")
            for cp in net.engines:
                net.engine_call(cp, "Unplug")
            eventually("all are booked", lambda: len(net.tickets()) == count)
    finally:
        kafka.stop()


def topic_bytes(kafka):
    """What all topics of ours hold, one copy, without indexes (which are made large in advance)."""
    return sum(f.stat().st_size for f in pathlib.Path(kafka.dir).glob("data/*/*.log") if not f.parent.name.startswith("__"))


def main():
    parser = argparse.ArgumentParser(prog="tools/bench --size", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--points", type=int, nargs="+", default=[250, 500, 1000], help="sizes of the fleet, growing")
    parser.add_argument("--pods", type=int, default=10, help="Engines with a Monitor; 0: none")
    parser.add_argument("--seconds", type=int, default=20, help="how long each is looked at")
    asked = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-size-"))
    try:
        if asked.pods:
            measure_pods(asked.pods, asked.seconds, folder)
        asyncio.run(measure_central(asked.points, asked.seconds, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

"""Every method of every server, over the wire: what it answers to nothing, to nonsense, and to callers who leave."""
import concurrent.futures
import copy
import importlib
import unittest

import grpc
from google.protobuf import json_format
from network import LIMIT_S, ROOT, Network, Process, compile_protos, eventually, free_port, series

# One valid text for each field: the one under test must be why a call is refused.
VALID = {"charging_point_id": "cp_001", "driver_id": "ann", "session_id": "0" * 32, "request_id": "r1",
         "location": "Harbour 1", "reason": "works", "cluster_id": "x", "requested_by": "ops", "page_token": "",
         "ticket_id": "0" * 32, "site": "harbour", "monitor_version": "1.0", "fault": "contactor"}
# And of fields that are no text. Each text in them is tried too.
OTHERS = {"charging_point": {"charging_point_id": "cp_001", "location": "Harbour 1", "site": "harbour",
                             "price": {"micros_per_kwh": 350_000, "currency": "EUR"}},
          "hello": {"charging_point_id": "cp_001", "location": "Harbour 1", "site": "harbour", "monitor_version": "1.0"},
          "charging_point_ids": ["cp_001"],
          "grant": {"session_id": "0" * 32, "charging_point_id": "cp_001", "grant_number": 1, "driver_id": "ann",
                    "price": {"micros_per_kwh": 350_000, "currency": "EUR"},
                    "authorised_time": "2026-01-01T00:00:00Z"},
          "grant_number": 1}
# What an empty request may be told. FAILED_PRECONDITION: a link whose first message is no greeting. NOT_FOUND: there is
# no charge to stop. ABORTED: the backup of a caller who has just left is still running.
ANSWERS = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION,
           grpc.StatusCode.NOT_FOUND, grpc.StatusCode.ABORTED}


class Method:
    """One rpc of one of our servers."""

    def __init__(self, descriptor):
        self.name = descriptor.name
        self.service = descriptor.containing_service.full_name
        self.area = self.service.split(".")[1]
        self.path = f"/{self.service}/{descriptor.name}"
        self.request = descriptor.input_type
        self.takes_stream = descriptor.client_streaming
        self.gives_stream = descriptor.server_streaming

    def valid(self):
        """A valid request."""
        request = {}
        for f in self.request.fields:
            if f.name in OTHERS:
                request[f.name] = copy.deepcopy(OTHERS[f.name])
            elif f.type == f.TYPE_STRING and f.label != f.LABEL_REPEATED:
                request[f.name] = VALID[f.name]
            elif f.type == f.TYPE_ENUM and f.label != f.LABEL_REPEATED:
                request[f.name] = f.enum_type.values[2].number
        return request

    def message(self, path, text):
        """A valid request but for one text."""
        module = importlib.import_module(self.request.file.name[:-6].replace("/", ".") + "_pb2")
        request = self.valid()
        place = request
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = text
        return json_format.ParseDict(request, getattr(module, self.request.name)())

    def texts(self):
        """The paths to its texts: names of fields, a place in a list."""
        def walk(path, value):
            if isinstance(value, str):
                return [] if str(path[-1]).endswith("_time") else [path]
            parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
            return [found for step, part in parts for found in walk((*path, step), part)]

        return walk((), self.valid())

    def begin(self, channel, body):
        """The call, begun with these bytes as its request, without a deadline."""
        kind = ("stream" if self.takes_stream else "unary") + "_" + ("stream" if self.gives_stream else "unary")
        callable_ = getattr(channel, kind)(self.path)
        if kind == "unary_unary":
            return callable_.future(body)
        return callable_(iter([body]) if self.takes_stream else body)

    def answer(self, channel, body, to_the_end=False):
        """(code, details) of the call; a stream is left after its first message, or read to its end."""
        call = self.begin(channel, body)
        read = (lambda: [None for _ in call]) if to_the_end else (lambda: next(call, None))
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            try:
                pool.submit(read if self.gives_stream else call.result).result(LIMIT_S)
                code = grpc.StatusCode.OK
            except concurrent.futures.TimeoutError:
                code = None
            except grpc.RpcError:
                code = call.code()
            call.cancel()
        details = dict(call.trailing_metadata() or ()).get("grpc-status-details-bin", b"") if code else b""
        return code, details


class Surface(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        compile_protos()
        port = free_port()
        cls.net = Network(f"127.0.0.1:{port}", points=0)
        broker = Process("broker", ["ev-broker", "--port", str(port)], cls.net.folder)
        cls.net.processes.append(broker)
        cls.addClassCleanup(cls.net.stop)
        cls.net.__enter__()
        cls.net.add_point("cp_001")
        cls.net.wait_state("cp_001", "AVAILABLE")
        listening = {"central": cls.net.central, "engine": cls.net.engines["cp_001"],
                     "monitor": cls.net.monitors["cp_001"], "driver": cls.net.driver("dan")}
        listening = {area: process.wait_said("^listening$") for area, process in listening.items()}
        cls.http = {area: said["http"] for area, said in listening.items()}
        cls.channels = {area: grpc.insecure_channel(said["grpc"]) for area, said in listening.items()}
        cls.channels["common"] = cls.channels["monitor"]  # What all serve.
        for channel in cls.channels.values():
            cls.addClassCleanup(channel.close)
        cls.methods = []
        for path in sorted((ROOT / "proto/evcharging").rglob("*_service.proto")):
            module = importlib.import_module(
                str(path.relative_to(ROOT / "proto"))[:-6].replace("/", ".") + "_pb2")
            for service in module.DESCRIPTOR.services_by_name.values():
                cls.methods += [Method(m) for m in service.methods]

    def for_each_method(self, check):
        """Calls check(method, channel); all that fail are told."""
        self.assertGreater(len(self.methods), 35)
        for method in self.methods:
            with self.subTest(method=method.path):
                check(method, self.channels[method.area])

    def open_calls(self):
        """How many calls of each method have begun and not ended."""
        calls = {}
        for area, address in self.http.items():
            for name, labels, value in series(self.net.metrics(address)):
                key = (area, labels.get("grpc_service"), labels.get("grpc_method"))
                if name == "grpc_server_started_total":
                    calls[key] = calls.get(key, 0) + value
                elif name == "grpc_server_handled_total":
                    calls[key] = calls.get(key, 0) - value
        return calls

    # B162 B163
    def test_each_method_answers_an_empty_request_of_a_caller_without_a_deadline(self):
        def check(method, channel):
            code, details = method.answer(channel, b"")
            self.assertIn(code, ANSWERS)
            self.assertTrue(code is grpc.StatusCode.OK or b"google.rpc.ErrorInfo" in details, details)

        self.for_each_method(check)

    # B159 B160
    def test_each_method_refuses_a_text_that_is_too_long_and_names_the_field(self):
        refused = []

        def check(method, channel):
            for path in method.texts():
                code, details = method.answer(channel, method.message(path, "x" * 20_000).SerializeToString(),
                                              to_the_end=method.takes_stream)
                self.assertEqual(code, grpc.StatusCode.INVALID_ARGUMENT, path)
                self.assertIn(next(step for step in reversed(path) if isinstance(step, str)).encode(), details)
                refused.append(path)

        self.for_each_method(check)
        for path in (("charging_point", "site"), ("grant", "price", "currency"), ("hello", "location"),
                     ("charging_point_ids", 0), ("request_id",)):
            self.assertIn(path, refused)

    # B160
    def test_each_method_refuses_bytes_that_are_no_message_and_messages_that_are_too_large(self):
        def check(method, channel):
            code, _ = method.answer(channel, b"\xff\xff\xff")
            if method.takes_stream:  # To gRPC it is the stream's end.
                self.assertIn(code, ANSWERS)
            else:
                self.assertIn(code, {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED})  # gRPC's own answers.
            code, _ = method.answer(channel, b"x" * (8 << 20), to_the_end=True)
            self.assertEqual(code, grpc.StatusCode.RESOURCE_EXHAUSTED)

        self.for_each_method(check)
        self.assertEqual(self.net.state("cp_001"), "AVAILABLE")

    # B162
    def test_calls_of_each_method_may_be_cancelled_and_leave_nothing_open(self):
        def check(method, channel):
            for _ in range(5):
                method.begin(channel, b"").cancel()
            self.assertIn(method.answer(channel, b"")[0], ANSWERS)

        self.for_each_method(check)
        # The programs among themselves: a Monitor's link and attachment, a Driver's watches.
        own = {"Link": 1, "Attach": 1, "WatchSessions": 1}
        eventually("only the programs' own calls are open", lambda: not {
            key: count for key, count in self.open_calls().items() if count > own.get(key[2], 0)})


if __name__ == "__main__":
    unittest.main()

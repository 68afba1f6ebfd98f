"""Containers of a rendered manifest as processes of this machine: with the manifest's arguments and variables, and
nothing else."""
import pathlib
import re
import socket
import subprocess
import sys
import time

import grpc

import policy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from network import BIN, Process, eventually, free_port  # noqa: E402

JARS = pathlib.Path(__file__).resolve().parents[2] / "build/kafka/4.2.0/libs"
PROGRAMS = {"central": "ev-central", "engine": "ev-engine", "monitor": "ev-monitor", "driver": "ev-driver"}
SERVING = b"\x08\x01"  # grpc.health.v1.HealthCheckResponse{status: SERVING}


class Cluster:
    """Rendered manifests, and where on this machine their ports and folders are."""

    def __init__(self, objects, folder):
        self.objects = objects
        self.folder = pathlib.Path(folder)
        self.ports = {}  # (pod, port): port on loopback

    def workload(self, name):
        return policy.find(self.objects, "StatefulSet", name)

    def pod_spec(self, name):
        return policy.template(self.workload(name))["spec"]

    def container(self, workload, name):
        return next(c for c in policy.containers(self.pod_spec(workload)) if c["name"] == name)

    def port(self, pod, port):
        """Where a port of a pod is; the same whenever it is asked."""
        while (pod, port) not in self.ports:
            if (free := free_port()) not in self.ports.values():
                self.ports[pod, port] = free
        return self.ports[pod, port]

    def place(self, pod, path):
        """Where a folder or file of the pod is."""
        return self.folder / pod / path.strip("/")

    def host_port(self, pod, host, port):
        """Where an address is that a container of `pod` calls: localhost is the pod itself, a Service is its first
        pod, <pod>.<Service> that pod."""
        if host == "localhost":
            target = pod
        elif policy.find(self.objects, "Service", host):
            target = f"{host}-0"
        else:
            target = host.partition(".")[0]
        return f"127.0.0.1:{self.port(target, int(port))}"

    def variables(self, pod, container):
        """The container's variables as the kubelet sets them, before anything is moved to this machine."""
        index = pod.rpartition("-")[2]
        fields = {"metadata.name": pod, "metadata.namespace": "evcharge",
                  "metadata.labels['apps.kubernetes.io/pod-index']": index}
        found = policy.environment(self.objects, container)
        for variable in container.get("env", []):
            if "fieldRef" in variable.get("valueFrom", {}):
                found[variable["name"]] = fields[variable["valueFrom"]["fieldRef"]["fieldPath"]]
        return found

    def command(self, container, variables):
        """Command and arguments with $(VARIABLE) replaced, before anything is moved to this machine."""
        return [re.sub(r"\$\((\w+)\)", lambda m: variables[m[1]], text)
                for text in container.get("command", []) + container.get("args", [])]

    def on_this_machine(self, pod, container):
        """(arguments, variables) of the container, moved to loopback, free ports and our folder. All that is changed:

        * --listen=0.0.0.0 becomes 127.0.0.1;
        * addresses of Services, pods and localhost in variables become loopback with the port of host_port();
        * a program of ours is told its ports, which the manifest leaves at their defaults;
        * folders of volumes become folders below ours;
        * Java and Kafka's jars are this machine's, and Java is told a smaller memory than the machine's.
        """
        variables = self.variables(pod, container)
        arguments = self.command(container, variables)
        variables = {
            name: re.sub(r"([a-z][\w.-]*):(\d+)", lambda m: self.host_port(pod, m[1], m[2]), value)
            if policy.addresses(value) else value for name, value in variables.items()}
        volumes = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
        for path in volumes:
            self.place(pod, path).mkdir(parents=True, exist_ok=True)
        if volumes:
            anywhere = re.compile("|".join(map(re.escape, volumes)))
            arguments = [anywhere.sub(lambda m: str(self.place(pod, m[0])), text) for text in arguments]
        arguments = ["--listen=127.0.0.1" if text == "--listen=0.0.0.0" else text for text in arguments]
        if policy.is_ours(container):
            ports = {p["name"].rpartition("-")[2]: p["containerPort"] for p in container["ports"]}
            arguments = [str(BIN / PROGRAMS[container["name"]]), *arguments,
                         f"--grpc-port={self.port(pod, ports['grpc'])}",
                         f"--http-port={self.port(pod, ports['metrics'])}"]
        else:
            java, *rest = arguments
            assert java == "/opt/java/openjdk/bin/java", java
            arguments = ["/usr/bin/env", "java", "-XX:MaxRAM=640m",
                         *(text.replace("/opt/kafka/libs", str(JARS)) for text in rest)]
        return arguments, variables

    def start(self, pod, name):
        """Starts a container of `pod`."""
        container = self.container(pod.rpartition("-")[0], name)
        arguments, variables = self.on_this_machine(pod, container)
        if not policy.is_ours(container):
            variables["PATH"] = "/usr/local/bin:/usr/bin:/bin"  # For Java, wherever it is.
        assignments = [f"{k}={v}" for k, v in variables.items()]
        return Process(f"{pod}-{name}", ["/usr/bin/env", "-i", *assignments, *arguments], self.folder,
                       stdin=subprocess.DEVNULL)

    def probe(self, pod, container, probe):
        """Asks as the kubelet does; True when the answer is yes."""
        probe = container[probe]
        timeout = probe.get("timeoutSeconds", 1)
        if "tcpSocket" in probe:
            names = {p["name"]: p["containerPort"] for p in container["ports"]}
            port = probe["tcpSocket"]["port"]
            try:
                socket.create_connection(("127.0.0.1", self.port(pod, names.get(port, port))), timeout).close()
                return True
            except OSError:
                return False
        service = probe["grpc"]["service"].encode()
        with grpc.insecure_channel(f"127.0.0.1:{self.port(pod, probe['grpc']['port'])}") as channel:
            check = channel.unary_unary("/grpc.health.v1.Health/Check")
            try:
                return check(b"\x0a" + bytes([len(service)]) + service, timeout=timeout) == SERVING
            except grpc.RpcError:
                return False

    def wait_probe(self, pod, name, probe):
        """Asks again until the answer is yes, as long as the kubelet would; then it would restart the container."""
        container = self.container(pod.rpartition("-")[0], name)
        limit = container[probe].get("periodSeconds", 10) * container[probe].get("failureThreshold", 3)
        eventually(f"{pod} {name}: {probe}", lambda: self.probe(pod, container, probe), max(limit, 60))

    def grace_s(self, workload):
        return self.pod_spec(workload).get("terminationGracePeriodSeconds", 30)

    def end(self, processes, grace_s):
        """The end of a pod: its containers one after the other, within the time of the pod; returns their exit codes."""
        end = time.monotonic() + grace_s
        return [process.terminate(limit_s=max(end - time.monotonic(), 0.1)) for process in processes]

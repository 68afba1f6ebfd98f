"""A real kube-apiserver with an etcd, on loopback, for one test: it takes or refuses manifests as a cluster would. Nothing
runs in it: there is no scheduler, no controller and no kubelet."""
import json
import pathlib
import subprocess
import sys

import policy
import rendering

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from network import eventually, free_port  # noqa: E402

BIN = rendering.ROOT / "build/tools/bin"
TOKEN = "loopback-only"
KUBECONFIG = """apiVersion: v1
kind: Config
current-context: test
clusters: [{{name: test, cluster: {{server: "https://127.0.0.1:{port}", certificate-authority: certs/apiserver.crt}}}}]
users: [{{name: test, user: {{token: {token}}}}}]
contexts: [{{name: test, context: {{cluster: test, user: test, namespace: evcharge}}}}]
"""


class ApiServer:
    """Use as a context manager; keeps everything in `folder`."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.processes = []

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def launch(self, name, *arguments):
        with open(self.folder / f"{name}.log", "wb") as log:
            self.processes.append(subprocess.Popen([BIN / name, *arguments], stdin=subprocess.DEVNULL, stdout=log,
                                                   stderr=log, cwd=self.folder))

    def start(self):
        etcd, peer, port = (f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}", free_port())
        self.launch("etcd", "--data-dir=etcd", "--unsafe-no-fsync", "--log-level=error", "--name=test",
                    f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}", f"--listen-peer-urls={peer}",
                    f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=test={peer}")
        subprocess.run(["openssl", "genrsa", "-out", "accounts.key", "2048"], cwd=self.folder, check=True,
                       capture_output=True, timeout=60)
        (self.folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n", encoding="utf-8")
        self.launch("kube-apiserver", f"--etcd-servers={etcd}", "--cert-dir=certs", "--bind-address=127.0.0.1",
                    "--advertise-address=127.0.0.1", f"--secure-port={port}", "--endpoint-reconciler-type=none",
                    "--authorization-mode=AlwaysAllow", "--token-auth-file=tokens.csv",
                    "--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=accounts.key",
                    "--service-account-signing-key-file=accounts.key", "--service-cluster-ip-range=10.0.0.0/24",
                    "--profiling=false")
        self.config = self.folder / "kubeconfig"
        self.config.write_text(KUBECONFIG.format(port=port, token=TOKEN), encoding="utf-8")
        self.config.chmod(0o600)
        eventually("the API server is ready", lambda: self.kubectl("get", "--raw", "/readyz").stdout == "ok", 120)

    def stop(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kubectl(self, *arguments, text=None):
        for process in self.processes:
            assert process.poll() is None, f"ended with {process.returncode}: see the logs in {self.folder}"
        return subprocess.run([BIN / "kubectl", "--kubeconfig", self.config, "--cache-dir", self.folder / "cache",
                               *arguments], input=text, capture_output=True, text=True, timeout=60)

    def refusal(self, *arguments, objects=None):
        """Runs kubectl (on `objects` by -f -); returns what it was refused with, "" when it was not."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}) if objects is not None else None
        done = self.kubectl(*arguments, *(["-f", "-"] if text else []), text=text)
        return (done.stderr or f"exit {done.returncode}") if done.returncode else ""

    def refused_objects(self, objects):
        """Applies them, and tries a pod of each workload: the server looks into a pod, and at Pod Security, only when one is
        made. Returns what it was refused with, "" when all was taken."""
        return (self.refusal("apply", "--server-side", "--force-conflicts", "--validate=strict", objects=objects)
                + self.refusal("create", "--dry-run=server", "--validate=strict", objects=list(pods_of(objects))))


def pods_of(objects):
    """A pod of each workload, as its controller would make it."""
    for workload in policy.kind_of(objects, *policy.WORKLOADS):
        template = policy.template(workload)
        claims = [{"name": claim["metadata"]["name"], "emptyDir": {}}
                  for claim in workload["spec"].get("volumeClaimTemplates", [])]
        spec = {**template["spec"], "volumes": template["spec"].get("volumes", []) + claims}
        yield {"apiVersion": "v1", "kind": "Pod", "spec": spec,
               "metadata": {"name": f"{workload['metadata']['name']}-0", "namespace": workload["metadata"]["namespace"],
                            "labels": {**template["metadata"]["labels"], "apps.kubernetes.io/pod-index": "0"}}}

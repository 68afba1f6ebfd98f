#!/usr/bin/env python3
"""Stands in a document's command block for a command that cannot run on this machine as it is, and does what is nearest to it.

    stand_in.py NAME ARGUMENT ...      EV_STAND_IN names a file of what there is; test_docs.py writes it

What it cannot do, it refuses; what it refuses or what fails is also written down, for a pipe hides its exit code.
"""
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys

THERE = json.loads(pathlib.Path(os.environ.get("EV_STAND_IN", os.devnull)).read_text(encoding="utf-8") or "{}")
ROOT = pathlib.Path(__file__).resolve().parents[2]
INSTALLED = THERE.get("installed")  # The package's files.
LIMIT_S = 60


class Refused(Exception):
    """Nothing like it can be done here."""


def run(*words, **settings):
    return subprocess.run([str(w) for w in words], timeout=LIMIT_S, check=False, **settings).returncode


def read(*words):
    done = subprocess.run([str(w) for w in words], timeout=LIMIT_S, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(f"{shlex.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


def tail(path, lines):
    found = pathlib.Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    print("\n".join(found[-lines:] if lines else found))
    return 0


# --- kubectl: a real API server takes what is asked. Nothing runs in it: pods' logs and ports are those of the network's
# --- processes, what a controller would do is done here.


def kubectl(*words):
    cube = (ROOT / "build/tools/bin/kubectl", "--kubeconfig", THERE["kubeconfig"], "--cache-dir", THERE["kubecache"])
    plain = [w for w in words if not w.startswith("-") and w != "evcharge"]
    if plain[0] == "port-forward":
        return port_forward(cube, plain[1], plain[2:])
    if plain[0] == "logs":
        return logs(cube, words, plain[1])
    if plain[0] == "apply":  # As into an empty cluster: of two overlays the volumes differ, and those cannot be changed.
        read(*cube, "-n", "evcharge", "delete", "statefulset", "--all", "--cascade=background")
    if plain[0] == "rollout" and plain[1] == "status":
        has_rolled_out(cube, plain[2])
    if plain[0] == "diff":  # 1: there is a difference.
        return {0: 0, 1: 0}.get(run(*cube, *words), 2)
    return run(*cube, *words)


def port_forward(cube, target, ports):
    """Whether there are such ports; block's addresses are the network's anyway."""
    found = json.loads(read(*cube, "-n", "evcharge", "get", target if "/" in target else f"pod/{target}", "-o", "json"))
    spec = found["spec"]
    of_containers = [p for c in spec.get("containers", []) + spec.get("initContainers", []) for p in c.get("ports", [])]
    known = {p["port"] for p in spec.get("ports", [])} | {p["containerPort"] for p in of_containers}
    if missing := {int(p.partition(":")[2] or p) for p in ports} - known:
        raise Refused(f"{target} has no port {missing}, but {known}")
    return 0


def logs(cube, words, pod):
    spec = json.loads(read(*cube, "-n", "evcharge", "get", "pod", pod, "-o", "json"))["spec"]
    containers = [c["name"] for c in spec["containers"] + spec.get("initContainers", [])]
    container = words[words.index("-c") + 1] if "-c" in words else containers[0]
    if container not in containers:
        raise Refused(f"{pod} has no container {container}, but {containers}")
    lines = next((int(w.partition("=")[2]) for w in words if w.startswith("--tail=")), 0)
    for word in words:
        if word.startswith("-") and not re.fullmatch(r"-n|-c|--previous|--tail=\d+", word):
            raise Refused(f"kubectl logs: {word} is not known here")
    path = THERE["logs"].get(f"{pod} {container}")
    return tail(path, lines) if path else 0


def has_rolled_out(cube, workload):
    there = json.loads(read(*cube, "-n", "evcharge", "get", workload, "-o", "json"))
    count = there["spec"]["replicas"]
    status = {"observedGeneration": there["metadata"]["generation"], "replicas": count, "readyReplicas": count,
              "availableReplicas": count, "updatedReplicas": count, "currentRevision": "1", "updateRevision": "1"}
    read(*cube, "-n", "evcharge", "patch", workload, "--subresource=status", "--type=merge",
         "-p", json.dumps({"status": status}))


# --- the package's machine: a folder with the package's files. systemctl enables there, apt only says what it would do.


def sudo(*words):
    words = list(words)
    while words[0].startswith("-"):
        if words.pop(0) == "-u":
            words.pop(0)
    os.execvp(words[0], words)


def units(patterns):
    """Whether the package has such units."""
    known = [p.name for p in pathlib.Path(INSTALLED, "usr/lib/systemd/system").iterdir()]
    for pattern in patterns:
        name = re.sub(r"@[^.]*", "@", pattern.removesuffix(".service"))
        if not any(re.fullmatch(name.replace("*", ".*"), k.removesuffix(".service")) for k in known):
            raise Refused(f"the package has no unit {pattern}, but {known}")


def systemctl(verb, *words):
    names = [w for w in words if not w.startswith("-")]
    units(names)
    if verb in ("enable", "disable"):
        return run("systemctl", f"--root={INSTALLED}", "--quiet", verb, *names)
    if verb not in ("start", "stop", "restart", "status", "is-active", "daemon-reload"):
        raise Refused(f"systemctl {verb} is not known here")
    return 0


def journalctl(*words):
    """Its words are read by the real one, in a folder without a journal; it knows no unit, for none ever wrote there."""
    words = list(words)
    while "-u" in words:
        at = words.index("-u")
        units([words[at + 1]])
        del words[at:at + 2]
    words = [w for w in words if w != "-f"]
    return run("journalctl", f"--directory={INSTALLED}", *words)


def apt(verb, *words):
    settings = []
    if verb != "install":  # As if it were there.
        fields = read("dpkg-deb", "-f", THERE["deb"]).strip()
        status = pathlib.Path("/var/lib/dpkg/status").read_text(encoding="utf-8")
        file = pathlib.Path(THERE["folder"]) / "dpkg-status"
        file.write_text(f"{status}\n{fields}\nStatus: install ok installed\n", encoding="utf-8")
        settings = ["-o", f"Dir::State::status={file}"]
    return run("apt-get", "--simulate", "--quiet", *settings, verb, *words)


def systemd_run(*words):
    """The program with the variables that the unit would give it."""
    environment, command = {"HOME": "/nonexistent", "PATH": os.environ["PATH"]}, []
    words = list(words)
    while words:
        word = words.pop(0)
        if word == "-E":
            name, _, value = words.pop(0).partition("=")
            environment[name] = value
        elif word == "-p":
            name, _, value = words.pop(0).partition("=")
            if name == "EnvironmentFile":
                lines = pathlib.Path(value).read_text(encoding="utf-8").splitlines()
                environment |= dict(x.split("=", 1) for x in lines if x and not x.startswith("#"))
            elif name != "User":
                raise Refused(f"systemd-run -p {name} is not known here")
        elif not word.startswith("--"):
            command = [word, *words]
            break
    return run(*command, env=environment)


def systemd_sysusers(*words):
    return run("systemd-sysusers", f"--root={INSTALLED}", "--replace=/usr/lib/sysusers.d/evcharge.conf", "--dry-run",
               pathlib.Path(INSTALLED, "usr/lib/sysusers.d", *words))


# --- tools that take minutes or are the tests themselves: .ci/run runs them; here their words are looked up in their help.


def tool(name, *words):
    known = read(ROOT / "tools" / name, "--help")
    previous = ""
    for word in words:
        takes_anything = previous in ("-R", "-L", "--since", "--port", "--dir", "--points", "--drivers") or name == "bench"
        if not takes_anything and not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", known):
            raise Refused(f"tools/{name} --help does not know {word}")
        previous = word
    return 0


def cmake(*words):
    if "--install" in words:
        return run("cmake", *words, stdout=subprocess.DEVNULL)
    presets = json.loads((ROOT / "CMakePresets.json").read_text(encoding="utf-8"))
    names = {p["name"] for p in presets["buildPresets" if "--build" in words else "configurePresets"]}
    if words[words.index("--preset") + 1] not in names:
        raise Refused(f"there is no such preset, but {names}")
    return 0


def docker(*words):
    if words[0] != "compose":
        raise Refused(f"docker {words[0]} wants a daemon")
    files = [w for i, w in enumerate(words) if words[i - 1] == "-f"] or [ROOT / "docker/compose.yaml"]
    return run("docker-compose", *(x for f in files for x in ("-f", f)), "config", "-q")


# --- what a reader fills in or does


def newest(what, method):
    text = read(ROOT / "build/tools/bin/grpcurl", "-plaintext", THERE["central"], f"evcharging.central.v1.{method}")
    print(json.loads(text)[f"{what}s"][0][f"{what}_id"])
    return 0


def until_ctrl_c(command):
    """Waits until it has printed something, then presses Ctrl-C."""
    process = subprocess.Popen(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               start_new_session=True)
    try:
        said = process.stdout.readline()
        os.killpg(process.pid, signal.SIGINT)
        process.stdout.read()
        code = process.wait(timeout=LIMIT_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    print(said.decode(errors="replace"), end="")
    if not said or code not in (0, 128 + signal.SIGINT, -signal.SIGINT):
        raise Refused(f"{command}: said {said}, ended with {code}")
    return 0


STAND_INS = {"kubectl": kubectl, "sudo": sudo, "systemctl": systemctl, "journalctl": journalctl, "apt": apt,
             "systemd-run": systemd_run, "systemd-sysusers": systemd_sysusers, "cmake": cmake, "docker": docker,
             "the-session": lambda: newest("session", "SessionService/ListSessions"),
             "the-ticket": lambda: newest("ticket", "TicketService/ListTickets"), "until-ctrl-c": until_ctrl_c}


def main(name, *words):
    # Whatever a stand-in runs is the real one.
    os.environ["PATH"] = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if p != THERE["stand_ins"]) \
        if name not in ("sudo", "until-ctrl-c") else os.environ["PATH"]
    try:
        code = STAND_INS[name](*words) if name in STAND_INS else tool(name, *words)
        why = f"ended with {code}"
    except (Refused, IndexError, subprocess.TimeoutExpired) as error:
        code, why = 1, str(error)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    if code != 0:
        print(f"{name}: {why}", file=sys.stderr)
        with open(THERE["failures"], "a", encoding="utf-8") as failures:
            failures.write(f"{name} {shlex.join(words)}: {why}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

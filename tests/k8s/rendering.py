"""Our manifests as kustomize renders them: every overlay, and the bases with every combination of components. As a
program, prints what k8s/release/evcharge.yaml must be."""
import itertools
import os
import pathlib
import subprocess
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
K8S = ROOT / "k8s"
KUBECTL = ROOT / "build/tools/bin/kubectl"
RELEASE = K8S / "release/evcharge.yaml"
RELEASE_OVERLAY = K8S / "overlays/demo"
OVERLAYS = sorted(path.parent for path in K8S.glob("overlays/*/kustomization.yaml"))
BASES = sorted(path.parent for path in K8S.glob("base/*/kustomization.yaml"))
COMPONENTS = sorted(path.parent for path in K8S.glob("components/*/kustomization.yaml"))


def kustomize(folder):
    """The rendered text; AssertionError with what kustomize said."""
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{folder}: {done.stderr}"
    assert not done.stderr, f"{folder}: {done.stderr}"  # It only warns of what is deprecated.
    return done.stdout


def combinations():
    """(name, text) of all bases with each set of components, none and all included."""
    for count in range(len(COMPONENTS) + 1):
        for chosen in itertools.combinations(COMPONENTS, count):
            with tempfile.TemporaryDirectory() as folder:
                # kustomize takes bases by relative paths only.
                relative = lambda paths: [os.path.relpath(path, os.path.realpath(folder)) for path in paths]
                text = yaml.safe_dump({
                    "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": "evcharge",
                    "resources": relative(BASES), "components": relative(chosen)})
                (pathlib.Path(folder) / "kustomization.yaml").write_text(text, encoding="utf-8")
                yield "bases" + "".join(f" + {path.name}" for path in chosen), kustomize(folder)


def overlays():
    """(name, text) of each overlay."""
    for folder in OVERLAYS:
        yield folder.name, kustomize(folder)


def load(text):
    """The objects of a rendered text."""
    return [document for document in yaml.safe_load_all(text) if document]


def release():
    overlay = RELEASE_OVERLAY.relative_to(ROOT).as_posix()
    return (f"# {overlay}, rendered by tools/manifests; change it there. To apply: kubectl apply -f evcharge.yaml\n"
            + kustomize(RELEASE_OVERLAY))


if __name__ == "__main__":
    print(release(), end="")

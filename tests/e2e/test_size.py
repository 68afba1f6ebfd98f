"""What docs/sizing.md says of memory, Kafka and the manifests, against what the tool measures."""
import re
import subprocess
import sys
import unittest

from network import ROOT

sys.path.insert(0, str(ROOT / "tests/k8s"))
import policy  # noqa: E402
import rendering  # noqa: E402

UNITS = {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024}  # In MiB.
MORE = 1.25  # How far a small, short measurement may be above the document's.


def number(pattern, text):
    found = re.search(pattern, text)
    assert found, f"{pattern!r} is not in:\n{text}"
    return float(found[1])


def requested(overlay, name):
    """(MiB of memory, cores) that a program's container asks for."""
    for _, _, _, container in policy.each_container(rendering.load(rendering.kustomize(rendering.K8S / "overlays" / overlay))):
        if container["name"] == name:
            asked = container["resources"]["requests"]
            cpu = str(asked["cpu"])
            return (float(asked["memory"][:-2]) * UNITS[asked["memory"][-2:]],
                    float(cpu.removesuffix("m")) / (1000 if cpu.endswith("m") else 1))
    raise AssertionError(f"{overlay} has no container {name}")


class Size(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = (ROOT / "docs/sizing.md").read_text(encoding="utf-8")

    # B232
    def test_a_small_measurement_finds_no_more_than_the_document_says(self):
        done = subprocess.run([sys.executable, "-B", str(ROOT / "tests/bench/size.py"), "--points", "20", "40", "--pods", "2",
                               "--seconds", "3"], capture_output=True, text=True, timeout=400, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("Engine", "Monitor"):
            said = number(rf"\| {name} \|.* ([\d.]+) MiB, [\d.]+ cores \| \d+ MiB", self.text)
            self.assertLess(number(rf"{name} charging: ([\d.]+) MiB", done.stdout), MORE * said, name)
        self.assertLess(number(r"Kafka: (\d+) bytes a second", done.stdout),
                        MORE * number(r"\*\*(\d+) bytes a second\*\*", self.text))
        for points, shown in ((0, r"0 points +([\d.]+) MiB"), (250, r"40 points .* ([\d.]+) MiB +[\d.]+ cores\n")):
            said = number(rf"\| {points} \|.* (\d+) MiB", self.text)
            self.assertLess(number(shown, done.stdout), MORE * said, points)
        self.assertIn("links that were lost: 0", done.stdout)

    # B232
    def test_the_requests_of_the_manifests_are_what_the_document_says_and_enough(self):
        for name in ("Engine", "Monitor"):
            row = re.search(rf"\| {name} \| .*? \| ([\d.]+) MiB, ([\d.]+) cores \| (\d+) MiB, ([\d.]+) cores \|", self.text)
            used, cores, memory, cpu = map(float, row.groups())
            self.assertEqual(requested("production", name.lower()), (memory, cpu), name)
            self.assertTrue(used < memory and cores < cpu, name)
        points = {int(n): (float(m), float(c)) for n, m, c in
                  re.findall(r"^\| (\d+) \|.* (\d+) MiB \| ([\d.]+) cores \|$", self.text, re.M)}
        for overlay, manifest, enough in (("demo", "k8s/base/central", 400), ("production", "k8s/overlays/production", 1000)):
            row = re.search(rf"`{manifest}` \| (\d+) MiB, ([\d.]+) cores \| (\d+) points", self.text)
            memory, cpu = requested(overlay, "central")
            self.assertEqual((memory, cpu), (float(row[1]), float(row[2])), overlay)
            self.assertGreaterEqual(int(row[3]), enough)
            most = max(n for n in points if n <= enough)
            self.assertTrue(points[most][0] < memory and points[most][1] < cpu, overlay)


if __name__ == "__main__":
    unittest.main(verbosity=2)

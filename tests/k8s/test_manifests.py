#!/usr/bin/env python3
"""The manifests in k8s/ without a cluster: they render, are valid for every Kubernetes that we support, follow our rules,
and the release file is what they render to."""
import copy
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import kubernetes_validate
import yaml

import policy
import rendering

OLDEST, NEWEST = "1.30", "1.37"  # The oldest that we support, the newest that there is a schema of.
YAMLLINT = pathlib.Path(sys.executable).parent / "yamllint"
CONFIG = rendering.K8S / ".yamllint.yaml"


def invalid(objects, version):
    """What Kubernetes of this version would not take: unknown fields, wrong types."""
    for o in objects:
        try:
            kubernetes_validate.validate(o, version, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            yield f"{policy.title(o)} ({version}): {error.message}"


def lint(*arguments):
    done = subprocess.run([YAMLLINT, "--strict", "-f", "parsable", *arguments], capture_output=True, text=True,
                          timeout=60, cwd=rendering.ROOT)
    return done.stdout


class ManifestsTest(unittest.TestCase):
    def assert_none(self, findings):
        findings = list(findings)
        self.assertFalse(findings, "\n" + "\n".join(findings))

    def test_every_overlay_and_combination_renders_to_valid_manifests_that_follow_the_rules(self):
        for rendered, rules in ((rendering.overlays(), policy.OVERLAY_RULES), (rendering.combinations(), policy.RULES)):
            for name, text in rendered:
                with self.subTest(name):
                    objects = rendering.load(text)
                    self.assertGreater(len(objects), 20)
                    self.assert_none(policy.findings(objects, rules))
                    for version in (OLDEST, NEWEST):
                        self.assert_none(invalid(objects, version))

    def test_a_typo_and_a_wrong_type_are_invalid(self):
        objects = rendering.load(rendering.kustomize(rendering.RELEASE_OVERLAY))
        for fault in (lambda pod: pod.update(serviceAcountName="x"), lambda pod: pod.update(enableServiceLinks="no"),
                      lambda pod: pod["containers"][0].update(livenessProbe={"grpc": {"port": "grpc"}})):
            broken = copy.deepcopy(objects)
            fault(policy.find(broken, "StatefulSet", "central")["spec"]["template"]["spec"])
            for version in (OLDEST, NEWEST):
                self.assertEqual(len(list(invalid(broken, version))), 1)

    def test_the_release_file_is_what_its_overlay_renders_to(self):
        self.assertEqual(rendering.RELEASE.read_text(encoding="utf-8"), rendering.release(),
                         "k8s/release/evcharge.yaml is not what k8s/ renders to: tools/manifests render")

    def test_yaml_is_well_formed_and_has_no_key_twice(self):
        self.assertEqual(lint("-c", CONFIG, rendering.K8S), "")
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "twice.yaml"
            file.write_text("a: 1\na: 2\n", encoding="utf-8")
            self.assertIn("key-duplicates", lint("-c", CONFIG, file))

    def test_every_file_in_k8s_is_part_of_a_rendering(self):
        """A patch that nobody applies looks as if it did something."""
        named = {rendering.RELEASE, CONFIG}
        for path in rendering.K8S.rglob("kustomization.yaml"):
            named.add(path)
            for text in re.findall(r"^\s*(?:- |path: |- path: )([\w./-]+\.\w+)$", path.read_text(encoding="utf-8"), re.MULTILINE):
                named.add(path.parent / text)
        files = {path for path in rendering.K8S.rglob("*") if path.is_file()}
        self.assertEqual(sorted(map(str, files ^ named)), [])

    def test_kustomize_refuses_what_it_does_not_find(self):
        with tempfile.TemporaryDirectory() as folder:
            base = os.path.relpath(rendering.BASES[0], os.path.realpath(folder))
            text = yaml.safe_dump({"resources": [base], "patches": [{"path": "gone.yaml"}]})
            (pathlib.Path(folder) / "kustomization.yaml").write_text(text, encoding="utf-8")
            with self.assertRaisesRegex(AssertionError, "gone.yaml"):
                rendering.kustomize(folder)


if __name__ == "__main__":
    unittest.main()

#!/usr/bin/env python3
"""A real kube-apiserver, of the oldest version that we support, takes the manifests, and the next version of them; what it
must refuse, it does."""
import copy
import pathlib
import shutil
import tempfile
import unittest

import policy
import rendering
from api_server import ApiServer

NEXT_VERSION = "999.0.0"


def pod(objects, name):
    return policy.find(objects, "StatefulSet", name)["spec"]["template"]["spec"]


def claim(objects, name):
    return policy.find(objects, "StatefulSet", name)["spec"]["volumeClaimTemplates"][0]


# (what it says, the fault): the server is the judge of what policy.py and the schemas cannot see.
FAULTS = [
    ("unknown field", lambda o: pod(o, "central").update(serviceAcountName="x")),
    ("violates PodSecurity", lambda o: pod(o, "central")["containers"][0]["securityContext"].pop("capabilities")),
    ("violates PodSecurity", lambda o: pod(o, "kafka")["securityContext"].pop("seccompProfile")),
    ("quantities must match", lambda o: pod(o, "driver")["containers"][0]["resources"]["limits"].update(memory="256Mb")),
    ("must be no more than 15 characters",
     lambda o: pod(o, "driver")["containers"][0]["ports"][0].update(name="the-drivers-grpc")),
    ("Not found: \"dat\"", lambda o: pod(o, "central")["containers"][0]["volumeMounts"][0].update(name="dat")),
    ("service account evcharge/gone", lambda o: pod(o, "central").update(serviceAccountName="gone")),
    ("must be less than or equal to memory limit",
     lambda o: pod(o, "central")["containers"][0]["resources"]["requests"].update(memory="8Gi")),
    ("does not match template `labels`|`selector` does not match",
     lambda o: policy.find(o, "StatefulSet", "central")["spec"]["selector"]["matchLabels"].update(app="x")),
]


class ApiServerTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ev-k8s-api-"))
        self.addCleanup(shutil.rmtree, self.folder, True)

    def objects(self, overlay="demo"):
        return rendering.load(rendering.kustomize(rendering.K8S / "overlays" / overlay))

    def test_every_overlay_is_taken_by_both_commands_and_so_is_its_next_version(self):
        for overlay in rendering.OVERLAYS:
            with self.subTest(overlay.name), tempfile.TemporaryDirectory(dir=self.folder) as folder:
                with ApiServer(folder) as server:
                    self.assertEqual(server.refused_objects(self.objects(overlay.name)), "")
                    self.assertEqual(server.refusal("apply", "--server-side", "--force-conflicts", "-k", overlay), "")
                    text = rendering.kustomize(overlay).replace(policy.project_version(), NEXT_VERSION)
                    newer = rendering.load(text)
                    self.assertIn(NEXT_VERSION, pod(newer, "central")["containers"][0]["image"])
                    self.assertEqual(server.refused_objects(newer), "")
        with ApiServer(self.folder) as server:
            self.assertEqual(server.refusal("apply", "-f", rendering.RELEASE), "")
            self.assertEqual(server.refusal("apply", "-k", rendering.RELEASE_OVERLAY), "")

    def test_what_a_cluster_would_refuse_is_refused(self):
        with ApiServer(self.folder) as server:
            self.assertEqual(server.refused_objects(self.objects()), "")
            for sentence, fault in FAULTS:
                with self.subTest(sentence):
                    objects = self.objects()
                    fault(objects)
                    self.assertRegex(server.refused_objects(objects), sentence)
            with self.subTest("a claim that bears a version cannot be upgraded"):
                objects = self.objects()
                labels = policy.find(objects, "StatefulSet", "central")["metadata"]["labels"]
                claim(objects, "central")["metadata"]["labels"] = copy.deepcopy(labels)
                self.assertRegex(server.refused_objects(objects), "updates to statefulset spec for fields other than")


if __name__ == "__main__":
    unittest.main(verbosity=2)

#!/usr/bin/env python3
"""Each rule of policy.py refuses a manifest that breaks it."""
import copy
import re
import unittest

import policy
import rendering


def at(objects, kind, name):
    return policy.find(objects, kind, name)


def pod(objects, name):
    return at(objects, "StatefulSet", name)["spec"]["template"]["spec"]


def container(objects, name, program=None):
    return next(c for c in policy.containers(pod(objects, name)) if c["name"] == (program or name))


def config(objects, prefix):
    return next(o for o in objects if o["kind"] == "ConfigMap" and o["metadata"]["name"].startswith(prefix + "-"))


def drop(objects, kind, name):
    objects.remove(at(objects, kind, name))


def drop_rule(objects, name, direction, port):
    """Without the policy's rule for this port."""
    spec = at(objects, "NetworkPolicy", name)["spec"]
    spec[direction] = [rule for rule in spec[direction] if port not in [p["port"] for p in rule["ports"]]]


def unsidecar(objects):
    """The Monitor beside the Engine, as an ordinary container."""
    spec = pod(objects, "charging-point")
    monitor = spec.pop("initContainers")[0]
    del monitor["restartPolicy"]
    spec["containers"].append(monitor)


def scaler(name):
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": name, "labels": {f"app.kubernetes.io/{k}": "x" for k in (
                "name", "part-of", "component", "version")}},
            "spec": {"scaleTargetRef": {"kind": "StatefulSet", "name": name}}}


# (rule that must complain, what it says, the fault)
FAULTS = [
    ("api_versions_are_stable", "may go", lambda o: at(o, "StatefulSet", "central").update(apiVersion="apps/v1beta2")),
    ("names_are_unique", "there twice", lambda o: o.append(copy.deepcopy(at(o, "Service", "central")))),
    ("what_is_referred_to_exists", "ConfigMap gone is not there",
     lambda o: container(o, "central")["envFrom"][0]["configMapRef"].update(name="gone")),
    ("what_is_referred_to_exists", "Secret kafka-client is not there",
     lambda o: container(o, "central")["envFrom"][1]["secretRef"].pop("optional")),
    ("what_is_referred_to_exists", "volume dat is not there",
     lambda o: container(o, "central")["volumeMounts"][0].update(name="dat")),
    ("what_is_referred_to_exists", "names a variable that is not there",
     lambda o: container(o, "charging-point", "monitor").pop("env")),
    ("what_is_referred_to_exists", "no ServiceAccount of its own", lambda o: drop(o, "ServiceAccount", "driver")),
    ("what_is_referred_to_exists", "ConfigMap kafka-files-.* is not there",
     lambda o: o.remove(config(o, "kafka-files"))),
    ("what_is_referred_to_exists", "its Service is not there",
     lambda o: at(o, "StatefulSet", "driver")["spec"].update(serviceName="drivers")),
    ("selectors_select", "Service central: selects 0",
     lambda o: at(o, "Service", "central")["spec"]["selector"].update({"app.kubernetes.io/name": "centre"})),
    ("selectors_select", "does not select its own pods",
     lambda o: at(o, "StatefulSet", "driver")["spec"]["selector"]["matchLabels"].update({"app": "driver"})),
    ("ports_are_declared", "livenessProbe asks port 50052",
     lambda o: container(o, "central")["livenessProbe"]["grpc"].update(port=50052)),
    ("ports_are_declared", "no port grcp",
     lambda o: at(o, "Service", "central")["spec"]["ports"][0].update(targetPort="grcp")),
    ("disruptions_are_budgeted", "0 disruption budgets", lambda o: drop(o, "PodDisruptionBudget", "central")),
    ("disruptions_are_budgeted", "cannot be drained",
     lambda o: at(o, "PodDisruptionBudget", "central").update(
         spec={"minAvailable": 1, "selector": at(o, "PodDisruptionBudget", "central")["spec"]["selector"]})),
    ("replicas_are_counted_by_one", "has replicas and", lambda o: o.append(scaler("driver"))),
    ("probes_are_apart", "has no startupProbe", lambda o: container(o, "central").pop("startupProbe")),
    ("probes_are_apart", "has no livenessProbe", lambda o: container(o, "charging-point", "monitor").pop("livenessProbe")),
    ("probes_are_apart", "liveness is asked as readiness",
     lambda o: container(o, "kafka")["livenessProbe"]["tcpSocket"].update(port="kafka")),
    ("probes_are_apart", "livenessProbe does not ask the gRPC health of liveness",
     lambda o: container(o, "central")["livenessProbe"]["grpc"].update(service="readiness")),
    ("memory_is_limited_and_cpu_is_not", "says no memory limits",
     lambda o: container(o, "central")["resources"]["limits"].pop("memory")),
    ("memory_is_limited_and_cpu_is_not", "only makes it late",
     lambda o: container(o, "central")["resources"]["limits"].update(cpu="1")),
    ("pods_are_restricted", "may run as root", lambda o: pod(o, "central")["securityContext"].pop("runAsNonRoot")),
    ("pods_are_restricted", "seccomp", lambda o: pod(o, "central")["securityContext"].pop("seccompProfile")),
    ("pods_are_restricted", "hostNetwork", lambda o: pod(o, "central").update(hostNetwork=True)),
    ("pods_are_restricted", "is of the machine",
     lambda o: pod(o, "kafka")["volumes"].append({"name": "host", "hostPath": {"path": "/"}})),
    ("pods_are_restricted", "readOnlyRootFilesystem is not True",
     lambda o: container(o, "driver")["securityContext"].pop("readOnlyRootFilesystem")),
    ("pods_are_restricted", "allowPrivilegeEscalation is not False",
     lambda o: container(o, "driver")["securityContext"].pop("allowPrivilegeEscalation")),
    ("pods_are_restricted", "keeps capabilities",
     lambda o: container(o, "kafka", "format")["securityContext"]["capabilities"].update(add=["CHOWN"])),
    ("pods_are_restricted", "privileged is the pod's to say",
     lambda o: container(o, "driver")["securityContext"].update(privileged=True)),
    ("namespaces_enforce_pod_security", "does not enforce",
     lambda o: at(o, "Namespace", "evcharge")["metadata"]["labels"].pop("pod-security.kubernetes.io/enforce")),
    ("nobody_gets_a_token", "ServiceAccount central: mounts its token",
     lambda o: at(o, "ServiceAccount", "central").pop("automountServiceAccountToken")),
    ("nobody_gets_a_token", "StatefulSet central: mounts a token",
     lambda o: pod(o, "central").update(automountServiceAccountToken=True)),
    ("nobody_gets_a_token", "shares its ServiceAccount", lambda o: pod(o, "driver").update(serviceAccountName="central")),
    ("services_do_not_leak_into_the_environment", "enableServiceLinks",
     lambda o: pod(o, "central").pop("enableServiceLinks")),
    ("there_is_time_to_stop", "charging-point: 90 s are not above the 98 s",
     lambda o: config(o, "engine")["data"].update(EV_SHUTDOWN_TIMEOUT="1m30s")),
    ("there_is_time_to_stop", "central: 20 s are not above",
     lambda o: pod(o, "central").update(terminationGracePeriodSeconds=20)),
    ("labels_say_what_it_is", "no label app.kubernetes.io/part-of",
     lambda o: at(o, "Service", "central")["metadata"]["labels"].pop("app.kubernetes.io/part-of")),
    ("labels_say_what_it_is", "its pods have no label app.kubernetes.io/component",
     lambda o: policy.template(at(o, "StatefulSet", "central"))["metadata"]["labels"].pop("app.kubernetes.io/component")),
    ("what_cannot_change_bears_no_version", "where nothing can be changed",
     lambda o: at(o, "StatefulSet", "kafka")["spec"]["volumeClaimTemplates"][0]["metadata"].update(
         labels={"app.kubernetes.io/version": "4.2.0"})),
    ("images_are_of_one_version", "says no version", lambda o: container(o, "kafka").update(image="apache/kafka:latest")),
    ("images_are_of_one_version", "is not of", lambda o: container(o, "central").update(image="evcharge/central:0.0.9")),
    ("images_are_of_one_version", "but labelled 9",
     lambda o: policy.template(at(o, "StatefulSet", "central"))["metadata"]["labels"].update(
         {"app.kubernetes.io/version": "9"})),
    ("images_name_no_registry", "names a registry",
     lambda o: container(o, "central").update(image="registry.example.com/evcharge/central:" + policy.project_version())),
    ("grpc_services_are_headless", "not balanced", lambda o: at(o, "Service", "central")["spec"].pop("clusterIP")),
    ("changed_config_restarts_pods", "does not change",
     lambda o: o.append({"apiVersion": "v1", "kind": "ConfigMap", "data": {}, "metadata": {
         "name": "fixed", "labels": at(o, "Service", "central")["metadata"]["labels"]}})),
    ("a_store_has_one_writer", "2 replicas", lambda o: at(o, "StatefulSet", "central")["spec"].update(replicas=2)),
    ("a_store_has_one_writer", "mounted twice",
     lambda o: at(o, "StatefulSet", "central")["spec"]["volumeClaimTemplates"][0]["spec"].update(
         accessModes=["ReadWriteOnce"])),
    ("a_monitor_outlives_its_engine", "no sidecar", unsidecar),
    ("no_rollout_ends_a_charge", "ends the charges that run",
     lambda o: at(o, "StatefulSet", "charging-point")["spec"].update(updateStrategy={"type": "RollingUpdate"})),
    ("kafka_nodes_find_each_other", "wait for the others",
     lambda o: at(o, "StatefulSet", "kafka")["spec"].pop("podManagementPolicy")),
    ("kafka_nodes_find_each_other", "not found",
     lambda o: at(o, "Service", "kafka")["spec"].pop("publishNotReadyAddresses")),
    ("kafka_nodes_find_each_other", "no fixed cluster id",
     lambda o: config(o, "kafka-cluster")["data"].pop("KAFKA_CLUSTER_ID")),
    ("kafka_nodes_find_each_other", "voters are", lambda o: at(o, "StatefulSet", "kafka")["spec"].update(replicas=3)),
    ("kafka_nodes_find_each_other", "more copies than nodes",
     lambda o: config(o, "kafka-cluster")["data"].update(KAFKA_REPLICATION="2")),
    ("what_is_called_can_be_reached", "centre, which is no Service",
     lambda o: config(o, "monitor")["data"].update(EV_CENTRAL="centre:50051")),
    ("what_is_called_can_be_reached", "which the Service does not have",
     lambda o: config(o, "driver")["data"].update(EV_CENTRAL="central:6001")),
    ("what_is_called_can_be_reached", "where no other container of the pod listens",
     lambda o: config(o, "monitor")["data"].update(EV_ENGINE="localhost:5001")),
    ("what_is_called_can_be_reached", "may not call kafka:9092",
     lambda o: config(o, "driver")["data"].update(EV_KAFKA_BROKERS="kafka:9092")),
    ("what_is_called_can_be_reached", "may not be called by it",
     lambda o: at(o, "NetworkPolicy", "central")["spec"]["ingress"][0]["from"].pop(0)),
    ("insecure_ports_are_fenced", "no policy denies by default", lambda o: drop(o, "NetworkPolicy", "default")),
]

# The same, where there is a Prometheus.
OBSERVED_FAULTS = [
    ("nobody_gets_a_token", "Deployment grafana: mounts a token",
     lambda o: at(o, "Deployment", "grafana")["spec"]["template"]["spec"].pop("automountServiceAccountToken")),
    ("nobody_gets_a_token", "ServiceAccount prometheus: mounts its token",
     lambda o: at(o, "ServiceAccount", "prometheus").pop("automountServiceAccountToken")),
    ("rights_are_few", "allows more than to look at pods",
     lambda o: at(o, "Role", "prometheus")["rules"][0]["resources"].append("secrets")),
    ("rights_are_few", "allows more than to look at pods",
     lambda o: at(o, "Role", "prometheus")["rules"][0]["verbs"].append("delete")),
    ("rights_are_few", "a right in the whole cluster", lambda o: at(o, "Role", "prometheus").update(kind="ClusterRole")),
    ("rights_are_few", "its Role is not there", lambda o: drop(o, "Role", "prometheus")),
    ("rights_are_few", "gives rights to central",
     lambda o: at(o, "RoleBinding", "prometheus")["subjects"][0].update(name="central")),
    ("what_is_called_can_be_reached", "may not call prometheus:9090",
     lambda o: drop_rule(o, "grafana", "egress", 9090)),
    ("metrics_can_be_scraped", "container monitor: Prometheus may not call 9466",
     lambda o: drop_rule(o, "prometheus", "egress", 9466)),
    ("metrics_can_be_scraped", "container central: 9464 may not be called by Prometheus",
     lambda o: drop_rule(o, "central", "ingress", 9464)),
    ("metrics_can_be_scraped", "container driver: 0 ports for metrics",
     lambda o: container(o, "driver")["ports"][1].update(name="numbers")),
]


class PolicyTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.objects = rendering.load(rendering.kustomize(rendering.RELEASE_OVERLAY))
        cls.observed = rendering.load(rendering.kustomize(rendering.K8S / "overlays/production"))

    def test_each_fault_is_named_by_its_rule(self):
        for sound, (rule, sentence, fault) in [(self.objects, f) for f in FAULTS] + [
                (self.observed, f) for f in OBSERVED_FAULTS]:
            with self.subTest(f"{rule}: {sentence}"):
                objects = copy.deepcopy(sound)
                fault(objects)
                found = policy.findings(objects, policy.OVERLAY_RULES)
                self.assertTrue(any(re.match(f"{rule}: .*{sentence}", f) for f in found), found)

    def test_each_rule_has_a_fault(self):
        self.assertEqual({rule.__name__ for rule in policy.OVERLAY_RULES}, {rule for rule, _, _ in FAULTS + OBSERVED_FAULTS})


if __name__ == "__main__":
    unittest.main()

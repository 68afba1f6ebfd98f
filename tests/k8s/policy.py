"""What every manifest of ours must be beyond valid. Each rule is a function of the rendered objects that yields what is
wrong, as a sentence; test_policy.py shows for each of them a manifest that it refuses."""
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORKLOADS = ("StatefulSet", "Deployment", "DaemonSet", "Job", "CronJob")
OUR_IMAGES = re.compile(r"(?:.*/)?evcharge/(central|engine|monitor|driver)(?:[:@]|$)")
DEFAULT_DRAIN_S = 8  # --shutdown-timeout of our programs.
TOKEN_HOLDERS = {"prometheus"}  # It asks Kubernetes which pods of its namespace there are.


def project_version():
    return re.search(r"project\(evcharge VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text(encoding="utf-8"))[1]


# --- looking at objects ---------------------------------------------------------------------------------------------


def kind_of(objects, *kinds):
    return [o for o in objects if o["kind"] in kinds]


def find(objects, kind, name):
    return next((o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name), None)


def title(o):
    return f"{o['kind']} {o['metadata']['name']}"


def template(workload):
    spec = workload["spec"]
    return spec["jobTemplate"]["spec"]["template"] if workload["kind"] == "CronJob" else spec["template"]


def pods(objects):
    """(workload, pod's spec) of each workload."""
    return [(w, template(w)["spec"]) for w in kind_of(objects, *WORKLOADS)]


def is_sidecar(container):
    return container.get("restartPolicy") == "Always"


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


def lasting(pod):
    """The containers that run as long as the pod."""
    return [c for c in pod.get("initContainers", []) if is_sidecar(c)] + pod["containers"]


def each_container(objects):
    for workload, pod in pods(objects):
        for c in containers(pod):
            yield f"{title(workload)}, container {c['name']}", workload, pod, c


def is_ours(container):
    return OUR_IMAGES.match(container["image"]) is not None


def selects(selector, labels):
    return all(labels.get(k) == v for k, v in (selector or {}).get("matchLabels", {}).items())


def environment(objects, container):
    """The container's variables as far as the manifests say them; of fields of the pod, none."""
    found = {}
    for source in container.get("envFrom", []):
        if "configMapRef" in source:
            config = find(objects, "ConfigMap", source["configMapRef"]["name"])
            found.update(config["data"] if config else {})
    for variable in container.get("env", []):
        if "value" in variable:
            found[variable["name"]] = variable["value"]
    return found


def addresses(value):
    """(host, port as text) of each address in a variable's value."""
    return re.findall(r"(?:^|[,@])([a-z][\w.-]*):(\d+)(?=,|$)", value)


def seconds(text):
    unit = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    return sum(float(n) * unit[u] for n, u in re.findall(r"([\d.]+)(ms|s|m|h)", text))


# --- rules ----------------------------------------------------------------------------------------------------------


def api_versions_are_stable(objects):
    for o in objects:
        if re.search(r"v\d+(alpha|beta)\d+$", o["apiVersion"]):
            yield f"{title(o)}: {o['apiVersion']} may go with any Kubernetes"


def names_are_unique(objects):
    seen = set()
    for o in objects:
        key = (o["kind"], o["metadata"]["name"])
        if key in seen:
            yield f"{title(o)}: is there twice"
        seen.add(key)


def what_is_referred_to_exists(objects):
    for where, workload, pod, c in each_container(objects):
        for source in c.get("envFrom", []) + [v.get("valueFrom", {}) for v in c.get("env", [])]:
            for field, kind in (("configMapRef", "ConfigMap"), ("configMapKeyRef", "ConfigMap"),
                                ("secretRef", "Secret"), ("secretKeyRef", "Secret")):
                ref = source.get(field)
                if not ref or ref.get("optional"):
                    continue
                target = find(objects, kind, ref["name"])
                if not target:
                    yield f"{where}: {kind} {ref['name']} is not there"
                elif "key" in ref and ref["key"] not in target.get("data", {}):
                    yield f"{where}: {kind} {ref['name']} has no {ref['key']}"
        volumes = {v["name"] for v in pod.get("volumes", [])}
        volumes |= {v["metadata"]["name"] for v in workload["spec"].get("volumeClaimTemplates", [])}
        for mount in c.get("volumeMounts", []):
            if mount["name"] not in volumes:
                yield f"{where}: volume {mount['name']} is not there"
        known = set(environment(objects, c)) | {v["name"] for v in c.get("env", [])}
        for text in c.get("command", []) + c.get("args", []):
            for name in re.findall(r"\$\((\w+)\)", text):
                if name not in known:
                    yield f"{where}: {text} names a variable that is not there"
    for workload, pod in pods(objects):
        for volume in pod.get("volumes", []):
            for field, kind, key in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
                ref = volume.get(field)
                if ref and not ref.get("optional") and not find(objects, kind, ref[key]):
                    yield f"{title(workload)}: {kind} {ref[key]} is not there"
        if not find(objects, "ServiceAccount", pod.get("serviceAccountName", "default")):
            yield f"{title(workload)}: has no ServiceAccount of its own"
        if workload["kind"] == "StatefulSet" and not find(objects, "Service", workload["spec"].get("serviceName", "")):
            yield f"{title(workload)}: its Service is not there"


def selectors_select(objects):
    templates = [(w, template(w)["metadata"]["labels"]) for w in kind_of(objects, *WORKLOADS)]
    for workload, labels in templates:
        if workload["kind"] in ("StatefulSet", "Deployment") and not selects(workload["spec"]["selector"], labels):
            yield f"{title(workload)}: does not select its own pods"
    for o in kind_of(objects, "Service", "PodDisruptionBudget"):
        selector = o["spec"].get("selector", {})
        if o["kind"] == "Service":
            selector = {"matchLabels": selector}
        hit = [w for w, labels in templates if selects(selector, labels)]
        if len(hit) != 1:
            yield f"{title(o)}: selects {len(hit)} workloads"


def ports_are_declared(objects):
    for where, _, _, c in each_container(objects):
        declared = {p[key] for p in c.get("ports", []) for key in ("name", "containerPort")}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            for way in ("grpc", "tcpSocket", "httpGet"):
                port = c.get(probe, {}).get(way, {}).get("port")
                if port is not None and port not in declared:
                    yield f"{where}: {probe} asks port {port}, which it does not declare"
    for service in kind_of(objects, "Service"):
        for workload, pod in pods(objects):
            if not selects({"matchLabels": service["spec"]["selector"]}, template(workload)["metadata"]["labels"]):
                continue
            declared = {p["name"]: p["containerPort"] for c in lasting(pod) for p in c.get("ports", [])}
            for port in service["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                if declared.get(target) != port["port"]:
                    yield f"{title(service)}: no port {target} that is {port['port']} in {title(workload)}"


def disruptions_are_budgeted(objects):
    for workload in kind_of(objects, "StatefulSet", "Deployment"):
        labels = template(workload)["metadata"]["labels"]
        budgets = [b for b in kind_of(objects, "PodDisruptionBudget") if selects(b["spec"]["selector"], labels)]
        if len(budgets) != 1:
            yield f"{title(workload)}: {len(budgets)} disruption budgets, wants one"
        for budget in budgets:
            if budget["spec"].get("maxUnavailable") != 1:
                yield f"{title(budget)}: wants maxUnavailable: 1; else a node with the only pod cannot be drained"


def replicas_are_counted_by_one(objects):
    for scaler in kind_of(objects, "HorizontalPodAutoscaler"):
        ref = scaler["spec"]["scaleTargetRef"]
        target = find(objects, ref["kind"], ref["name"])
        if target and "replicas" in target["spec"]:
            yield f"{title(target)}: has replicas and {title(scaler)}"


def probes_are_apart(objects):
    for workload, pod in pods(objects):
        for c in lasting(pod):
            where = f"{title(workload)}, container {c['name']}"
            for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                if probe not in c:
                    yield f"{where}: has no {probe}"
            way = lambda probe: {k: c.get(probe, {}).get(k) for k in ("grpc", "tcpSocket", "httpGet", "exec")}
            if way("livenessProbe") == way("readinessProbe"):
                yield f"{where}: liveness is asked as readiness is"
            if not is_ours(c):
                continue
            for probe, service in (("startupProbe", "liveness"), ("livenessProbe", "liveness"),
                                   ("readinessProbe", "readiness")):
                if c.get(probe, {}).get("grpc", {}).get("service") != service:
                    yield f"{where}: {probe} does not ask the gRPC health of {service}"


def memory_is_limited_and_cpu_is_not(objects):
    for where, _, _, c in each_container(objects):
        resources = c.get("resources", {})
        for kind, what in (("requests", "cpu"), ("requests", "memory"), ("limits", "memory")):
            if what not in resources.get(kind, {}):
                yield f"{where}: says no {what} {kind}"
        if "cpu" in resources.get("limits", {}):
            yield f"{where}: a CPU limit only makes it late"


def pods_are_restricted(objects):
    for workload, pod in pods(objects):
        where = title(workload)
        security = pod.get("securityContext", {})
        if security.get("runAsNonRoot") is not True or not security.get("runAsUser"):
            yield f"{where}: may run as root"
        if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{where}: no seccomp profile RuntimeDefault"
        for key in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.get(key):
                yield f"{where}: {key}"
        for volume in pod.get("volumes", []):
            if not set(volume) & {"configMap", "emptyDir", "projected", "secret"}:
                yield f"{where}: volume {volume['name']} is of the machine"
        for c in containers(pod):
            own = c.get("securityContext", {})
            for key, wanted in (("allowPrivilegeEscalation", False), ("readOnlyRootFilesystem", True)):
                if own.get(key) is not wanted:
                    yield f"{where}, container {c['name']}: {key} is not {wanted}"
            if own.get("capabilities") != {"drop": ["ALL"]}:
                yield f"{where}, container {c['name']}: keeps capabilities"
            for key in ("runAsUser", "runAsNonRoot", "seccompProfile", "privileged"):
                if key in own:
                    yield f"{where}, container {c['name']}: {key} is the pod's to say"


def namespaces_enforce_pod_security(objects):
    for namespace in {o["metadata"].get("namespace") for o in kind_of(objects, *WORKLOADS)}:
        found = find(objects, "Namespace", namespace)
        if not found or found["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce") != "restricted":
            yield f"namespace {namespace}: does not enforce restricted pods"


def nobody_gets_a_token(objects):
    """Nobody but the few who must talk to Kubernetes; and their accounts mount none by themselves."""
    for account in kind_of(objects, "ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"{title(account)}: mounts its token"
    used = [pod.get("serviceAccountName") for _, pod in pods(objects)]
    for workload, pod in pods(objects):
        if pod.get("automountServiceAccountToken") is not False and workload["metadata"]["name"] not in TOKEN_HOLDERS:
            yield f"{title(workload)}: mounts a token"
        if used.count(pod.get("serviceAccountName")) > 1:
            yield f"{title(workload)}: shares its ServiceAccount"


def rights_are_few(objects):
    """Whoever has a token may look at the pods of the namespace, and nothing else."""
    for o in kind_of(objects, "ClusterRole", "ClusterRoleBinding"):
        yield f"{title(o)}: a right in the whole cluster"
    for role in kind_of(objects, "Role"):
        for rule in role["rules"]:
            if (rule.get("apiGroups") != [""] or rule.get("resources") != ["pods"]
                    or not set(rule["verbs"]) <= {"get", "list", "watch"}):
                yield f"{title(role)}: allows more than to look at pods"
    for binding in kind_of(objects, "RoleBinding"):
        if binding["roleRef"]["kind"] != "Role" or not find(objects, "Role", binding["roleRef"]["name"]):
            yield f"{title(binding)}: its Role is not there"
        for subject in binding["subjects"]:
            if subject["kind"] != "ServiceAccount" or subject["name"] not in TOKEN_HOLDERS:
                yield f"{title(binding)}: gives rights to {subject['name']}"


def services_do_not_leak_into_the_environment(objects):
    for workload, pod in pods(objects):
        if pod.get("enableServiceLinks") is not False:
            yield f"{title(workload)}: enableServiceLinks is not false"


def there_is_time_to_stop(objects):
    """Sidecars end after the others, so their times add up."""
    for workload, pod in pods(objects):
        drains = [seconds(environment(objects, c).get("EV_SHUTDOWN_TIMEOUT", f"{DEFAULT_DRAIN_S}s"))
                  for c in lasting(pod) if is_ours(c)]
        grace = pod.get("terminationGracePeriodSeconds", 30)
        if grace <= sum(drains):
            yield f"{title(workload)}: {grace} s are not above the {sum(drains):g} s that its programs may take to end"


def labels_say_what_it_is(objects):
    def missing(labels, wanted):
        return [k for k in wanted if not labels.get(f"app.kubernetes.io/{k}")]

    for o in objects:
        wanted = ["name", "part-of"]
        if o["kind"] not in ("Namespace", "NetworkPolicy"):
            wanted += ["component", "version"]
        labels = o["metadata"].get("labels", {})
        for key in missing(labels, wanted):
            yield f"{title(o)}: no label app.kubernetes.io/{key}"
        if o["kind"] in WORKLOADS:
            for key in missing(template(o)["metadata"].get("labels", {}), wanted):
                yield f"{title(o)}: its pods have no label app.kubernetes.io/{key}"


def what_cannot_change_bears_no_version(objects):
    """The API server refuses an upgrade that changes a selector or a volume claim of a StatefulSet."""
    for o in kind_of(objects, "StatefulSet", "Deployment"):
        fixed = [o["spec"]["selector"].get("matchLabels", {})]
        fixed += [v["metadata"].get("labels", {}) for v in o["spec"].get("volumeClaimTemplates", [])]
        if any("app.kubernetes.io/version" in labels for labels in fixed):
            yield f"{title(o)}: a version where nothing can be changed"


def images_are_of_one_version(objects):
    version = project_version()
    for where, workload, _, c in each_container(objects):
        name, _, tag = c["image"].partition("@")[0].rpartition(":")
        if not name or tag == "latest":
            yield f"{where}: image {c['image']} says no version"
        if is_ours(c) and tag != version:
            yield f"{where}: image {c['image']} is not of {version}"
        label = template(workload)["metadata"]["labels"].get("app.kubernetes.io/version")
        if label != tag:
            yield f"{where}: image {c['image']}, but labelled {label}"


def images_name_no_registry(objects):
    """Users name theirs, by kustomize's images."""
    for where, _, _, c in each_container(objects):
        if "." in c["image"].split("/")[0] or ":" in c["image"].split("/")[0]:
            yield f"{where}: image {c['image']} names a registry"


def grpc_services_are_headless(objects):
    for service in kind_of(objects, "Service"):
        is_grpc = any(p["name"].endswith("grpc") for p in service["spec"]["ports"])
        if is_grpc and service["spec"].get("clusterIP") != "None":
            yield f"{title(service)}: gRPC behind one address is not balanced"


def changed_config_restarts_pods(objects):
    for config in kind_of(objects, "ConfigMap"):
        if not re.search(r"-[a-z0-9]{10}$", config["metadata"]["name"]):
            yield f"{title(config)}: its name does not change with what it says"


def a_store_has_one_writer(objects):
    central = find(objects, "StatefulSet", "central")
    if not central:
        return
    if central["spec"].get("replicas") != 1:
        yield f"{title(central)}: {central['spec'].get('replicas')} replicas; a second one only waits for the lock"
    for claim in central["spec"].get("volumeClaimTemplates", []):
        if claim["spec"]["accessModes"] != ["ReadWriteOncePod"]:
            yield f"{title(central)}: its volume may be mounted twice"


def a_monitor_outlives_its_engine(objects):
    """Through its link the Engine learns that its charge is booked: also of the charge that its own end has cut short."""
    for workload, pod in pods(objects):
        programs = {OUR_IMAGES.match(c["image"])[1]: c for c in containers(pod) if is_ours(c)}
        if "engine" in programs and not is_sidecar(programs.get("monitor", {})):
            yield f"{title(workload)}: its Monitor is no sidecar and may end before the Engine"


def no_rollout_ends_a_charge(objects):
    """An Engine's facts are in its memory: its pod is replaced when somebody has seen that its point is free."""
    for workload, pod in pods(objects):
        is_engines = any(is_ours(c) and OUR_IMAGES.match(c["image"])[1] == "engine" for c in containers(pod))
        if is_engines and workload["spec"].get("updateStrategy") != {"type": "OnDelete"}:
            yield f"{title(workload)}: an update ends the charges that run"


def kafka_nodes_find_each_other(objects):
    for workload, pod in pods(objects):
        if not any(c["image"].startswith("apache/kafka") for c in containers(pod)):
            continue
        service = find(objects, "Service", workload["spec"]["serviceName"]) or {"spec": {}}
        if workload["spec"].get("podManagementPolicy") != "Parallel":
            yield f"{title(workload)}: the first node would wait for the others, and they for it"
        if service["spec"].get("publishNotReadyAddresses") is not True:
            yield f"{title(workload)}: nodes that are not ready are not found"
        for c in containers(pod):
            variables = environment(objects, c)
            if not re.fullmatch(r"[\w-]{22}", variables.get("KAFKA_CLUSTER_ID", "")):
                yield f"{title(workload)}, container {c['name']}: no fixed cluster id"
            voters = variables.get("KAFKA_QUORUM_VOTERS", "")
            name = workload["metadata"]["name"]
            wanted = ",".join(f"{i}@{name}-{i}.{name}:9093" for i in range(workload["spec"]["replicas"]))
            if voters != wanted:
                yield f"{title(workload)}, container {c['name']}: voters are {voters}, not {wanted}"
            if int(variables.get("KAFKA_REPLICATION", 0)) > workload["spec"]["replicas"]:
                yield f"{title(workload)}: more copies than nodes"


# --- who reaches whom -----------------------------------------------------------------------------------------------


def is_allowed(objects, direction, labels, peer_labels, port):
    """Whether the policies let a pod with `labels` be called by (ingress) or call (egress) the other one at `port`."""
    policies = [p for p in kind_of(objects, "NetworkPolicy")
                if selects(p["spec"]["podSelector"], labels) and direction.capitalize() in p["spec"]["policyTypes"]]
    if not policies:
        return True
    side = "from" if direction == "ingress" else "to"
    for policy in policies:
        for rule in policy["spec"].get(direction, []):
            peers = rule.get(side, [{"podSelector": {}}])
            if any("podSelector" in peer and "namespaceSelector" not in peer and selects(peer["podSelector"], peer_labels)
                   for peer in peers) and port in [p["port"] for p in rule.get("ports", [])]:
                return True
    return False


def what_is_called_can_be_reached(objects):
    """Each address in the configuration: a Service of ours, with that port, and the network policies let it through."""
    for where, workload, pod, c in each_container(objects):
        labels = template(workload)["metadata"]["labels"]
        own = [p["containerPort"] for other in lasting(pod) if other is not c for p in other.get("ports", [])]
        for name, value in environment(objects, c).items():
            for host, port in addresses(value):
                if host == "localhost":
                    if int(port) not in own:
                        yield f"{where}: {name} names {host}:{port}, where no other container of the pod listens"
                    continue
                service = find(objects, "Service", host) or find(objects, "Service", host.partition(".")[2])
                if not service:
                    yield f"{where}: {name} names {host}, which is no Service"
                    continue
                if int(port) not in [p["port"] for p in service["spec"]["ports"]]:
                    yield f"{where}: {name} names {host}:{port}, which the Service does not have"
                peers = [template(w)["metadata"]["labels"] for w in kind_of(objects, *WORKLOADS)]
                for peer in peers:
                    if not selects({"matchLabels": service["spec"]["selector"]}, peer):
                        continue
                    if not is_allowed(objects, "egress", labels, peer, int(port)):
                        yield f"{where}: may not call {host}:{port}"
                    if not is_allowed(objects, "ingress", peer, labels, int(port)):
                        yield f"{where}: {host}:{port} may not be called by it"


def metrics_can_be_scraped(objects):
    """Where there is a Prometheus, the policies let it reach each port that its configuration picks: */metrics."""
    prometheus = find(objects, "StatefulSet", "prometheus")
    if not prometheus:
        return
    own = template(prometheus)["metadata"]["labels"]
    for where, workload, _, c in each_container(objects):
        if not is_ours(c):
            continue
        ports = [p["containerPort"] for p in c.get("ports", []) if re.fullmatch(r"(.+-)?metrics", p["name"])]
        if len(ports) != 1:
            yield f"{where}: {len(ports)} ports for metrics"
        labels = template(workload)["metadata"]["labels"]
        for port in ports:
            if not is_allowed(objects, "egress", own, labels, port):
                yield f"{where}: Prometheus may not call {port}"
            if not is_allowed(objects, "ingress", labels, own, port):
                yield f"{where}: {port} may not be called by Prometheus"


def insecure_ports_are_fenced(objects):
    """Without TLS a port may listen only where policies deny everybody who is not named."""
    for where, _, _, c in each_container(objects):
        if "--insecure" not in c.get("args", []):
            continue
        if not any(p["spec"]["podSelector"] == {} and sorted(p["spec"]["policyTypes"]) == ["Egress", "Ingress"]
                   and not p["spec"].get("ingress") for p in kind_of(objects, "NetworkPolicy")):
            yield f"{where}: listens without TLS, and no policy denies by default"


RULES = [
    api_versions_are_stable, names_are_unique, what_is_referred_to_exists, selectors_select, ports_are_declared,
    disruptions_are_budgeted, replicas_are_counted_by_one, probes_are_apart, memory_is_limited_and_cpu_is_not,
    pods_are_restricted, namespaces_enforce_pod_security, nobody_gets_a_token, rights_are_few,
    services_do_not_leak_into_the_environment, there_is_time_to_stop, labels_say_what_it_is,
    what_cannot_change_bears_no_version, images_are_of_one_version, images_name_no_registry,
    grpc_services_are_headless, changed_config_restarts_pods, a_store_has_one_writer, a_monitor_outlives_its_engine,
    no_rollout_ends_a_charge, kafka_nodes_find_each_other, what_is_called_can_be_reached, metrics_can_be_scraped,
]
OVERLAY_RULES = [*RULES, insecure_ports_are_fenced]  # The bases alone have no policies: components bring them.


def findings(objects, rules):
    return [f"{rule.__name__}: {text}" for rule in rules for text in rule(objects)]

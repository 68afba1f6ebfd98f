#!/usr/bin/env python3
"""Prometheus' configuration and rules, their runbooks, Grafana's dashboards and the compose file that mounts them, without
a running program. What the programs export is compared in test_prometheus.py."""
import copy
import pathlib
import re
import subprocess
import tempfile
import unittest
from unittest.mock import ANY

import yaml

import observability
import policy
import rendering
from observability import COMPONENT, promtool

DOCKER = rendering.ROOT / "docker"
CONFIGS = (COMPONENT / "prometheus/prometheus.yml", DOCKER / "prometheus.yml")


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def alert(files, name):
    return next(a for a in observability.alerts_of(files) if a["alert"] == name)


def case(cases, beginning):
    return next(c for c in cases if c["name"].startswith(beginning))


def drop(cases, beginning):
    cases[:] = [c for c in cases if not c["name"].startswith(beginning)]


def sources():
    return {source["uid"] for source in read(COMPONENT / "grafana/datasources.yaml")["datasources"]}


def compose_findings(service):
    """What is wrong with a service of a compose file."""
    if service.get("read_only") is not True:
        yield "may write its image"
    if service.get("cap_drop") != ["ALL"] or "no-new-privileges:true" not in service.get("security_opt", []):
        yield "keeps capabilities"
    for mount in service.get("volumes", []):
        source = mount.split(":")[0]
        if source.startswith(".") and not (DOCKER / source).exists():
            yield f"{source} is not there"
        if source.startswith(".") and not mount.endswith(":ro"):
            yield f"{source} may be written"
    for port in service.get("ports", []):
        if not port.startswith("127.0.0.1:"):
            yield f"{port} is open to everybody"


# (check, what it says, the fault in (rules, cases, runbooks))
ALERT_FAULTS = [
    ("says", "KafkaGone: its severity", lambda r, c, b: alert(r, "KafkaGone")["labels"].update(severity="bad")),
    ("says", "KafkaGone: has no summary", lambda r, c, b: alert(r, "KafkaGone")["annotations"].pop("summary")),
    ("says", "KafkaGone: has no description", lambda r, c, b: alert(r, "KafkaGone")["annotations"].pop("description")),
    ("says", "KafkaGone: names another runbook",
     lambda r, c, b: alert(r, "KafkaGone")["annotations"].update(runbook="docs/runbooks/Kafka.md")),
    ("says", "KafkaGone: is there twice", lambda r, c, b: alert(r, "CentralDown").update(alert="KafkaGone")),
    ("cases", "KafkaGone: no case in which it fires", lambda r, c, b: drop(c, "KafkaGone fires")),
    ("cases", "KafkaGone: no case in which it stays quiet", lambda r, c, b: drop(c, "KafkaGone stays")),
    ("cases", "Gone: cases, and no such alert", lambda r, c, b: c.append(
        {**case(c, "KafkaGone fires"), "name": "Gone fires"})),
    ("cases", "nothing is there to decide by", lambda r, c, b: case(c, "KafkaGone stays").update(input_series=[])),
    ("cases", "expects something else than its name says",
     lambda r, c, b: case(c, "KafkaGone fires")["promql_expr_test"][0].update(exp_samples=[])),
    ("cases", "does not ask for KafkaGone alone",
     lambda r, c, b: case(c, "KafkaGone fires").update(promql_expr_test=case(c, "CentralDown")["promql_expr_test"])),
    ("cases", "KafkaGone: speaks of broker, which it does not have",
     lambda r, c, b: alert(r, "KafkaGone")["annotations"].update(summary="No {{ $labels.broker }}")),
    ("books", "KafkaGone: no runbook", lambda r, c, b: b.pop("KafkaGone")),
    ("books", "Gone: a runbook, and no such alert", lambda r, c, b: b.update(Gone=b["KafkaGone"])),
    ("books", "KafkaGone: its runbook has other parts",
     lambda r, c, b: b.update(KafkaGone=b["KafkaGone"].replace("## What to do", "## Do"))),
    ("books", "KafkaGone: its runbook is longer", lambda r, c, b: b.update(KafkaGone=b["KafkaGone"] + "\n" * 50)),
    ("books", "KafkaGone: is not in docs/runbooks/README.md with its severity",
     lambda r, c, b: b.update(README=b["README"].replace("(KafkaGone.md) | critical", "(KafkaGone.md) | warning"))),
    ("books", "KafkaGone: links to Gone", lambda r, c, b: b.update(KafkaGone=b["KafkaGone"] + "[Gone](Gone.md)")),
    ("books", "KafkaGone: calls TicketService/Gone", lambda r, c, b: b.update(KafkaGone=b["KafkaGone"] + "TicketService/Gone")),
]

# (what is said, the fault in a dashboard of ledger.json)
DASHBOARD_FAULTS = [
    ("no uid of its own", lambda d: d.update(uid="evcharge-network")),
    ("no title of its own", lambda d: d.pop("title")),
    ("two panels with one id", lambda d: d["panels"][0].update(id=2)),
    ("panel 2: is where panel 1 is", lambda d: d["panels"][1].update(gridPos=d["panels"][0]["gridPos"])),
    ("has no title", lambda d: d["panels"][0].pop("title")),
    ("has no description", lambda d: d["panels"][0].update(description="")),
    ("has no unit", lambda d: d["panels"][0]["fieldConfig"]["defaults"].pop("unit")),
    ("asks nothing", lambda d: d["panels"][0].update(targets=[])),
    ("data source is not provisioned", lambda d: d["panels"][0]["targets"][0].update(datasource={"uid": "mimir"})),
]

# (what is said, expression)
UNKNOWN = [
    ("nobody exports ev_gone", "sum(rate(ev_gone[5m]))"),
    ("ev_ready has no label pod", 'ev_ready{pod="x"} == 0'),
    ('no ev_ready has job="centre"', 'ev_ready{job="centre"}'),
    ('no ev_lag_seconds has job="engine"', 'ev_lag_seconds{job="engine"} > 1'),
    ('no ev_condition has state="bad"', 'ev_condition{job="central",state=~"degraded|bad"}'),
    ("groups by kind, which nothing in it has", "sum by (job, kind) (ev_ready)"),
    ("nobody exports job:gone:rate5m", "job:gone:rate5m > 1"),
]
EXPORTED = {"ev_ready": [{"job": "central"}, {"job": "engine"}], "ev_lag_seconds": [{"job": "central"}],
            "ev_condition": [{"job": "central", "condition": "store", "state": s} for s in ("ready", "degraded")]}


class ObservabilityTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rules = observability.load_rules()
        cls.cases = observability.load_cases()
        cls.runbooks = observability.load_runbooks()
        cls.dashboards = observability.load_dashboards()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def assert_none(self, findings):
        findings = list(findings)
        self.assertFalse(findings, "\n" + "\n".join(findings))

    def alert_findings(self, rules, cases, runbooks):
        return {"says": list(observability.alerts_say_what_they_are(rules)),
                "cases": list(observability.every_alert_has_a_case_that_fires_and_one_that_stays_quiet(rules, cases)),
                "books": [*observability.every_alert_has_a_runbook(rules, runbooks),
                          *observability.runbooks_name_what_is_there(runbooks)]}

    def test_promtool_takes_the_configurations_and_the_rules_and_refuses_faulty_ones(self):
        for path in CONFIGS:
            config = observability.without_kubernetes(read(path))
            file = self.folder / "prometheus.yml"
            file.write_text(yaml.safe_dump(config), encoding="utf-8")
            self.assertEqual(promtool("check", "config", "--syntax-only", file), (True, ANY), path)
            config["scrape_configs"][0]["relabel_config"] = []
            file.write_text(yaml.safe_dump(config), encoding="utf-8")
            self.assertEqual(promtool("check", "config", "--syntax-only", file), (False, ANY), path)
        for path in observability.RULES.glob("*.yaml"):
            self.assertEqual(promtool("check", "rules", path)[0], True, path)
        bad = self.folder / "bad.yaml"
        bad.write_text((observability.RULES / "kafka.yaml").read_text(encoding="utf-8").replace("== 0", "== = 0"), encoding="utf-8")
        self.assertEqual(promtool("check", "rules", bad)[0], False)

    def test_every_alert_fires_and_stays_quiet_as_its_cases_say(self):
        well, said = promtool("test", "rules", *sorted(observability.CASES.glob("*.yaml")))
        self.assertTrue(well, said)

    def noticed(self, name, fault, verb):
        """The alerts of a file whose cases fail when each of them has this fault; of the cases, those with this verb."""
        rules, text = copy.deepcopy(self.rules[name]), (observability.CASES / name).read_text(encoding="utf-8")
        cases = yaml.safe_load(re.sub(r"values: (.+)", r'values: "\1"', text))  # 0x10 is a series, no number.
        for alert_rule in observability.alerts_of({name: rules}):
            fault(alert_rule)
        cases["rule_files"] = ["recording.yaml", name]
        cases["tests"] = [c for c in cases["tests"] if c["name"].split(" ")[1] in verb]
        for file, content in ((name, rules), ("recording.yaml", self.rules["recording.yaml"]), ("cases.yaml", cases)):
            (self.folder / file).write_text(yaml.safe_dump(content), encoding="utf-8")
        said = promtool("test", "rules", self.folder / "cases.yaml")[1]
        return set(re.findall(r'expr: "ALERTS\{alertname=\\"(\w+)', said))

    def test_the_cases_notice_an_alert_that_never_fires_always_does_or_does_not_wait(self):
        for name in set(self.rules) - {"recording.yaml"}:
            alerts = {a["alert"]: a for a in observability.alerts_of({name: self.rules[name]})}
            never = self.noticed(name, lambda a: a.update(expr="vector(1) > 1"), ["fires"])
            always = self.noticed(name, lambda a: (a.update(expr="vector(1)"), a.pop("for", None)), ["stays"])
            hasty = self.noticed(name, lambda a: a.pop("for", None), ["fires", "stays"])
            self.assertEqual((never, always), (set(alerts), set(alerts)))
            self.assertEqual(hasty, {alert for alert, rule in alerts.items() if "for" in rule})

    def test_what_was_counted_before_the_first_scrape_is_an_increase(self):
        for name in set(self.rules) - {"recording.yaml"}:
            # Who waits sees what goes on, and that is scraped.
            alerts = [a for a in observability.alerts_of({name: self.rules[name]}) if "increase(" in a["expr"] and "for" not in a]
            for rule in alerts:
                windows = set(re.findall(r"increase\([^)]*\[(\w+)\]\)", rule["expr"]))
                self.assertEqual(windows, set(re.findall(r"instance:process_unseen:(\w+)", rule["expr"])), rule["alert"])
            blind = self.noticed(name, lambda a: a.update(expr=a["expr"].replace(":process_unseen:", ":gone:")), ["fires"])
            credulous = self.noticed(name, lambda a: a.update(
                expr=re.sub(r"instance:process_unseen:\w+", "process_start_time_seconds", a["expr"])), ["stays"])
            self.assertEqual((blind, credulous), ({a["alert"] for a in alerts}, {a["alert"] for a in alerts}))

    def test_every_alert_has_severity_words_cases_and_a_runbook(self):
        self.assertGreater(len(observability.alerts_of(self.rules)), 20)
        for findings in self.alert_findings(self.rules, self.cases, self.runbooks).values():
            self.assert_none(findings)

    def test_an_alert_without_one_of_them_is_named(self):
        for check, sentence, fault in ALERT_FAULTS:
            with self.subTest(sentence):
                broken = [copy.deepcopy(part) for part in (self.rules, self.cases, self.runbooks)]
                fault(*broken)
                found = self.alert_findings(*broken)[check]
                self.assertTrue(any(sentence in text for text in found), found)

    def test_four_dashboards_can_be_read_by_people_and_by_grafana(self):
        self.assertEqual(len(self.dashboards), 4)
        self.assert_none(observability.dashboards_can_be_read(self.dashboards, sources()))
        for sentence, fault in DASHBOARD_FAULTS:
            with self.subTest(sentence):
                broken = copy.deepcopy(self.dashboards)
                fault(broken["ledger.json"])
                found = list(observability.dashboards_can_be_read(broken, sources()))
                self.assertTrue(any(sentence in text for text in found), found)

    def test_promtool_understands_every_query_of_a_panel(self):
        self.assert_none(observability.unparsable(observability.queries(self.dashboards), self.folder))
        broken = copy.deepcopy(self.dashboards)
        broken["grpc.json"]["panels"][0]["targets"][0]["expr"] = "sum by (job (up)"
        found = list(observability.unparsable(observability.queries(broken), self.folder))
        self.assertEqual([text.split(":")[0] for text in found], ["grpc.json, panel 1"])

    def test_an_expression_about_series_that_nobody_exports_is_named(self):
        self.assert_none(observability.unknown_series(
            [("here", 'sum by (job) (ev_ready{job=~"central|engine"}) == 0 and on (job) ev_lag_seconds[5m] offset 1h'),
             ("here", 'instance:ev_queue_fill:ratio > 1 or up{pod="x"}')], self.rules, EXPORTED))
        for sentence, expr in UNKNOWN:
            with self.subTest(sentence):
                found = list(observability.unknown_series([("here", expr)], self.rules, EXPORTED))
                self.assertEqual([text for text in found if sentence in text], found)
                self.assertEqual(len(found), 1)

    def test_compose_mounts_what_kubernetes_mounts_and_listens_on_loopback(self):
        services = read(DOCKER / "compose.observability.yaml")["services"]
        for service in [*services.values(), *read(DOCKER / "compose.yaml")["services"].values()]:
            self.assert_none(compose_findings(service))
        objects = rendering.load(rendering.kustomize(rendering.K8S / "overlays/production"))
        for name, service in services.items():
            workload = policy.find(objects, "StatefulSet", name) or policy.find(objects, "Deployment", name)
            container = policy.template(workload)["spec"]["containers"][0]
            self.assertEqual(service["image"], container["image"])
            for variable, value in service.get("environment", {}).items():
                self.assertEqual(policy.environment(objects, container)[variable], value)
        mounts = "\n".join(mount for service in services.values() for mount in service["volumes"])
        for folder in ("prometheus/rules:", "grafana/dashboards:", "grafana/datasources.yaml:", "grafana/providers.yaml:"):
            self.assertIn(f"../k8s/components/observability/{folder}", mounts)
        faulty = {"volumes": ["./gone.yml:/etc/x:ro", "./prometheus.yml:/etc/y"], "ports": ["9090:9090"]}
        self.assertEqual(len(list(compose_findings(faulty))), 5)

    def test_kafka_in_compose_is_that_of_kubernetes(self):
        """Its command, variables and what it writes were tried as a pod (test_kafka.py)."""
        services = read(DOCKER / "compose.yaml")["services"]
        objects = rendering.load(rendering.kustomize(rendering.RELEASE_OVERLAY))
        pod = policy.template(policy.find(objects, "StatefulSet", "kafka"))["spec"]
        cluster = dict(re.findall(r"^(KAFKA_\w+)=(.*)$", (rendering.K8S / "base/kafka/cluster.env").read_text(encoding="utf-8"), re.M))
        for name, container in zip(("kafka-format", "kafka"), policy.containers(pod)):
            service = services[name]
            wanted = [word.replace("$(KAFKA_CLUSTER_ID)", service["environment"]["KAFKA_CLUSTER_ID"]) for word in container["command"]]
            memory = [word for word in [*wanted, *service["command"]] if re.match(r"-Xm|-XX:\w+RAM", word)]
            self.assertEqual([w for w in service["entrypoint"] + service["command"] if w not in memory],
                             [w for w in wanted if w not in memory])
            self.assertEqual(service["image"], container["image"])
            self.assertEqual(set(service["environment"]) | set(cluster), {*cluster, *(v["name"] for v in container["env"])})
            places = {mount.split(":")[1] for mount in service["volumes"]} | {mount.split(":")[0] for mount in service["tmpfs"]}
            self.assertEqual({mount.removesuffix("/data") for mount in places},
                             {mount["mountPath"] for mount in container["volumeMounts"]})

    def test_in_compose_every_program_is_scraped_as_the_job_of_its_name(self):
        services = read(DOCKER / "compose.yaml")["services"]
        wanted = {name for name, service in services.items() if policy.OUR_IMAGES.match(service["image"].partition(":")[0])}
        found = {}
        for job in read(DOCKER / "prometheus.yml")["scrape_configs"]:
            for target in job["static_configs"][0]["targets"]:
                found[target.partition(":")[0]] = (job["job_name"], target.partition(":")[2])
        found.pop("localhost")
        self.assertEqual(set(found), wanted)
        objects = rendering.load(rendering.kustomize(rendering.RELEASE_OVERLAY))
        ports = {c["name"]: p["containerPort"] for _, _, _, c in policy.each_container(objects) for p in c.get("ports", [])
                 if re.fullmatch(r"(.+-)?metrics", p["name"])}
        for service, (job, port) in found.items():
            self.assertEqual(policy.OUR_IMAGES.match(services[service]["image"].partition(":")[0])[1], job)
            self.assertEqual(int(port), ports[job])

    def test_docker_compose_takes_both_files_together(self):
        files = ["-f", DOCKER / "compose.yaml", "-f", DOCKER / "compose.observability.yaml"]
        done = subprocess.run(["docker-compose", *files, "config", "-q"], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        bad = self.folder / "bad.yaml"
        bad.write_text(files[3].read_text(encoding="utf-8").replace("tmpfs:", "tempfs:"), encoding="utf-8")
        done = subprocess.run(["docker-compose", *files[:3], bad, "config", "-q"], capture_output=True, text=True, timeout=60)
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()

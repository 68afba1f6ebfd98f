"""Rules, their cases, runbooks and dashboards: what they must be beyond well formed. Each check is a function that yields
what is wrong, as a sentence; test_observability.py shows for each of them something that it refuses."""
import functools
import json
import pathlib
import re
import shutil
import subprocess

import yaml

import rendering

COMPONENT = rendering.K8S / "components/observability"
RULES = COMPONENT / "prometheus/rules"
DASHBOARDS = COMPONENT / "grafana/dashboards"
CASES = rendering.ROOT / "tests/k8s/rules"
RUNBOOKS = rendering.ROOT / "docs/runbooks"
SEVERITIES = ("critical", "warning")
RUNBOOK_PARTS = ("## What it means", "## What customers notice", "## How to look", "## What to do", "## When it is over")
# Series that none of our programs exports: Prometheus' own, and the kubelet's.
FOREIGN = {"up", "ALERTS", "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"}
ADDED_BY_SCRAPING = {"job", "instance"}


def tool(name):
    """promtool or prometheus: ours, or the machine's."""
    own = rendering.ROOT / "build/tools/bin" / name
    return str(own) if own.exists() else shutil.which(name)


def promtool(*arguments):
    """(whether all is well, what it said)."""
    done = subprocess.run([tool("promtool"), *map(str, arguments)], capture_output=True, text=True, timeout=120)
    return done.returncode == 0, done.stdout + done.stderr


# --- reading ---------------------------------------------------------------------------------------------------------


def load_rules():
    """{file name: its groups} of all rule files."""
    return {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(RULES.glob("*.yaml"))}


def rules_of(files):
    return [rule for file in files.values() for group in file["groups"] for rule in group["rules"]]


def alerts_of(files):
    return [rule for rule in rules_of(files) if "alert" in rule]


def load_cases():
    """All cases of all files."""
    return [case for path in sorted(CASES.glob("*.yaml"))
            for case in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]]


def load_runbooks():
    """{alert: text}"""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(RUNBOOKS.glob("*.md"))}


def load_dashboards():
    """{file name: dashboard}"""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))}


def panels(dashboards):
    """(where, panel) of each."""
    for name, dashboard in dashboards.items():
        for panel in dashboard["panels"]:
            yield f"{name}, panel {panel.get('id')}", panel


def queries(dashboards):
    """(where, expression) of each query, as Grafana asks it at a scrape interval of 15 s."""
    for where, panel in panels(dashboards):
        for target in panel["targets"]:
            yield where, target["expr"].replace("$__rate_interval", "1m")


def without_kubernetes(config, targets=()):
    """A configuration that Debian's Prometheus takes, which is built without discovery in Kubernetes: static targets in its
    place, as (address, labels that discovery would give)."""
    for job in [*config["scrape_configs"], *config.get("alerting", {}).get("alertmanagers", [])]:
        if "kubernetes_sd_configs" in job:
            found = job.pop("kubernetes_sd_configs")
            assert found == [{"role": "pod", "namespaces": {"own_namespace": True}}], found
            job["static_configs"] = [{"targets": [address], "labels": labels} for address, labels in targets]
    return config


# --- alerts, cases, runbooks -----------------------------------------------------------------------------------------


def alerts_say_what_they_are(files):
    names = [alert["alert"] for alert in alerts_of(files)]
    for alert in alerts_of(files):
        name = alert["alert"]
        if names.count(name) > 1:
            yield f"{name}: is there twice"
        if alert.get("labels", {}).get("severity") not in SEVERITIES:
            yield f"{name}: its severity is none of {', '.join(SEVERITIES)}"
        for key in ("summary", "description"):
            if not alert.get("annotations", {}).get(key):
                yield f"{name}: has no {key}"
        if alert.get("annotations", {}).get("runbook") != f"docs/runbooks/{name}.md":
            yield f"{name}: names another runbook than its own"


def expectations(case):
    """(alert, labels of each that must fire) of each question of a case."""
    for question in case["promql_expr_test"]:
        asked = re.fullmatch(r'ALERTS\{alertname="(\w+)",alertstate="firing"\}', question["expr"])
        if asked:
            yield asked[1], [dict(re.findall(r'(\w+)="([^"]*)"', s["labels"])) for s in question["exp_samples"]]


def every_alert_has_a_case_that_fires_and_one_that_stays_quiet(files, cases):
    names = {alert["alert"] for alert in alerts_of(files)}
    fires, quiet = {}, set()
    for case in cases:
        alert, verb = case["name"].split(" ")[:2]
        if not case["input_series"]:
            yield f"{case['name']}: nothing is there to decide by"
        found = list(expectations(case))
        if {name for name, _ in found} != {alert}:
            yield f"{case['name']}: does not ask for {alert} alone"
        if any(bool(samples) != (verb == "fires") for _, samples in found):
            yield f"{case['name']}: expects something else than its name says"
        if verb == "fires":
            fires.setdefault(alert, []).extend(labels for _, samples in found for labels in samples)
        else:
            quiet.add(alert)
    for name in sorted(names - set(fires)):
        yield f"{name}: no case in which it fires"
    for name in sorted(names - quiet):
        yield f"{name}: no case in which it stays quiet"
    for name in sorted((set(fires) | quiet) - names):
        yield f"{name}: cases, and no such alert"
    for alert in alerts_of(files):
        text = " ".join(alert.get("annotations", {}).values())
        for label in re.findall(r"\$labels\.(\w+)", text):
            if not any(label in labels for labels in fires.get(alert["alert"], [])):
                yield f"{alert['alert']}: speaks of {label}, which it does not have when it fires"


def every_alert_has_a_runbook(files, runbooks):
    names = {alert["alert"] for alert in alerts_of(files)}
    books = {name: text for name, text in runbooks.items() if name != "README"}
    for name in sorted(names - set(books)):
        yield f"{name}: no runbook"
    for name in sorted(set(books) - names):
        yield f"{name}: a runbook, and no such alert"
    index = runbooks.get("README", "")
    severity = {alert["alert"]: alert.get("labels", {}).get("severity") for alert in alerts_of(files)}
    for name, text in books.items():
        found = re.findall(r"^## .*$", text, re.MULTILINE)
        if tuple(found) != RUNBOOK_PARTS:
            yield f"{name}: its runbook has other parts than {', '.join(RUNBOOK_PARTS)}"
        if len(text.splitlines()) > 50:
            yield f"{name}: its runbook is longer than a screen"
        if f"| [{name}]({name}.md) | {severity.get(name)} |" not in index:
            yield f"{name}: is not in docs/runbooks/README.md with its severity"


@functools.cache
def methods():
    """{service: its methods}"""
    protos = "\n".join(p.read_text(encoding="utf-8") for p in (rendering.ROOT / "proto/evcharging").rglob("*.proto"))
    return {name: set(re.findall(r"\brpc (\w+)\(", body))
            for name, body in re.findall(r"^service (\w+) \{(.*?)^\}", protos, re.MULTILINE | re.DOTALL)}


def runbooks_name_what_is_there(runbooks):
    """Links to other runbooks, and methods to call."""
    for name, text in runbooks.items():
        for link in re.findall(r"\]\((\w+)\.md\)", text):
            if link not in runbooks:
                yield f"{name}: links to {link}, which is not there"
        for service, method in re.findall(r"\b(\w+Service)/(\w+)", text):
            if method not in methods().get(service, ()):
                yield f"{name}: calls {service}/{method}, which is not there"


# --- expressions -----------------------------------------------------------------------------------------------------


def unparsable(expressions, folder):
    """What promtool does not understand of (where, expression)s: it reads rules, so each becomes one."""
    expressions = list(expressions)
    file = pathlib.Path(folder) / "expressions.yaml"

    def is_well(some):
        file.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [
            {"record": f"x:{i}", "expr": expr} for i, (_, expr) in enumerate(some)]}]}), encoding="utf-8")
        return promtool("check", "rules", file)

    if is_well(expressions)[0]:
        return
    for where, expr in expressions:  # It does not say well which.
        well, said = is_well([(where, expr)])
        if not well:
            yield f"{where}: {expr}: {said.strip().splitlines()[-1]}"


def read_expression(expr):
    """([(metric, [(label, operator, value)])], labels that are grouped by) of an expression."""
    strings = []

    def keep(match):
        strings.append(match[1])
        return f'"{len(strings) - 1}"'

    text = re.sub(r'"((?:[^"\\]|\\.)*)"', keep, expr)
    grouped = set()

    def group(match):
        grouped.update(re.findall(r"\w+", match[1]))
        return " "

    text = re.sub(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", group, text)
    found = []
    for name, matchers in re.findall(r"(?<![\w:.$\"])([a-zA-Z_:][\w:]*)\b(?!\s*\()\s*(?:\{([^}]*)\})?", re.sub(r"\[[^\]]*\]", "", text)):
        if name in ("and", "or", "unless", "bool", "offset"):
            continue
        found.append((name, [(label, op, strings[int(i)])
                             for label, op, i in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"(\d+)"', matchers)]))
    return found, grouped


def unknown_series(expressions, files, exported):
    """What expressions speak of and no running program exports. `exported` is {metric: [labels]}, with `job`."""
    recorded = {rule["record"] for rule in rules_of(files) if "record" in rule}
    for where, expr in expressions:
        metrics, grouped = read_expression(expr)
        known = {label for name, _ in metrics for labels in exported.get(name, []) for label in labels}
        is_own = all(name in exported for name, _ in metrics)
        for label in sorted(grouped - known - ADDED_BY_SCRAPING):
            if is_own:
                yield f"{where}: groups by {label}, which nothing in it has"
        for name, matchers in metrics:
            if name in recorded | FOREIGN:
                continue
            if name not in exported:
                yield f"{where}: nobody exports {name}"
                continue
            left = exported[name]
            for label, op, value in matchers:
                if label == "instance":
                    continue
                if not any(label in labels for labels in left):
                    yield f"{where}: {name} has no label {label}"
                    break
                for each in value.split("|") if op == "=~" else [value] if op == "=" else []:
                    pattern = each if op == "=~" else re.escape(each)
                    if not any(re.fullmatch(pattern, labels.get(label, "")) for labels in left):
                        yield f'{where}: no {name} has {label}="{each}"'
                if op in ("=", "=~"):
                    pattern = value if op == "=~" else re.escape(value)
                    left = [labels for labels in left if re.fullmatch(pattern, labels.get(label, ""))] or left


# --- dashboards ------------------------------------------------------------------------------------------------------


def dashboards_can_be_read(dashboards, sources):
    """By people: titles, units and descriptions; by Grafana: ids and data sources."""
    for key in ("uid", "title"):
        values = [dashboard.get(key) for dashboard in dashboards.values()]
        for name, dashboard in dashboards.items():
            if not dashboard.get(key) or values.count(dashboard[key]) > 1:
                yield f"{name}: no {key} of its own"
    for name, dashboard in dashboards.items():
        ids = [panel.get("id") for panel in dashboard["panels"]]
        if len(set(ids)) != len(ids):
            yield f"{name}: two panels with one id"
        taken = {}
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            for cell in ((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])):
                if cell in taken or cell[0] >= 24:
                    yield f"{name}, panel {panel.get('id')}: is where panel {taken.get(cell, 'none')} is"
                    break
                taken[cell] = panel.get("id")
    for where, panel in panels(dashboards):
        for key in ("title", "description"):
            if not panel.get(key):
                yield f"{where}: has no {key}"
        if not panel.get("fieldConfig", {}).get("defaults", {}).get("unit"):
            yield f"{where}: has no unit"
        if not panel.get("targets"):
            yield f"{where}: asks nothing"
        for part in [panel, *panel.get("targets", [])]:
            if part.get("datasource", {}).get("uid") not in sources:
                yield f"{where}: its data source is not provisioned"

"""Rules and alerts: they parse, their own tests hold, and each alert has a test and a runbook."""

import re
import subprocess

import yaml

from stage import DEPLOY, promtool

RULES = sorted((DEPLOY / "prometheus/rules").glob("*.yaml"))
TESTS = sorted((DEPLOY / "prometheus/tests").glob("*.test.yaml"))


def groups(files=RULES):
    """All rules with the name of their file."""
    for file in files:
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                yield file.name, rule


def alerts():
    """All alerts; several rules may have one name."""
    return [rule for _, rule in groups() if "alert" in rule]


def names():
    """Their names."""
    return {rule["alert"] for rule in alerts()}


def run(*words):
    """Runs promtool, which must be content."""
    done = subprocess.run([promtool(), *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_configuration_and_rules():
    run("check", "config", DEPLOY / "prometheus/prometheus.yml")
    assert run("check", "rules", *RULES).count("SUCCESS") == len(RULES) == 3


def test_their_own_tests_hold():
    assert run("test", "rules", *TESTS).count("SUCCESS") == len(TESTS) == 3


def test_values_are_compared_rounded():
    # Prometheus adds series up in whatever order it finds them, so the last digit of a sum is chance.
    for file in TESTS:
        for test in yaml.safe_load(file.read_text())["tests"]:
            for case in test.get("promql_expr_test", []):
                assert re.fullmatch(r"round\(.+, 0\.001\)", case["expr"]), (file.name, case["expr"])


def test_every_alert_is_tested_both_ways():
    seen = {}
    for file in TESTS:
        for test in yaml.safe_load(file.read_text())["tests"]:
            for case in test.get("alert_rule_test", []):
                seen.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    # That it fires for one series and not for another beside it says the same.
    assert set(seen) == names()
    assert all(True in both for both in seen.values()), seen


def test_every_alert_is_explained():
    runbooks = (DEPLOY / "RUNBOOKS.md").read_text()
    sections = re.findall(r"^### (\w+)$", runbooks, re.M)
    assert sorted(sections) == sorted(names())
    for alert in alerts():
        name, notes = alert["alert"], alert["annotations"]
        assert notes["runbook_url"].endswith(f"/deploy/RUNBOOKS.md#{name.lower()}"), name
        assert notes["summary"].endswith(".") and "{{" not in notes["summary"], name
        assert "{{ $labels" in notes["description"] or "{{ $value" in notes["description"], name
        assert alert["labels"]["severity"] in ("critical", "warning", "info"), name


def test_recorded_names_say_level_metric_operation():
    for file, rule in groups():
        name = rule.get("record")
        assert name is None or re.fullmatch(r"[a-z_]+:[a-z_]+(:[a-z0-9_]+)?", name), (file, name)


def test_runbooks_name_panels_and_keys_that_exist():
    titles = " ".join(file.read_text() for file in (DEPLOY / "grafana/boards").glob("*.yaml"))
    for panel in re.findall(r"panels? \*([^*]+)\*", (DEPLOY / "RUNBOOKS.md").read_text(), re.I):
        assert f"title: {panel}" in titles, panel

"""Dashboards and rules against a real Prometheus that scrapes a real gateway: whatever they ask for is there."""

import json
import re
import subprocess
import sys
import time

import pytest

from stage import DEPLOY, Stage
from test_rules import groups

BOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
# What Grafana fills in.
FILLED = {"$__range": "1h", "$__rate_interval": "15s", "$__interval": "5s", "$job": ".*", "$route": ".*", "$client": ".*"}
# Expressions that find nothing here, and why.
EMPTY = {
    "container_cpu_usage_seconds_total": "comes from the kubelet, not from the gateway",
    "container_memory_working_set_bytes": "comes from the kubelet, not from the gateway",
}


def filled(expression):
    """The expression as Grafana sends it."""
    for word, value in sorted(FILLED.items(), reverse=True):
        expression = expression.replace(word, value)
    assert "$" not in expression, expression
    return expression


def boards():
    """All dashboards."""
    return [json.loads(file.read_text()) for file in BOARDS]


def panels(board):
    """The panels of a dashboard that show something."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with Stage(tmp_path_factory.mktemp("stage")) as stage:
        stage.traffic(seconds=25)
        # Rules that build upon rules need a few more evaluations.
        time.sleep(4)
        assert stage.asked > 200
        yield stage


def test_the_files_are_what_the_boards_say():
    subprocess.run([sys.executable, DEPLOY / "grafana/build.py", "--check"], check=True)
    assert len(BOARDS) == 4


def test_every_query_of_every_panel_finds_data(stage):
    silent, excused = [], set()
    for board in boards():
        for panel in panels(board):
            for target in panel.get("targets", []):
                excuse = next((word for word in EMPTY if word in target["expr"]), None)
                found = stage.query(filled(target["expr"]))
                if excuse:
                    excused.add(excuse)
                elif not found or all(series["value"][1] == "NaN" for series in found):
                    silent.append(f"{board['title']}, {panel['title']}: {filled(target['expr'])}")
    assert not silent, "\n".join(silent)
    assert excused == set(EMPTY)


def test_every_recording_rule_finds_data(stage):
    silent = [rule["record"] for _, rule in groups() if "record" in rule and not stage.query(rule["record"])]
    assert not silent


def test_every_alert_asks_for_what_is_there(stage):
    """An alert is empty while all is well; what it compares must not be."""
    for _, rule in groups():
        if "alert" in rule:
            stage.query(rule["expr"])
            names = set(re.findall(r"\b(?:[a-z_]+:)?xietong_[a-z_:0-9]+|\bup\b", rule["expr"]))
            assert names, rule["alert"]
            for name in names:
                assert stage.query(name), f"{rule['alert']}: {name}"


def test_buckets_lead_to_traces_that_a_collector_has(stage):
    sent = b"".join(stage.collector.bodies)
    for name in ("gen_ai_server_request_duration_seconds", "gen_ai_server_time_to_first_token_seconds",
                 "gen_ai_server_time_per_output_token_seconds", "xietong_overhead_seconds"):
        found = stage.exemplars(f"{name}_bucket")
        assert found, name
        bounds = sorted({float(bucket["le"]) for bucket in (series["metric"] for series in stage.query(f"{name}_bucket"))})
        for series, exemplar in found:
            at = bounds.index(float(series["le"]))
            assert (bounds[at - 1] if at else 0) <= float(exemplar["value"]) <= bounds[at], (series, exemplar)
        ids = [bytes.fromhex(exemplar["labels"]["trace_id"]) for _, exemplar in found]
        assert all(len(one) == 16 for one in ids)
        # The last may be on their way still.
        assert sum(one in sent for one in ids) >= 0.9 * len(ids), name


def test_rules_are_evaluated_without_an_error(stage):
    failures = stage.query("prometheus_rule_evaluation_failures_total") or []
    assert not failures
    import urllib.request

    with urllib.request.urlopen(f"http://{stage.prometheus}/api/v1/rules", timeout=10) as answer:
        rules = [rule for group in json.load(answer)["data"]["groups"] for rule in group["rules"]]
    assert rules and all(rule["health"] == "ok" for rule in rules), [rule for rule in rules if rule["health"] != "ok"]


def test_variables_have_values(stage):
    for board in boards():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                metric, label = re.fullmatch(r"label_values\(([a-z_]+).*, (\w+)\)", variable["definition"]).groups()
                assert [series["metric"][label] for series in stage.query(metric)], variable["name"]


def test_legends_name_labels_that_series_have(stage):
    for board in boards():
        for panel in panels(board):
            for target in panel.get("targets", []):
                labels = re.findall(r"{{(\w+)}}", target["legendFormat"])
                for series in stage.query(filled(target["expr"])):
                    assert set(labels) <= set(series["metric"]), (panel["title"], labels, series["metric"])


def test_panels_are_explained_and_money_has_a_currency():
    for board in boards():
        titles = [panel["title"] for panel in panels(board)]
        assert len(titles) == len(set(titles)), board["title"]
        assert board["description"]
        for panel in panels(board):
            assert len(panel["description"]) > 20 and panel["description"].rstrip().endswith("."), panel["title"]
            expressions = " ".join(target["expr"] for target in panel.get("targets", []))
            if re.search(r"_cost_total|budget_remaining", expressions) and panel["type"] != "table":
                overrides = panel["fieldConfig"]["overrides"]
                is_money = any(way["matcher"]["options"] == "/CNY/" for way in overrides)
                assert is_money or panel["fieldConfig"]["defaults"]["unit"] == "percentunit", panel["title"]
                legends = [target["legendFormat"] for target in panel["targets"]]
                assert all("{{currency}}" in legend for legend in legends), panel["title"]


def test_panels_do_not_overlap():
    for board in boards():
        taken = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
            taken |= cells

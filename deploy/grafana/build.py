"""Writes dashboards/*.json, which Grafana imports, from boards/*.yaml, which people edit.

usage: python deploy/grafana/build.py [--check]    --check: fails where a file is not what it would write
"""

import json
import pathlib
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24
# The signs that a finance team reads. Series of other currencies keep their code in the legend.
SIGNS = {"CNY": "currency:¥", "USD": "currency:$", "EUR": "currency:€", "GBP": "currency:£", "HKD": "currency:HK$"}
KINDS = {"stat": "stat", "graph": "timeseries", "stack": "timeseries", "share": "timeseries", "bars": "bargauge",
         "table": "table", "timeline": "state-timeline", "heat": "heatmap", "text": "text"}
HEIGHTS = {"stat": 4}
UNITS = {"money": "none", "tokens/s": "suffix: tokens/s", "health": "none", "promise": "none", "decimal": "none"}
# What 0 and 1 mean on a timeline.
STATES = {"health": ("ejected or down", "open"), "promise": ("broken", "holds")}


def variable(name, label, query, **more):
    """A choice at the top of a dashboard, of the values that a label has."""
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "definition": query,
            "query": {"query": query, "refId": name}, "refresh": 2, "sort": 1, "multi": True, "includeAll": True,
            "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}, **more}


VARIABLES = [
    {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "current": {}},
    variable("job", "Installation", "label_values(xietong_build_info, job)"),
    variable("route", "Route", 'label_values(xietong_requests_total{job=~"$job"}, route)'),
    variable("client", "Client", 'label_values(xietong_requests_total{job=~"$job"}, client)'),
]


def override(pattern, **properties):
    """Properties of the series whose names have this in them."""
    return {"matcher": {"id": "byRegexp", "options": f"/{pattern}/"},
            "properties": [{"id": name, "value": value} for name, value in properties.items()]}


def overrides(panel):
    """Units by currency, and dashes for lines that are only there to compare with."""
    found = [override(code, unit=sign) for code, sign in SIGNS.items()] if panel.get("unit") == "money" else []
    if "dashed" in panel:
        dash = {"custom.lineStyle": {"fill": "dash", "dash": [8, 6]}, "custom.fillOpacity": 0}
        found.append(override(panel["dashed"], **dash))
    return found


def defaults(panel):
    """How values are shown."""
    unit = panel.get("unit", "none")
    shown = {"unit": UNITS.get(unit, unit), "color": {"mode": "palette-classic"}, "custom": {}}
    if unit == "percentunit":
        shown |= {"decimals": 1}
    if panel["kind"] == "stat":
        shown["color"] = {"mode": "fixed", "fixedColor": {"more": "green", "less": "orange"}.get(panel.get("good"), "blue")}
    if KINDS[panel["kind"]] == "timeseries":
        stacked = panel["kind"] != "graph"
        shown["custom"] = {"drawStyle": "line", "lineWidth": 1 if stacked else 2, "fillOpacity": 40 if stacked else 0,
                           "showPoints": "never", "stacking": {"mode": "normal" if stacked else "none", "group": "A"}}
        if panel.get("log"):
            # Symmetric about a line at 0, which a plain logarithm has not.
            zero = {"type": "symlog", "log": 10, "linearThreshold": 0.1} if panel["log"] == "with zero" else {"type": "log", "log": 10}
            shown["custom"]["scaleDistribution"] = zero
    if panel["kind"] == "share":
        shown |= {"min": 0, "max": 1}
    if unit in STATES:
        bad, good = STATES[unit]
        words = {"0": {"text": bad, "color": "red", "index": 0}, "1": {"text": good, "color": "green", "index": 1}}
        shown |= {"mappings": [{"type": "value", "options": words}], "custom": {"fillOpacity": 80, "lineWidth": 0}}
    return shown


def options(panel):
    """What the kind of panel needs besides."""
    kind = KINDS[panel["kind"]]
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    return {
        "stat": {"reduceOptions": last, "colorMode": "value", "graphMode": "none", "textMode": "value_and_name"},
        "timeseries": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "bargauge": {"reduceOptions": last, "orientation": "horizontal", "displayMode": "gradient"},
        "table": {"showHeader": True},
        "state-timeline": {"showValue": "never", "mergeValues": True, "legend": {"displayMode": "list", "placement": "bottom"}},
        "heatmap": {"calculate": False, "color": {"mode": "scheme", "scheme": "Blues"}, "yAxis": {"unit": "none"}},
        "text": {"mode": "markdown", "content": panel.get("text", "")},
    }[kind]


def targets(panel):
    """The panel's queries."""
    at_once = panel["kind"] in ("stat", "bars", "table")
    form = {"table": "table", "heat": "heatmap"}.get(panel["kind"], "time_series")
    return [{"refId": chr(ord("A") + at), "datasource": SOURCE, "editorMode": "code", "expr": query["expr"],
             "legendFormat": query["legend"], "format": form, "instant": at_once, "range": not at_once}
            for at, query in enumerate(panel.get("queries", []))]


def joined(panel):
    """One line for each group of labels, one column for each query."""
    names = {f"Value #{chr(ord('A') + at)}": query["legend"] for at, query in enumerate(panel["queries"])}
    order = {name: at for at, name in enumerate([*panel["by"], *names])}
    return [{"id": "merge", "options": {}},
            {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": names}}]


def shown(panel, number, place):
    """A panel as Grafana reads it."""
    made = {"id": number, "type": KINDS[panel["kind"]], "title": panel["title"], "description": panel["description"],
            "gridPos": place, "options": options(panel)}
    if panel["kind"] == "text":
        return made
    made |= {"datasource": SOURCE, "targets": targets(panel),
             "fieldConfig": {"defaults": defaults(panel), "overrides": overrides(panel)}}
    if panel["kind"] == "table":
        made["transformations"] = joined(panel)
        made["fieldConfig"]["defaults"]["decimals"] = 4
    return made


def panels(rows):
    """All panels, one after the other from left to right, in rows with titles."""
    made, top = [], 0
    for row in rows:
        made.append({"id": len(made) + 1, "type": "row", "title": row["title"], "collapsed": False, "panels": [],
                     "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1}})
        left, top, tallest = 0, top + 1, 0
        for panel in row["panels"]:
            width, height = panel.get("width", 12), panel.get("height", HEIGHTS.get(panel["kind"], 8))
            if left + width > COLUMNS:
                left, top, tallest = 0, top + tallest, 0
            made.append(shown(panel, len(made) + 1, {"x": left, "y": top, "w": width, "h": height}))
            left, tallest = left + width, max(tallest, height)
        top += tallest
    return made


def dashboard(board):
    """A dashboard as Grafana reads it."""
    links = [{"title": "Other dashboards of Xietong", "type": "dashboards", "tags": ["xietong"], "asDropdown": True,
              "includeVars": True, "keepTime": True}]
    return {"uid": board["uid"], "title": board["title"], "description": board["description"], "tags": ["xietong"],
            "schemaVersion": 39, "version": 1, "editable": True, "graphTooltip": 1, "refresh": "30s", "timezone": "browser",
            "time": {"from": "now-6h", "to": "now"}, "links": links, "annotations": {"list": []},
            "templating": {"list": VARIABLES}, "panels": panels(board["rows"])}


def main():
    """Writes the files, or says which would change."""
    stale = []
    for source in sorted((HERE / "boards").glob("*.yaml")):
        made = json.dumps(dashboard(yaml.safe_load(source.read_text())), ensure_ascii=False, indent=1) + "\n"
        target = HERE / "dashboards" / f"{source.stem}.json"
        if not target.exists() or target.read_text() != made:
            stale.append(target.name)
            if "--check" not in sys.argv[1:]:
                target.parent.mkdir(exist_ok=True)
                target.write_text(made)
    if stale and "--check" in sys.argv[1:]:
        sys.exit(f"not what deploy/grafana/build.py writes: {', '.join(stale)}")


if __name__ == "__main__":
    main()

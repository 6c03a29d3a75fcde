"""Draws every dashboard as a picture, from what a real Prometheus says of a real gateway under real traffic.

usage: python deploy/grafana/draw.py FOLDER [SECONDS]    SECONDS of traffic, 120 unless said; needs matplotlib

It is how one looks at a panel without a Grafana: its numbers, units, legends and proportions, not its very pixels.
"""

import json
import math
import pathlib
import re
import sys
import tempfile
import textwrap
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))
from stage import Stage  # noqa: E402

CELL = (0.72, 0.42)  # inches of a grid cell
PALETTE = plt.get_cmap("tab10").colors + plt.get_cmap("Set2").colors
FIXED = {"green": "#2f8f4e", "orange": "#d9822b", "blue": "#2f6fb3"}


def legend(target, labels):
    """The name of a series."""
    return re.sub(r"{{(\w+)}}", lambda found: labels.get(found[1], ""), target["legendFormat"])


def unit_of(panel, name):
    """The unit of a series by the panel's overrides, as Grafana applies them: the last that matches."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    for way in panel["fieldConfig"]["overrides"]:
        if re.search(way["matcher"]["options"].strip("/"), name):
            unit = next((property["value"] for property in way["properties"] if property["id"] == "unit"), unit)
    return unit


def dashed(panel, name):
    """Whether a series is drawn as one to compare with."""
    ways = [way for way in panel["fieldConfig"]["overrides"] if re.search(way["matcher"]["options"].strip("/"), name)]
    return any(property["id"] == "custom.lineStyle" for way in ways for property in way["properties"])


def said(value, unit):
    """A number with its unit."""
    if unit == "percentunit":
        return f"{100 * value:.1f} %"
    if unit == "s":
        return f"{value:.2f} s" if value >= 1 else f"{1e3 * value:.3g} ms" if value >= 1e-3 else f"{1e6 * value:.3g} µs"
    number = f"{value / 1000:,.0f}k" if abs(value) >= 1e4 else f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.3g}"
    for prefix, form in (("currency:", "{sign}{number}"), ("suffix:", "{number}{sign}")):
        if unit.startswith(prefix):
            return form.format(sign=unit.removeprefix(prefix), number=number)
    return number + {"reqps": " req/s", "h": " h"}.get(unit, "")


class Painter:
    """Draws the panels of one dashboard."""

    def __init__(self, stage, start, end):
        self.stage, self.start, self.end = stage, start, end

    def filled(self, expression):
        """The expression as Grafana would send it for this time range."""
        words = {"$__range": f"{self.end - self.start:.0f}s", "$__rate_interval": "15s", "$job": ".*", "$route": ".*",
                 "$client": ".*"}
        for word, value in sorted(words.items(), reverse=True):
            expression = expression.replace(word, value)
        return expression

    def now(self, panel):
        """Name, labels and value of each series at the end, by query."""
        for target in panel["targets"]:
            for series in self.stage.query(self.filled(target["expr"])):
                yield target, legend(target, series["metric"]), series["metric"], float(series["value"][1])

    def over_time(self, panel):
        """Name, labels, times and values of each series."""
        for target in panel["targets"]:
            found = self.stage.query(self.filled(target["expr"]), start=self.start, end=self.end, step=1)
            for series in found:
                times, values = zip(*((at - self.start, float(value)) for at, value in series["values"]))
                yield legend(target, series["metric"]), series["metric"], times, values

    def stat(self, axes, panel):
        axes.axis("off")
        found = list(self.now(panel))
        colour = FIXED[panel["fieldConfig"]["defaults"]["color"]["fixedColor"]]
        for at, (_, name, _, value) in enumerate(found):
            x = (at + 0.5) / len(found)
            axes.text(x, 0.45, said(value, unit_of(panel, name)), ha="center", va="center", color=colour, weight="bold",
                      fontsize=17 if len(found) == 1 else 12 if len(found) < 4 else 9)
            axes.text(x, 0.1, name, ha="center", fontsize=7, color="#555555")

    def timeseries(self, axes, panel):
        series = sorted(self.over_time(panel), key=lambda one: one[0])
        if panel["fieldConfig"]["defaults"]["custom"]["stacking"]["mode"] == "normal":
            times = sorted({at for _, _, ats, _ in series for at in ats})
            rows = [[dict(zip(ats, values)).get(at, 0) for at in times] for _, _, ats, values in series]
            rows = [[0 if math.isnan(value) else value for value in row] for row in rows]
            axes.stackplot(times, rows, labels=[name for name, *_ in series], colors=PALETTE, alpha=0.75)
        else:
            for (name, _, times, values), colour in zip(series, PALETTE * 4):
                style = {"linestyle": "--", "color": "#888888"} if dashed(panel, name) else {"color": colour}
                axes.plot(times, values, label=name, linewidth=1.3, **style)
        if "scaleDistribution" in panel["fieldConfig"]["defaults"]["custom"]:
            axes.set_yscale(panel["fieldConfig"]["defaults"]["custom"]["scaleDistribution"]["type"])
        elif min((min(values) for *_, values in series), default=0) >= 0:
            axes.set_ylim(bottom=0)
        unit = unit_of(panel, series[0][0]) if series else "none"
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: said(value, unit)))
        axes.legend(fontsize=6, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.1), frameon=False)

    def bargauge(self, axes, panel):
        found = list(self.now(panel))[:12][::-1]
        axes.barh([name for _, name, _, _ in found], [value for *_, value in found], color=PALETTE[0], alpha=0.7)
        for at, (_, name, _, value) in enumerate(found):
            axes.text(0, at, " " + said(value, unit_of(panel, name)), va="center", fontsize=7, weight="bold")
        axes.set_xticks([])

    def table(self, axes, panel):
        axes.axis("off")
        labels = [name for name in panel["transformations"][1]["options"]["indexByName"] if not name.startswith("Value")]
        heads, lines = [target["legendFormat"] for target in panel["targets"]], {}
        for target, name, metric, value in self.now(panel):
            lines.setdefault(tuple(metric.get(label, "") for label in labels), {})[name] = f"{value:.4f}"
        cells = [[*key, *(line.get(head, "") for head in heads)] for key, line in sorted(lines.items())]
        drawn = axes.table(cells, colLabels=[*labels, *heads], loc="upper center", cellLoc="left", edges="horizontal")
        drawn.set_fontsize(8)
        drawn.scale(1, 1.2)

    def timeline(self, axes, panel):
        series = sorted(self.over_time(panel))[::-1]
        for at, (_, _, times, values) in enumerate(series):
            for time_, value in zip(times, values):
                axes.barh(at, 1, left=time_, height=0.7, color="#2f8f4e" if value else "#c23b3b")
        axes.set_yticks(range(len(series)), [name for name, *_ in series], fontsize=7)

    def heatmap(self, axes, panel):
        found = sorted(self.over_time(panel), key=lambda one: float(one[1]["le"]))
        rows = [list(values) for *_, values in found]
        # Buckets are cumulative.
        grid = [[high - low for low, high in zip(below, row)] for below, row in zip([[0] * len(rows[0]), *rows], rows)]
        axes.imshow(grid, aspect="auto", origin="lower", cmap="Blues", extent=(0, self.end - self.start, 0, len(rows)))
        axes.set_yticks([at + 1 for at in range(len(found))], [one[0] for one in found], fontsize=6)

    def text(self, axes, panel):
        axes.axis("off")
        words = "\n\n".join(textwrap.fill(part, 58) for part in panel["options"]["content"].split("\n\n"))
        axes.text(0, 1, words, va="top", fontsize=8)

    def paint(self, board, file):
        """The whole dashboard, each panel at its place."""
        tall = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
        size = (24 * CELL[0], tall * CELL[1] + 0.5)
        figure = plt.figure(figsize=size, facecolor="#f4f5f7")
        figure.text(0.01, 1 - 0.25 / size[1], board["title"], fontsize=14, weight="bold", va="center")
        for panel in board["panels"]:
            place = panel["gridPos"]
            left, bottom = place["x"] / 24, 1 - (0.5 + (place["y"] + place["h"]) * CELL[1]) / size[1]
            if panel["type"] == "row":
                figure.text(left + 0.005, bottom + 0.1 / size[1], panel["title"], fontsize=10, weight="bold", color="#444444")
                continue
            wide, high = place["w"] / 24, place["h"] * CELL[1] / size[1]
            inset = 0.155 if panel["type"] in ("bargauge", "state-timeline") else 0.045 if panel["type"] != "stat" else 0.004
            below = 0.8 / size[1] if panel["type"] == "timeseries" else 0.25 / size[1]
            axes = figure.add_axes((left + inset, bottom + below, wide - inset - 0.012, high - below - 0.35 / size[1]))
            axes.tick_params(labelsize=7)
            figure.text(left + 0.006, bottom + high - 0.2 / size[1], panel["title"], fontsize=8.5, weight="bold")
            {"stat": self.stat, "timeseries": self.timeseries, "bargauge": self.bargauge, "table": self.table,
             "state-timeline": self.timeline, "heatmap": self.heatmap, "text": self.text}[panel["type"]](axes, panel)
        figure.savefig(file, dpi=80)
        plt.close(figure)


def main(folder, seconds=120):
    """Lets traffic flow, then draws."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, Stage(scratch) as stage:
        start = time.time() + 3
        stage.traffic(float(seconds))
        time.sleep(2)
        painter = Painter(stage, start, time.time())
        for source in sorted((HERE / "dashboards").glob("*.json")):
            painter.paint(json.loads(source.read_text()), folder / f"{source.stem}.png")
            print(folder / f"{source.stem}.png")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])

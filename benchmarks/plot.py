"""The plot: every contender's time relative to kontract's, and reads as tables grow."""

from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import pyplot
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.measure import ratio
from benchmarks.results import Results

LOOKS = {  # color (Okabe and Ito: told apart by everybody) and mark
    "Django": ("#0072B2", "o", "plain Django"),
    "simple-history": ("#D55E00", "s", "django-simple-history"),
    "reversion": ("#CC79A7", "D", "django-reversion"),
    "pghistory": ("#009E73", "^", "django-pghistory"),
    "psycopg": ("#7F7F7F", "x", "raw psycopg"),
}
GROWTH_LOOKS = {
    "get": ("#0072B2", "o"),
    "scan": ("#009E73", "^"),
    "get_as_of": ("#D55E00", "s"),
    "scan_as_of": ("#CC79A7", "D"),
}
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": "#E3E3E3",
    "legend.frameon": False,
    "svg.hashsalt": "kontract",
}


def draw(results: Results, path: Path) -> None:
    """Write the plot; the name's end says in which format."""
    matplotlib.use("Agg")
    with pyplot.rc_context(STYLE):
        height = 1.9 + 0.36 * (len(results.cases) + len(results.models))
        figure = pyplot.figure(figsize=(10.5, height), layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=(2.1, 1))
        _draw_cases(figure.add_subplot(grid[:, 0]), results)
        if results.growth:
            _draw_growth(figure.add_subplot(grid[0, 1]), results, "versions")
            _draw_growth(figure.add_subplot(grid[1, 1]), results, "documents")
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, facecolor="white", dpi=150)
        pyplot.close(figure)


def _draw_cases(axes: Any, results: Results) -> None:
    """Draw a row for each case: to the right of 1 is slower than kontract."""
    rows = [*results.cases.values(), *results.models.values()]
    for number, (name, (color, mark, label)) in enumerate(LOOKS.items()):
        points = [(y, ratio(case.times, name, "kontract")) for y, case in enumerate(rows) if name in case.times]
        shift = (number - (len(LOOKS) - 1) / 2) * 0.13
        axes.errorbar(
            [found.median for _, found in points],
            [y + shift for y, _ in points],
            xerr=[[f.median - f.low for _, f in points], [f.high - f.median for _, f in points]],
            fmt=mark, color=color, label=label, markersize=5, elinewidth=1.2, linestyle="none",
        )  # fmt: skip
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [case.title.replace("`", "") for case in rows])
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    for y in range(0, len(rows), 2):
        axes.axhspan(y - 0.5, y + 0.5, color="#F6F6F6", zorder=0)
    _label_ratios(axes.xaxis)
    axes.grid(axis="x")
    axes.set_title("Time relative to kontract")
    for side, text in (("right", "← faster than kontract   "), ("left", "   slower than kontract →")):
        axes.text(1, -0.055, text, transform=axes.get_xaxis_transform(), ha=side, va="top")
    axes.legend(loc="upper center", bbox_to_anchor=(0.42, -0.1), ncols=3, columnspacing=1.2, handletextpad=0.2)


def _draw_growth(axes: Any, results: Results, what: str) -> None:
    """Draw how reads change with the number of versions, or of documents."""
    for kind, comparison in results.growth.items():
        base = next(iter(comparison.times))
        points = []
        for shape in comparison.times:
            documents, versions = map(int, shape.split("x"))
            if (what == "versions" and documents == int(base.split("x")[0])) or (what == "documents" and versions == 1):
                x = versions if what == "versions" else documents
                points.append((x, ratio(comparison.times, shape, base)))
        points.sort(key=lambda point: point[0])
        color, mark = GROWTH_LOOKS[kind]
        axes.errorbar(
            [x for x, _ in points],
            [found.median for _, found in points],
            yerr=[[f.median - f.low for _, f in points], [f.high - f.median for _, f in points]],
            color=color, marker=mark, markersize=4, linewidth=1.2, label=comparison.title.partition(",")[0],
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted({x for line in axes.containers for x in line[0].get_xdata()})))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0.45), max(high, 2.2))
    _label_ratios(axes.yaxis)
    axes.grid(axis="y")
    axes.set_title("kontract with more versions" if what == "versions" else "kontract with more documents")
    axes.set_xlabel(
        "versions of each document" if what == "versions" else "documents in the table (scans: per document)"
    )
    if what == "documents":
        axes.legend(loc="upper center", bbox_to_anchor=(0.42, -0.25), ncols=2, handlelength=1.5, columnspacing=1.2)


def _label_ratios(axis: Any) -> None:
    """Label a logarithmic axis with plain ratios."""
    axis.set_major_locator(FixedLocator([0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))

"""What kontract promises about its speed, and whether a run bears it out."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.measure import Ratio, ratio
from benchmarks.results import Results


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An upper bound on the ratio of two times."""

    text: str
    case: str
    of: str
    to: str
    limit: float
    growth: bool = False


def _against(case: str, to: str, limit: float, text: str) -> Target:
    return Target(text=text, case=case, of="kontract", to=to, limit=limit)


TARGETS = (
    _against("update", "Django", 1.0, "one versioned write, to a plain `save()`"),
    _against("together", "Django", 0.35, "ten writes in one transaction, to ten `save()` in `atomic()`"),
    _against("get", "Django", 0.8, "`get()`, to `Model.objects.get()`"),
    _against("bulk", "Django", 1.5, "`set_many()`, to `bulk_create()`"),
    _against("writers_8", "simple-history", 1 / 1.5, "a write among 8 writing processes, to django-simple-history"),
    _against("model_get", "Django", 1.15, "a versioned model's `get(pk=...)`, to a plain model's"),
    _against("model_filter", "Django", 1.3, "its filter on an indexed text, to a plain model's"),
    _against("model_filter_number", "Django", 1.3, "its filter on an indexed number, to a plain model's"),
    _against("model_list", "Django", 1.2, "its list of 1,000, to a plain model's"),
    _against("model_join", "Django", 1.5, "its join of two tables, to that of plain models"),
    _against("model_save", "Django", 1.1, "its `save()`, to a plain model's"),
    _against("model_bulk", "Django", 1.5, "its `bulk_create()`, to a plain model's"),
    _against("model_aggregate", "Django", 4.0, "its sums and averages, to a plain model's"),
    *(
        _against(case, package, 0.5, f"its `{text}()`, to django-{package}")
        for case, text in (("model_save", "save"), ("model_create", "create"), ("model_bulk", "bulk_create"))
        for package in ("simple-history", "reversion")
    ),
)
GROWTH_TARGETS = {
    "get": (1.2, "a live point read with 50 versions, to one with 1"),
    "scan": (1.2, "a live scan with 50 versions, to one with 1"),
}


def judge(results: Results) -> Iterator[tuple[Target, Ratio]]:
    """Yield the targets that the results say something about, with what was found."""
    cases = results.cases | results.models
    for target in TARGETS:
        if target.case in cases:
            yield target, ratio(cases[target.case].times, target.of, target.to)
    for kind, (limit, text) in GROWTH_TARGETS.items():
        if kind in results.growth:
            times = results.growth[kind].times
            base, most = next(iter(times)), next(shape for shape in times if shape.endswith("x50"))
            target = Target(text=text, case=kind, of=most, to=base, limit=limit, growth=True)
            yield target, ratio(times, most, base)

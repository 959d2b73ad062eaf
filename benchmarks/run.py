"""The order in which everything is measured."""

from collections.abc import Collection

from benchmarks.cases import CASES
from benchmarks.concurrency import WRITERS, Turns, compare_writers
from benchmarks.contenders import make_contenders
from benchmarks.database import fresh_database, server_version, settle
from benchmarks.growth import Growth, shapes
from benchmarks.ledger import Ledger
from benchmarks.measure import compare
from benchmarks.report import print_comparison, print_growth
from benchmarks.results import Comparison, Results, describe_setting

NAMES = (*(case.name for case in CASES), "writers", "growth")
GROWTH = {
    "get": "point read",
    "scan": "scan, per document",
    "get_as_of": "point read of the past",
    "scan_as_of": "scan of the past, per document",
}


def run(names: Collection[str], *, quick: bool, keep: bool = False) -> Results:
    """Measure what is named, or all, in a database of its own."""
    wanted = set(names or NAMES)
    size = 2_000 if quick else 10_000
    with fresh_database(keep=keep):
        results = Results(quick=quick, documents=size, setting=describe_setting(server_version()))
        if wanted - {"growth"}:
            _compare_contenders(results, wanted, size)
        if "growth" in wanted:
            _measure_growth(results)
    return results


def _compare_contenders(results: Results, wanted: set[str], size: int) -> None:
    print("kontract's time, divided by that of\n")
    ledgers = {contender.name: Ledger(contender) for contender in make_contenders()}
    for ledger in ledgers.values():
        ledger.load(size)
    for kind in CASES:
        if kind.name in wanted:
            settle()
            case = kind(ledgers, size)
            times = compare(case, list(case.ledgers), kind.quick if results.quick else kind.effort)
            for ledger in case.ledgers.values():
                ledger.check()
            _note(results, kind.name, case.title, times)
    if "writers" in wanted:
        turns = Turns(rounds=3, seconds=0.3) if results.quick else Turns(rounds=5, seconds=0.8)
        for writers in WRITERS:
            settle()
            title = f"one write, {writers} {'process' if writers == 1 else 'processes'}"
            _note(results, f"writers_{writers}", title, compare_writers(ledgers, size, writers, turns))


def _note(results: Results, name: str, title: str, times: dict[str, list[float]]) -> None:
    comparison = results.cases[name] = Comparison.relative(title, times)
    print_comparison(comparison)


def _measure_growth(results: Results) -> None:
    grown = Growth(shapes(quick=results.quick))
    settle()
    base = str(next(iter(grown.grown.values())).shape)
    print(f"\nkontract's time, divided by that with {base} (documents x versions)\n")
    for kind, times in grown.run(quick=results.quick).items():
        results.growth[kind] = Comparison.relative(GROWTH[kind], times)
        print_growth(results.growth[kind])

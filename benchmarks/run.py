"""The order in which everything is measured."""

from collections.abc import Collection, Mapping

from benchmarks.cases import CASES, Case
from benchmarks.concurrency import WRITERS, Turns, compare_writers
from benchmarks.contenders import make_contenders, make_libraries
from benchmarks.database import build_indexes, fresh_database, server_version, settle
from benchmarks.documents import make_book
from benchmarks.growth import Growth, shapes
from benchmarks.ledger import Ledger
from benchmarks.measure import compare
from benchmarks.model_cases import MODEL_CASES
from benchmarks.report import print_comparison, print_growth
from benchmarks.results import Comparison, Results, describe_setting

NAMES = (*(case.name for case in CASES), "writers", "growth", "models", *(case.name for case in MODEL_CASES))
GROWTH = {
    "get": "point read",
    "scan": "scan, per document",
    "get_as_of": "point read of the past",
    "scan_as_of": "scan of the past, per document",
}


def run(names: Collection[str], *, quick: bool, keep: bool = False) -> Results:
    """Measure what is named, or all, in databases of its own."""
    wanted = set(names or NAMES)
    of_models = {case.name for case in MODEL_CASES}
    if "models" in wanted:
        wanted |= of_models
    size = 2_000 if quick else 10_000
    with fresh_database(keep=keep):
        results = Results(quick=quick, documents=size, setting=describe_setting(server_version()))
        if wanted - {"growth", "models"} - of_models:
            _compare_contenders(results, wanted, size)
        if "growth" in wanted:
            _measure_growth(results)
    if wanted & of_models:
        with fresh_database(keep=keep):  # another one, because the indexes of models make all writes slower
            _compare_models(results, wanted, size)
    return results


def _compare_models(results: Results, wanted: set[str], size: int) -> None:
    print("\nA versioned model's time, divided by that of the model of\n")
    ledgers = {contender.name: Ledger(contender, make_book) for contender in make_libraries()}
    build_indexes()
    for ledger in ledgers.values():
        ledger.load(size)
    for kind in MODEL_CASES:
        if kind.name in wanted:
            results.models[kind.name] = _compare(kind, ledgers, size, quick=results.quick)


def _compare(kind: type[Case], ledgers: Mapping[str, Ledger], size: int, *, quick: bool) -> Comparison:
    """Measure one case, check that it did what was measured, and print it."""
    settle()
    case = kind(ledgers, size)
    times = compare(case, list(case.ledgers), kind.quick if quick else kind.effort)
    for ledger in case.ledgers.values():
        ledger.check()
    comparison = Comparison.relative(case.title, times)
    print_comparison(comparison)
    return comparison


def _compare_contenders(results: Results, wanted: set[str], size: int) -> None:
    print("kontract's time, divided by that of\n")
    ledgers = {contender.name: Ledger(contender) for contender in make_contenders()}
    for ledger in ledgers.values():
        ledger.load(size)
    for kind in CASES:
        if kind.name in wanted:
            results.cases[kind.name] = _compare(kind, ledgers, size, quick=results.quick)
    if "writers" in wanted:
        turns = Turns(rounds=3, seconds=0.3) if results.quick else Turns(rounds=5, seconds=0.8)
        for writers in WRITERS:
            settle()
            title = f"one write, {writers} {'process' if writers == 1 else 'processes'}"
            comparison = Comparison.relative(title, compare_writers(ledgers, size, writers, turns))
            results.cases[f"writers_{writers}"] = comparison
            print_comparison(comparison)


def _measure_growth(results: Results) -> None:
    grown = Growth(shapes(quick=results.quick))
    settle()
    base = str(next(iter(grown.grown.values())).shape)
    print(f"\nkontract's time, divided by that with {base} (documents x versions)\n")
    for kind, times in grown.run(quick=results.quick).items():
        results.growth[kind] = Comparison.relative(GROWTH[kind], times)
        print_growth(results.growth[kind])

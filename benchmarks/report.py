"""Results as text, as the documentation's page, and as its plot."""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from benchmarks.documents import COUNTRIES
from benchmarks.measure import ratio
from benchmarks.plot import draw
from benchmarks.results import Comparison, Results
from benchmarks.targets import judge

CONTENDERS = {  # as the columns of the table name them
    "Django": "plain Django",
    "simple-history": "django-simple-history",
    "reversion": "django-reversion",
    "pghistory": "django-pghistory",
    "psycopg": "raw psycopg",
}

PAGE = """\
# Benchmarks

How long kontract takes, compared with an ordinary Django model, with the packages that keep a model's history, and with
bare SQL. `make bench` measures it anew on your machine and writes this page.

{setting}.

![Times relative to kontract, and how reads change as tables grow](benchmarks.svg)

## kontract compared

kontract's time divided by that of each other contender: **below 1, kontract is faster**. The median over all rounds,
and in parentheses the middle half of them.

{cases}

Plain Django and raw psycopg keep no versions: they show what keeping them costs.

## Models compared

The same code on a [versioned model](orm.md) and on others, in a database of their own: the time of the versioned model
divided by that of each other. Reads of the packages' models are those of a plain one.

{models}

## As tables grow

A read's time divided by that of the same read in a table of {grown:,} documents with one version each. The past is read
in the middle of the history; a scan of it passes all versions that were replaced since.

{growth}

## Targets

{targets}

## How it is measured

- **Paired.** In one process the contenders take turns, operation by operation, each turn beginning with another one. A
  round gives each contender's median; only quotients within one round count, so that whatever the machine did meanwhile
  cancels out. What cannot cancel out is the machine itself, hence no bare times.
- **The same work.** Every contender gets the same documents (four fields, some 300 bytes), {documents:,} of them to
  begin with, and writes the same ones in the same order. After each case every contender must hold exactly what was
  written: the documents, the last values, and the number of versions.
- **The same safety.** One server, `fsync`, `synchronous_commit` and `full_page_writes` on. A version is written in one
  transaction with its document: django-simple-history gets `atomic()`, django-reversion its `create_revision()`.
- **Django as deployed.** `DEBUG` off, a connection that stays open. What `save()` updates is in memory already.
- **A filter on an unindexed field** is a scan for all of them: no index on the column, none on the document's key.
- **The past** is read by txid in kontract and by time in the others; a change of a feed is the document's id.
- **A bulk load** is `set_many()`, `bulk_create()`, `bulk_create_with_history()`, and `COPY` for raw psycopg.
  django-reversion has no such thing.
- **Models** are books of twelve fields, three of them indexed, with a foreign key to their 1,000 authors and the same
  primary key, a `BigAutoField`; {documents:,} of them to begin with. Only the base class differs, and what a package
  asks for. The indexes of the versioned ones are those that `kontract_migrate` builds. `save()` writes all fields of an
  object that was read before. Of `bulk_create()` only the storing is timed; with django-simple-history it is
  `bulk_create_with_history()`, with django-reversion `add_to_revision()` of each object in one revision. A filter finds
  ten books, the join the {joined:,} of 20 authors.
- **Writers** are processes that write documents of their own, all at once, for the same time; counted is what all of
  them write together.

`python -m benchmarks --help` lists the cases, which can be run one by one (`models`: all of those about models);
`--quick` takes a minute or two and measures less.
"""


def print_comparison(comparison: Comparison) -> None:
    """Print one case as soon as it is measured."""
    cells = (f"{name} {ratio(comparison.times, 'kontract', name)}" for name in comparison.times if name != "kontract")
    print(f"{comparison.title:36} {'   '.join(cells)}", flush=True)


def print_growth(comparison: Comparison) -> None:
    """Print one kind of read as soon as it is measured."""
    base = next(iter(comparison.times))
    cells = (f"{shape} {ratio(comparison.times, shape, base)}" for shape in comparison.times if shape != base)
    print(f"{comparison.title:32} {'   '.join(cells)}", flush=True)


def print_targets(results: Results) -> None:
    """Print which targets were met."""
    for line in _targets(results):
        print(line)


def write_docs(results: Results, folder: Path) -> None:
    """Write the page and its plot."""
    folder.mkdir(exist_ok=True)
    draw(results, folder / "benchmarks.svg")
    page = PAGE.format(
        setting=results.setting,
        documents=results.documents,
        grown=_smallest(results),
        joined=results.documents // len(COUNTRIES),
        cases=_table(_case_rows(results.cases, CONTENDERS)),
        models=_table(_case_rows(results.models, [c for c in CONTENDERS if _has(results.models, c)])),
        growth=_table(_growth_rows(results)),
        targets="\n".join(_targets(results)),
    )
    (folder / "benchmarks.md").write_text(page)


def _case_rows(cases: Mapping[str, Comparison], contenders: Collection[str]) -> Iterable[list[str]]:
    yield ["kontract's time, divided by that of", *(CONTENDERS[name] for name in contenders)]
    for comparison in cases.values():
        times = comparison.times
        yield [comparison.title, *(str(ratio(times, "kontract", c)) if c in times else "" for c in contenders)]


def _has(cases: Mapping[str, Comparison], contender: str) -> bool:
    return any(contender in comparison.times for comparison in cases.values())


def _growth_rows(results: Results) -> Iterable[list[str]]:
    for comparison in results.growth.values():
        base, *others = comparison.times
        if comparison is next(iter(results.growth.values())):
            yield ["", *map(describe_shape, others)]
        yield [comparison.title, *(str(ratio(comparison.times, shape, base)) for shape in others)]


def _smallest(results: Results) -> int:
    return min((int(shape.partition("x")[0]) for kind in results.growth.values() for shape in kind.times), default=0)


def describe_shape(shape: str) -> str:
    """Return how a table's heading names a shape (see ``growth.Shape``)."""
    documents, _, versions = shape.partition("x")
    return f"{int(documents):,} documents" + ("" if versions == "1" else f", {versions} versions each")


def _table(rows: Iterable[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    if lines:
        lines.insert(1, "|---" + "|---:" * (lines[0].count(" | ")) + "|")
    return "\n".join(lines)


def _targets(results: Results) -> list[str]:
    return [
        f"- {'met' if found.median <= target.limit else '**missed**'}: {target.text}: "
        f"at most {target.limit:.2f}, found {found}"
        for target, found in judge(results)
    ]

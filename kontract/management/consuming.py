"""What ``manage.py kontract_consume`` shows of consumers, and does with them besides running them."""

from collections.abc import Iterator

from kontract.events import dead, positions
from kontract.events.consumers import registry
from kontract.events.cursor import Cursor
from kontract.events.source import Source
from kontract.exceptions import ConfigurationError


def show(source: Source) -> Iterator[str]:
    """Yield a line for each part of each consumer: where it is, who has it, and what is wrong."""
    latest = source.find_end().txid
    workers = positions.list_workers(source)
    buried = [letter.consumer for letter in positions.list_dead(source)]
    yield f"{'consumer':40} {'position':>14} {'behind':>8} {'dead':>5}  worker"
    for position in positions.list_all(source):
        _, name, parts, part = position.id.split("/")
        label = name if parts == "1" else f"{name} {part}/{parts}"
        behind = latest - position.cursor.snapshot
        worker = workers.get(position.id, "-")
        yield f"{label:40} {position.cursor!s:>14} {behind:>8} {buried.count(name):>5}  {worker}"
        if position.error:
            yield f"    attempt {position.attempts}: {position.error}"


def show_dead(source: Source) -> Iterator[str]:
    """Yield a line for each change that a consumer has put aside."""
    for letter in positions.list_dead(source):
        change = letter.change
        what = f"{change.type} of {change.table}/{change.id} in transaction {change.cursor}"
        yield f"{letter.consumer}: {what}, {letter.failed_at}: {letter.error}"


def retry_dead(source: Source, names: list[str]) -> Iterator[tuple[bool, str]]:
    """Call consumers with what they have put aside; yield for each change whether that is done now, and a line.

    Raises ``ConfigurationError`` for a consumer that is not there any more.
    """
    for letter in positions.list_dead(source):
        if not names or letter.consumer in names:
            done = dead.retry(source, registry.get(letter.consumer), letter)
            what = f"{letter.consumer}: {letter.change.table}/{letter.change.id}"
            yield done, f"{what} done" if done else f"{what} failed again"


def reset(source: Source, name: str, to: str | None) -> str:
    """Move a consumer to the present, the beginning or a cursor, and say so.  Raises ``ConfigurationError``."""
    if to == "beginning":
        cursor = source.find_start()
    else:
        cursor = source.find_end() if to is None else Cursor.parse(to)
    if not positions.reset(source, name, cursor):
        raise ConfigurationError(f"There is no consumer {name!r} in the database. See kontract_consume --list.")
    return f"{name} goes on after {cursor}"

"""Durable consumers: ``@kontract.on_change("users")``, for search indexes, mail, and whatever else must miss nothing.

They are found in the ``events`` module of each installed app, and run by ``manage.py kontract_consume``.  Each has its
position in the database, which moves in the same transaction that the function's own writes are in.
"""

import inspect
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.utils.module_loading import autodiscover_modules

from kontract.events.change import Change
from kontract.exceptions import ConfigurationError

F = TypeVar("F", bound=Callable[[Any], Any])
Start = Literal["now", "beginning"]

RETRIES: Final = 8
_NAME: Final = re.compile(r"[\w.:<>-]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """A function that is called with changes, and how; see on_change()."""

    name: str
    tables: frozenset[str]
    function: Callable[[Any], Any]
    batch: int | None
    partitions: int
    retries: int | None
    pause: float
    start: Start
    old: bool

    @property
    def place(self) -> str:
        """Where the function is, for messages."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    def call(self, changes: list[Change]) -> None:
        """Call the function: with all of ``changes`` if it takes several, else with the only one."""
        argument = changes[0] if self.batch is None else changes
        if iscoroutinefunction(self.function):
            async_to_sync(self.function)(argument)
        else:
            self.function(argument)

    def is_for(self, change: Change, part: int) -> bool:
        """Return whether a change belongs to a part; those of one document all belong to the same."""
        return self.partitions == 1 or zlib.crc32(f"{change.table}/{change.id}".encode()) % self.partitions == part

    def find_faults(self) -> Iterator[str]:
        """Yield what keeps the function from being called."""
        try:
            inspect.signature(self.function).bind(None)
        except TypeError:
            yield "it must take one argument: the change, or with batch=... a list of changes"
        if inspect.isgeneratorfunction(self.function) or inspect.isasyncgenfunction(self.function):
            yield "it is a generator, which a call does not run"
        if not _NAME.fullmatch(self.name):
            yield "its name is not made of 1 to 200 letters, digits, '_', '.', ':' and '-'"
        if not self.tables:
            yield "it names no table"
        numbers = {
            "batch": 1 if self.batch is None else self.batch,
            "partitions": self.partitions,
            "retries": (self.retries or 0) + 1,
        }
        for name, value in numbers.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                yield f"{name} is out of range"
        if isinstance(self.pause, bool) or not isinstance(self.pause, (int, float)) or self.pause < 0:
            yield "pause is out of range"
        if self.start not in ("now", "beginning"):
            yield f'start is {self.start!r}, not "now" or "beginning"'


class Registry:
    """Consumers by name."""

    def __init__(self) -> None:
        self._consumers: dict[str, Consumer] = {}

    def register(self, consumer: Consumer) -> None:
        """Add a consumer.  Raises ``ConfigurationError`` where its name is taken."""
        other = self._consumers.get(consumer.name)
        if other is not None and other.place != consumer.place:
            raise ConfigurationError(
                f"Two consumers are named {consumer.name!r}: {other.place} and {consumer.place}. They would share one "
                'position: rename one of them with @on_change(..., name="...").'
            )
        self._consumers[consumer.name] = consumer

    def forget(self, name: str) -> None:
        """Remove a consumer."""
        self._consumers.pop(name, None)

    def get(self, name: str) -> Consumer:
        """Return the consumer of this name.  Raises ``ConfigurationError``."""
        if (consumer := self._consumers.get(name)) is None:
            known = ", ".join(sorted(self._consumers)) or "none"
            raise ConfigurationError(f"There is no consumer {name!r}. Known are: {known}.")
        return consumer

    def __iter__(self) -> Iterator[Consumer]:
        return iter([self._consumers[name] for name in sorted(self._consumers)])


registry = Registry()


def discover() -> None:
    """Import the ``events`` module of each installed app.  Raises what a module raises that cannot be imported."""
    autodiscover_modules("events")


def on_change(
    *tables: str,
    name: str | None = None,
    batch: int | None = None,
    partitions: int = 1,
    retries: int | None = RETRIES,
    pause: float = 1.0,
    start: Start = "now",
    old: bool = False,
) -> Callable[[F], F]:
    """Have a function, sync or async, called with every change of ``tables``, at least once, in commit order.

    It is run by ``manage.py kontract_consume``, in one transaction of the namespace's database together with the
    consumer's position: what it writes there happens exactly once; what it does elsewhere may be repeated.

    ``name``: under which the position is kept, default the function's module and name.  ``batch``: the function takes
    a list of up to so many changes.  ``partitions``: how many workers may run it at once, each for some of the
    documents; the order is kept for each document.  ``retries``: how often a change that it fails on is tried again
    before it is put aside (see ``kontract_consume --dead``); None: for ever, and what follows waits.  ``pause``:
    seconds before the first of these, twice as long before each further one, up to a minute.  ``start``: where it
    begins the first time, "now", or "beginning": the oldest change that is kept.  ``old``: whether changes tell what
    the document was before.
    """

    def register(function: F) -> F:
        chosen = name or f"{function.__module__}.{function.__qualname__}"
        registry.register(
            Consumer(
                name=chosen, tables=frozenset(tables), function=function, batch=batch, partitions=partitions,
                retries=retries, pause=pause, start=start, old=old,
            )
        )  # fmt: skip
        return function

    return register

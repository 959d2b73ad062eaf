"""Code of the project's own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kontract.exceptions import SchemaError
from kontract.schema.moves.base import Move
from kontract.schema.operations import Operation
from kontract.schema.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPython(Move):
    """Code of the project's own, in the namespace that is migrated.

    With ``table`` the functions are given the data of one document after the other and return what it is to be, None to
    leave it; that runs in batches.  Without, they are called once, with nothing, in one transaction.  A migration
    without ``backwards`` cannot be taken back.
    """

    table: str = ""
    forwards: Callable[..., Any] = field(default=lambda *data: None)
    backwards: Callable[..., Any] | None = None

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return state

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        if self.backwards is None:
            raise SchemaError("RunPython without backwards= cannot be taken back. Give it a function, or undo by hand.")
        return RunPython(table=self.table, forwards=self.backwards, backwards=self.forwards)

    def describe(self) -> str:
        """See Operation.describe()."""
        where = f" over the documents of {self.table}" if self.table else ""
        return f"run {getattr(self.forwards, '__name__', 'a function')}{where}"

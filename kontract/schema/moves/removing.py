"""A field that goes, and comes back."""

from dataclasses import dataclass, replace
from typing import ClassVar

from kontract.schema.moves.base import Cast, Move, find_field, find_table, without_field
from kontract.schema.operations import Operation
from kontract.schema.state import FieldState, State, TableState


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveField(Move):
    """A key that documents are no more to have.  What it was stays in their history, from where ``down`` takes it."""

    name: str
    field: FieldState | None = None

    changes_documents: ClassVar[bool] = True

    def resolve(self, recorded: TableState, declared: TableState | None) -> "RemoveField":
        """See Move.resolve()."""
        return replace(self, field=find_field(recorded, self.name))

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return {**state, self.table: without_field(find_table(state, self.table), self.name)}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return RestoreField(table=self.table, field=self.field or find_field(find_table(before, self.table), self.name))

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"remove the field {self.table}.{self.name}"

    def cast(self, module: str, index: int) -> Cast | None:
        """See Move.cast()."""
        return {"remove": [self.name, self.field.default if self.field is not None else None]}


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreField(Move):
    """The way back from ``RemoveField``."""

    field: FieldState

    changes_documents: ClassVar[bool] = True

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return {**state, self.table: find_table(state, self.table).with_field(self.field.name, self.field)}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return RemoveField(table=self.table, name=self.field.name, field=self.field)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"restore the field {self.table}.{self.field.name}"

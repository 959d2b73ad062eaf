"""Tables that are called otherwise, go, and come back."""

from dataclasses import dataclass, replace

from kontract.exceptions import SchemaError
from kontract.schema.moves.base import Move, find_table
from kontract.schema.operations import Operation
from kontract.schema.state import ConstraintState, IndexState, State, TableState


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameTable(Move):
    """A logical table that is called otherwise.  Under its old name older code finds it until ``finish``."""

    new: str

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        if self.new in state:
            raise SchemaError(f"There is a logical table {self.new!r} already, so that none can become it.")
        table = find_table(state, self.table)
        constraints = [_renamed_constraint(part, self.table, self.new) for part in table.constraints.values()]
        indexes = [_renamed_index(part, self.table, self.new) for part in table.indexes.values()]
        renamed = replace(
            table, name=self.new, constraints={part.name: part for part in constraints},
            indexes={part.name: part for part in indexes},
        )  # fmt: skip
        return {name: other for name, other in state.items() if name != self.table} | {self.new: renamed}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return RenameTable(table=self.new, new=self.table)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"rename the table {self.table} to {self.new}"


def _renamed_constraint(part: ConstraintState, old: str, new: str) -> ConstraintState:
    """Return a constraint under the name that it gets where the table's and its columns' make it."""
    automatic = part.name in (f"{old}_{'_'.join(part.columns)}_{end}" for end in ("key", "uniq"))
    return replace(part, name=new + part.name.removeprefix(old)) if automatic else part


def _renamed_index(part: IndexState, old: str, new: str) -> IndexState:
    """See _renamed_constraint()."""
    automatic = part.definition == f"db_index({part.name.removeprefix(f'{old}_')!r})"
    return replace(part, name=new + part.name.removeprefix(old)) if automatic else part


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveTable(Move):
    """A logical table whose name goes; its documents are deleted as others are, so that their history stays."""

    state: TableState | None = None

    def resolve(self, recorded: TableState, declared: TableState | None) -> "RemoveTable":
        """See Move.resolve()."""
        return replace(self, state=recorded)

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        find_table(state, self.table)
        return {name: table for name, table in state.items() if name != self.table}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return RestoreTable(table=self.table, state=self.state or before[self.table])

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"remove the table {self.table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreTable(Move):
    """The way back from ``RemoveTable``."""

    state: TableState

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return {**state, self.table: self.state}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return RemoveTable(table=self.table, state=self.state)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"restore the table {self.table}"

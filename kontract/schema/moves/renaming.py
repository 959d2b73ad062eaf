"""A field that is called otherwise."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from kontract.exceptions import SchemaError
from kontract.schema.moves.base import Cast, Move, find_field, find_table
from kontract.schema.operations import Operation
from kontract.schema.state import ConstraintState, IndexState, State, TableState


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameField(Move):
    """A key of the documents that is called otherwise: ``old`` and ``new`` are columns of the model."""

    old: str
    new: str

    changes_documents: ClassVar[bool] = True

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        table = find_table(state, self.table)
        if self.new in table.fields:
            raise SchemaError(f"The table {self.table!r} has a field {self.new!r} already, so that none can become it.")
        renamed = replace(find_field(table, self.old), name=self.new)
        return {**state, self.table: _rename_parts(table, self.old, self.new).with_field(self.new, renamed)}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return RenameField(table=self.table, old=self.new, new=self.old)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"rename the field {self.table}.{self.old} to {self.new}"

    def cast(self, module: str, index: int) -> Cast | None:
        """See Move.cast()."""
        return {"rename": [self.old, self.new]}


def _rename_parts(table: TableState, old: str, new: str) -> TableState:
    """Return the table without the field ``old``, its indexes and constraints being about ``new``."""
    constraints = [_rename_constraint(table.name, part, old, new) for part in table.constraints.values()]
    indexes = [_rename_index(table.name, part, old, new) for part in table.indexes.values()]
    return replace(
        table.with_field(old, None),
        constraints={part.name: part for part in constraints},
        indexes={part.name: part for part in indexes},
    )


def _rename_constraint(table: str, part: ConstraintState, old: str, new: str) -> ConstraintState:
    columns = tuple(new if column == old else column for column in part.columns)
    names = {
        f"{table}_{old}_key": f"{table}_{new}_key",
        f"{table}_{'_'.join(part.columns)}_uniq": f"{table}_{'_'.join(columns)}_uniq",
    }
    return replace(
        part, name=names.get(part.name, part.name), columns=columns, definition=_renamed(part.definition, old, new)
    )


def _rename_index(table: str, part: IndexState, old: str, new: str) -> IndexState:
    name = f"{table}_{new}" if part.name == f"{table}_{old}" else part.name
    return replace(part, name=name, definition=_renamed(part.definition, old, new))


def _renamed(definition: Any, old: str, new: str) -> Any:
    return definition.replace(f"'{old}'", f"'{new}'") if isinstance(definition, str) else definition

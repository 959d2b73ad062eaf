"""What the operations of migration files share."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from kontract.exceptions import SchemaError
from kontract.schema.operations import Operation
from kontract.schema.state import STATELESS, FieldState, State, TableState

Cast = dict[str, Any]  # a change of shape as the catalog describes it, see kontract.mvcc.casts
Data = dict[str, Any]


class Migration:
    """Base of the class ``Migration`` of a migration file.

    ``dependencies`` are files that come before this one, ``(app label, name)``, besides the one before it in its app.
    """

    dependencies: ClassVar[Sequence[tuple[str, str]]] = ()
    operations: ClassVar[Sequence[Operation]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(Operation):
    """An operation of a migration file."""

    is_safe: ClassVar[bool] = False

    def resolve(self, recorded: TableState, declared: TableState | None) -> "Move":
        """Return the operation with what it has to know of the state before it, and of what models declare."""
        return self

    def cast(self, module: str, index: int) -> Cast | None:
        """Return the change of shape that it is, being operation ``index`` of the file ``module``; None: it is none."""
        return None

    def to_json(self) -> dict[str, Any]:
        """Return the operation as a JSON object, without the functions that its file has."""
        members = {member.name: _plain(getattr(self, member.name)) for member in fields(self)}
        return {"op": type(self).__name__} | {name: v for name, v in members.items() if not callable(v)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(member) for member in value]
    return value.to_json() if hasattr(value, "to_json") else value


def find_table(state: State, name: str) -> TableState:
    if name not in state:
        raise SchemaError(
            f"There is no logical table {name!r} in the recorded state. Check the migration file's table."
        )
    return state[name]


def find_field(table: TableState, name: str) -> FieldState:
    if name in table.fields:
        return table.fields[name]
    if table.primary_key is not None:
        known = ", ".join(sorted(table.fields)) or "none"
        raise SchemaError(
            f"The table {table.name!r} has no field {name!r} to change. Its documents' keys are: {known}. A foreign "
            "key is called as its column, for example author_id."
        )
    return FieldState(name=name, type=STATELESS, null=True)  # a table without a model may have any key


def find_declared(declared: TableState | None, name: str) -> FieldState:
    found = declared.fields.get(name) if declared is not None else None
    return found or FieldState(name=name, type=STATELESS, null=True)


def without_field(table: TableState, name: str) -> TableState:
    """Return the table without a field and the constraints and indexes that need it."""
    without = table.with_field(name, None)
    kept = {key: part for key, part in table.constraints.items() if name not in part.columns}
    return replace(
        without, constraints=kept, indexes={k: v for k, v in table.indexes.items() if k != f"{table.name}_{name}"}
    )

"""Telling the catalog how documents of older schema numbers are brought to the newest; see ``kontract.mvcc.casts``."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from kontract.exceptions import SchemaError
from kontract.mvcc.steps import catalog_id
from kontract.orm.columns import join_shape
from kontract.schema.moves import Cast
from kontract.schema.operations import AddField, ForgetField, Operation
from kontract.schema.state import TableState
from kontract.tables.catalog import read_entry, write_entry
from kontract.tables.numbers import digest

_BACK = {"add": "remove", "remove": "add"}


def note(
    connection: BaseDatabaseWrapper,
    ns: int,
    before: TableState,
    after: TableState,
    operations: Sequence[Operation],
    *,
    entry: Mapping[str, Any] | None = None,
) -> None:
    """Collect, in the open transaction, what automatic ``operations`` on a table mean for its documents.

    ``entry`` is the table's in the catalog, where it has been read already.
    """
    entry = entry or _find_entry(connection, ns, before.name)
    casts = [cast for operation in operations if (cast := _cast_of(operation, entry)) is not None]
    note_casts(connection, ns, before, after, casts, entry=entry)


def _cast_of(operation: Operation, entry: Mapping[str, Any]) -> Cast | None:
    if not isinstance(operation, (AddField, ForgetField)) or operation.fill is None:
        return None
    name = operation.field.name
    if isinstance(operation, AddField):
        return {"add": [name, operation.fill]}
    added = [cast["to"] for cast in entry.get("casts", ()) if cast.get("add", [None])[0] == name]
    return {"keep": [name], "undoes": added[-1]} if added else None


def note_casts(
    connection: BaseDatabaseWrapper,
    ns: int,
    before: TableState,
    after: TableState,
    casts: Iterable[Cast],
    *,
    renames: bool = False,
    entry: Mapping[str, Any] | None = None,
) -> None:
    """Collect, in the open transaction, the changes of shape between two states of a table.

    So every process finds its own number by the shape that its code declares.  ``renames``: constraints are what they
    were, under other names.
    """
    entry = dict(entry or _find_entry(connection, ns, before.name))
    shapes = {digest(shape_of(before)): before.schema, **entry.get("shapes", {})}
    entry |= {"schema": after.schema, "shapes": shapes | {digest(shape_of(after)): after.schema}}
    if found := [{"to": after.schema} | cast for cast in casts]:
        entry["casts"] = [*entry.get("casts", []), *found]
    names = {name: first for name, first in entry.get("keys", {}).items() if name in after.constraints}
    entry["keys"] = names | (_renamed_keys(before, after, entry.get("keys", {})) if renames else {})
    write_entry(connection, ns, catalog_id(before.name), entry)


def _find_entry(connection: BaseDatabaseWrapper, ns: int, name: str) -> dict[str, Any]:
    entry = read_entry(connection, ns, catalog_id(name))
    if entry is None:
        raise SchemaError(
            f"There is no logical table {name!r} in this namespace to change. Run kontract_migrate first."
        )
    return entry


def shape_of(state: TableState) -> str:
    """Return the shape of a table's documents, which is that of a model whose state it is."""
    return join_shape((field.name, field.type) for field in state.fields.values())


def flip(cast: Cast) -> Cast:
    """Return the change that takes another one back."""
    flipped = {key: value for key, value in cast.items() if key in ("columns",)}
    for kind, arguments in cast.items():
        if kind in ("rename",):
            flipped[kind] = arguments[::-1]
        elif kind in _BACK:
            flipped[_BACK[kind]] = arguments
        elif kind == "convert":
            flipped[kind] = [arguments[0], arguments[2], arguments[1]]
        elif kind == "code":
            flipped[kind] = [*arguments[:2], not arguments[2]]
    return flipped | {"undoes": cast["to"]}


def _renamed_keys(before: TableState, after: TableState, names: dict[str, str]) -> dict[str, str]:
    """Return the names under which the key rows of constraints began, by those that they have now."""
    old, new = _unique(before), _unique(after)
    if len(old) != len(new):  # one was removed with its field
        return {}
    pairs = zip(old, new, strict=True)
    return {now: names.get(then, then) for then, now in pairs if names.get(then, then) != now}


def _unique(state: TableState) -> list[str]:
    return [part.name for part in state.constraints.values() if part.kind == "unique"]

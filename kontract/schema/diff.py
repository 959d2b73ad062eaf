"""The differ: what brings one state to another, and what of that does not happen by itself.  Pure.

Whether documents keep a new constraint is asked of the data, by the executor; here that counts as safe.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from kontract.schema.moves.tables import RenameTable
from kontract.schema.operations import (
    AddConstraint,
    AddField,
    AddIndex,
    AddTable,
    AlterField,
    ForgetField,
    Operation,
    RemoveConstraint,
    RemoveIndex,
    SetPermissions,
    WidenKey,
)
from kontract.schema.state import STATELESS, FieldState, State, TableState
from kontract.schema.widening import takes_all

_LIKE: Final = 0.5  # the share of fields in common from which one table may be another under a new name


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A change that does not happen by itself: what it is, as a sentence, and the operation to write for it.

    ``operation`` is source that calls ``kontract.schema.moves``, empty where there is none; ``otherwise`` that of those
    to write if the answer to ``question`` is no.  ``new_table`` is what the table may be called now, and ``then`` what
    else is refused if the answer is yes.  ``is_likely``: no more than that, so that somebody has to answer.
    """

    table: str
    what: str
    operation: str = ""
    question: str = ""
    otherwise: tuple[str, ...] = ()
    new_table: str = ""
    then: tuple["Refusal", ...] = ()
    is_likely: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What brings one state to another: what happens by itself, in order, and what is refused."""

    operations: tuple[Operation, ...] = ()
    refusals: tuple[Refusal, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.operations or self.refusals)


def diff(before: State, after: State, *, empty: Collection[str] = ()) -> Difference:
    """Return what brings ``before`` to ``after``; tables that are ``empty`` may become anything.

    Tables about whose fields nothing is known are left alone where ``after`` has none of them.
    """
    gone = {name: table for name, table in before.items() if name not in after and table.primary_key is not None}
    new = {name: table for name, table in after.items() if name not in before}
    operations: list[Operation] = []
    refusals: list[Refusal] = []
    for old_name, new_name in _renamed_tables(gone, new).items():
        refusals.append(_rename_table(old_name, new_name))
        del gone[old_name], new[new_name]
    for old_name, new_name in _changed_tables(gone, new).items():
        refusals.append(_rename_and_change(gone.pop(old_name), new.pop(new_name)))
    refusals.extend(_remove_table(name) for name in sorted(gone))
    operations.extend(AddTable(table=name, state=new[name]) for name in sorted(new))
    for name in sorted(before.keys() & after.keys()):
        found = diff_table(before[name], after[name])
        if found.refusals and name in empty:
            operations.append(AddTable(table=name, state=after[name], before=before[name]))
            continue
        operations.extend(found.operations)
        refusals.extend(found.refusals)
    return Difference(operations=tuple(operations), refusals=tuple(refusals))


def diff_table(before: TableState, after: TableState) -> Difference:
    """Return what brings one table from ``before`` to ``after``."""
    gone = {name: field for name, field in before.fields.items() if name not in after.fields}
    new = {name: field for name, field in after.fields.items() if name not in before.fields}
    renamed = _pairs(gone, new)
    refusals = [*_key_refusals(before, after)]
    keeps_key = not refusals
    refusals += [_rename_field(before.name, old, name) for old, name in renamed.items()]
    refusals += [
        _remove_field(before.name, name)
        for name, field in gone.items()
        if name not in renamed and field.type != STATELESS
    ]
    operations: list[Operation] = [*_dropped(before, after)]
    if keeps_key and before.primary_key != after.primary_key and before.primary_key and after.primary_key:
        operations.append(WidenKey(table=before.name, before=before.primary_key, after=after.primary_key))
    operations += [ForgetField(table=before.name, field=field) for field in gone.values() if field.type == STATELESS]
    operations += [
        AddField(table=before.name, field=field, fill=field.default)
        for name, field in new.items()
        if name not in renamed.values()
    ]
    for name in before.fields.keys() & after.fields.keys():
        _diff_field(before.name, before.fields[name], after.fields[name], operations, refusals)
    operations += _added(before, after)
    if (before.perm, before.owner_scoped) != (after.perm, after.owner_scoped):
        operations.append(_set_permissions(before, after))
    return Difference(operations=tuple(operations), refusals=tuple(refusals))


def _set_permissions(before: TableState, after: TableState) -> Operation:
    return SetPermissions(
        table=before.name,
        perm=after.perm,
        owner_scoped=after.owner_scoped,
        old_perm=before.perm,
        old_owner_scoped=before.owner_scoped,
    )


def _diff_field(
    table: str, before: FieldState, after: FieldState, operations: list[Operation], refusals: list[Refusal]
) -> None:
    if before == after:
        return
    if before.type == STATELESS or takes_all(before, after):
        operations.append(AlterField(table=table, before=before, after=after))
    else:
        refusals.append(_change_type(table, before, after))


def _dropped(before: TableState, after: TableState) -> Iterator[Operation]:
    for name, constraint in before.constraints.items():
        if after.constraints.get(name) != constraint:
            yield RemoveConstraint(table=before.name, constraint=constraint)
    for name, index in before.indexes.items():
        if after.indexes.get(name) != index:
            yield RemoveIndex(table=before.name, index=index)


def _added(before: TableState, after: TableState) -> Iterator[Operation]:
    for name, constraint in after.constraints.items():
        if before.constraints.get(name) != constraint:
            yield AddConstraint(table=before.name, constraint=constraint)
    for name, index in after.indexes.items():
        if before.indexes.get(name) != index:
            yield AddIndex(table=before.name, index=index)


# --- What may have been renamed --------------------------------------------------------------------------------------


def _pairs(gone: Mapping[str, FieldState], new: Mapping[str, FieldState]) -> dict[str, str]:
    """Return the fields that look renamed: one gone and one new, alike but for their names, and no other like them."""
    return _only_pairs(
        {name: _shape(field) for name, field in gone.items()}, {name: _shape(field) for name, field in new.items()}
    )


def _renamed_tables(gone: State, new: State) -> dict[str, str]:
    def shape(table: TableState) -> Any:
        return [(name, _shape(field)) for name, field in sorted(table.fields.items())] if table.fields else None

    return _only_pairs(
        {name: shape(table) for name, table in gone.items()}, {name: shape(table) for name, table in new.items()}
    )


def _changed_tables(gone: State, new: State) -> dict[str, str]:
    """Return the tables that may be renamed and changed at once: half of their fields are alike, or more."""
    shares = sorted(
        ((-_share(before, after), old, name) for old, before in gone.items() for name, after in new.items()),
    )
    found: dict[str, str] = {}
    for share, old, name in shares:
        if share <= -_LIKE and old not in found and name not in found.values():
            found[old] = name
    return found


def _share(before: TableState, after: TableState) -> float:
    """Return which part of the fields of both tables are common to them; 0 where their ids differ."""
    if any(_key_refusals(before, after)):
        return 0.0
    return 2 * len(_common(before, after)) / max(len(before.fields) + len(after.fields), 1)


def _common(before: TableState, after: TableState) -> list[str]:
    fields = before.fields.keys() & after.fields.keys()
    return sorted(name for name in fields if _shape(before.fields[name]) == _shape(after.fields[name]))


def _only_pairs(gone: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for old, shape in gone.items():
        like_it = [name for name, other in new.items() if other == shape]
        if shape is not None and len(like_it) == 1 and list(gone.values()).count(shape) == 1:
            found[old] = like_it[0]
    return found


def _shape(field: FieldState) -> Any:
    if field.type == STATELESS:
        return None
    return (field.type, field.null, field.max_length, field.max_digits, field.decimal_places, field.target)


# --- What is refused -------------------------------------------------------------------------------------------------


def _rename_table(old: str, new: str) -> Refusal:
    return Refusal(
        table=old,
        what=f"The table {old!r} is gone and {new!r}, which looks like it, is new.",
        operation=f"moves.RenameTable(table={old!r}, new={new!r})",
        question=f"Was the table {old} renamed to {new}?",
        new_table=new,
        otherwise=(f"moves.RemoveTable(table={old!r})",),
    )


def _rename_and_change(before: TableState, after: TableState) -> Refusal:
    common = ", ".join(_common(before, after))
    renamed = RenameTable(table=before.name, new=after.name).apply({before.name: before})[after.name]
    return replace(
        _rename_table(before.name, after.name),
        what=f"The table {before.name!r} is gone and {after.name!r}, which has {common} of it, is new.",
        then=diff_table(renamed, after).refusals,
        is_likely=True,
    )


def _remove_table(name: str) -> Refusal:
    return Refusal(
        table=name,
        what=f"No model has the table {name!r} any more.",
        operation=f"moves.RemoveTable(table={name!r})",
    )


def _rename_field(table: str, old: str, new: str) -> Refusal:
    return Refusal(
        table=table,
        what=f"The field {table}.{old} is gone and {table}.{new}, which looks like it, is new.",
        operation=f"moves.RenameField(table={table!r}, old={old!r}, new={new!r})",
        question=f"Was {table}.{old} renamed to {table}.{new}?",
        otherwise=(f"moves.RemoveField(table={table!r}, name={old!r})",),
    )


def _remove_field(table: str, name: str) -> Refusal:
    return Refusal(
        table=table,
        what=f"The model of {table!r} has no field {name!r} any more.",
        operation=f"moves.RemoveField(table={table!r}, name={name!r})",
    )


def _change_type(table: str, before: FieldState, after: FieldState) -> Refusal:
    return Refusal(
        table=table,
        what=f"The field {table}.{after.name} changes from {_type(before)} to {_type(after)}, which does not take "
        "every value that it may have.",
        operation=f"moves.ChangeType(table={table!r}, name={after.name!r})",
    )


def _key_refusals(before: TableState, after: TableState) -> Iterator[Refusal]:
    old, new = before.primary_key, after.primary_key
    if old is None and new is None:
        return
    if old is None or new is None or old.name != new.name or not takes_all(old, new):
        yield Refusal(
            table=before.name,
            what=f"The primary key of {before.name!r} changes from {_type(old)} to {_type(new)}, but ids never change. "
            "Give the model another db_table, and copy the documents with moves.RunPython.",
        )


def _type(field: FieldState | None) -> str:
    if field is None:
        return "any text"
    details = [str(field.max_length)] if field.max_length is not None else []
    if field.max_digits is not None:
        details = [f"{field.max_digits}, {field.decimal_places}"]
    target = f" -> {field.target}" if field.target else ""
    return f"{field.name} {field.type}{f'({details[0]})' if details else ''}{target}"

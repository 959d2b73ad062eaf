"""The operations that schema changes are made of, and those that happen by themselves.

An operation is a frozen value that the catalog keeps as JSON.  ``apply`` says what it makes of a state, ``upcast`` and
``downcast`` what it makes of one document's data, and ``upcast_sql`` the same as SQL; most make nothing of documents.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Final, Self, get_args

from kontract.exceptions import SchemaError
from kontract.schema.state import ConstraintState, FieldState, IndexState, State, TableState

_kinds: Final[dict[str, type["Operation"]]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One change of one logical table, ``table``; subclasses are known by their names, also in the catalog.

    ``is_safe``: it happens by itself.  ``changes_documents``: what was written before it is not what is read after it.
    """

    table: str

    is_safe: ClassVar[bool] = True
    changes_documents: ClassVar[bool] = False

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Make the class known by its name."""
        super(Operation, cls).__init_subclass__(**kwargs)
        _kinds[cls.__name__] = cls

    def apply(self, state: State) -> State:
        """Return what the operation makes of ``state``."""
        raise NotImplementedError

    def reverse(self, before: State) -> "Operation":
        """Return the operation that makes ``before``, to which this one was applied, again."""
        raise NotImplementedError

    def describe(self) -> str:
        """Return what the operation does, as an imperative without a full stop."""
        raise NotImplementedError

    def upcast(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return a document's data, written before the operation, as it is to be read after it."""
        return data

    def downcast(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return a document's data, written after the operation, as code reads it that does not know of it."""
        return data

    def upcast_sql(self, data: str) -> str:
        """Return SQL for what ``upcast`` makes of ``data``, SQL for a jsonb."""
        return data

    def to_json(self) -> dict[str, Any]:
        """Return the operation as a JSON object."""
        members = {member.name: _plain(getattr(self, member.name)) for member in fields(self)}
        return {"op": type(self).__name__} | members

    @classmethod
    def from_members(cls, members: Mapping[str, Any]) -> Self:
        """Return the operation of this class whose members these JSON values are."""
        kinds = {member.name: _state_kind(member.type) for member in fields(cls)}
        return cls(**{name: _read(kinds.get(name), value) for name, value in members.items()})


def _state_kind(annotation: Any) -> Any:
    """Return the class of states in an annotation; None where it is of plain values."""
    kinds = get_args(annotation) or (annotation,)
    return next((kind for kind in kinds if hasattr(kind, "from_json")), None)


def _read(kind: Any, value: Any) -> Any:
    return value if kind is None or value is None else kind.from_json(value)


def _plain(value: Any) -> Any:
    return value.to_json() if hasattr(value, "to_json") else value


def from_json(members: Mapping[str, Any]) -> Operation:
    """Return the operation that ``Operation.to_json`` described.

    Raises ``SchemaError`` for one that this version of kontract does not know.
    """
    name = members["op"]
    if name not in _kinds:
        raise SchemaError(
            f"The catalog has an operation {name!r}, which this version of kontract does not know. Use a newer one."
        )
    return _kinds[name].from_members({key: value for key, value in members.items() if key != "op"})


def _find(state: State, name: str) -> TableState:
    if name not in state:
        raise SchemaError(f"There is no logical table {name!r} in the recorded state, so that it cannot be changed.")
    return state[name]


# --- Tables ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AddTable(Operation):
    """A new table, or one that is declared anew: ``before`` is what it was."""

    state: TableState
    before: TableState | None = None

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return {**state, self.table: self.state}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        if self.before is None:
            return ForgetTable(table=self.table, state=self.state)
        return AddTable(table=self.table, state=self.before, before=self.state)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"{'add the table' if self.before is None else 'declare anew the table'} {self.table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetTable(Operation):
    """The way back from a new table, as long as it is empty."""

    state: TableState

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return {name: table for name, table in state.items() if name != self.table}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return AddTable(table=self.table, state=self.state)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"remove the table {self.table}, which must be empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class WidenKey(Operation):
    """A primary key that takes more than it did."""

    before: FieldState
    after: FieldState

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return {**state, self.table: replace(_find(state, self.table), primary_key=self.after)}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return WidenKey(table=self.table, before=self.after, after=self.before)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"change the primary key of {self.table}: {_changes(self.before, self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPermissions(Operation):
    """Other permissions of a table."""

    perm: str
    owner_scoped: bool
    old_perm: str
    old_owner_scoped: bool

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        table = replace(_find(state, self.table), perm=self.perm, owner_scoped=self.owner_scoped)
        return {**state, self.table: table}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return SetPermissions(
            table=self.table,
            perm=self.old_perm,
            owner_scoped=self.old_owner_scoped,
            old_perm=self.perm,
            old_owner_scoped=self.owner_scoped,
        )

    def describe(self) -> str:
        """See Operation.describe()."""
        scope = ", owners' alone" if self.owner_scoped else ""
        return f"set the permissions of the table {self.table} to {self.perm}{scope}"


# --- Fields ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AddField(Operation):
    """A new field.  Documents that lack it are read with ``fill``, a JSON value, and none is rewritten."""

    field: FieldState
    fill: Any = None

    changes_documents: ClassVar[bool] = True

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return {**state, self.table: _find(state, self.table).with_field(self.field.name, self.field)}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return ForgetField(table=self.table, field=self.field, fill=self.fill)

    def describe(self) -> str:
        """See Operation.describe()."""
        filled = "" if self.fill is None else f", {json.dumps(self.fill, ensure_ascii=False)} where it is missing"
        return f"add the field {self.table}.{self.field.name}{filled}"

    def upcast(self, data: dict[str, Any]) -> dict[str, Any]:
        """See Operation.upcast()."""
        return data if self.field.name in data else {**data, self.field.name: self.fill}

    def upcast_sql(self, data: str) -> str:
        """See Operation.upcast_sql()."""
        text = json.dumps({self.field.name: self.fill}, ensure_ascii=False).replace("'", "''")
        return f"('{text}'::jsonb || {data})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetField(Operation):
    """The way back from a new field: what documents have under its name stays there, for when it comes back."""

    field: FieldState
    fill: Any = None

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return {**state, self.table: _find(state, self.table).with_field(self.field.name, None)}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return AddField(table=self.table, field=self.field, fill=self.fill)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"forget the field {self.table}.{self.field.name}, whose values stay in the documents"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterField(Operation):
    """A field that takes more than it did, has another default, or other permissions."""

    before: FieldState
    after: FieldState

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return {**state, self.table: _find(state, self.table).with_field(self.after.name, self.after)}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return AlterField(table=self.table, before=self.after, after=self.before)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"change the field {self.table}.{self.after.name}: {_changes(self.before, self.after)}"


def _changes(before: FieldState, after: FieldState) -> str:
    return ", ".join(
        f"{member.name} {_short(getattr(before, member.name))} -> {_short(getattr(after, member.name))}"
        for member in fields(after)
        if getattr(before, member.name) != getattr(after, member.name)
    )


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(str, value))})"
    return "nothing" if value is None or value == "" else str(value)


# --- Indexes and constraints -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AddIndex(Operation):
    """A new index: only the wish for it is recorded, ``kontract_migrate`` builds it afterwards."""

    index: IndexState

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return {**state, self.table: _find(state, self.table).with_index(self.index.name, self.index)}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return RemoveIndex(table=self.table, index=self.index)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"add the index {self.index.name} of {self.table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveIndex(Operation):
    """An index that is no more asked for."""

    index: IndexState

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return {**state, self.table: _find(state, self.table).with_index(self.index.name, None)}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return AddIndex(table=self.table, index=self.index)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"remove the index {self.index.name} of {self.table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddConstraint(Operation):
    """A new constraint, once all documents keep it."""

    constraint: ConstraintState

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        table = _find(state, self.table).with_constraint(self.constraint.name, self.constraint)
        return {**state, self.table: table}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return RemoveConstraint(table=self.table, constraint=self.constraint)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"add the {self.constraint.kind} constraint {self.constraint.name} of {self.table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveConstraint(Operation):
    """A constraint that is dropped."""

    constraint: ConstraintState

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return {**state, self.table: _find(state, self.table).with_constraint(self.constraint.name, None)}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return AddConstraint(table=self.table, constraint=self.constraint)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"remove the {self.constraint.kind} constraint {self.constraint.name} of {self.table}"

"""The operations of migration files: changes that lose data or need a decision, each with its way back.

Those of documents' shape do not run over documents when they are applied: they are recorded, and every document is read
through them from then on, whatever it was written as.  ``kontract.schema.moving`` then rewrites the documents.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Final

from kontract.exceptions import SchemaError
from kontract.schema.operations import Operation
from kontract.schema.state import STATELESS, ConstraintState, FieldState, IndexState, State, TableState

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


def _table(state: State, name: str) -> TableState:
    if name not in state:
        raise SchemaError(
            f"There is no logical table {name!r} in the recorded state. Check the migration file's table."
        )
    return state[name]


def _field(table: TableState, name: str) -> FieldState:
    if name in table.fields:
        return table.fields[name]
    if table.primary_key is not None:
        known = ", ".join(sorted(table.fields)) or "none"
        raise SchemaError(
            f"The table {table.name!r} has no field {name!r} to change. Its documents' keys are: {known}. A foreign "
            "key is called as its column, for example author_id."
        )
    return FieldState(name=name, type=STATELESS, null=True)  # a table without a model may have any key


def _declared(declared: TableState | None, name: str) -> FieldState:
    found = declared.fields.get(name) if declared is not None else None
    return found or FieldState(name=name, type=STATELESS, null=True)


# --- Fields ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameField(Move):
    """A key of the documents that is called otherwise: ``old`` and ``new`` are columns of the model."""

    old: str
    new: str

    changes_documents: ClassVar[bool] = True

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        table = _table(state, self.table)
        if self.new in table.fields:
            raise SchemaError(f"The table {self.table!r} has a field {self.new!r} already, so that none can become it.")
        renamed = replace(_field(table, self.old), name=self.new)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveField(Move):
    """A key that documents are no more to have.  What it was stays in their history, from where ``down`` takes it."""

    name: str
    field: FieldState | None = None

    changes_documents: ClassVar[bool] = True

    def resolve(self, recorded: TableState, declared: TableState | None) -> "RemoveField":
        """See Move.resolve()."""
        return replace(self, field=_field(recorded, self.name))

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return {**state, self.table: _without(_table(state, self.table), self.name)}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return RestoreField(table=self.table, field=self.field or _field(_table(before, self.table), self.name))

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"remove the field {self.table}.{self.name}"

    def cast(self, module: str, index: int) -> Cast | None:
        """See Move.cast()."""
        return {"remove": [self.name, self.field.default if self.field is not None else None]}


def _without(table: TableState, name: str) -> TableState:
    """Return the table without a field and the constraints and indexes that need it."""
    without = table.with_field(name, None)
    kept = {key: part for key, part in table.constraints.items() if name not in part.columns}
    return replace(
        without, constraints=kept, indexes={k: v for k, v in table.indexes.items() if k != f"{table.name}_{name}"}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreField(Move):
    """The way back from ``RemoveField``."""

    field: FieldState

    changes_documents: ClassVar[bool] = True

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        return {**state, self.table: _table(state, self.table).with_field(self.field.name, self.field)}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return RemoveField(table=self.table, name=self.field.name, field=self.field)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"restore the field {self.table}.{self.field.name}"


_KINDS: Final[Mapping[str, tuple[str, ...]]] = {  # of values that PostgreSQL converts itself, by Django's types
    "integer": ("IntegerField", "BigIntegerField", "SmallIntegerField", "PositiveIntegerField",
                "PositiveBigIntegerField", "PositiveSmallIntegerField"),
    "number": ("FloatField",),
    "text": ("CharField", "TextField", "SlugField", "EmailField", "URLField"),
    "boolean": ("BooleanField",),
}  # fmt: skip


def _kind_of(name: str) -> str | None:
    return next((kind for kind, types in _KINDS.items() if name in types), None)


Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeType(Move):
    """A field of another type.

    ``using`` makes the new value of the old one, both as JSON has them, and ``back`` the old one of the new: functions,
    or "integer", "number", "text", "boolean", which PostgreSQL does itself; without them what the types suggest.  A
    null stays null.  ``before`` and ``after`` are the field's states, known when the file is applied.
    """

    name: str
    using: Convert | str | None = None
    back: Convert | str | None = None
    before: FieldState | None = None
    after: FieldState | None = None

    changes_documents: ClassVar[bool] = True

    def resolve(self, recorded: TableState, declared: TableState | None) -> "ChangeType":
        """See Move.resolve()."""
        before = _field(recorded, self.name)
        after = self.after or _declared(declared, self.name)
        return replace(
            self, before=before, after=after, using=self._find(self.using, after, "using"),
            back=self._find(self.back, before, "back"),
        )  # fmt: skip

    def _find(self, given: Convert | str | None, to: FieldState, argument: str) -> Convert | str:
        if callable(given):
            return given
        kind = given or _kind_of(to.type)
        if kind is None or kind not in _KINDS:
            known = ", ".join(map(repr, _KINDS))
            raise SchemaError(
                f"ChangeType of {self.table}.{self.name} cannot tell how to make {to.type}: give {argument}=, a "
                f"function of one value or one of {known}."
            )
        return kind

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        table = _table(state, self.table)
        return {**state, self.table: table.with_field(self.name, self.after or _field(table, self.name))}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return ChangeType(
            table=self.table, name=self.name, using=self.back, back=self.using, before=self.after, after=self.before
        )

    def describe(self) -> str:
        """See Operation.describe()."""
        types = f" from {self.before.type} to {self.after.type}" if self.before and self.after else ""
        return f"change the type of the field {self.table}.{self.name}{types}"

    def cast(self, module: str, index: int) -> Cast | None:
        """See Move.cast()."""
        if isinstance(self.using, str) and isinstance(self.back, str):
            return {"convert": [self.name, self.using, self.back]}
        return {"code": [module, index, False], "columns": [self.name]}

    def forward_document(self, data: Data) -> Data:
        """Return a document with the value converted."""
        return self._converted(data, self.using)

    def backward_document(self, data: Data) -> Data:
        """Return a document with the value as it was."""
        return self._converted(data, self.back)

    def _converted(self, data: Data, convert: Convert | str | None) -> Data:
        value = data.get(self.name)
        return data if value is None or not callable(convert) else {**data, self.name: convert(value)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitField(Move):
    """A field that becomes several.

    ``split`` returns the values of ``into``, in order, of the one that was, and ``join`` that one of them.
    """

    name: str
    into: tuple[str, ...]
    split: Callable[[Any], Sequence[Any]] | None = None
    join: Callable[..., Any] | None = None
    before: FieldState | None = None
    after: tuple[FieldState, ...] = ()

    changes_documents: ClassVar[bool] = True

    def resolve(self, recorded: TableState, declared: TableState | None) -> "SplitField":
        """See Move.resolve()."""
        if not callable(self.split) or not callable(self.join):
            raise SchemaError(f"SplitField of {self.table}.{self.name} needs the functions split= and join=.")
        after = tuple(_declared(declared, name) for name in self.into)
        return replace(self, into=tuple(self.into), before=_field(recorded, self.name), after=after)

    @classmethod
    def from_members(cls, members: Mapping[str, Any]) -> "SplitField":
        """See Operation.from_members()."""
        before = members.get("before")
        return cls(
            table=members["table"], name=members["name"], into=tuple(members["into"]),
            before=FieldState.from_json(before) if before else None,
            after=tuple(map(FieldState.from_json, members.get("after", ()))),
        )  # fmt: skip

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        table = _without(_table(state, self.table), self.name)
        for part in self.after:
            table = table.with_field(part.name, part)
        return {**state, self.table: table}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return JoinFields(table=self.table, name=self.name, into=self.into, before=self.before, after=self.after)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"split the field {self.table}.{self.name} into {', '.join(self.into)}"

    def cast(self, module: str, index: int) -> Cast | None:
        """See Move.cast()."""
        return {"code": [module, index, False], "columns": [self.name, *self.into]}

    def forward_document(self, data: Data) -> Data:
        """Return a document with the parts in place of the whole."""
        if self.name not in data or self.split is None:
            return data
        whole = data[self.name]
        values = [None] * len(self.into) if whole is None else self.split(whole)
        rest = {key: value for key, value in data.items() if key != self.name}
        return rest | dict(zip(self.into, values, strict=True))

    def backward_document(self, data: Data) -> Data:
        """Return a document with the whole in place of the parts."""
        if not any(name in data for name in self.into) or self.join is None:
            return data
        values = [data.get(name) for name in self.into]
        rest = {key: value for key, value in data.items() if key not in self.into}
        return rest | {self.name: None if all(value is None for value in values) else self.join(*values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinFields(Move):
    """The way back from ``SplitField``."""

    name: str
    into: tuple[str, ...]
    before: FieldState | None = None
    after: tuple[FieldState, ...] = ()

    changes_documents: ClassVar[bool] = True

    @classmethod
    def from_members(cls, members: Mapping[str, Any]) -> "JoinFields":
        """See Operation.from_members()."""
        split = SplitField.from_members(members)
        return cls(table=split.table, name=split.name, into=split.into, before=split.before, after=split.after)

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        table = _table(state, self.table)
        for name in self.into:
            table = _without(table, name)
        return {**state, self.table: table.with_field(self.name, self.before or _declared(None, self.name))}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return SplitField(table=self.table, name=self.name, into=self.into, before=self.before, after=self.after)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"join the fields {', '.join(self.into)} of {self.table} to {self.name}"


# --- Tables ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameTable(Move):
    """A logical table that is called otherwise.  Under its old name older code finds it until ``contract``."""

    new: str

    def apply(self, state: State) -> State:
        """See Operation.apply()."""
        if self.new in state:
            raise SchemaError(f"There is a logical table {self.new!r} already, so that none can become it.")
        table = _table(state, self.table)
        constraints = [_retabled(part, self.table, self.new) for part in table.constraints.values()]
        indexes = [_retabled(part, self.table, self.new) for part in table.indexes.values()]
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


def _retabled(part: Any, old: str, new: str) -> Any:
    """Return a constraint or an index under the name that it gets where the table's begins it."""
    automatic = part.name.startswith(f"{old}_") and part.name.removeprefix(f"{old}_").startswith(
        tuple(getattr(part, "columns", ())) or (part.name,)
    )
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
        _table(state, self.table)
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


# --- Code ------------------------------------------------------------------------------------------------------------


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

"""A field that becomes several, and several that become one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from kontract.exceptions import SchemaError
from kontract.schema.moves.base import Cast, Data, Move, find_declared, find_field, find_table, without_field
from kontract.schema.operations import Operation
from kontract.schema.state import FieldState, State, TableState


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
        after = tuple(find_declared(declared, name) for name in self.into)
        return replace(self, into=tuple(self.into), before=find_field(recorded, self.name), after=after)

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
        table = without_field(find_table(state, self.table), self.name)
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
        table = find_table(state, self.table)
        for name in self.into:
            table = without_field(table, name)
        return {**state, self.table: table.with_field(self.name, self.before or find_declared(None, self.name))}

    def reverse(self, before: State) -> Operation:
        """See Operation.reverse()."""
        return SplitField(table=self.table, name=self.name, into=self.into, before=self.before, after=self.after)

    def describe(self) -> str:
        """See Operation.describe()."""
        return f"join the fields {', '.join(self.into)} of {self.table} to {self.name}"

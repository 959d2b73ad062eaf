"""A field of another type."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from kontract.exceptions import SchemaError
from kontract.schema.moves.base import Cast, Data, Move, find_declared, find_field, find_table
from kontract.schema.operations import Operation
from kontract.schema.state import FieldState, State, TableState

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
        before = find_field(recorded, self.name)
        after = self.after or find_declared(declared, self.name)
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
        table = find_table(state, self.table)
        return {**state, self.table: table.with_field(self.name, self.after or find_field(table, self.name))}

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

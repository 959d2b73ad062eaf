"""The state of logical tables: frozen values, and the JSON that the catalog and the lock file keep of them.

The JSON leaves out what is as usual, and is the same for equal states, so that states can be compared as texts.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, Final, Self

STATELESS: Final = "any"  # the type of a key about which only permissions are known


class _Described:
    """What states have in common: a dict of what is not as usual."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """Return the members that differ from their defaults, as JSON values."""
        members = {}
        for member in fields(self):  # type: ignore[arg-type]
            value = getattr(self, member.name)
            usual = member.default_factory() if member.default_factory is not MISSING else member.default
            if value != usual:
                members[member.name] = _plain(value)
        return members

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> Self:
        """Return the state that ``to_json`` described; members that this version does not know are left out."""
        known = {member.name for member in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: _of_json(name, value) for name, value in members.items() if name in known})


def _plain(value: Any) -> Any:
    if isinstance(value, _Described):
        return value.to_json()
    if isinstance(value, Mapping):
        return {key: _plain(member) for key, member in value.items()}
    return list(map(_plain, value)) if isinstance(value, tuple) else value


def _of_json(name: str, value: Any) -> Any:
    return tuple(value) if name in ("choices", "columns") else value


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldState(_Described):
    """One key of a table's documents.

    ``name`` is the key, that is the column of a model's field; ``type`` Django's name of what is stored under it, that
    of the key referred to for a foreign key, with the type of the elements in brackets for an array.  ``target`` is the
    table that a foreign key refers to, and ``constrained`` says that what it refers to must exist.

    ``has_default`` says that a document without the key can be read all the same: ``default`` is the JSON value that it
    then has, or ``default_from`` says whose result that is.  ``max_length`` of an array is that of its elements.
    """

    name: str
    type: str
    null: bool = False
    has_default: bool = False
    default: Any = None
    default_from: str = ""
    perm: str = "RWX"
    choices: tuple[Any, ...] = ()
    max_length: int | None = None
    max_digits: int | None = None
    decimal_places: int | None = None
    target: str = ""
    constrained: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState(_Described):
    """An index that a model asks for; ``definition`` is the call that makes it, as text."""

    name: str
    definition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstraintState(_Described):
    """What must hold for a table's documents.

    ``kind`` is "unique" or "check"; ``columns`` are those that must be unique together, or ``definition`` is the call
    that makes the constraint, as text.
    """

    name: str
    kind: str
    columns: tuple[str, ...] = ()
    definition: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState(_Described):
    """A logical table.  ``schema`` counts its changes from 1; ``primary_key`` is None where any text is an id."""

    name: str
    primary_key: FieldState | None = None
    fields: Mapping[str, FieldState] = field(default_factory=dict)
    perm: str = "RWX"
    owner_scoped: bool = False
    indexes: Mapping[str, IndexState] = field(default_factory=dict)
    constraints: Mapping[str, ConstraintState] = field(default_factory=dict)
    schema: int = 1

    @classmethod
    def from_json(cls, members: Mapping[str, Any]) -> "TableState":
        """See _Described.from_json()."""
        primary_key = members.get("primary_key")
        return cls(
            name=members["name"],
            primary_key=FieldState.from_json(primary_key) if primary_key else None,
            fields=_read(FieldState, members.get("fields", {})),
            perm=members.get("perm", "RWX"),
            owner_scoped=members.get("owner_scoped", False),
            indexes=_read(IndexState, members.get("indexes", {})),
            constraints=_read(ConstraintState, members.get("constraints", {})),
            schema=members.get("schema", 1),
        )

    def with_field(self, name: str, state: FieldState | None) -> "TableState":
        """Return this table with the field ``name`` as ``state`` says; without it where that is None."""
        return replace(self, fields=_with(self.fields, name, state))

    def with_index(self, name: str, state: IndexState | None) -> "TableState":
        """See with_field()."""
        return replace(self, indexes=_with(self.indexes, name, state))

    def with_constraint(self, name: str, state: ConstraintState | None) -> "TableState":
        """See with_field()."""
        return replace(self, constraints=_with(self.constraints, name, state))

    def numbered(self, schema: int) -> "TableState":
        """Return this table with another number."""
        return replace(self, schema=schema)


State = Mapping[str, TableState]


def _read(kind: Any, members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: kind.from_json(state) for name, state in members.items()}


def _with(members: Mapping[str, Any], name: str, state: Any) -> dict[str, Any]:
    others = {key: value for key, value in members.items() if key != name}
    return others if state is None else others | {name: state}


def to_text(state: State) -> str:
    """Return the JSON text of a state: sorted, indented, the same for equal states."""
    tables = {name: table.to_json() for name, table in state.items()}
    return json.dumps({"tables": tables}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def from_text(text: str) -> State:
    """Return the state that ``to_text`` wrote."""
    return {name: TableState.from_json(table) for name, table in json.loads(text)["tables"].items()}


def digest(table: TableState) -> str:
    """Return a short text that two states of a table share where they differ in nothing but their number."""
    text = json.dumps(table.numbered(1).to_json(), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]

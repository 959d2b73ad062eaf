"""Conditions on documents, evaluated without the database: the lookups of queries that have one answer everywhere.

They compare as jsonb does, https://www.postgresql.org/docs/current/datatype-json.html#JSON-INDEXING.  What depends on
the database, as the order of texts does on its collation, and upper and lower case on its locale, is not among them.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from django.db.models import Q

ID: Final = "_id"  # names a document's id among its keys
LOOKUPS: Final = ("exact", "in", "gt", "gte", "lt", "lte", "isnull", "contains", "startswith", "endswith")

_ELSEWHERE: Final = frozenset(  # Django's other lookups, which a key of that name would be taken for
    {"iexact", "icontains", "istartswith", "iendswith", "regex", "iregex", "range"}
    | {"has_key", "has_keys", "has_any_keys", "contained_by"}
)
_METADATA: Final = frozenset({"_owner", "_txid", "_order"})
_NARROWING: Final = frozenset({"exact", "in", "gt", "gte", "lt", "lte"})
_ABSENT: Final = object()
_INDEX: Final = re.compile(r"[0-9]{1,9}", re.ASCII)  # of an item; no array has more of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One lookup: what ``path`` leads to in a document, ``lookup`` (one of ``LOOKUPS``) and the value given."""

    path: tuple[str, ...]
    lookup: str
    value: Any
    _marks: frozenset[tuple[bool, Any]] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_marks", _mark_all(self.value) if self.lookup == "in" else None)

    def matches(self, document_id: str, data: Mapping[str, Any]) -> bool:
        """Return whether a document meets the condition."""
        found = document_id if self.path == (ID,) else _follow(data, self.path)
        if self.lookup == "isnull":
            return (found is _ABSENT) is self.value
        if self._marks is not None and not _is_container(found):
            return _mark(found) in self._marks
        return found is not _ABSENT and _TESTS[self.lookup](found, self.value)


def parse(name: str, value: Any) -> Comparison:
    """Return the condition that ``name=value`` is in a query.  Raises ``ValueError``, which says what is wrong."""
    *path, last = name.split("__")
    if last in _ELSEWHERE:
        raise ValueError(f"the lookup {last!r} needs the database; use one of {', '.join(LOOKUPS)}")
    lookup = last if path and last in LOOKUPS else "exact"
    parts = tuple(path) if path and last in LOOKUPS else (*path, last)
    if not all(parts) or parts[0].isdigit() or any(part.startswith("-") for part in parts):
        raise ValueError(f"{name!r} names no key of a document")
    if parts[0] in _METADATA:
        raise ValueError(f"{parts[0]!r} cannot be compared here; of what is not data only {ID!r} can")
    if fault := _find_fault(parts, lookup, value):
        raise ValueError(f"{name!r} {fault}")
    return Comparison(path=parts, lookup=lookup, value=value)


def _find_fault(path: tuple[str, ...], lookup: str, value: Any) -> str | None:
    """Say what is wrong with a value; None if nothing is."""
    if lookup in ("gt", "gte", "lt", "lte") and not _is_number(value):
        return "must be compared with a number: the order of anything else depends on the database"
    if lookup == "in" and not (isinstance(value, (list, tuple)) and all(_is_scalar(item) for item in value)):
        return "must be compared with a list of texts, numbers, true and false"
    if lookup == "contains" and value is None:
        return "must be compared with what may be in it; compare with null by exact"
    if lookup == "isnull" and not isinstance(value, bool):
        return "must be compared with true or false"
    if lookup in ("startswith", "endswith") and not isinstance(value, str):
        return "must be compared with a text"
    if path[0] == ID and (len(path) > 1 or lookup not in ("exact", "in")):
        return "can be compared by exact and in only"
    return None


def narrowing(conditions: "tuple[Q, ...]") -> tuple[Comparison, ...]:
    """Return conditions that every document meets which meets all of ``conditions``: those that can be told."""
    return tuple(found for condition in conditions for found in _narrow(condition))


def _narrow(condition: Q) -> Iterator[Comparison]:
    if condition.negated or (condition.connector != Q.AND and len(condition.children) > 1):
        return
    for child in condition.children:
        if isinstance(child, Q):
            yield from _narrow(child)
        elif isinstance(child, tuple):
            try:
                found = parse(*child)
            except ValueError:
                continue
            if found.lookup in _NARROWING and _is_plain(found.value):
                yield found


def _is_plain(value: Any) -> bool:
    """Return whether a value is as JSON has it, so that no encoder makes another one of it."""
    return _is_scalar(value) or (isinstance(value, (list, tuple)) and all(map(_is_scalar, value)))


def _is_scalar(value: Any) -> bool:
    return type(value) in (str, int, float, bool)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _follow(data: Any, path: tuple[str, ...]) -> Any:
    """Return what the path leads to, as PostgreSQL's ``#>`` does."""
    for part in path:
        if isinstance(data, Mapping):
            data = data.get(part, _ABSENT)
        elif isinstance(data, list) and _INDEX.fullmatch(part):
            data = data[int(part)] if int(part) < len(data) else _ABSENT
        else:
            return _ABSENT
    return data


def is_same(first: Any, second: Any) -> bool:
    """Return whether two values are the same in JSON, where True is not 1 but 1.0 is."""
    if isinstance(first, bool) or isinstance(second, bool):
        return first is second
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        return first.keys() == second.keys() and all(is_same(first[key], second[key]) for key in first)
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)):
        return len(first) == len(second) and all(map(is_same, first, second))
    return bool(first == second)


def _mark(scalar: Any) -> tuple[bool, Any]:
    """Return what scalars have in common that are the same in JSON, and no others."""
    return isinstance(scalar, bool), scalar


def _mark_all(values: Iterable[Any]) -> frozenset[tuple[bool, Any]] | None:
    """Return the marks of scalars, in which one is found at once however many there are; None with others in it."""
    values = list(values)
    return None if any(map(_is_container, values)) else frozenset(map(_mark, values))


def _is_container(value: Any) -> bool:
    return isinstance(value, (Mapping, list, tuple))


def _compare(found: Any, number: float) -> int:
    """Return -1, 0 or 1: in jsonb null, texts and an empty array are less than any number, all else is greater."""
    if _is_number(found) or isinstance(found, Decimal):
        return int(found > number) - int(found < number)
    return -1 if found is None or isinstance(found, str) or found == [] else 1


def _contains(found: Any, wanted: Any, *, nested: bool = False) -> bool:
    """Return whether jsonb's ``found @> wanted``; an array contains a scalar only on the top level."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            key in found and _contains(found[key], value, nested=True) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and _has_items(found, wanted)
    if isinstance(found, list):
        return not nested and any(is_same(item, wanted) for item in found)
    return is_same(found, wanted)


def _has_items(found: list[Any], wanted: list[Any]) -> bool:
    marks = {_mark(item) for item in found if not _is_container(item)}
    return all(_has_container(found, item) if _is_container(item) else _mark(item) in marks for item in wanted)


def _has_container(found: list[Any], wanted: Any) -> bool:
    return any(isinstance(item, type(wanted)) and _contains(item, wanted, nested=True) for item in found)


def _as_text(value: Any) -> str:
    """Return what PostgreSQL's ``->>`` makes of a scalar; "" of anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(Decimal(repr(value)), "f") if isinstance(value, (int, float)) else ""


_TESTS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "exact": is_same,
    "in": lambda found, values: any(is_same(found, value) for value in values),
    "gt": lambda found, number: _compare(found, number) > 0,
    "gte": lambda found, number: _compare(found, number) >= 0,
    "lt": lambda found, number: _compare(found, number) < 0,
    "lte": lambda found, number: _compare(found, number) <= 0,
    "contains": _contains,
    "startswith": lambda found, text: found is not None and _as_text(found).startswith(text),
    "endswith": lambda found, text: found is not None and _as_text(found).endswith(text),
}

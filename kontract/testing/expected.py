"""What a test expects of one kind of change, compared with what was found."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic_core import to_jsonable_python

from kontract.testing.subject import ABSENT, Subject

Expected = int | Iterable[Any] | Mapping[Any, Mapping[str, Any]] | None
Known = int | dict[Any, Mapping[str, Any]]  # how many; or which ones, with fields

_SHOWN = 10  # documents in a message


def read_expected(expected: Expected, subject: Subject) -> Known:
    """Return what a test expects, now: the primary key of an instance that is deleted will not be known any more.

    Raises ``TypeError`` for a single id, because a text has letters.
    """
    if isinstance(expected, int):
        return expected
    if isinstance(expected, (str, bytes)):
        raise TypeError(f"{expected!r} is a text, of which every letter would be an id. Write [{expected!r}].")
    if isinstance(expected, Mapping):
        return {subject.key_of(key): fields for key, fields in expected.items()}
    return {subject.key_of(key): {} for key in expected or ()}


def explain(name: str, expected: Known, found: Mapping[Any, Any], subject: Subject) -> Iterator[str]:
    """Yield in what ``found`` differs from what is ``expected``, for people."""
    if isinstance(expected, int):
        if len(found) != expected:
            yield f"{name}: {expected} expected, {len(found)} found{_show(found, found, subject)}"
        return
    if missing := [key for key in expected if key not in found]:
        yield f"{name}: missing {', '.join(map(repr, missing))}"
    if surplus := [key for key in found if key not in expected]:
        yield f"{name}: {len(surplus)} not expected{_show(surplus, found, subject)}"
    for key, fields in expected.items():
        if key in found:
            yield from _explain_fields(f"{name} of {key!r}", fields, found[key], subject)


def _explain_fields(place: str, fields: Mapping[str, Any], document: Any, subject: Subject) -> Iterator[str]:
    for name, value in fields.items():
        actual = subject.get(document, name)
        if actual is ABSENT:
            yield f"{place}: has no {name}, {value!r} expected"
        elif actual != value and actual != to_jsonable_python(value, fallback=repr):
            yield f"{place}: {name} is {actual!r}, {value!r} expected"


def _show(keys: Iterable[Any], found: Mapping[Any, Any], subject: Subject) -> str:
    lines = [f"\n    {key!r}: {_shorten(subject.show(found[key]))}" for key in keys]
    more = f"\n    and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return "".join(lines[:_SHOWN]) + more


def _shorten(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}..."

"""The body of a call: strict JSON, and in it the arguments."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from pydantic_core import from_json, to_json

from kontract.conf import get_settings
from kontract.exceptions import InvalidRequestError

_ENVELOPE_DEPTH = 2  # the body's object, and the list or object of arguments in it
_KINDS: Final = {"args": list, "kwargs": dict}
_KWARGS: Final = b'{"kwargs":'


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What a client sent, neither named nor validated yet; one of ``args`` and ``kwargs`` is empty.

    ``text`` is the JSON text of ``kwargs``, where it is at hand.
    """

    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    files: dict[str, list[Any]] = field(default_factory=dict)
    text: bytes | None = field(default=None, compare=False)


def parse(body: bytes) -> Arguments:
    """Return the arguments in a call's body: ``{"args": [...]}``, ``{"kwargs": {...}}``, ``{}`` or nothing.

    Raises ``InvalidRequestError``.
    """
    envelope, text = _read(body) if body.strip() else ({}, None)
    if not isinstance(envelope, dict) or len(envelope) > 1 or not envelope.keys() <= _KINDS.keys():
        raise InvalidRequestError('The body must be an object with either "args", a list, or "kwargs", an object.')
    for key, value in envelope.items():
        if not isinstance(value, kind := _KINDS[key]):
            raise InvalidRequestError(f'"{key}" must be {"a list" if kind is list else "an object"}.')
    if text is not None and "kwargs" in envelope:
        return Arguments(kwargs=envelope["kwargs"], text=text[len(_KWARGS) : -1])
    return Arguments(**envelope)


def parse_kwargs(text: str, files: dict[str, list[Any]] | None = None) -> Arguments:
    """Return the arguments in a JSON object that stands by itself: in a URL, or beside files.

    Raises ``InvalidRequestError``.
    """
    kwargs = loads(text.encode()) if text.strip() else {}
    if not isinstance(kwargs, dict):
        raise InvalidRequestError('"kwargs" must be a JSON object.')
    return Arguments(kwargs=kwargs, files=files or {})


def loads(text: bytes) -> Any:
    """Return the value of a JSON text as RFC 8259 has it, and with I-JSON's (RFC 7493) care for what is ambiguous.

    Raises ``InvalidRequestError`` for invalid UTF-8, a key that occurs twice, NaN, infinity, a number out of range, or
    nesting beyond ``MAX_DOCUMENT_DEPTH``.
    """
    return _read(text)[0]


def _read(text: bytes) -> tuple[Any, bytes | None]:
    """Return what loads() does, and if it is at hand the value's text, without spaces."""
    value, plain = _read_plain(text) or (_read_strictly(text), None)
    if text.count(b"[") + text.count(b"{") > get_settings().MAX_DOCUMENT_DEPTH:  # else it cannot be deeper
        _check_depth(value)
    return value, plain


def _read_plain(text: bytes) -> tuple[Any, bytes] | None:
    """Read most texts several times as fast as _read_strictly(); None for one that may be at fault, or has ``\\u``.

    Of a key that occurs twice the fast parser keeps the last.  What it left out is missing when the value is written
    again, and with it quotation marks; without ``\\u`` there is but one way to write those.
    """
    if b"\\u" in text:
        return None
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        return None
    again = to_json(value)
    has_all = again.count(b'"') == text.count(b'"') and b"Infinity" not in again  # which is a number out of range
    return (value, again) if has_all else None


def _read_strictly(text: bytes) -> Any:
    try:
        return _DECODER.decode(text.decode())
    except InvalidRequestError:
        raise
    except RecursionError:
        raise _too_deep() from None
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"The body is not UTF-8: byte {error.start} does not fit.") from error
    except ValueError as error:
        raise InvalidRequestError(f"The body is not JSON: {error}.") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise InvalidRequestError(f"The key {twice[:100]!a} occurs twice in an object.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequestError(f"{name} is not JSON; send null or a string.")


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise InvalidRequestError("A number is out of the range of a 64-bit float; send a string.")
    return number


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite)


def _check_depth(value: Any) -> None:
    """Walk down level by level, which needs no recursion of its own."""
    level = [value]
    for _ in range(get_settings().MAX_DOCUMENT_DEPTH + _ENVELOPE_DEPTH):
        level = [child for item in level for child in _children(item) if isinstance(child, (dict, list))]
        if not level:
            return
    raise _too_deep()


def _children(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _too_deep() -> InvalidRequestError:
    limit = get_settings().MAX_DOCUMENT_DEPTH
    return InvalidRequestError(f"The body is nested deeper than an argument may be: {limit} levels.")

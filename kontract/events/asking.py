"""What a request for a stream asks for: its subscriptions, and the position to go on from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.http import HttpRequest, QueryDict

from kontract.conf import get_settings
from kontract.events.cursor import Cursor
from kontract.exceptions import InvalidQueryError, InvalidRequestError, MethodNotAllowedError
from kontract.rpc.envelope import loads
from kontract.rpc.requests import check_json, read_body

_PARAMETERS: Final = frozenset({"table", "where", "old", "live", "args", "known", "after"})
_OF_TABLE: Final = frozenset({"table", "where", "old"})
_OF_LIVE: Final = frozenset({"live", "args", "known"})
_MOST_BYTES: Final = 256 * 1024  # which a stream holds as long as it is open
_MOST_VALUES: Final = 1000  # in conditions, which each change is compared with


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribed:
    """A subscription to a table as a client sends it."""

    table: str
    where: Mapping[str, Any]
    old: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A live query as a client sends it."""

    live: str
    args: Mapping[str, Any]
    known: str | None


Asked = Subscribed | Followed


def read_request(request: HttpRequest) -> tuple[dict[str, Asked], Cursor | None]:
    """Return the subscriptions by name, and the position to go on from, if there is one.

    Raises ``MethodNotAllowedError``, ``InvalidRequestError``, ``InvalidCursorError``, and what a body can be at fault.
    """
    if request.method == "GET":
        asked, after = _read_query(request.GET)
    elif request.method == "POST":
        asked, after = _read_body(request)
    else:
        raise MethodNotAllowedError(
            f"A stream of events is opened with GET or POST, not with {request.method}.", ["GET", "POST"]
        )
    _check_conditions(asked.values())
    after = request.headers.get("Last-Event-ID") or after
    return asked, Cursor.parse(after) if after else None


def _read_query(query: QueryDict) -> tuple[dict[str, Asked], str | None]:
    for name, texts in query.lists():
        if name not in _PARAMETERS or len(texts) > 1:
            raise InvalidRequestError(
                f"The URL has {name[:100]!a} {'twice' if name in _PARAMETERS else 'as a parameter'}. Use each of "
                f"{', '.join(sorted(_PARAMETERS))} once at most; to subscribe more than once send them with POST."
            )
    raw: dict[str, Any] = {name: query[name] for name in query if name != "after"}
    for name in ("where", "args"):
        if name in raw:
            raw[name] = loads(raw[name].encode())
    if "old" in raw:
        raw["old"] = {"1": True, "0": False}.get(raw["old"])
    return {"": _read_one("", raw)}, query.get("after")


def _read_body(request: HttpRequest) -> tuple[dict[str, Asked], str | None]:
    check_json(request)
    body = loads(read_body(request, _MOST_BYTES))
    if not isinstance(body, dict) or not body.keys() <= {"subscriptions", "after"}:
        raise InvalidRequestError('The body must be an object with "subscriptions", and perhaps "after".')
    subscriptions, after = body.get("subscriptions"), body.get("after")
    limit = get_settings().EVENTS.subscriptions
    if not isinstance(subscriptions, dict) or not 0 < len(subscriptions) <= limit:
        raise InvalidRequestError(f'"subscriptions" must be an object with 1 to {limit} subscriptions by name.')
    if after is not None and not isinstance(after, str):
        raise InvalidRequestError('"after" must be a cursor, as the id of an event is, such as "4711.3".')
    return {name: _read_one(name, raw) for name, raw in subscriptions.items()}, after


def _read_one(name: str, raw: Any) -> Asked:
    keys = raw.keys() if isinstance(raw, dict) else frozenset()
    if "table" in keys and keys <= _OF_TABLE:
        table, where, old = raw["table"], raw.get("where", {}), raw.get("old", False)
        if isinstance(table, str) and isinstance(where, dict) and isinstance(old, bool):
            return Subscribed(table=table, where=where, old=old)
    if "live" in keys and keys <= _OF_LIVE:
        live, args, known = raw["live"], raw.get("args", {}), raw.get("known")
        if isinstance(live, str) and isinstance(args, dict) and isinstance(known, (str, type(None))):
            return Followed(live=live, args=args, known=known)
    raise InvalidRequestError(
        f'The subscription {name[:100]!a} must have either "table" (and "where", an object, and "old"), or "live", a '
        'procedure\'s name (and "args", an object, and "known", a digest).'
    )


def _check_conditions(asked: Iterable[Asked]) -> None:
    """Raise ``InvalidQueryError`` where all that the conditions compare with is too much to do it with each change."""
    count = sum(_count(one.where) for one in asked if isinstance(one, Subscribed))
    if count > _MOST_VALUES:
        raise InvalidQueryError(
            f"The conditions of a stream may have {_MOST_VALUES} values in all, not {count}. Ask for more than you "
            "need and choose from what comes, or open several streams."
        )


def _count(value: Any) -> int:
    """Return how many values there are in one."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return len(inner) + sum(map(_count, inner))

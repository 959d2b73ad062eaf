"""The envelope: what a request or the first chunk of a response says, as plaintext.

    u32 length of the head | head, a JSON object | body | padding

The head of a request is ``{"method", "path", "headers"}``, that of a response ``{"status", "headers"}``; ``headers`` is
a list of ``[name, value]``.  ``"pad": n`` in either says that the last ``n`` bytes, all zero, are padding.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypeVar

from kontract.raystream.errors import InvalidEnvelopeError, MisuseError

Headers = tuple[tuple[str, str], ...]

MAX_HEAD_BYTES: Final = 32 * 1024
MAX_HEADERS: Final = 100
METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
REQUEST_HEADERS: Final = frozenset(
    {
        "accept",
        "accept-language",
        "authorization",
        "content-type",
        "idempotency-key",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-unmodified-since",
        "kontract-as-of",
        "kontract-dry-run",
        "last-event-id",
        "prefer",
        "range",
        "user-agent",
    }
)
"""The headers that a request may carry inside; never Host, cookies, or what proxies tell about where it came from."""

_LENGTH_BYTES: Final = 4
_PATH: Final = re.compile(r"/[\x21-\x22\x24-\x7e]*")  # visible ASCII without "#": a path and a query, encoded already
_NAME: Final = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110's token, in lower case
_VALUE: Final = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")

E = TypeVar("E", InvalidEnvelopeError, MisuseError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """``path`` holds the query, too; the names of ``headers`` are in lower case and occur once each."""

    method: str
    path: str
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseHead:
    """The real status and headers, which may repeat."""

    status: int
    headers: Headers = field(default=())


def encode_request(
    head: RequestHead, body: bytes, *, allowed: frozenset[str] = REQUEST_HEADERS, block: int = 1
) -> bytes:
    """Return the envelope of a request, padded to a multiple of ``block`` bytes.

    Raises ``MisuseError`` for what the server would refuse.
    """
    _check_request(head, allowed, MisuseError)
    return _encode({"method": head.method, "path": head.path, "headers": head.headers}, body, block)


def decode_request(envelope: bytes, *, allowed: frozenset[str] = REQUEST_HEADERS) -> tuple[RequestHead, bytes]:
    """Return head and body of an authentic request.  Raises ``InvalidEnvelopeError``."""
    members, body = _decode(envelope, {"method", "path", "headers"})
    head = RequestHead(method=members["method"], path=members["path"], headers=_decode_headers(members["headers"]))
    _check_request(head, allowed, InvalidEnvelopeError)
    return head, body


def encode_response(head: ResponseHead, body: bytes = b"", *, block: int = 1) -> bytes:
    """Return the plaintext of a response's first chunk, padded to a multiple of ``block`` bytes.

    Raises ``MisuseError`` for what the client would refuse.
    """
    _check_response(head, MisuseError)
    return _encode({"status": head.status, "headers": head.headers}, body, block)


def decode_response(envelope: bytes) -> tuple[ResponseHead, bytes]:
    """Return the head, and the first bytes of the body, of an authentic response.  Raises ``InvalidEnvelopeError``."""
    members, body = _decode(envelope, {"status", "headers"})
    head = ResponseHead(status=members["status"], headers=_decode_headers(members["headers"]))
    _check_response(head, InvalidEnvelopeError)
    return head, body


def _encode(members: dict[str, Any], body: bytes, block: int) -> bytes:
    head = _ENCODER.encode(members).encode()
    if block > 1:
        # Say how much padding there is with always as many digits, or saying it would change it.
        width = len(str(block))
        size = _LENGTH_BYTES + len(head) + len(',"pad":') + width + len(body)
        pad = -size % block
        head = head[:-1] + f',"pad":{pad:>{width}}}}'.encode()
        body += bytes(pad)
    if len(head) > MAX_HEAD_BYTES:
        raise MisuseError(f"The head of the envelope has {len(head)} bytes; at most {MAX_HEAD_BYTES} are allowed.")
    return b"".join((len(head).to_bytes(_LENGTH_BYTES, "big"), head, body))


def _decode(envelope: bytes, names: set[str]) -> tuple[dict[str, Any], bytes]:
    """Return the members of the head, and the body without its padding."""
    length = int.from_bytes(envelope[:_LENGTH_BYTES], "big")
    end = _LENGTH_BYTES + length
    if len(envelope) < _LENGTH_BYTES or length > MAX_HEAD_BYTES or end > len(envelope):
        raise InvalidEnvelopeError("The envelope's head is longer than allowed, or than the envelope.")
    members = _parse(envelope[_LENGTH_BYTES:end])
    if members.keys() - {"pad"} != names:
        raise InvalidEnvelopeError(f"The envelope's head must have {', '.join(sorted(names))}, and at most pad else.")
    return members, _unpad(envelope, end, members.get("pad", 0))


def _parse(head: bytes) -> dict[str, Any]:
    try:
        members = _DECODER.decode(head.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidEnvelopeError("The envelope's head is no JSON object in UTF-8 with unique names.") from error
    if not isinstance(members, dict):
        raise InvalidEnvelopeError("The envelope's head is JSON, but no object.")
    return members


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("A name occurs twice.")
    return members


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON.")


def _unpad(envelope: bytes, start: int, pad: object) -> bytes:
    end = len(envelope) - pad if isinstance(pad, int) and not isinstance(pad, bool) and pad >= 0 else -1
    if end < start or envelope.count(0, end) != len(envelope) - end:
        raise InvalidEnvelopeError("The envelope does not end with as many zero bytes as its head says.")
    return envelope[start:end]


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_DECODER: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)


def _decode_headers(headers: object) -> Headers:
    if not isinstance(headers, list):
        raise InvalidEnvelopeError("The headers in an envelope must be a list of [name, value].")
    for header in headers:
        if not (isinstance(header, list) and len(header) == 2 and all(isinstance(text, str) for text in header)):
            raise InvalidEnvelopeError("A header in an envelope must be a list of two texts, [name, value].")
    return tuple((name, value) for name, value in headers)


def _check_request(head: RequestHead, allowed: frozenset[str], error: type[E]) -> None:
    if not isinstance(head.method, str) or head.method not in METHODS:
        raise error(f"The method is none of {', '.join(sorted(METHODS))}.")
    if not isinstance(head.path, str) or not _PATH.fullmatch(head.path):
        raise error('The path must begin with "/" and hold visible ASCII only, and no "#". Percent-encode the rest.')
    _check_headers(head.headers, error)
    names = [name for name, _ in head.headers]
    if len(set(names)) != len(names):
        raise error("A header occurs twice in a request. Send one, with its values joined.")
    if refused := set(names) - allowed:
        raise error(f"A request must not carry the header {min(refused)!r}. Allowed: {', '.join(sorted(allowed))}.")


def _check_response(head: ResponseHead, error: type[E]) -> None:
    if type(head.status) is not int or not 200 <= head.status <= 599:
        raise error("The status must be a number from 200 to 599.")
    _check_headers(head.headers, error)


def _check_headers(headers: Headers, error: type[E]) -> None:
    if len(headers) > MAX_HEADERS:
        raise error(f"There are {len(headers)} headers; at most {MAX_HEADERS} are allowed.")
    for name, value in headers:
        if not _NAME.fullmatch(name):
            raise error(f"The header name {name!r} is no token in lower case.")
        if not _VALUE.fullmatch(value):
            raise error(f"The value of the header {name!r} has a character that headers cannot carry.")

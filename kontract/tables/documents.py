"""Documents: what goes in, checked, and what comes out."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from kontract.conf import get_settings
from kontract.exceptions import DocumentTooLargeError, InvalidDocumentError, InvalidIdError

_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # an escaped NUL, not an escaped backslash before "u0000"
_SCALARS = (str, bool, int, float, type(None))
_encoder = json.JSONEncoder(allow_nan=False, ensure_ascii=False)


class Document(dict[str, Any]):
    """A document as read: a dict, equal to any dict of the same content, that knows where it came from.

    ``id`` is its id, and ``txid`` the transaction that wrote this version: None while that has not committed, 0 in an
    unversioned table.  ``owner`` is whose it is: None if it was written in a transaction that never read it.
    """

    __slots__ = ("id", "owner", "txid")

    def __init__(self, data: Mapping[str, Any], *, id: str, txid: int | None, owner: str | None) -> None:
        super().__init__(data)
        self.id = id
        self.txid = txid
        self.owner = owner

    def __repr__(self) -> str:
        return f"<Document {self.id!r}@{self.txid}: {dict.__repr__(self)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (dict(self), self.id, self.txid, self.owner)


def _restore(data: dict[str, Any], id: str, txid: int | None, owner: str | None) -> Document:
    return Document(data, id=id, txid=txid, owner=owner)


def check_id(document_id: object) -> str:
    """Return ``document_id`` if it can name a document.

    Raises ``InvalidIdError`` unless it is a non-empty string of at most ``MAX_ID_BYTES`` bytes of UTF-8 without NUL.
    """
    if not isinstance(document_id, str):
        raise InvalidIdError(f"The id {_shorten(document_id)} is no string. Use str(), for example of a UUID.")
    if not document_id:
        raise InvalidIdError("The id is empty. Give each document an id, or let push() make one.")
    try:
        size = len(document_id.encode())
    except UnicodeEncodeError as error:
        raise InvalidIdError(
            f"The id {_shorten(document_id)} has a lone surrogate, which is not Unicode text."
        ) from error
    if (limit := get_settings().MAX_ID_BYTES) < size:
        raise InvalidIdError(f'An id has {size} bytes; at most {limit} are allowed (KONTRACT["MAX_ID_BYTES"]).')
    if "\0" in document_id:
        raise InvalidIdError(f"The id {_shorten(document_id)} has a NUL character, which PostgreSQL cannot store.")
    return document_id


def encode(data: object) -> str:
    """Return a document as JSON text.

    Raises ``InvalidDocumentError`` unless it is a JSON object that reads back equal, and ``DocumentTooLargeError``.
    """
    if not isinstance(data, Mapping):
        raise InvalidDocumentError(f"A document must be a dict, not {type(data).__name__}. Wrap the value in one.")
    data = data if isinstance(data, dict) else dict(data)
    _check_value(data, get_settings().MAX_DOCUMENT_DEPTH)
    try:
        text = _encoder.encode(data)
    except ValueError as error:  # NaN, infinity, an integer of thousands of digits
        raise InvalidDocumentError(f"The document has a number that JSON cannot carry: {error}.") from error
    return check_text(text)


def check_text(text: str) -> str:
    """Return the JSON text of a document, if it can be stored.

    Raises ``InvalidDocumentError`` and ``DocumentTooLargeError``.
    """
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidDocumentError("The document has text with a lone surrogate, which is not Unicode.") from error
    if (limit := get_settings().MAX_DOCUMENT_BYTES) < size:
        raise DocumentTooLargeError(
            f'The document has {size} bytes of JSON; at most {limit} are allowed (KONTRACT["MAX_DOCUMENT_BYTES"]). '
            "Split it, or keep large files elsewhere."
        )
    if "\\u0000" in text and _NUL.search(text):
        raise InvalidDocumentError(
            "PostgreSQL text fields cannot contain NUL (0x00) bytes, and the document has a text with one. Store bytes "
            "in base64, or in a BinaryField."
        )
    return text


def _check_value(value: object, depth: int, parents: tuple[int, ...] = ()) -> None:
    """Raise ``InvalidDocumentError`` at the first thing in a container that would not read back as it was."""
    if id(value) in parents:
        raise InvalidDocumentError("The document contains itself. JSON has no references: break the cycle.")
    if depth == 0:
        raise InvalidDocumentError(
            f"The document is nested deeper than {get_settings().MAX_DOCUMENT_DEPTH} levels "
            '(KONTRACT["MAX_DOCUMENT_DEPTH"]).'
        )
    for item in _items(value):
        if not isinstance(item, _SCALARS):
            _check_value(item, depth - 1, (*parents, id(value)))


def _items(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise InvalidDocumentError(f"The document has the key {_shorten(key)}; JSON keys are strings.")
        return value.values()
    if isinstance(value, (list, tuple)):
        return value
    raise InvalidDocumentError(
        f"The document has {_shorten(value)} of type {type(value).__name__}, which is not JSON. Use dict, list, str, "
        "int, float, bool or None; for example isoformat() of a date, str() of a Decimal or a UUID."
    )


def _shorten(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."

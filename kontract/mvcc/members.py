"""The members of a JSON object as the texts that they are written as, so that no number is rounded."""

import json
import re
from collections.abc import Iterator, Mapping

_decoder = json.JSONDecoder()
_quote = json.encoder.encode_basestring
_SPACE = re.compile(r"[\s,:]*")


def members(text: str) -> Iterator[tuple[str, str]]:
    """Yield the names and values of a JSON object as they are written."""
    position = 1
    while text[position := _SPACE.match(text, position).end()] != "}":  # type: ignore[union-attr]
        name, position = _decoder.raw_decode(text, position)
        start = _SPACE.match(text, position).end()  # type: ignore[union-attr]
        _, position = _decoder.raw_decode(text, start)
        yield name, text[start:position]


def join_members(texts: Mapping[str, str]) -> str:
    """Return the JSON object that has these members."""
    return "{" + ",".join(f"{_quote(name)}:{text}" for name, text in texts.items()) + "}"

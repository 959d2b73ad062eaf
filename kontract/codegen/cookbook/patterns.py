"""Texts that fit a simple regular expression: characters, classes and how often they occur; no groups, no choices."""

import re
from collections.abc import Iterator
from typing import Final

_PART: Final = re.compile(
    r"""
    (?: \[ (?P<set> (?: [^\]\\^] | \\. ) (?: [^\]\\] | \\. )* ) \]
      | \\ (?P<escaped> . )
      | (?P<plain> [^\\\[\](){}*+?|^$] )
    )
    (?: \{ (?P<least> [0-9]+ ) (?: , [0-9]* )? \}  |  (?P<often> [*+?] ) )?
    """,
    re.VERBOSE,
)
_ESCAPED: Final = {"d": "1", "w": "a", "s": " "}
_TIMES: Final = {"*": 0, "?": 0, "+": 1}


def sample_pattern(pattern: str, length: int = 0) -> str | None:
    """Return a text of at least ``length`` characters that fits; None where the pattern is not that simple."""
    body = pattern.removeprefix("^").removesuffix("$")
    if "".join(part[0] for part in _PART.finditer(body)) != body:
        return None
    for more in (0, 1, length):  # what may be repeated is, until the text is long enough
        text = "".join(_write(part, more) for part in _PART.finditer(body))
        if len(text) >= length and _fits(pattern, text):
            return text
    return None


def _fits(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:  # patterns are those of Rust's regex, which Python need not know
        return False


def _write(part: "re.Match[str]", more: int) -> str:
    least = int(part["least"]) if part["least"] else _TIMES.get(part["often"] or "", 1)
    times = max(least, more) if part["often"] in ("*", "+") else least
    return next(_list_characters(part)) * times


def _list_characters(part: "re.Match[str]") -> Iterator[str]:
    """Yield a character that the part stands for."""
    if (inside := part["set"]) is not None:
        first = inside[:2] if inside[0] == "\\" else inside[0]
        yield _ESCAPED.get(first[-1], first[-1]) if len(first) == 2 else first
    elif (escaped := part["escaped"]) is not None:
        yield _ESCAPED.get(escaped, escaped)
    else:
        yield "a" if part["plain"] == "." else part["plain"]

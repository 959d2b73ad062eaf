"""SQL that brings a stored document to another schema number: each change as an expression over ``jsonb``.

``d`` is the expression of the document before.  What the expressions make is what ``kontract.mvcc.casts`` makes of the
document's text, member by member.
"""

from typing import Final

NUMBER: Final = r"^\s*[-+]?(\d{1,200}(\.\d{0,200})?|\.\d{1,200})([eE][-+]?\d{1,2})?\s*$"
TRUE: Final = ("true", "t", "yes", "y", "on", "1")
FALSE: Final = ("false", "f", "no", "n", "off", "0")


def literal(text: str) -> str:
    """Return ``text`` as a literal of SQL's."""
    return "'" + text.replace("'", "''") + "'"


def rename(d: str, old: str, new: str) -> str:
    """Return the document with the key ``old`` called ``new``; without ``old`` it stays as it is."""
    value = f"jsonb_build_object({literal(new)}, {d} -> {literal(old)})"
    return f"CASE WHEN {d} ? {literal(old)} THEN ({d} - {literal(old)}) || {value} ELSE {d} END"


def remove(d: str, key: str) -> str:
    """Return the document without the key."""
    return f"({d} - {literal(key)})"


def add(d: str, key: str, text: str) -> str:
    """Return the document with the JSON ``text`` under the key, unless it has the key."""
    return f"(jsonb_build_object({literal(key)}, {literal(text)}::jsonb) || {d})"


def convert(d: str, key: str, kind: str) -> str:
    """Return the document with the value of the key converted; null where that is impossible."""
    value, text = f"({d} -> {literal(key)})", f"({d} ->> {literal(key)})"
    converted = _CONVERTED[kind].format(value=value, text=text)
    return (
        f"CASE WHEN {d} ? {literal(key)} THEN {d} || jsonb_build_object({literal(key)}, "
        f"coalesce({converted}, 'null'::jsonb)) ELSE {d} END"
    )


_PATTERN: Final = literal(NUMBER).replace("{", "{{").replace("}", "}}")
_NUMERIC: Final = f"CASE WHEN {{text}} ~ {_PATTERN} THEN {{text}}::numeric "
_BOOLEAN: Final = "WHEN {value} = 'true' THEN 1 WHEN {value} = 'false' THEN 0 END"
_CONVERTED: Final = {
    "text": "to_jsonb({text})",
    "integer": f"to_jsonb(round({_NUMERIC}{_BOOLEAN}))",
    "number": f"to_jsonb({_NUMERIC}{_BOOLEAN})",
    "boolean": (
        f"CASE WHEN lower(btrim({{text}})) IN ({', '.join(map(literal, TRUE))}) THEN 'true'::jsonb "
        f"WHEN lower(btrim({{text}})) IN ({', '.join(map(literal, FALSE))}) THEN 'false'::jsonb END"
    ),
}


def after(d: str, expression: str) -> str:
    """Return ``expression``, over ``x.d``, of the expression ``d``, which is computed once."""
    return f"(SELECT {expression} FROM (SELECT {d} AS d OFFSET 0) x)"


def patched(row: str) -> str:
    """Return the document that the parameter ``casts`` has in place of the row's; see ``kontract.mvcc.casting``."""
    return f"(%(casts)s::jsonb -> ({row}.id || '@' || {row}._txid))"


def uncast(source: str, ranges: list[tuple[int, int]]) -> str:
    """Return the query for the rows of a FROM entry whose numbers lie in ``ranges``, the end of each left out."""
    within = " OR ".join(f"(s._schema >= {low} AND s._schema < {high})" for low, high in ranges)
    return f"SELECT s.id, s._txid, s._schema, s.data::text FROM ({source}) s WHERE {within}"

"""What a caller has to know of a procedure besides its arguments and its result."""

from typing import Final, NamedTuple

from kontract.codegen.cookbook.describing import Field, Piece
from kontract.codegen.cookbook.recipe import Recipe
from kontract.codegen.manifest import ProcedureEntry

_MAY: Final = {"R": "read", "W": "write", "X": "delete"}


class Fact(NamedTuple):
    """A line of a table; ``markdown`` has code, but nothing else to mark up."""

    title: str
    markdown: str


class Badge(NamedTuple):
    """A word beside the name; ``kind`` chooses its colour."""

    kind: str
    text: str


def list_facts(recipe: Recipe) -> list[Fact]:
    """Return who may call a procedure, what it may do, and how it is called."""
    entry = recipe.entry
    facts = [
        Fact("Request", " or ".join(f"`{method} rpc/{entry.name}`" for method in _list_methods(entry))),
        Fact("Endpoint group", f"`{entry.egroup}`"),
        Fact("Callers", _describe_callers(entry)),
        Fact("Permissions", f"`{entry.perm}`: {describe_perm(entry)}"),
    ]
    if headers := list_headers(entry):
        facts.append(Fact("Headers", ", ".join(f"`{header}`" for header in headers)))
    if recipe.entry.raystream is not None:
        must = "must be called through it" if recipe.entry.raystream == "required" else "may be called through it"
        facts.append(Fact("Encrypted channel", must))
    return facts


def _list_methods(entry: ProcedureEntry) -> list[str]:
    return ["POST", "GET"] if entry.has_get else ["POST"]


def _describe_callers(entry: ProcedureEntry) -> str:
    if entry.ugroups is None:
        return "anybody"
    return f"members of {' or '.join(f'`{name}`' for name in entry.ugroups)}" if entry.ugroups else "nobody"


def describe_perm(entry: ProcedureEntry) -> str:
    """Return what the procedure may do to stored data."""
    words = [word for bit, word in _MAY.items() if bit in entry.perm]
    if not words:
        return "touches no stored data"
    return f"may {' and '.join([', '.join(words[:-1]), words[-1]] if words[1:] else words)} stored data"


def list_headers(entry: ProcedureEntry) -> list[str]:
    """Return the headers that a call may have of its own."""
    if entry.is_read_only:
        return ["Kontract-As-Of"]
    return [] if entry.is_stream else ["Kontract-Dry-Run", "Idempotency-Key"]


def list_badges(recipe: Recipe) -> list[Badge]:
    """Return what of a procedure is seen at one glance."""
    entry = recipe.entry
    kinds = {"W": Badge("writes", "writes"), "X": Badge("deletes", "deletes"), "R": Badge("reads", "reads")}
    found = [next((badge for bit, badge in kinds.items() if bit in entry.perm), Badge("plain", "no data"))]
    found += [Badge("plain", "stream")] if entry.is_stream else []
    found += [Badge("plain", "download")] if entry.is_download else []
    found += [Badge("plain", "upload")] if entry.uploads else []
    found += [Badge("guarded", "restricted")] if entry.ugroups is not None else []
    found += [Badge("guarded", "encrypted")] if recipe.entry.raystream == "required" else []
    return found


def list_files(entry: ProcedureEntry) -> list[Field]:
    """Return the parameters that are files."""
    return [
        Field(
            name=upload.name,
            type=(Piece("file[]" if upload.many else "file"),),
            required=upload.required,
            default=None,
            limits=(),
            doc="",
        )
        for upload in entry.uploads
    ]

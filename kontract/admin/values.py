"""Values of fields as people read them, and what differs between two of them."""

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from django.contrib.admin.utils import display_for_value
from django.core.exceptions import ObjectDoesNotExist
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from kontract.exceptions import NotVersionedError, SnapshotTooOldError
from kontract.orm.columns import is_reference

_WORD_BY_WORD: Final = 40  # characters, from which on a text is compared in parts
_TOO_LONG: Final = 4_000  # words, from which on that takes too long
_CONTEXT: Final = 5  # unchanged words that are shown around a change
_PARTS: Final = re.compile(r"\s+|\w+(?:[.,:]\w+)*|[^\w\s]")  # numbers and times in one piece

_WORDS: Final = re.compile(r"\s*\S+\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a compared text; ``same`` may be shortened to what stands next to a change."""

    kind: Literal["same", "removed", "added"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One field that differs: its verbose name, and both values as people read them ("" for no value).

    ``pieces`` compares two long texts; it is empty where the values are shown one after the other.
    """

    label: str
    before: str
    after: str
    pieces: Sequence[Piece] = ()


def compare(before: Any, after: Any, names: Sequence[str]) -> list[Difference]:
    """Return the fields among ``names`` that differ between two instances, in that order."""
    differing = after.diff(before)
    fields = [after._meta.get_field(name) for name in names if name in differing]
    return [_difference(before, after, field) for field in fields]


def _difference(before: Any, after: Any, field: Any) -> Difference:
    old, new = readable(before, field), readable(after, field)
    if old == new:  # what tells them apart is more than people usually want to know, such as microseconds
        old, new = (str(getattr(obj, field.attname)) for obj in (before, after))
    is_text = isinstance(field, (models.CharField, models.TextField, models.JSONField)) and not field.flatchoices
    in_parts = is_text and old and new and max(len(old), len(new)) >= _WORD_BY_WORD
    pieces = tuple(_shortened(list(_pieces(old, new)))) if in_parts else ()
    return Difference(label=capfirst(field.verbose_name), before=old, after=new, pieces=pieces)


def readable(instance: Any, field: Any) -> str:
    """Return the value of a field as people read it; "" where there is none."""
    value = getattr(instance, field.attname)
    if value is None or value == "":
        return ""
    if is_reference(field):
        return _target(instance, field)
    if field.flatchoices:
        return str(instance._get_FIELD_display(field))
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(field, models.JSONField):
        return json.dumps(value, indent=2, ensure_ascii=False, cls=field.encoder)
    if isinstance(value, (bytes, memoryview)):
        return ngettext("%(size)d byte", "%(size)d bytes", len(value)) % {"size": len(value)}
    return str(display_for_value(value, ""))


def _target(instance: Any, field: Any) -> str:
    """Return what a foreign key refers to, by its name then; by its key where that cannot be known any more."""
    key = str(getattr(instance, field.attname))
    try:
        target = getattr(instance, field.name)
    except (ObjectDoesNotExist, SnapshotTooOldError, NotVersionedError):
        return key
    return str(target) or key


def _pieces(before: str, after: str) -> Iterator[Piece]:
    old, new = _PARTS.findall(before), _PARTS.findall(after)
    if len(old) + len(new) > _TOO_LONG:
        yield Piece(kind="removed", text=before)
        yield Piece(kind="added", text=after)
        return
    for kind, i, j, k, m in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield Piece(kind="same", text="".join(old[i:j]))
            continue
        if i < j:
            yield Piece(kind="removed", text="".join(old[i:j]))
        if k < m:
            yield Piece(kind="added", text="".join(new[k:m]))


def _shortened(pieces: list[Piece]) -> Iterator[Piece]:
    """Yield the pieces, those that are the same cut down to the words next to a change."""
    for n, piece in enumerate(pieces):
        words = _WORDS.findall(piece.text)
        if piece.kind != "same" or len(words) <= 2 * _CONTEXT + 1:
            yield piece
            continue
        head = "" if n == 0 else "".join(words[:_CONTEXT])
        tail = "" if n == len(pieces) - 1 else "".join(words[-_CONTEXT:])
        yield Piece(kind="same", text=f"{head}… {tail}")

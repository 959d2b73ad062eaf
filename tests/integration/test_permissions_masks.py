"""Every combination of permissions: what kontract_explain says is what happens, through both faces of the storage."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from pytest_django.fixtures import Settings

import kontract
from kontract import env
from kontract.context import CallContext, calling
from kontract.perms import RWX, Perm, show
from kontract.rpc.explain import decide
from kontract.tables.keys import access_options
from tests.guarded.models import Note

FRESH = "00000000-0000-7000-8000-000000000000"
MASKS = [Perm(bits) for bits in range(8)]


class RollBack(Exception):
    """Ends a transaction in which everything was tried."""


@pytest.fixture
def note() -> Note:
    """A note to read, write and delete."""
    made: Note = Note.objects.create(title="first", number=1)
    return made


def permit(settings: Settings, table: Perm, field: Perm) -> None:
    settings.KONTRACT = {"TABLES": {"notes": {"perm": table, "fields": {"title": field}}}}


def may(attempt: Callable[[], object]) -> bool:
    """Tell whether an attempt is allowed, having undone it."""
    try:
        with kontract.transaction():
            attempt()
            raise RollBack
    except PermissionDenied:
        return False
    except RollBack:
        return True


def title_of(document: dict[str, Any]) -> str:
    """Return the title; a document that lacks it keeps it from who asks."""
    if "title" not in document:
        raise PermissionDenied
    title: str = document["title"]
    return title


def documents(key: str) -> dict[str, list[Callable[[], object]]]:
    """Return what needs R of the field, W of the field, and X, through ``env.storage``."""
    notes = env.storage.notes
    return {
        "R": [
            lambda: title_of(notes[key]),
            lambda: list(notes.query(title="first")),
            lambda: list(notes.query().order_by("title")),
            lambda: list(notes.query().values("title")),
            lambda: title_of(notes.history(key)[0].data),
        ],
        "W": [
            lambda: notes.set(FRESH, {"title": "new", "number": 1}),
            lambda: notes.update(key, {"title": "other"}),
            lambda: notes.query().update({"title": "other"}),
            lambda: notes.set_many({FRESH: {"title": "a", "number": 1}, key: {"title": "other", "number": 1}}),
        ],
        "X": [
            lambda: notes.delete(key),
            lambda: notes.delete(FRESH),
            lambda: notes.query().delete(),
        ],
    }


def objects(key: Any) -> dict[str, list[Callable[[], object]]]:
    """Return what needs R of the field, W of the field, and X, through the model."""
    return {
        "R": [
            lambda: Note.objects.get(pk=key).title,
            lambda: list(Note.objects.filter(title="first")),
            lambda: list(Note.objects.order_by("title")),
            lambda: list(Note.objects.values("title")),
        ],
        "W": [
            lambda: Note.objects.create(title="new"),
            lambda: Note.objects.filter(pk=key).update(title="other"),
            lambda: Note(pk=key, title="other", number=1).save(force_update=True, update_fields=["title"]),
            lambda: Note.objects.bulk_create([Note(title="new")]),
            lambda: Note.objects.bulk_update([Note(pk=key, title="other")], ["title"]),
        ],
        "X": [
            lambda: Note(pk=key).delete(),
            lambda: Note.objects.filter(pk=key).delete(),
            lambda: Note.objects.all()._raw_delete("default"),
        ],
    }


def refuted(key: Any, procedure: Perm, attempts: slice) -> Iterator[str]:
    """Yield what happens otherwise than ``decide`` says."""
    options = access_options("notes")
    decisions = dict(zip("RWX", decide(procedure, options, "title"), strict=True))
    with calling(CallContext(route="test", perm=procedure)):
        for face in (documents(str(key)), objects(key)):
            for letter, ways in face.items():
                for number, attempt in list(enumerate(ways))[attempts]:
                    if may(attempt) != decisions[letter].is_allowed:
                        yield f"{show(procedure)} {show(options.perm)} {letter}{number}: {decisions[letter]}"


@pytest.mark.parametrize("table", MASKS, ids=show)
def test_every_combination(note: Note, settings: Settings, table: Perm) -> None:
    wrong: list[str] = []
    for field in MASKS:
        permit(settings, table, field)
        for procedure in MASKS:
            wrong += refuted(note.pk, procedure, slice(1))
    assert wrong == []
    assert env.storage.notes[str(note.pk)] == {"title": "first", "number": 1}


@pytest.mark.parametrize("level", range(3))
@pytest.mark.parametrize("bits", MASKS, ids=show)
def test_every_way(note: Note, settings: Settings, level: int, bits: Perm) -> None:
    procedure, table, field = (bits if n == level else RWX for n in range(3))
    permit(settings, table, field)
    assert list(refuted(note.pk, procedure, slice(None))) == []


@pytest.mark.parametrize("bits", MASKS, ids=show)
def test_elevated_lifts_tables_and_fields_but_not_the_procedure(note: Note, settings: Settings, bits: Perm) -> None:
    permit(settings, bits, bits)
    for procedure in MASKS:
        with calling(CallContext(route="test", perm=procedure)), kontract.elevated():
            for letter, decision in zip("RWX", decide(procedure), strict=True):
                assert may(objects(note.pk)[letter][0]) == decision.is_allowed
                assert may(documents(str(note.pk))[letter][0]) == decision.is_allowed


def test_outside_of_calls_everything_is_allowed(note: Note, settings: Settings) -> None:
    permit(settings, Perm(0), Perm(0))
    for face in (documents(str(note.pk)), objects(note.pk)):
        for letter in "WX":
            assert all(may(attempt) for attempt in face[letter])
    assert [bool(attempt()) for attempt in objects(note.pk)["R"]] == [True] * 4
    assert [bool(attempt()) for attempt in documents(str(note.pk))["R"]] == [True] * 5


def test_writes_without_a_transaction_are_bound_as_well(note: Note, settings: Settings) -> None:
    key = str(note.pk)
    permit(settings, Perm.R, Perm.R)
    with calling(CallContext(route="test")):
        for face in (documents(key), objects(note.pk)):
            for attempt in [*face["W"], *face["X"], env.storage.notes.pop, env.storage.notes.shift, Note().save]:
                with pytest.raises(PermissionDenied):
                    attempt()
    assert dict(env.storage.notes.items()) == {key: {"title": "first", "number": 1}}

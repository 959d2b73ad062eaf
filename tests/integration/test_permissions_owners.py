"""Owner-scoped tables: what is somebody's alone, whatever others try."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import Count, Exists, F, OuterRef
from pytest_django.fixtures import Settings

import kontract
from kontract import env, perms
from kontract.context import CallContext, calling
from kontract.exceptions import (
    AuthenticationRequiredError,
    ConflictError,
    ConstraintError,
    DocumentNotFound,
    PermissionDeniedError,
    TransactionNotFound,
)
from kontract.mvcc.history import Version
from kontract.orm.past import read_deletions
from tests.guarded.models import Account, Diary, Page, Remark
from tests.interleave import Actor

SECRET = "dear diary"


@contextmanager
def as_owner(owner: str) -> Iterator[None]:
    """Call as somebody."""
    with calling(CallContext(route="test", owner=owner, is_anonymous=not owner)):
        yield


@pytest.fixture
def notes(settings: Settings) -> Any:
    """A table whose documents are their owners' alone: two of Ann's, one of Bob's, and one of nobody's."""
    settings.KONTRACT = {"TABLES": {"mine": {"owner_scoped": True}, "box": {"owner_scoped": True, "versioned": False}}}
    with as_owner("ann"):
        env.storage.mine.set("a1", {"text": SECRET})
        env.storage.mine.set("a2", {"text": "more"})
    with as_owner("bob"):
        env.storage.mine.set("b1", {"text": "bob's"})
    env.storage.mine.set("n1", {"text": "nobody's"})
    return env.storage.mine


def everything(table: Any) -> dict[str, Any]:
    return dict(table.items())


# --- Documents -------------------------------------------------------------------------------------------------------


def test_everybody_sees_what_is_theirs(notes: Any) -> None:
    with as_owner("bob"):
        assert everything(notes) == {"b1": {"text": "bob's"}}
        assert (len(notes), notes.count(), list(notes), notes.query().exists()) == (1, 1, ["b1"], True)
        assert list(notes.query(text=SECRET)) == list(notes.query(_owner="ann")) == []
        assert notes.get("a1") is None
        assert notes.get_many(["a1", "b1", "n1"]) == {"b1": {"text": "bob's"}}
        assert "a1" not in notes
        assert notes.history("a1") == []
        assert [version.owner for version in notes.history("b1")] == ["bob"]
    assert len(notes) == 4
    with as_owner("bob"), kontract.elevated():
        assert len(notes) == 4


def test_nobody_sees_nothing_and_is_to_sign_in(notes: Any) -> None:
    with as_owner(""):
        assert everything(notes) == {}
        assert notes.get("n1") is None
        assert notes.history("n1") == []
        for write in (
            lambda: notes.set("new", {}),
            lambda: notes.set("n1", {}),
            lambda: notes.push({}),
            lambda: notes.set_many({"x": {}}),
            lambda: notes.update("n1", {}),
            lambda: notes.delete("n1"),
            lambda: notes.pop(),
            lambda: notes.query().update({"x": 1}),
            lambda: notes.query().delete(),
            lambda: Diary.objects.create(title="x"),
            lambda: Diary.objects.update(title="x"),
            lambda: Diary.objects.all().delete(),
        ):
            with pytest.raises(AuthenticationRequiredError):
                write()  # type: ignore[no-untyped-call]
    assert len(notes) == 4


def within_a_transaction(attempt: Callable[[], Any]) -> Any:
    with kontract.transaction():
        return attempt()


@pytest.mark.parametrize("run", [lambda attempt: attempt(), within_a_transaction], ids=["alone", "together"])
def test_what_is_another_s_cannot_be_touched(notes: Any, run: Callable[[Any], Any]) -> None:
    with as_owner("bob"):
        for write in (
            lambda: notes.set("a1", {"text": "taken"}),
            lambda: notes.set("n1", {"text": "taken"}),
            lambda: notes.set_many({"b2": {}, "a1": {}}),
        ):
            with pytest.raises(PermissionDeniedError, match="is taken") as refused:
                run(write)
            assert SECRET not in str(refused.value)
        with pytest.raises(DocumentNotFound):
            run(lambda: notes.update("a1", {"text": "taken"}))
        assert run(lambda: notes.delete("a1")) is False
        assert run(lambda: notes.query(_id="a1").update({"text": "taken"})) == 0
        assert run(lambda: notes.query(_id="a1").delete()) == 0
        assert run(lambda: notes.query().update({"seen": True})) == 1
        assert run(notes.shift) == {"text": "bob's", "seen": True}
        assert run(notes.pop) is None
    assert everything(notes) == {"a1": {"text": SECRET}, "a2": {"text": "more"}, "n1": {"text": "nobody's"}}


def test_what_a_transaction_has_written_is_its_caller_s(notes: Any) -> None:
    with as_owner("bob"), kontract.transaction():
        with kontract.elevated():
            notes.set("a1", {"text": "by the procedure itself"})
        assert notes.get("a1") is None
        assert [document.id for document in notes.query()] == ["b1"]
        notes.set("b2", {"text": "new"})
        notes.update("b2", {"more": 1})
        assert notes["b2"] == {"text": "new", "more": 1}
        assert [document.id for document in notes.query()] == ["b1", "b2"]
        with pytest.raises(PermissionDenied):
            notes.set("a1", {"text": "taken"})
        assert notes.delete("b2") is True
    with as_owner("ann"):
        assert notes["a1"] == {"text": "by the procedure itself"}


def test_the_past_is_its_owner_s_as_well(notes: Any) -> None:
    with as_owner("ann"):
        before = notes["a2"].txid
        notes.delete("a1")
    with as_owner("bob"):
        notes.set("a1", {"text": "a new one"})
        assert [version.data for version in notes.history("a1")] == [{"text": "a new one"}]
        assert everything(notes.as_of(before)) == {}
        assert notes.as_of(before).get("a1") is None
        with kontract.as_of(before):
            assert list(notes.query()) == []
    with as_owner("ann"):
        assert [version.data for version in notes.history("a1")] == [{"text": SECRET}]
        assert everything(notes.as_of(before)) == {"a1": {"text": SECRET}, "a2": {"text": "more"}}


def test_undo_is_for_transactions_of_one_s_own(notes: Any) -> None:
    with as_owner("ann"):
        txid = notes.update("a1", {"text": "changed"}).txid
        deletion = kontract.transaction()
        with deletion:
            notes.delete("a2")
    with as_owner("bob"):
        for other in (txid or 0, deletion.txid or 0, notes_txid(notes, "a1")):
            with pytest.raises(TransactionNotFound):
                kontract.undo(other)
    with as_owner("ann"):
        kontract.undo(txid or 0)
        kontract.undo(deletion.txid or 0)
        assert everything(notes) == {"a1": {"text": SECRET}, "a2": {"text": "more"}}


def notes_txid(notes: Any, key: str) -> int:
    with kontract.elevated():
        first: Version = notes.history(key)[-1]
        return first.txid


def test_dropping_a_table_needs_to_be_elevated(notes: Any) -> None:
    with as_owner("bob"):
        with pytest.raises(PermissionDenied):
            kontract.tables.drop("mine")
        with kontract.elevated():
            kontract.tables.drop("mine")


def test_unversioned_tables_are_scoped_too(notes: Any) -> None:
    box = env.storage.box
    with as_owner("ann"):
        box.set("x", {"text": SECRET})
    with as_owner("bob"):
        with pytest.raises(PermissionDenied):
            box.set("x", {})
        assert box.delete("x") is False
        assert (box.pop(), box.get("x"), len(box)) == (None, None, 0)
        assert box.set("y", {"a": 1}).id == "y"
        assert box.pop() == {"a": 1}
    assert everything(box) == {"x": {"text": SECRET}}


def test_one_that_appears_meanwhile_is_not_overwritten(notes: Any) -> None:
    def write() -> None:
        with as_owner("ann"):
            notes.set("free", {"text": SECRET})

    with Actor() as ann:
        with as_owner("bob"), pytest.raises(ConflictError):  # noqa: PT012 - the commit is what raises
            with kontract.transaction():
                notes.set("free", {"text": "bob's"})
                ann.do(write)
        with as_owner("bob"), pytest.raises(PermissionDenied):
            notes.set("free", {"text": "bob's"})
    with as_owner("ann"):
        assert notes["free"] == {"text": SECRET}


# --- Models ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def diary() -> Diary:
    """Ann's diary, with two pages, a remark of Bob's and a follower."""
    with as_owner("ann"):
        made: Diary = Diary.objects.create(title="Ann's")
        page = Page.objects.create(diary=made, text=SECRET)
        Page.objects.create(diary=made, text="blank")
        made.followers.add(Account.objects.create(name="Cleo"))
    with as_owner("bob"):
        Remark.objects.create(page=page, text="nice")
    return made


def test_objects_of_others_are_not_there(diary: Diary) -> None:
    page, txid = Page.objects.first(), diary.history[0].txid
    with as_owner("bob"):
        assert not Diary.objects.filter(pk=diary.pk).exists()
        assert (Diary.objects.count(), Page.objects.aggregate(n=Count("pk"))) == (0, {"n": 0})
        assert list(Page.objects.filter(diary__title="Ann's")) == list(Diary.objects.as_of(txid)) == []
        assert list(diary.pages.all()) == []
        assert list(diary.followers.all()) == []
        with pytest.raises(Diary.DoesNotExist):
            diary.refresh_from_db()
        with pytest.raises(Diary.DoesNotExist):
            assert page.diary
        remark = Remark.objects.get()
        with pytest.raises(Page.DoesNotExist):
            assert remark.page
        assert list(Remark.objects.filter(page__text=SECRET)) == []
        assert list(Remark.objects.annotate(x=F("page__text")).values_list("x", flat=True)) in ([], [None])
        assert list(Remark.objects.filter(Exists(Page.objects.filter(pk=OuterRef("page_id"))))) == []
        assert list(Account.objects.filter(diary__title="Ann's")) == []
        assert Account.objects.annotate(n=Count("diary")).get().n == 0
        assert list(Page.objects.prefetch_related("remarks").select_related("diary")) == []
        assert diary.history == []
        with pytest.raises(Diary.DoesNotExist):
            diary.restore(txid)
    with as_owner("ann"):
        assert Diary.objects.get().pages.count() == 2
        assert Remark.objects.select_related("page__diary").get().page.diary == diary
        assert [account.name for account in diary.followers.all()] == ["Cleo"]


def test_objects_of_others_are_not_written(diary: Diary) -> None:
    page = Page.objects.get(text=SECRET)
    with as_owner("bob"):
        assert Diary.objects.filter(pk=diary.pk).update(title="Bob's") == 0
        assert Diary.objects.update(title="Bob's") == 0
        assert Page.objects.bulk_update([Page(pk=page.pk, text="x")], ["text"]) == 0
        assert Page.objects.filter(pk=page.pk).delete()[0] == 0
        assert Page.objects.filter(pk=page.pk)._raw_delete("default") == 0
        page.text = "x"
        with pytest.raises(IntegrityError):  # it is not there to be updated, and cannot be inserted
            page.save()
        with pytest.raises(Exception, match="did not affect"):
            page.save(force_update=True)
        with pytest.raises(PermissionDeniedError, match="is taken"):
            Page.objects.bulk_create(
                [Page(pk=page.pk, diary=diary, text="x")], update_conflicts=True, unique_fields=["pk"],
                update_fields=["text"],
            )  # fmt: skip
        Page.objects.bulk_create([Page(pk=page.pk, diary=diary, text="x")], ignore_conflicts=True)
        with pytest.raises(PermissionDenied):
            env.storage.pages.set(str(page.pk), {"diary_id": str(diary.pk), "text": "x"})
        with pytest.raises(ConstraintError) as refused, kontract.transaction():
            Diary.objects.create(title="Ann's")
        assert str(diary.pk) not in str(refused.value)
        with pytest.raises(ConstraintError) as refused:
            Diary.objects.create(title="Ann's")
        assert str(diary.pk) not in str(refused.value)
        assert read_deletions(Page, using="default", limit=5) == []
    assert {p.text for p in Page.objects.all()} == {SECRET, "blank"}
    assert Diary.objects.get().title == "Ann's"


def test_a_cascade_needs_x_of_every_table(diary: Diary, settings: Settings) -> None:
    settings.KONTRACT = {"TABLES": {"remarks": {"perm": perms.RW_}}}
    with as_owner("ann"):
        for delete in (diary.delete, Diary.objects.all().delete, Page.objects.all().delete):
            with pytest.raises(PermissionDeniedError, match="'remarks'"):
                delete()
    assert (Diary.objects.count(), Page.objects.count(), Remark.objects.count()) == (1, 2, 1)


def test_a_cascade_leaves_alone_what_is_another_s(diary: Diary) -> None:
    with as_owner("bob"):
        hidden = Page.objects.create(diary_id=diary.pk, text="Bob was here")
    with as_owner("ann"):
        with pytest.raises(ConstraintError, match="pages_diary_id_fk") as refused:  # which refers to the diary
            Diary.objects.all().delete()
        assert str(hidden.pk) not in str(refused.value)
        assert (Diary.objects.count(), Page.objects.count()) == (1, 2)
    with as_owner("bob"):
        assert Diary(pk=diary.pk).delete()[1] == {"guarded.Page": 1}  # his own
    with as_owner("ann"):
        diary.delete()
    assert (Diary.objects.count(), Page.objects.count(), Remark.objects.count()) == (0, 0, 0)

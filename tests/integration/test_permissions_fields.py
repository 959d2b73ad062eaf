"""What calls may not read or write of a field, whatever way they try."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.postgres.aggregates import ArrayAgg
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Count, Exists, F, Func, Max, OuterRef, Q, Subquery, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat, Length, Now, Upper
from pytest_django.fixtures import Settings

import kontract
from kontract import env, perms
from kontract.context import CallContext, calling
from kontract.exceptions import ConstraintError, PermissionDeniedError
from tests.guarded.models import Account, Note, Team

SECRET = "hunter2"


@pytest.fixture
def account() -> Account:
    """An account whose password no call may read."""
    with calling(CallContext()):  # outside of whatever call the test is in
        team = Team.objects.create(name="red")
        made: Account = Account.objects.create(
            name="Ann", password=SECRET, token="t0ken", email="ann@example.org", team=team, facts={"age": 40}
        )
        return made


@pytest.fixture
def in_call() -> Iterator[None]:
    """Run the test in a call."""
    with calling(CallContext(route="test", owner="1", is_anonymous=False)):
        yield


def of(account: Account) -> Any:
    return Account.objects.filter(pk=account.pk)


# --- Reading models --------------------------------------------------------------------------------------------------

WAYS_TO_READ: list[Callable[[], object]] = [
    lambda: Account.objects.get().password,
    lambda: Account.objects.only("password").get(),
    lambda: Account.objects.get().refresh_from_db(fields=["password"]),
    lambda: list(Account.objects.values("password")),
    lambda: list(Account.objects.values_list("password", flat=True)),
    lambda: list(Account.objects.filter(password__startswith="h")),
    lambda: list(Account.objects.filter(Q(name="Bob") | Q(password=SECRET))),
    lambda: Account.objects.exclude(password=SECRET).exists(),
    lambda: Account.objects.filter(password=SECRET).count(),
    lambda: list(Account.objects.order_by("-password")),
    lambda: Account.objects.latest("password"),
    lambda: Account.objects.aggregate(Max("password")),
    lambda: Account.objects.aggregate(n=Count("pk", filter=Q(password=SECRET))),
    lambda: Account.objects.aggregate(all=ArrayAgg("password")),
    lambda: list(Account.objects.annotate(x=F("password"))),
    lambda: list(Account.objects.annotate(x=Concat("name", Value(":"), "password"))),
    lambda: list(Account.objects.alias(x=Length("password")).filter(x=7)),
    lambda: list(Account.objects.values("name").annotate(n=Count("password"))),
    lambda: list(Account.objects.distinct("password").order_by("password")),
    lambda: list(Account.objects.filter(Exists(Account.objects.filter(pk=OuterRef("pk"), password=SECRET)))),
    lambda: list(Account.objects.annotate(x=Subquery(Account.objects.values("password")[:1]))),
    lambda: list(Team.objects.filter(accounts__password=SECRET)),
    lambda: list(Team.objects.annotate(x=F("accounts__password"))),
    lambda: list(Account.objects.filter(team__name="red")),
    lambda: list(Account.objects.select_related("team")),
    lambda: list(Team.objects.prefetch_related("accounts")),
    lambda: list(Team.objects.filter(accounts__name="Ann")),
    lambda: Account.objects.get().team,
    lambda: Team.objects.get().accounts.all()[0],
    lambda: Account.objects.in_bulk(["ann@example.org"], field_name="email"),
    lambda: list(Account.objects.filter(friends__password=SECRET)),
    lambda: list(Account.objects.filter(email="ann@example.org")),
    lambda: Account.objects.filter(password=SECRET).update(name="x"),
    lambda: Account.objects.update(name=F("password")),
    lambda: Account.objects.update(name=Upper("password")),
    lambda: Account.objects.filter(password=SECRET).delete(),
    lambda: Account.objects.filter(password=SECRET)._raw_delete("default"),
    lambda: Account.objects.get_or_create(password=SECRET),
    lambda: Account.objects.bulk_create(
        [Account(email="ann@example.org")], update_conflicts=True, unique_fields=["email"], update_fields=["name"]
    ),
    lambda: Account.objects.filter(password=SECRET).explain(),
    lambda: list(Account.objects.filter(password=SECRET).union(Account.objects.all())),
    lambda: list(Account.objects.filter(password=SECRET).iterator()),
    lambda: list(Account.objects.dates("created_at", "year").filter(password=SECRET)),
]


@pytest.mark.usefixtures("account", "in_call")
@pytest.mark.parametrize("way", WAYS_TO_READ, ids=range(len(WAYS_TO_READ)))
def test_what_names_an_unreadable_field_is_refused(way: Callable[[], object]) -> None:
    with pytest.raises(PermissionDeniedError, match=r"may not read the field '(password|email|team_id)'") as refused:
        way()
    assert SECRET not in str(refused.value)
    with kontract.elevated():
        assert Account.objects.get().password == SECRET
        assert Account.objects.get().name == "Ann"


@pytest.mark.usefixtures("account", "in_call")
def test_an_instance_lacks_what_may_not_be_read() -> None:
    found = Account.objects.get()
    assert found.get_deferred_fields() == {"password", "token", "rank", "email", "team_id"}
    assert (found.name, found.level, found.facts, found.shouted) == ("Ann", 1, {"age": 40}, None)
    assert SECRET not in repr(list(Account.objects.values())) + repr(found.__dict__)
    assert set(Account.objects.values()[0]) == {
        *("id", "name", "level", "serial", "created_at", "updated_at", "shouted", "facts")
    }
    found.refresh_from_db()
    assert Account.objects.defer("name").get().name == "Ann"
    assert Account.objects.only("name").get().level == 1


@pytest.mark.usefixtures("account", "in_call")
def test_not_even_sql_of_a_procedure_tells_it() -> None:
    raw = RawSQL("password", (), output_field=models.TextField())
    assert list(Account.objects.annotate(x=raw).values_list("x", flat=True)) == [None]
    assert list(Account.objects.annotate(x=raw).filter(x=SECRET)) == []
    assert list(Account.objects.extra(where=["password = %s"], params=[SECRET])) == []
    shouted = Func(F("shouted"), function="lower")
    assert list(Account.objects.annotate(x=shouted).values_list("x", flat=True)) == [None]


@pytest.mark.usefixtures("account")
def test_what_was_built_outside_of_a_call_is_bound_when_it_runs() -> None:
    queryset = Account.objects.filter(password=SECRET)
    values = Account.objects.values()
    with calling(CallContext(route="test")):
        with pytest.raises(PermissionDenied):
            list(queryset)
        with pytest.raises(PermissionDenied):
            list(values)
    assert queryset.get().password == SECRET


def test_the_past_is_bound_as_the_present(account: Account) -> None:
    txid = account.history[0].txid
    account.password = "other"
    account.save()
    with calling(CallContext(route="test")):
        assert "password" not in account.history[1].data
        with pytest.raises(PermissionDenied):
            assert account.history[1].instance.password
        with pytest.raises(PermissionDenied):
            assert list(Account.objects.as_of(txid).filter(password=SECRET))
        found = Account.objects.get()
        assert set(found.diff(txid)) <= {"updated_at", "shouted"}
        with pytest.raises(PermissionDenied):
            found.restore(txid)
        with pytest.raises(PermissionDenied):
            kontract.undo(txid)
    assert Account.objects.get().password == "other"


# --- Writing models --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("in_call")
def test_saving_an_instance_keeps_what_the_call_cannot_see(account: Account) -> None:
    found = Account.objects.get()
    found.name = "Bea"
    found.save()
    found.password = "new"
    found.save()
    with kontract.elevated():
        now = Account.objects.get()
    assert (now.name, now.password, now.token, now.email) == ("Bea", "new", "t0ken", "ann@example.org")
    assert now.updated_at > account.updated_at
    assert (now.created_at, now.serial) == (account.created_at, account.serial)


WAYS_TO_WRITE: list[Callable[[], object]] = [
    lambda: Account.objects.update(level=2),
    lambda: Account.objects.update(level=F("level") + 1),
    lambda: Account.objects.update(name="x", token="x"),
    lambda: Account.objects.update(updated_at=Now()),
    lambda: Account.objects.update(facts=None),
    lambda: Account.objects.update(facts={"age": 41}),
    lambda: change(Account.objects.get(), level=2).save(),
    lambda: change(Account.objects.get(), serial="x").save(),
    lambda: change(Account.objects.get(), facts=None).save(),
    lambda: change(Account.objects.get(), rank=7).save(),
    lambda: change(Account.objects.get(), token="t0ken").save(),
    lambda: Account.objects.bulk_update([change(Account.objects.get(), level=2)], ["level"]),
    lambda: Account.objects.bulk_update([change(Account.objects.get(), level=Value(2))], ["level"]),
    lambda: Account.objects.create(level=2),
    lambda: Account.objects.create(rank=2),
    lambda: Account.objects.create(facts={}),
    lambda: Account.objects.bulk_create([Account(name="x"), Account(level=2)]),
    lambda: Account.objects.bulk_create(
        [Account(pk=Account.objects.get().pk, name="x", level=2)],
        update_conflicts=True,
        unique_fields=["pk"],
        update_fields=["level"],
    ),
    lambda: Account.objects.update_or_create(name="Ann", defaults={"level": 2}),
    lambda: Team.objects.create(name="blue"),
    lambda: Team.objects.update(name="blue"),
    lambda: Team.objects.all().delete(),
    lambda: Team.objects.get().delete(),
    lambda: env.storage.accounts.update(str(Account.objects.get().pk), {"level": 2}),
    lambda: env.storage.accounts.query().update({"level": 2}),
    lambda: env.storage.accounts.update(str(Account.objects.get().pk), {"token": "t0ken"}),
    lambda: env.storage.accounts.push({"level": 1}),
]


def change(account: Account, **values: Any) -> Account:
    for name, value in values.items():
        setattr(account, name, value)
    return account


@pytest.mark.usefixtures("account", "in_call")
@pytest.mark.parametrize("way", WAYS_TO_WRITE, ids=range(len(WAYS_TO_WRITE)))
def test_what_changes_an_unwritable_field_is_refused(way: Callable[[], object]) -> None:
    with kontract.elevated():
        before = list(Account.objects.values()), list(Team.objects.values())
    with pytest.raises(PermissionDeniedError):
        way()
    with kontract.elevated():
        assert (list(Account.objects.values()), list(Team.objects.values())) == before


@pytest.mark.usefixtures("in_call")
def test_an_insert_makes_the_defaults_of_what_it_may_not_write() -> None:
    made = Account.objects.create(name="Ann", password=SECRET, token="chosen", serial="chosen")
    assert made.serial != "chosen"
    with pytest.raises(PermissionDenied):
        assert made.token
    made.name = "Bea"
    made.save()
    with kontract.elevated():
        stored = Account.objects.get()
    assert (stored.name, stored.password, stored.rank, stored.level) == ("Bea", SECRET, 1, 1)
    assert stored.serial == made.serial
    assert stored.token != "chosen"
    assert len(stored.token) == 16


@pytest.mark.usefixtures("in_call")
def test_whether_an_unreadable_value_is_the_one_that_is_there_cannot_be_told(account: Account) -> None:
    for guess in ("t0ken", "other"):
        with pytest.raises(PermissionDenied) as refused:
            of(account).update(token=guess)
        assert guess not in str(refused.value)
    for rank in (1, 2):  # the default is taken, in vain, whatever is there
        with kontract.elevated():
            of(account).update(rank=rank)
        of(account).update(rank=1)
        with kontract.elevated():
            assert Account.objects.get().rank == rank


@pytest.mark.usefixtures("in_call", "account")
def test_a_unique_value_that_cannot_be_read_does_not_say_whose_it_is() -> None:
    with pytest.raises(ConstraintError, match="another document"), kontract.transaction():
        Account.objects.create(email="ann@example.org")


@pytest.mark.usefixtures("in_call")
def test_cascades_need_no_r_of_the_fields_that_they_follow(account: Account) -> None:
    with kontract.elevated():
        Team.objects.get().delete()
        assert Account.objects.get().team_id is None
    with pytest.raises(PermissionDeniedError, match="'accounts_friends'"):  # of which no call may delete any
        account.delete()
    with kontract.elevated():
        account.delete()
    assert not Account.objects.exists()


@pytest.mark.usefixtures("in_call")
def test_relations_have_the_permissions_of_their_field(account: Account) -> None:
    other = Account.objects.create(name="Bob")
    account.friends.add(other)
    assert list(account.friends.values_list("name", flat=True)) == ["Bob"]
    with pytest.raises(PermissionDenied):
        account.friends.remove(other)
    with pytest.raises(PermissionDenied):
        account.friends.clear()
    assert account.friends.count() == 1


def test_a_procedure_without_r_updates_by_key_and_learns_nothing(account: Account) -> None:
    with calling(CallContext(route="test", perm=perms._W_)):
        assert of(account).update(name="x") == 1
        for way in (
            lambda: list(of(account)),
            lambda: of(account).exists(),
            lambda: of(account).count(),
            lambda: list(of(account).values("pk")),
            lambda: Account.objects.filter(name="x").update(name="y"),
            lambda: of(account).update(name=F("name")),
            lambda: env.storage.accounts.get(str(account.pk)),
            lambda: env.storage.accounts.query(name="x").update({"name": "y"}),
            lambda: env.storage.accounts.query(_owner="").update({"name": "y"}),
            lambda: env.storage.accounts.history(str(account.pk)),
            lambda: len(env.storage.accounts),
            lambda: list(env.storage.accounts),
            lambda: str(account.pk) in env.storage.accounts,
            lambda: env.storage.accounts.pop(),
            lambda: of(account).filter(Exists(Team.objects.filter(pk=account.team_id))).update(name="y"),
            lambda: account.history,
        ):
            with pytest.raises(PermissionDeniedError, match=r"The procedure 'test' has the permissions _W_"):
                way()
        written = env.storage.accounts.update(str(account.pk), {"name": "z"})
        assert (written, written.owner) == ({"name": "z"}, "")
        assert env.storage.accounts.query(_id=str(account.pk)).update({"name": "q"}) == 1
    assert (Account.objects.get().name, Account.objects.get().password) == ("q", SECRET)


# --- Documents -------------------------------------------------------------------------------------------------------


@pytest.fixture
def users(settings: Settings) -> Any:
    """A table without a model, with a field of each kind, and a document in it."""
    fields = {"password": perms._W_, "level": perms.R__, "token": perms.___}
    settings.KONTRACT = {"TABLES": {"users": {"fields": fields}}}
    with calling(CallContext()):
        env.storage.users.set("ann", {"name": "Ann", "password": SECRET, "level": 1, "token": "t0ken"})
    return env.storage.users


def stored(users: Any) -> Any:
    with kontract.elevated():
        return users["ann"]


@pytest.mark.usefixtures("in_call")
def test_documents_lack_what_may_not_be_read(users: Any) -> None:
    shown = {"name": "Ann", "level": 1}
    assert users.get("ann") == users["ann"] == next(users.values()) == shown
    assert users.get_many(["ann"]) == dict(users.items()) == {"ann": shown}
    assert list(users.query()) == list(users.query().values()) == list(users.query(level=1)) == [shown]
    assert users.history("ann")[0].data == users.as_of(users["ann"].txid)["ann"] == shown
    assert users.set("ann", {"name": "Bea", "password": "p"}) == {"name": "Bea", "level": 1}
    assert users.update("ann", {"password": "q"}) == {"name": "Bea", "level": 1}
    assert stored(users) == {"name": "Bea", "password": "q", "level": 1, "token": "t0ken"}
    assert users.query().update({"name": "Cleo"}) == 1
    assert stored(users) == {"name": "Cleo", "password": "q", "level": 1, "token": "t0ken"}
    assert users.pop() == {"name": "Cleo", "level": 1}


@pytest.mark.usefixtures("in_call")
def test_inside_a_transaction_documents_lack_it_too(users: Any) -> None:
    with kontract.transaction():
        users.set("ann", {"name": "Bea", "password": "p"})
        users.set("bob", {"name": "Bob", "password": "p"})
        assert users["ann"] == {"name": "Bea", "level": 1}
        assert list(users.query()) == [{"name": "Bea", "level": 1}, {"name": "Bob"}]
        assert users.shift() == {"name": "Bea", "level": 1}
    with kontract.elevated():
        assert dict(users.items()) == {"bob": {"name": "Bob", "password": "p"}}


@pytest.mark.usefixtures("in_call")
def test_queries_of_documents_that_name_it_are_refused(users: Any) -> None:
    for query in (
        users.query(password=SECRET),
        users.query(password__startswith="h"),
        users.query(Q(name="Ann") & ~Q(password="x")),
        users.query().exclude(password=SECRET),
        users.query().order_by("-password"),
        users.query().order_by("token"),
        users.query().values("password"),
        users.query().values("name", "password__0"),
    ):
        for run in (list, len, lambda query: query.count(), lambda query: list(query.iterator())):
            with pytest.raises(PermissionDeniedError, match="may not read the field"):
                run(query)
    with pytest.raises(PermissionDenied):
        users.query(password=SECRET).update({"name": "x"})
    with pytest.raises(PermissionDenied):
        users.query(password=SECRET).delete()
    assert users.query(name=F("data__password")).count() == 0  # which is no key of what the call sees
    assert users.query(name__in=[F("data__password")]).count() == 0


@pytest.mark.usefixtures("in_call")
def test_documents_keep_what_may_not_be_written(users: Any) -> None:
    for changes in ({"level": 2}, {"level": True}, {"level": None}, {"token": "t0ken"}, {"token": "x"}):
        for way in (
            lambda changes: users.update("ann", changes),
            lambda changes: users.set("ann", changes),
            lambda changes: users.set("new", changes),
            lambda changes: users.push(changes),
            lambda changes: users.set_many({"ann": changes}),
            lambda changes: users.query().update(changes),
        ):
            with pytest.raises(PermissionDeniedError, match="may not write the field"):
                way(changes)  # type: ignore[no-untyped-call]
    users.set("ann", users["ann"])
    users.update("ann", {"level": 1.0})
    users.set("ann", {})
    assert stored(users) == {"level": 1, "password": SECRET, "token": "t0ken"}


@pytest.mark.usefixtures("in_call")
def test_undo_needs_every_field(users: Any) -> None:
    txid = users.update("ann", {"name": "Bea"}).txid
    assert users["ann"].txid == txid
    with pytest.raises(PermissionDenied):
        kontract.undo(txid)
    with kontract.elevated():
        kontract.undo(txid)
    assert users["ann"]["name"] == "Ann"


def test_tables_are_made_and_dropped_by_procedures_that_may(settings: Settings) -> None:
    settings.KONTRACT = {"TABLES": {"users": {"perm": perms.RW_}}}
    env.storage.users.set("a", {})
    with calling(CallContext(route="test", perm=perms.R_X)):
        with pytest.raises(PermissionDenied):
            kontract.tables.create("more")
        with pytest.raises(PermissionDenied):
            kontract.tables.drop("users")
        assert env.storage.notes.count() == 0  # which makes the table that is declared
    with calling(CallContext(route="test", perm=perms.RW_)):
        kontract.tables.create("more")
        with pytest.raises(PermissionDenied):
            kontract.tables.drop("more")
    assert Note.objects.count() == 0
    assert env.storage.users["a"] == {}

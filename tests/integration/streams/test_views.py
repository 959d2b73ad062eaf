"""What a subscriber has been told amounts to what it could read, whatever is written and whatever the rules are."""

from typing import Any

import pytest
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kontract
from kontract import env, perms
from kontract.context import CallContext, calling
from kontract.events.cursor import Cursor
from kontract.events.sharing import read_shared
from kontract.events.subscriptions import Seen, TableSubscription, make_subscription
from kontract.mvcc import clock
from kontract.tables.catalog import locate
from tests.integration.streams.serving import MIDDLEWARE

OWNERS = ("", "ann", "bob")
IDS = ("a", "b", "c")
CONDITIONS: tuple[dict[str, Any], ...] = (
    {},
    {"n": 1},
    {"n__gte": 1},
    {"n__in": [0, 2], "tag": "x"},
    {"tag__isnull": True},
    {"_id__in": ["a", "b"]},
)

documents = st.fixed_dictionaries(
    {"n": st.integers(0, 2)}, optional={"tag": st.sampled_from("xy"), "secret": st.integers(0, 1)}
)
writes = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(IDS), documents, st.sampled_from(OWNERS)),
    st.tuples(st.just("delete"), st.sampled_from(IDS), st.none(), st.just("")),
)
transactions = st.lists(st.tuples(st.lists(writes, min_size=1, max_size=4), st.booleans()), min_size=1, max_size=6)


class _RolledBack(Exception):
    pass


def write(operations: list[tuple[str, str, Any, str]], *, rolled_back: bool) -> None:
    """Do what the operations say as one transaction."""
    table = env.storage.things
    try:
        with kontract.transaction():
            for kind, document_id, data, owner in operations:
                with calling(CallContext(owner=owner)):
                    table.set(document_id, data) if kind == "set" else table.delete(document_id)
            if rolled_back:
                raise _RolledBack
    except _RolledBack:
        pass


class Follower:
    """A client, which keeps what it is told of; ``owner`` is the one it signed in as."""

    def __init__(self, owner: str, where: dict[str, Any], *, is_scoped: bool) -> None:
        self._owner = owner
        self._where = where
        self._scope = owner if is_scoped else None
        self._subscription: TableSubscription = make_subscription("things", where, with_old=False)
        self.has: dict[str, Any] = {}

    def take(self, seen: Seen) -> None:
        """Do what a client does, and be sure that each change makes sense to it."""
        document_id = seen.change.id
        outcome = self._subscription.decide(seen, self._scope)
        if outcome is None:
            return
        assert (document_id in self.has) == (outcome != "insert"), (outcome, document_id)
        if outcome == "delete":
            del self.has[document_id]
        else:
            self.has[document_id] = seen.data

    def read(self) -> dict[str, Any]:
        """Return what a call by the same caller reads now."""
        with calling(CallContext(route="test", owner=self._owner, perm=perms.R__, is_anonymous=not self._owner)):
            return {document.id: dict(document) for document in env.storage.things.query(**self._where)}


@pytest.mark.parametrize("is_scoped", [False, True], ids=["everybody's", "owners'"])
@pytest.mark.parametrize("fields", [{}, {"secret": perms.___}], ids=["whole", "stripped"])
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(transactions, st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_followers_have_what_they_can_read(
    is_scoped: bool, fields: dict[str, Any], written: Any, pages: list[int]
) -> None:
    tables = {"things": {"owner_scoped": is_scoped, "fields": fields}}
    with override_settings(KONTRACT={"TABLES": tables, "EVENTS": {"tables": {"things": None}}}, MIDDLEWARE=MIDDLEWARE):
        env.storage.things.query().delete()
        followers = [Follower(owner, where, is_scoped=is_scoped) for owner in OWNERS for where in CONDITIONS]
        cursor = Cursor(clock.latest(*locate()))
        for operations, rolled_back in written:
            write(operations, rolled_back=rolled_back)
        for limit in [*pages, *[1000] * 100]:  # the pages of other readers are others
            page, is_last = read_shared(kontract.context.get_namespace(), cursor, {"things"}, limit + 1)
            for seen in page.seen:
                for follower in followers:
                    follower.take(seen)
            cursor = page.cursor
            if is_last:
                break
        for follower in followers:
            assert follower.has == follower.read()

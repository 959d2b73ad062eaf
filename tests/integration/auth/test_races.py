"""Parallel clients, whatever their order, leave one valid state."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from kontract import env
from kontract.auth.models import Principal
from tests.integration.auth.people import PASSWORD, Person, code_of
from tests.integration.auth.test_sessions import in_threads

pytestmark = pytest.mark.usefixtures("declared")


def all_at_once(*functions: Callable[[], Any]) -> list[Any]:
    """Run each function in a thread of its own."""
    waiting = list(functions)
    return in_threads(len(waiting), lambda: waiting.pop()())


def link(person: Person, email: str) -> Callable[[], Any]:
    return lambda: person.post("auth_link", credentials={"email": email, "password": PASSWORD})


@pytest.mark.parametrize("_", range(3))
def test_one_address_is_linked_once(_: int) -> None:
    people = [Person().begin() for _ in range(4)]
    responses = all_at_once(*(link(person, "eve@example.com") for person in people))
    assert sorted(code_of(r)[0] if r.status_code != 200 else 200 for r in responses) == [200, 409, 409, 409]
    owner = Principal.objects.get(email="eve@example.com")
    assert Principal.objects.filter(is_anonymous=True).count() == 3
    assert Person().login("eve@example.com").id == owner.id


@pytest.mark.parametrize("_", range(3))
def test_one_visitor_is_linked_once(_: int) -> None:
    visitor = Person().begin()
    responses = all_at_once(*(link(visitor, f"eve{n}@example.com") for n in range(4)))
    assert sorted(response.status_code for response in responses)[0] == 200
    assert [response.status_code for response in responses].count(200) == 1
    (principal,) = Principal.objects.all()
    assert (principal.id, principal.is_anonymous) == (visitor.id, False)


@pytest.mark.parametrize("_", range(4))
def test_a_visitor_is_linked_or_merged_but_not_both(_: int) -> None:
    ada, visitor = Person().register("ada@example.com"), Person().begin()
    visitor.call("set_user", user_id="u", name="Eve")
    linked, merged = False, False
    responses = all_at_once(
        link(visitor, "eve@example.com"),
        lambda: ada.post("auth_merge", source_token=visitor.access, commit=True),
        lambda: Person().post("auth_login", credentials={"email": "ada@example.com", "password": PASSWORD}),
    )
    bodies = [json.loads(response.content) for response in responses if response.status_code == 200]
    linked = any(
        body["result"].get("principal", {})
        and "access_token" in body["result"]
        and body["result"]["principal"]["id"] == visitor.id
        for body in bodies
    )
    merged = any(body["result"].get("is_done") for body in bodies)
    assert linked != merged
    principal, document = Principal.objects.get(pk=visitor.id), env.storage.users.get("u")
    if linked:
        assert (principal.is_active, principal.is_anonymous, principal.merged_into) == (True, False, "")
        assert document.owner == visitor.id
    else:
        assert (principal.is_active, principal.is_anonymous, principal.merged_into) == (False, True, ada.id)
        assert document.owner == ada.id


def test_one_visitor_is_merged_once() -> None:
    visitor = Person().begin()
    visitor.call("set_user", user_id="u", name="Eve")
    people = [Person().register(f"p{n}@example.com") for n in range(3)]
    responses = all_at_once(
        *((lambda p=p: p.post("auth_merge", source_token=visitor.access, commit=True)) for p in people)
    )
    assert [response.status_code for response in responses].count(200) == 1
    owner = env.storage.users.get("u").owner
    assert Principal.objects.get(pk=visitor.id).merged_into == owner
    assert owner in [person.id for person in people]


def test_unversioned_documents_are_merged_and_given_back(visitor: Person, ada: Person) -> None:
    from kontract.context import CallContext, calling

    with calling(CallContext(owner=visitor.id)):
        env.storage.counters.set("c", {"n": 1})
    assert ada.call("auth_merge", source_token=visitor.access, commit=True)["tables"] == {"counters": 1}
    assert env.storage.counters.get("c").owner == ada.id
    ada.call("auth_unmerge", principal=visitor.id)
    assert env.storage.counters.get("c").owner == visitor.id


def test_what_changed_since_is_not_given_back(visitor: Person, ada: Person) -> None:
    visitor.call("set_user", user_id="u", name="Eve")
    ada.call("auth_merge", source_token=visitor.access, commit=True)
    ada.call("set_user", user_id="u", name="Ada")
    assert code_of(ada.post("auth_unmerge", principal=visitor.id)) == (409, "undo_conflict")
    assert env.storage.users.get("u").owner == ada.id


def test_nobody_merges_what_is_not_theirs(visitor: Person, ada: Person) -> None:
    bob = Person().register("bob@example.com")
    assert code_of(ada.post("auth_merge", source_token=bob.access)) == (409, "already_signed_in")
    assert code_of(ada.post("auth_merge", source_token=visitor.id)) == (401, "invalid_token")
    assert code_of(visitor.post("auth_merge", source_token=visitor.access)) == (401, "authentication_required")
    assert code_of(Person().post("auth_merge", source_token=visitor.access)) == (401, "authentication_required")
    ada.call("auth_merge", source_token=visitor.access, commit=True)
    assert code_of(bob.post("auth_unmerge", principal=visitor.id)) == (404, "transaction_not_found")

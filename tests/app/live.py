"""Procedures that are followed as live queries."""

from typing import Any

from kontract import CallError, backend, ctx, elevated, env, feed, perms
from tests.guarded.models import Note


class Missing(CallError):
    """There is no such user."""

    code = "missing_user"
    http_status = 404


@backend(perm=perms.R__)
def live_users(age: int | None = None) -> list[dict[str, Any]]:
    """Return users, of one age or of all."""
    query = env.storage.users.query() if age is None else env.storage.users.query(age=age)
    return [{"id": user.id, **user} for user in query]


@backend(perm=perms.R__, errors=[Missing])
def live_user(user_id: str) -> dict[str, Any]:
    """Return one user."""
    found = env.storage.users.get(user_id)
    if found is None:
        raise Missing("There is no such user.")
    return dict(found)


@backend(perm=perms.R__)
async def live_count() -> int:
    """Return how many users there are."""
    return await env.storage.users.acount()


@backend(perm=perms.R__, ugroup="staff")
def live_staff() -> list[str]:
    """Return the groups of the caller, who is one of the staff."""
    return sorted(ctx.ugroups)


@backend(perm=perms.R__)
def live_notes(number: int) -> list[str]:
    """Return the titles of notes with a number."""
    return list(Note.objects.filter(number=number).order_by("title").values_list("title", flat=True))


@backend(perm=perms.R__)
def live_note(pk: str) -> str:
    """Return the title of one note."""
    title: str = Note.objects.get(pk=pk).title
    return title


@backend(perm=perms.R__)
def live_log(tables: list[str] | None) -> list[str]:
    """Return the ids of what was changed in some tables, or in all."""
    with elevated():
        return [change.id for change in feed(tables=tables)]


@backend
def live_writer() -> None:
    """Be no live query: it may write."""


@backend(perm=perms.R__)
def live_cart() -> str:
    """Return what is in the cart of a visitor without an account: what a cookie says."""
    assert ctx.request is not None
    return str(ctx.request.COOKIES.get("cart", ""))


@backend(perm=perms.R__)
def live_rights() -> bool:
    """Return whether the caller is one of the staff for Django, now and whenever a user changes."""
    env.storage.users.count()
    return bool(ctx.request is not None and ctx.request.user.is_staff)

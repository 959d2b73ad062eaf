"""Procedures that use all of HTTP: GET, streams, files, statuses and headers, errors of their own."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from django.core.files.uploadedfile import UploadedFile
from pydantic import Field

from kontract import CallError, Download, HttpResp, backend, ctx, env, perms
from tests.app.models import Article, Journal
from tests.calls import SECRET

if TYPE_CHECKING:
    File = UploadedFile[bytes]  # generic in the stubs alone
else:
    File = UploadedFile

closed: list[str] = []  # streams that have been closed


@dataclass(eq=False)
class OutOfStock(CallError):
    """There are not enough of this article."""

    code = "out_of_stock"
    http_status = 409
    article: str
    left: int
    since: datetime


class Teapot(CallError):
    """This is a teapot.

    It makes no coffee.
    """

    code = "teapot"
    http_status = 418


@backend(perm=perms.R__)
def read_user(user_id: str) -> Any:
    """Read a user."""
    return env.storage.users.get(user_id)


@backend(perm=perms.R__)
async def read_user_async(user_id: str) -> Any:
    """Read a user."""
    return await env.storage.users.aget(user_id)


@backend(perm=perms.R__, etag=False)
def read_clock() -> str:
    """Read what no transaction changes."""
    return datetime.now(UTC).isoformat()


@backend(perm=perms.R__)
def read_nothing(value: int = 1) -> int:
    """Read nothing at all."""
    return value


@backend(perm=perms.RW_, errors=[OutOfStock])
def create_user(name: str) -> HttpResp[dict[str, str]]:
    """Write a user."""
    if name == "nobody":
        raise OutOfStock("users", 0, datetime(2026, 1, 2, tzinfo=UTC))
    if name == "teapot":
        raise Teapot
    if name == "special":
        raise Teapot("Something special.")
    env.storage.users.set(name, {"name": name})
    return HttpResp({"name": name}, status=201, headers={"Location": f"/users/{name}"})


@backend(perm=perms.R__)
def count_up(last: Annotated[int, Field(le=1000)], fail: str = "") -> Iterator[dict[str, Any]]:
    """Yield numbers."""
    try:
        for n in range(last):
            yield {"n": n, "owner": ctx.owner, "users": env.storage.users.count()}
        if fail == "ours":
            raise RuntimeError(SECRET)
        if fail == "theirs":
            raise Teapot
        if fail == "type":
            yield 5  # type: ignore[misc]
    finally:
        closed.append("count_up")


@backend(perm=perms.R__)
async def count_up_async(last: int, fail: str = "") -> AsyncIterator[dict[str, Any]]:
    """Yield numbers, asynchronously."""
    try:
        for n in range(last):
            yield {"n": n, "owner": ctx.owner, "users": await env.storage.users.acount()}
        if fail == "ours":
            raise RuntimeError(SECRET)
        if fail == "theirs":
            raise Teapot
        if fail == "type":
            yield 5  # type: ignore[misc]
    finally:
        closed.append("count_up_async")


@backend
def measure_files(
    label: str,
    first: File,
    rest: list[File] | None = None,
) -> dict[str, Any]:
    """Return what arrived."""
    files = [first, *(rest or [])]
    return {"label": label, "files": [[f.name, f.content_type, f.read().decode("latin-1")] for f in files]}


@backend(perm=perms.R__)
def fetch_file(kind: str, name: str | None = None) -> Download:
    """Return a file in one of the ways there are."""
    if kind == "bytes":
        return Download(b"<script>1</script>", filename=name, content_type="text/html")
    if kind == "path":
        return Download(Path(__file__))
    if kind == "open":
        return Download(Path(__file__).open("rb"), filename="source.py")
    return "no file"  # type: ignore[return-value]


@backend
def create_journal(journal: Journal) -> Journal:
    """Save what a client sent."""
    journal.save()
    return journal


@backend
def create_article(article: Article) -> Article:
    """Save what a client sent."""
    article.save()
    return article


@backend(perm=perms.R__)
def list_articles() -> list[Article]:
    """Return all of them."""
    articles: Any = Article.objects.order_by("title")
    return articles  # type: ignore[no-any-return]

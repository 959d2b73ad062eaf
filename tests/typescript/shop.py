"""A small shop: what the guide to the TypeScript client shows, and the file that people have read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID, uuid4

from django.core.files.uploadedfile import UploadedFile
from pydantic import Field

from kontract import CallError, Download, perms
from kontract.codegen.manifest import Manifest, build_manifest
from kontract.rpc.procedure import Procedure

if TYPE_CHECKING:
    File = UploadedFile[bytes]  # generic in the stubs alone
else:
    File = UploadedFile


class Colour(Enum):
    """What an article looks like."""

    RED = "red"
    DARK_GREEN = "dark green"


@dataclass
class Order:
    """An order */ as it was placed."""

    id: UUID
    article: UUID
    count: int
    placed: datetime
    price: Decimal


@dataclass(eq=False)
class OutOfStock(CallError):
    """There are not enough of this article."""

    code = "out_of_stock"
    http_status = 409
    left: int
    again: datetime | None


def place_order(article: UUID, count: int, colour: Colour = Colour.RED) -> Order:
    """Order an article.

    It is sent at once.
    """
    if count > 5:
        raise OutOfStock(left=5, again=None)
    return Order(id=uuid4(), article=article, count=count, placed=datetime.now(UTC), price=Decimal("9.90"))


def list_orders(since: date | None = None, *, limit: Annotated[int, Field(ge=1, le=100)] = 20) -> list[Order]:
    """List orders, the latest first."""
    return []


def watch_orders() -> Iterator[Order]:
    """Yield orders as they come."""
    yield from list_orders()


def add_photo(article: UUID, photo: File) -> None:
    """Show an article."""


def get_invoice(order: UUID) -> Download:
    """Return the invoice of an order."""
    return Download(b"%PDF", filename=f"{order}.pdf")


def describe_shop(*more: Procedure[..., Any]) -> Manifest:
    """Return the manifest of the shop, with ``more`` procedures than its own."""
    return build_manifest(
        [
            *more,
            Procedure(name="place_order", function=place_order, errors=(OutOfStock,), egroup="api-v1"),
            Procedure(name="list_orders", function=list_orders, perm=perms.R__, egroup="api-v1"),
            Procedure(name="watch_orders", function=watch_orders, perm=perms.R__),
            Procedure(name="add_photo", function=add_photo),
            Procedure(name="get_invoice", function=get_invoice, perm=perms.R__),
        ]
    )

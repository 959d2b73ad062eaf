"""Calls to try, with ids and txids that are in the database right now."""

import json
import shlex
from dataclasses import dataclass
from typing import Any

from kontract import env


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One call, and what it shows."""

    title: str
    procedure: str
    kwargs: dict[str, Any]
    headers: tuple[str, ...] = ()
    shows_headers: bool = False

    def curl(self, root: str) -> str:
        """Return the command line; ``root`` is the URL of the demo's page, which ends in a slash."""
        options = "-iw" if self.shows_headers else "-w"  # after the response, write the newline that JSON lacks
        headers = "".join(f"-H {shlex.quote(header)} " for header in ("Content-Type: application/json", *self.headers))
        body = shlex.quote(json.dumps({"kwargs": self.kwargs}, ensure_ascii=False))
        return f"curl {options} '\\n' {root}kontract/rpc/{self.procedure} \\\n  {headers}-d {body}"


def get_examples() -> list[Example]:
    """Return the examples in the order to try them; each works again when repeated with fresh txids."""
    now, before, *_ = env.storage.countries.history("SZ")
    return [
        Example(title="List countries", procedure="list_countries", kwargs={"limit": 3}),
        Example(title="Search in all tables", procedure="search", kwargs={"text": "swa", "limit": 5}),
        Example(
            title="Try a change, and see what it would do, without making it",
            procedure="rename_country",
            kwargs={"code": "NZ", "name": "Aotearoa"},
            headers=("Kontract-Dry-Run: 1",),
        ),
        Example(
            title="Change a country; the header Kontract-Txid is the txid of this change",
            procedure="set_note",
            kwargs={"code": "NZ", "note": "Kia ora!"},
            shows_headers=True,
        ),
        Example(title="See what a country has been", procedure="country_history", kwargs={"code": "SZ"}),
        Example(
            title="Look at it as of an earlier transaction",
            procedure="country_as_of",
            kwargs={"code": "SZ", "moment": before.txid},
        ),
        Example(
            title="Undo the transaction that changed it last", procedure="undo", kwargs={"txid": now.txid},
            shows_headers=True,
        ),
        Example(title="It is back", procedure="get_country", kwargs={"code": "SZ"}),
        Example(
            title="Send what does not fit, and be told what and where",
            procedure="list_countries",
            kwargs={"limit": "many", "page": 2},
            shows_headers=True,
        ),
    ]  # fmt: skip

"""What clients of both kinds share: where the server is, who calls, and how."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import httpx

from kontract.client.channel import Session
from kontract.client.options import Options
from kontract.client.procedure import Request
from kontract.client.senders import AsyncSender, Sender
from kontract.client.structure import UNSET
from kontract.raystream.keys import Pins

CSRF_COOKIE, CSRF_HEADER = "csrftoken", "X-CSRFToken"
JSON_LINES = "application/jsonl"


class Connection:
    """Where the server is and who calls; its copies share one pool of connections.

    ``base_url`` is where ``kontract.urls`` are mounted.  ``token`` is sent as ``Authorization: Bearer``; a function is
    asked for it before each attempt.  Where a session cookie signs in, Django's CSRF token goes along.

    ``raystream``: the pins of the encrypted channel, through which all calls then go, without cookies; by default those
    that the client was generated with.  None is for calls without it.
    """

    _pins: ClassVar[Pins | None] = None  # of a client that was generated where there is a channel

    def __init__(
        self,
        base_url: str,
        *,
        token: str | Callable[[], str] | None = None,
        options: Options | None = None,
        raystream: Pins | None = UNSET,
    ) -> None:
        self._base = httpx.URL(base_url if base_url.endswith("/") else f"{base_url}/")
        self._token = token
        self._options = options or Options()
        pins = self._pins if raystream is UNSET else raystream
        self._session = None if pins is None else Session(self._base, pins)

    def options(self, **changes: Any) -> Self:
        """Return this client with other options, see ``kontract.client.Options``."""
        other = copy.copy(self)
        other._options = replace(self._options, **changes)
        return other

    def _build(
        self, client: httpx.Client | httpx.AsyncClient | Sender | AsyncSender, request: Request
    ) -> httpx.Request:
        built = request.build(self._base)
        headers = {**built.pop("headers"), **self._sign(client.cookies)}
        if request.procedure.is_stream:
            headers["Accept"] = JSON_LINES
        return client.build_request(**built, headers=headers, timeout=self._options.timeout)

    def _sign(self, cookies: httpx.Cookies) -> Mapping[str, str]:
        """Return the headers that say who calls, and that it is no page of another site."""
        headers = {}
        if bearer := self._token() if callable(self._token) else self._token:
            headers["Authorization"] = f"Bearer {bearer}"
        if (token := next((c.value for c in cookies.jar if c.name == CSRF_COOKIE), None)) is not None:
            headers |= {CSRF_HEADER: token, "Referer": str(self._base)}
        return headers

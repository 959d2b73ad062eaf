"""Callers with tokens, through Django's own client."""

import json
from typing import Any

from django.http import HttpResponse
from django.test import Client

PASSWORD = "analytical engine"


class Person:
    """Somebody who calls, and keeps the tokens."""

    def __init__(self, access: str | None = None, refresh: str | None = None) -> None:
        self.access, self.refresh_token = access, refresh
        self.client = Client()
        self.id = ""

    def post(self, name: str, /, **kwargs: Any) -> HttpResponse:
        """Send a call and return the response."""
        headers = {} if self.access is None else {"Authorization": f"Bearer {self.access}"}
        body = json.dumps({"kwargs": kwargs}).encode()
        response: Any = self.client.post(
            f"/kontract/rpc/{name}", body, content_type="application/json", headers=headers
        )
        assert isinstance(response, HttpResponse)
        return response

    def call(self, name: str, /, **kwargs: Any) -> Any:
        """Make a call that is expected to succeed, and return its result."""
        response = self.post(name, **kwargs)
        assert response.status_code == 200, response.content
        return json.loads(response.content)["result"]

    def keep(self, tokens: dict[str, Any]) -> "Person":
        """Be whom the tokens sign in."""
        self.access, self.refresh_token = tokens["access_token"], tokens["refresh_token"]
        self.id = tokens["principal"]["id"]
        return self

    def begin(self) -> "Person":
        """Be a visitor."""
        return self.keep(self.call("auth_anonymous"))

    def register(self, email: str, password: str = PASSWORD) -> "Person":
        """Make an account."""
        return self.keep(self.call("auth_register", credentials={"email": email, "password": password}))

    def login(self, email: str, password: str = PASSWORD) -> "Person":
        """Sign in to an account, on a new device."""
        person = Person()
        return person.keep(person.call("auth_login", credentials={"email": email, "password": password}))

    def link(self, email: str, password: str = PASSWORD) -> "Person":
        """Give the visitor an account."""
        return self.keep(self.call("auth_link", credentials={"email": email, "password": password}))

    def refresh(self) -> "Person":
        """Get new tokens, as a client does: without the old access token."""
        return self.keep(Person().call("auth_refresh", refresh_token=self.refresh_token))


def code_of(response: Any) -> tuple[int, str]:
    """Return the status and the code of a problem."""
    return response.status_code, json.loads(response.content)["code"]

"""Proof that an address is one's own, and a new password by e-mail: Django's token generator and e-mail backends.

Whoever asks for a new password gets the same answer after the same time, whether the address is somebody's or not: a
thread of its own looks, and sends.
"""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import BoundedSemaphore
from typing import Any, Final, cast

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.mail import send_mail
from django.db import connections

from kontract.auth import hashing, passwords
from kontract.auth.keys import get_keyring
from kontract.auth.models import Principal
from kontract.auth.providers import find_principal, normalise
from kontract.conf import get_settings
from kontract.context import get_namespace, namespace
from kontract.exceptions import InvalidTokenError, RateLimitedError, UnsupportedError
from kontract.mvcc.connections import get_alias
from kontract.mvcc.transaction import run_transaction

logger = logging.getLogger("kontract.auth")

_WAITING: Final = 1000  # requests for a new password that a process has not looked at yet

_SUBJECTS = {"reset": "Choose a new password", "verify": "Confirm your e-mail address"}
_TEXTS = {
    "reset": "Choose a new password here:\n\n{link}\n\nIf you did not ask for it, leave it.",
    "verify": "Confirm that this address is yours:\n\n{link}\n\nIf you did not ask for it, leave it.",
}


class _Generator(PasswordResetTokenGenerator):
    """Django's, with keys for one purpose each; a token is void as soon as what it changes has changed."""

    def __init__(self, purpose: str) -> None:
        super().__init__()
        self.key_salt = f"kontract/auth/email/{purpose}"
        keys = get_keyring(f"email/{purpose}").keys
        self.secret, self.secret_fallbacks = keys[0].secret, [key.secret for key in keys[1:]]

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{user.pk}|{user.password}|{user.email}|{user.is_verified}|{user.epoch}|{timestamp}"


def find_link(purpose: str) -> str:
    """Return the URL to send for ``purpose``.  Raises ``UnsupportedError`` where the project has none."""
    links = get_settings().AUTH.email_links
    if purpose not in links:
        raise UnsupportedError(f"Nothing is sent for this: KONTRACT['AUTH']['email_links'] has no {purpose!r}.")
    return links[purpose]


def send(purpose: str, principal: Principal) -> None:
    """Send a principal the link for ``purpose``, "reset" or "verify".  Raises ``UnsupportedError``."""
    link = find_link(purpose)
    token = f"{principal.pk}.{_Generator(purpose).make_token(cast(Any, principal))}"
    text = _TEXTS[purpose].format(link=link.replace("{token}", token))
    send_mail(_SUBJECTS[purpose], text, get_settings().AUTH.email_from, [principal.email or ""])


class Sender:
    """One thread that sends while those who asked for it have been answered already."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="kontract-mail")
        self._places = BoundedSemaphore(_WAITING)

    def request_reset(self, email: str) -> None:
        """Send the link for a new password, if somebody has the address.  Raises ``RateLimitedError``."""
        if not self._places.acquire(blocking=False):
            raise RateLimitedError("Too many ask for a new password. Try again in a minute.", 60)
        self._pool.submit(self._run, email, get_namespace())

    def _run(self, email: str, ns: str) -> None:
        try:
            with namespace(ns):
                _send_reset(email)
        finally:
            connections.close_all()  # this thread's
            self._places.release()


def get_sender() -> Sender:
    """Return what sends in this process."""
    return _get_sender(os.getpid())


@lru_cache(maxsize=1)
def _get_sender(pid: int) -> Sender:
    return Sender()


def request_reset(email: str) -> None:
    """Have a link for a new password sent, if somebody has the address, which nothing of this call tells.

    Inside ``atomic()``, as in a ``TestCase``, whose rows no other thread sees, it is sent at once.  Raises
    ``UnsupportedError``, ``RateLimitedError``.
    """
    find_link("reset")
    connection = connections[get_alias(get_namespace())]
    if connection.in_atomic_block:
        _send_reset(email)
    else:
        get_sender().request_reset(email)


def _send_reset(email: str) -> None:
    try:
        if (principal := find_by_email(email)) is not None:
            send("reset", principal)
    except Exception:  # the caller must not learn that there was something to send
        logger.exception("A link for a new password could not be sent.")


def find_by_email(email: str) -> Principal | None:
    """Return the principal with a password that has this address."""
    found = find_principal("email", normalise(email))
    if found is None or not found[1]["password"] or not found[1]["is_active"]:
        return None
    principal: Principal | None = Principal.objects.filter(pk=found[0]).first()
    return principal


def reset(token: str, new: str) -> Principal:
    """Set a new password, which ends all sessions; the address is then verified.

    Raises ``InvalidTokenError``, and Django's ``ValidationError`` for a bad one.
    """
    principal = _read("reset", token)
    hashing.validate(new, principal)
    passwords.set_password(principal, hashing.encode_password(new))
    return _mark_verified(principal)


def verify(token: str) -> Principal:
    """Note that a principal has shown that its address is its own.  Raises ``InvalidTokenError``."""
    return _mark_verified(_read("verify", token))


def _read(purpose: str, token: str) -> Principal:
    principal_id, _, proof = token.partition(".")
    principal: Principal | None = Principal.objects.filter(pk=principal_id, is_active=True).first()
    if principal is None or not _Generator(purpose).check_token(cast(Any, principal), proof):
        raise InvalidTokenError
    return principal


def _mark_verified(seen: Principal) -> Principal:
    def write() -> Principal:
        principal: Principal = Principal.objects.get(pk=seen.pk)
        if principal.email != seen.email:  # it was for another address
            raise InvalidTokenError
        principal.is_verified = True
        principal.save()
        return principal

    return run_transaction(write)[0]

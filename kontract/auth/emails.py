"""Proof that an address is one's own, and a new password by e-mail: Django's token generator and e-mail backends."""

from typing import Any, cast

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.mail import send_mail

from kontract.auth import hashing, passwords
from kontract.auth.keys import get_keyring
from kontract.auth.models import Principal
from kontract.auth.providers import find_principal, normalise
from kontract.conf import get_settings
from kontract.exceptions import InvalidTokenError, UnsupportedError
from kontract.mvcc.transaction import run_transaction

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
    text = _TEXTS[purpose].format(link=link.format(token=token))
    send_mail(_SUBJECTS[purpose], text, get_settings().AUTH.email_from, [principal.email or ""])


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

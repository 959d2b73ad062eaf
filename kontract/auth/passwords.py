"""Changing passwords, which ends all sessions but the one that does it."""

from kontract.auth import hashing, sessions
from kontract.auth.models import Principal
from kontract.auth.principals import get
from kontract.auth.providers import find_state, get_provider
from kontract.exceptions import InvalidCredentialsError
from kontract.mvcc.transaction import run_transaction


def change(principal_id: str, sid: str | None, old: str, new: str) -> Principal:
    """Change a principal's password, here or at its provider, and end all its sessions but ``sid``.

    Raises ``InvalidCredentialsError``, and Django's ``ValidationError`` for a bad one.
    """
    principal = get(principal_id)
    if principal.subject is not None:
        provider, _, subject = principal.subject.partition(":")
        get_provider(provider).set_password(subject, old, new)
        return _renew(principal, sid)
    if not hashing.is_password(old, principal.password):
        raise InvalidCredentialsError
    hashing.validate(new, principal)
    return set_password(principal, hashing.encode_password(new), sid)


def set_password(principal: Principal, encoded: str, sid: str | None = None) -> Principal:
    """Set the encoded password of ``principal``, unless it has changed since that was read; see change()."""
    return _renew(principal, sid, encoded)


def _renew(seen: Principal, sid: str | None, encoded: str | None = None) -> Principal:
    def write() -> Principal:
        principal = get(seen.id)
        if encoded is not None:
            if principal.password != seen.password:  # somebody else was faster
                raise InvalidCredentialsError
            principal.password = encoded
        principal.epoch += 1
        principal.save()
        sessions.end(principal.id, but=sid)
        if sid is not None:
            sessions.set_fingerprint(sid, find_state(principal.subject))
        return principal

    return run_transaction(write)[0]

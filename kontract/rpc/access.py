"""Who may call a procedure at all: its user groups."""

from collections.abc import Collection
from typing import Protocol

from kontract.context import CallContext
from kontract.exceptions import AuthenticationRequiredError, PermissionDeniedError


class Guarded(Protocol):
    """A procedure, or what is known of one that is not imported."""

    @property
    def name(self) -> str:
        """The procedure's name."""

    @property
    def ugroups(self) -> frozenset[str] | None:
        """The groups of which a caller needs one; None: anybody may call."""


def is_member(procedure: Guarded, ugroups: Collection[str]) -> bool:
    """Return whether somebody in the groups ``ugroups``, who has signed in, may call ``procedure``."""
    return procedure.ugroups is None or not procedure.ugroups.isdisjoint(ugroups)


def check_access(procedure: Guarded, call: CallContext) -> None:
    """Raise unless the caller is in one of the groups that ``procedure`` asks for, if it does.

    Raises ``AuthenticationRequiredError`` where nobody has signed in, else ``PermissionDeniedError``.  Neither names
    the groups: ``manage.py kontract_explain`` does.
    """
    if procedure.ugroups is None:
        return
    if call.is_anonymous:
        raise AuthenticationRequiredError(f"The procedure {procedure.name!r} is not for everybody. Sign in.")
    if not is_member(procedure, call.ugroups):
        raise PermissionDeniedError(
            f"The procedure {procedure.name!r} is for a group of users that you are not in. Ask an administrator."
        )

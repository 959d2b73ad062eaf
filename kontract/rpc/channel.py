"""The encrypted channel, as a call sees it: whether it came through one, whether it had to, and whose it then is."""

from typing import Protocol

from django.http import HttpRequest

from kontract.conf import Policy, get_settings
from kontract.context import CallContext
from kontract.exceptions import RaystreamBoundError, RaystreamRequiredError
from kontract.mvcc import asynchronous


class Channel(Protocol):
    """What the middleware leaves in ``request.raystream`` of a request that came sealed."""

    sid: str
    exporter: bytes  # 32 secret bytes that only the two ends of this session know

    @property
    def owner(self) -> str | None:
        """The principal that the session belongs to; None until one has signed in over it."""

    def bind(self, owner: str) -> bool:
        """Let the session belong to ``owner``, unless it is somebody else's; return whether it is theirs now."""


class Restricted(Protocol):
    """A procedure, or what is known of one that is not imported."""

    @property
    def name(self) -> str:
        """The procedure's name."""

    @property
    def egroup(self) -> str:
        """Its endpoint group."""

    @property
    def raystream(self) -> Policy | None:
        """Its own policy, if it has one."""


def get_channel(request: HttpRequest) -> Channel | None:
    """Return the channel that a request came through; None where it came as it is."""
    return getattr(request, "raystream", None)


def find_policy(procedure: Restricted) -> Policy:
    """Return what holds for a procedure: what it says itself, else its endpoint group, else the project."""
    if procedure.raystream is not None:
        return procedure.raystream
    options = get_settings().RAYSTREAM
    return "allowed" if options is None else options.egroups.get(procedure.egroup, options.policy)


def check_channel(request: HttpRequest, procedure: Restricted, call: CallContext) -> None:
    """Raise unless a call came as it has to: through the channel where that is required, and through the caller's own.

    The first who signs in over a session has it.  Raises ``RaystreamRequiredError`` and ``RaystreamBoundError``.
    """
    if _needs_bind(request, procedure, call):
        _bind(request, call)


async def acheck_channel(request: HttpRequest, procedure: Restricted, call: CallContext) -> None:
    """See check_channel()."""
    if _needs_bind(request, procedure, call):
        await asynchronous.call(_bind, request, call)


def _needs_bind(request: HttpRequest, procedure: Restricted, call: CallContext) -> bool:
    """Return whether the session is to be bound to the caller, which asks the database."""
    channel = get_channel(request)
    if channel is not None:
        return not call.is_anonymous and channel.owner != call.owner
    if find_policy(procedure) == "required":
        raise RaystreamRequiredError(
            f"The procedure {procedure.name!r} is called through raystream only. Use a client that speaks it."
        )
    return False


def _bind(request: HttpRequest, call: CallContext) -> None:
    """Bind the session to the caller.  Raises ``RaystreamBoundError``."""
    channel = get_channel(request)
    if channel is not None and not channel.bind(call.owner):
        raise RaystreamBoundError("This raystream session belongs to somebody else. Sign in over one of your own.")

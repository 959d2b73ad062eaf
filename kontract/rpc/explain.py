"""Why something is allowed in a call, or is not: the rule of ``kontract.perms``, spelled out."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from kontract.conf import TableOptions
from kontract.context import CallContext
from kontract.exceptions import AuthenticationRequiredError, PermissionDeniedError
from kontract.perms import BITS, LEVELS, RWX, Perm, find_lacking, show
from kontract.rpc.access import Guarded, check_access
from kontract.rpc.procedure import Procedure


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether a bit is granted: what the levels grant, in their order, and the first one that does not grant it."""

    bit: Perm
    grants: tuple[Perm, ...]
    decided_by: str | None

    @property
    def is_allowed(self) -> bool:
        """Whether the bit is granted."""
        return self.decided_by is None


def decide(procedure: Perm, table: TableOptions | None = None, field: str | None = None) -> list[Decision]:
    """Return what is decided of R, W and X for a procedure, on a table, or on a field of it."""
    levels = [procedure]
    if table is not None:
        levels.append(table.perm)
        if field is not None:
            levels.append(table.fields.get(field, RWX))
    return [_decide(bit, levels) for bit in BITS.values()]


def _decide(bit: Perm, levels: list[Perm]) -> Decision:
    grants = tuple(levels[:2] if bit is Perm.X else levels)  # a document is deleted as a whole
    return Decision(bit=bit, grants=grants, decided_by=find_lacking(bit, *grants))


def describe(
    procedure: Procedure[..., Any], call: CallContext, table: TableOptions | None = None, field: str | None = None
) -> Iterator[str]:
    """Yield lines that say whether the caller may call, and what the procedure may then do."""
    yield f"call: {_describe_access(procedure, call)}"
    for decision in decide(procedure.perm, table, field):
        shown = ", ".join(f"{level} {show(bits)}" for level, bits in zip(LEVELS, decision.grants, strict=False))
        verdict = "allowed" if decision.is_allowed else f"refused by the {decision.decided_by}"
        yield f"{show(decision.bit).strip('_')}: {verdict} ({shown})"
    if field is not None:
        yield "A document is deleted as a whole: the field has no say in X."
    if table is not None and table.owner_scoped:
        yield _describe_owner(call.owner)


def _describe_access(procedure: Guarded, call: CallContext) -> str:
    if procedure.ugroups is None:
        return "allowed (anybody may call)"
    groups = _join(procedure.ugroups)
    try:
        check_access(procedure, call)
    except AuthenticationRequiredError:
        return f"refused by ugroup, 401: nobody has signed in (needed: {groups})"
    except PermissionDeniedError:
        return f"refused by ugroup, 403: the caller is in {_join(call.ugroups) or 'no group'} (needed: {groups})"
    return f"allowed by ugroup: the caller is in {_join(call.ugroups & procedure.ugroups)}"


def _describe_owner(owner: str) -> str:
    if not owner:
        return "owner: the table is owner-scoped, and the caller is nobody: sees nothing, and has to sign in to write"
    return f"owner: the table is owner-scoped: the call sees and writes documents of {owner!r} alone"


def _join(groups: Collection[str]) -> str:
    return ", ".join(sorted(groups))

"""What happened to an object, step by step: each version against the one before, and each time it was deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError

from kontract.admin.values import Difference, compare
from kontract.exceptions import SnapshotTooOldError
from kontract.orm.past import ObjectVersion, find_deletions, find_horizon

Kind = Literal["added", "changed", "deleted", "oldest", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step of an object's life: ``version`` is what it left, None for a deletion; ``before`` what it replaced."""

    txid: int
    version: ObjectVersion | None
    before: ObjectVersion | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A step as the history page shows it.

    ``kind``: ``oldest`` is the first version that vacuum has left, ``unknown`` one that it has just removed.
    ``hidden`` is how many fields differ that the page does not show.
    """

    txid: int
    kind: Kind
    at: datetime | None
    by: str
    label: str
    differences: Sequence[Difference] = ()
    hidden: int = 0
    is_present: bool = False


def find_steps(versions: Sequence[ObjectVersion]) -> list[Step]:
    """Return the steps that an object's versions, newest first, tell of, newest first."""
    steps = []
    replaced_at = None
    for n, version in enumerate(versions):
        if version.deleted_txid is not None and version.deleted_txid != replaced_at:
            steps.append(Step(txid=version.deleted_txid, version=None, before=version))
        before = versions[n + 1] if n + 1 < len(versions) else None
        steps.append(Step(txid=version.txid, version=version, before=before))
        replaced_at = version.txid
    return steps


def describe(steps: Sequence[Step], names: Sequence[str] | None) -> list[Entry]:
    """Return steps of one object as entries, with the differences in the fields ``names`` (None: do not compare)."""
    if not steps:
        return []
    known = next(version for step in steps for version in (step.version, step.before) if version)
    deleted = [(known.pk, step.txid) for step in steps if step.version is None]
    deletions = {deletion.txid: deletion for deletion in find_deletions(known.model, deleted, using=known.using)}
    log: dict[int, Any] = {step.txid: step.version or deletions[step.txid] for step in steps}
    authors = find_authors({source.changed_by for source in log.values() if source.changed_by})
    horizon = find_horizon(known.model, using=known.using)
    instances: dict[int, Any] = {}
    return [_entry(step, log[step.txid], authors, names, horizon, instances) for step in steps]


def _entry(
    step: Step, source: Any, authors: Mapping[str, str], names: Sequence[str] | None, horizon: int, instances: Any
) -> Entry:
    kind, differences, hidden = _look(step, names, horizon, instances)
    return Entry(
        txid=step.txid,
        kind=kind,
        at=source.committed_at,
        by=authors.get(source.changed_by, source.changed_by or ""),
        label=source.label or "",
        differences=differences,
        hidden=hidden,
        is_present=step.version is not None and step.version.deleted_txid is None,
    )


def _look(
    step: Step, names: Sequence[str] | None, horizon: int, instances: dict[int, Any]
) -> tuple[Kind, list[Difference], int]:
    version, before = step.version, step.before
    if version is None:
        return "deleted", [], 0
    if before is None:
        return ("added" if version.txid > horizon else "oldest"), [], 0
    kind: Kind = "changed" if before.deleted_txid == version.txid else "added"
    if names is None:
        return kind, [], 0
    try:
        older, newer = (_instance(v, instances) for v in (before, version))
    except (SnapshotTooOldError, ObjectDoesNotExist):  # vacuum has just gone by
        return "unknown", [], 0
    differing = newer.diff(older)
    return kind, compare(older, newer, names), len(set(differing) - set(names))


def _instance(version: ObjectVersion, instances: dict[int, Any]) -> Any:
    """Return a version as an instance, read once: each is compared to two others."""
    if version.txid not in instances:
        instances[version.txid] = version.instance
    return instances[version.txid]


def find_authors(owners: set[str]) -> dict[str, str]:
    """Return how people know the authors that the log names: users by their names, others are left out."""
    model: Any = get_user_model()
    keys = {}
    for owner in owners:
        try:
            keys[model._meta.pk.to_python(owner)] = owner
        except ValidationError:
            continue  # it is no user's key, but the name of something else that writes
    found = model._base_manager.filter(pk__in=keys)
    return {keys[user.pk]: _name(user) for user in found}


def _name(user: Any) -> str:
    full_name = user.get_full_name() if hasattr(user, "get_full_name") else ""
    return f"{user.get_username()} ({full_name})" if full_name else str(user.get_username())

"""What the headers of a call ask for: another moment, a dry run, or an answer that is given once."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kontract.exceptions import InvalidRequestError, InvalidSnapshotError
from kontract.rpc.procedure import Procedure

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How one call is to run."""

    as_of: int | datetime | None = None
    dry_run: bool = False
    idempotency_key: str | None = None


PLAIN = Options()


def read_options(meta: Mapping[str, Any], procedure: Procedure[..., Any]) -> Options:
    """Return what the headers, as they are in ``request.META``, ask for.

    Raises ``InvalidRequestError`` for what does not go together, ``InvalidSnapshotError`` for what is no moment.
    """
    moment, trial = meta.get("HTTP_KONTRACT_AS_OF"), meta.get("HTTP_KONTRACT_DRY_RUN")
    key = meta.get("HTTP_IDEMPOTENCY_KEY")
    if moment is None and trial is None and key is None:
        return PLAIN
    if procedure.is_read_only:
        key = None
    if moment is not None and not procedure.is_read_only:
        raise InvalidRequestError(
            f"{procedure.name} may write, and the past cannot be changed. Call it without Kontract-As-Of."
        )
    dry_run = _read_trial(trial, procedure)
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidRequestError("An Idempotency-Key has 1 to 255 visible ASCII characters.")
    if procedure.is_stream and (dry_run or key is not None):
        raise InvalidRequestError(f"{procedure.name} is a stream, which has no dry run and no Idempotency-Key.")
    if dry_run and key is not None:
        raise InvalidRequestError("A dry run changes nothing: call it without Idempotency-Key.")
    return Options(as_of=None if moment is None else _read_moment(moment), dry_run=dry_run, idempotency_key=key)


def _read_trial(value: str | None, procedure: Procedure[..., Any]) -> bool:
    if value is None:
        return False
    if value != "1":
        raise InvalidRequestError("Kontract-Dry-Run takes the value 1 only. Leave the header out for a real call.")
    if procedure.is_read_only:
        raise InvalidRequestError(f"{procedure.name} only reads. Call it without Kontract-Dry-Run.")
    return True


def _read_moment(text: str) -> int | datetime:
    if re.fullmatch(r"[0-9]{1,18}", text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidSnapshotError(
            f"Kontract-As-Of: {text[:100]!a} is no moment. Send a txid, or a date and time with its offset (RFC 3339)."
        )
    return moment

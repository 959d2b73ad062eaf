"""The failures that any call can have, by status: what OpenAPI documents and clients have to expect."""

import inspect
from collections import defaultdict
from typing import Final

from kontract import exceptions
from kontract.exceptions import CallError, KontractError

# Django's own errors, see kontract.rpc.problems.
_OTHER: Final = {
    400: ["bad_request"],
    404: ["not_found"],
    422: ["validation_failed"],
    500: ["internal_error"],
    503: ["database_unavailable"],
}
# Statuses of certain requests only: of another method, or of a stream under WSGI.
SPECIAL: Final = frozenset({405, 501})


def list_codes() -> dict[int, list[str]]:
    """Return the codes that each status can come with, but those that projects declare."""
    found: defaultdict[int, set[str]] = defaultdict(set, {status: set(codes) for status, codes in _OTHER.items()})
    for error in vars(exceptions).values():
        if inspect.isclass(error) and issubclass(error, KontractError) and not issubclass(error, CallError):
            found[error.http_status].add(error.code)
    return {status: sorted(found[status]) for status in sorted(found)}

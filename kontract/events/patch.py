"""What has changed between two results, as JSON Patch (RFC 6902)."""

from typing import Any, Final

from pydantic_core import to_json

_MOST: Final = 128 * 1024  # bytes of a result, beyond which looking for differences takes longer than sending it


def make_patch(before: Any, after: Any, *, size: int) -> bytes | None:
    """Return the patch that makes ``after`` of ``before``, as JSON text; None where ``after``, of ``size``, is shorter.

    Nothing is looked for in results that are large.
    """
    from jsonpatch import JsonPatch

    if size > _MOST:
        return None
    text = to_json(JsonPatch.from_diff(before, after).patch)
    return text if len(text) < size else None

"""JSON Patch (RFC 6902), as the server writes it for the next result of a live query."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any


def apply_patch(document: Any, patch: Sequence[Mapping[str, Any]]) -> Any:
    """Return the document as the operations make it, which is a new one.

    Raises ``ValueError``, ``LookupError`` or ``TypeError`` where they do not fit.
    """
    root = {"": deepcopy(document)}  # so that the whole document has a place, too
    for operation in patch:
        _apply(root, operation)
    return root[""]


def _apply(root: dict[str, Any], operation: Mapping[str, Any]) -> None:
    kind, (place, key) = operation["op"], _find(root, operation["path"])
    match kind:
        case "add":
            _insert(place, key, operation["value"])
        case "replace":
            place[key] = operation["value"]
        case "remove":
            del place[key]
        case "copy":
            source, name = _find(root, operation["from"])
            _insert(place, key, deepcopy(source[name]))
        case "move":
            source, name = _find(root, operation["from"])
            value = source.pop(name)
            _insert(*_find(root, operation["path"]), value)
        case _:
            raise ValueError(f"A patch has the operation {kind!r}.")


def _insert(place: Any, key: Any, value: Any) -> None:
    if isinstance(place, list):
        place.insert(key, value)
    else:
        place[key] = value


def _find(root: dict[str, Any], pointer: str) -> tuple[Any, Any]:
    """Return the list or dict that a JSON Pointer (RFC 6901) leads into, and where in it."""
    place: Any = root
    key: Any = ""
    for part in pointer.split("/")[1:]:
        place = place[key]
        name = part.replace("~1", "/").replace("~0", "~")
        key = (len(place) if name == "-" else int(name)) if isinstance(place, list) else name
    return place, key

"""What travellers are called on the board, where nobody's id or address is shown."""

import hashlib
from typing import Final

_COLOURS: Final = (
    *("Amber", "Azure", "Coral", "Copper", "Emerald", "Golden", "Indigo", "Ivory"),
    *("Jade", "Olive", "Pearl", "Ruby", "Scarlet", "Silver", "Teal", "Violet"),
)
_BIRDS: Final = (
    *("Albatross", "Avocet", "Crane", "Curlew", "Falcon", "Finch", "Heron", "Ibis"),
    *("Kestrel", "Kite", "Lark", "Osprey", "Plover", "Stork", "Swift", "Tern"),
)


def name_of(owner: str) -> str:
    """Return the name of an owner, always the same; those who wrote outside of calls are the house."""
    if not owner:
        return "The house"
    first, second, *_ = hashlib.sha256(owner.encode()).digest()
    return f"{_COLOURS[first % len(_COLOURS)]} {_BIRDS[second % len(_BIRDS)]}"

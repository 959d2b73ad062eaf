"""Which module registers a procedure: the one to import for it, which need not be the one that its function is in."""

import sys
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, eq=False)
class Origin:
    """The module whose body runs: its name, and the very names that this run of it defines."""

    module: str
    _names: dict[str, Any] = field(repr=False)

    @property
    def is_current(self) -> bool:
        """Whether the module is still there; after an import that failed it is not."""
        module = sys.modules.get(self.module)
        return module is not None and vars(module) is self._names


def find_origin() -> Origin | None:
    """Return the module whose body runs right now, the innermost; None in a thread that runs none, and for a script.

    Importing this module again does again what is being done: also where a function that another module has is called,
    such as one that makes procedures.
    """
    frame = sys._getframe(1)
    while frame.f_code.co_name != "<module>":
        if frame.f_back is None:
            return None
        frame = frame.f_back
    origin = Origin(frame.f_globals.get("__name__", "__main__"), frame.f_globals)
    return origin if origin.is_current and origin.module != "__main__" else None

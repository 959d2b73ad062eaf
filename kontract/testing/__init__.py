"""What tests of a project need: clients that call procedures, and assertions about what was written.

Nothing is loaded before it is asked for, because pytest imports this package for its plugin, whatever it tests.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kontract.testing.answers import CallFailed as CallFailed
    from kontract.testing.answers import DryRun as DryRun
    from kontract.testing.changes import Changes as Changes
    from kontract.testing.changes import assert_changes as assert_changes
    from kontract.testing.changes import assert_no_changes as assert_no_changes
    from kontract.testing.client import AsyncCallClient as AsyncCallClient
    from kontract.testing.client import CallClient as CallClient
    from kontract.testing.isolation import isolated_namespace as isolated_namespace

_PUBLIC = {
    "AsyncCallClient": "kontract.testing.client",
    "CallClient": "kontract.testing.client",
    "CallFailed": "kontract.testing.answers",
    "Changes": "kontract.testing.changes",
    "DryRun": "kontract.testing.answers",
    "assert_changes": "kontract.testing.changes",
    "assert_no_changes": "kontract.testing.changes",
    "isolated_namespace": "kontract.testing.isolation",
}

__all__ = list(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_PUBLIC[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})

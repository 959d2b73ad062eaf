"""Django's admin for versioned models: any ``ModelAdmin`` serves them, ``VersionedAdmin`` also shows their past.

Importing this registers nothing, and needs no model: applications are loaded before them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kontract.admin.options import VersionedAdmin as VersionedAdmin

__all__ = ["VersionedAdmin"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kontract.admin.options import VersionedAdmin

    return VersionedAdmin

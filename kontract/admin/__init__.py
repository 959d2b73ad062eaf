"""Django's admin for versioned models: any ``ModelAdmin`` serves them, ``VersionedAdmin`` also shows their past.

Importing this registers nothing.
"""

from kontract.admin.options import VersionedAdmin

__all__ = ["VersionedAdmin"]

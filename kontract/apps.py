"""The Django application."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class KontractConfig(AppConfig):
    """``INSTALLED_APPS = [..., "kontract"]``."""

    name = "kontract"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "kontract"

    def ready(self) -> None:
        """Register the system checks, let the storage tell ``ctx`` its snapshot, and find the procedures."""
        from kontract import checks  # noqa: F401 - models are loaded now
        from kontract.events import listener  # noqa: F401 - it learns of commits from now on
        from kontract.rpc import loading
        from kontract.schema.record import Recorder
        from kontract.tables import past  # noqa: F401
        from kontract.tables.catalog import record_with
        from kontract.tables.receivers import create_after_migrate

        post_migrate.connect(create_after_migrate, sender=self, dispatch_uid="kontract.tables")
        record_with(Recorder())
        loading.discover()

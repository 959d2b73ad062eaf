"""The Django application."""

from django.apps import AppConfig


class KontractConfig(AppConfig):
    """``INSTALLED_APPS = [..., "kontract"]``."""

    name = "kontract"
    default_auto_field = "django.db.models.BigAutoField"
    verbose_name = "kontract"

    def ready(self) -> None:
        """Register the system checks, let the storage tell ``ctx`` its snapshot, and find the procedures."""
        from kontract import checks  # noqa: F401 - models are loaded now
        from kontract.rpc import loading
        from kontract.tables import past  # noqa: F401

        loading.discover()

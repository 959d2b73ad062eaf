"""The Django application, whose ``backend.py`` has the procedures of signing in."""

from django.apps import AppConfig


class KontractAuthConfig(AppConfig):
    """``INSTALLED_APPS = [..., "kontract", "kontract.auth"]``; with ``KONTRACT["AUTH"]`` its options."""

    name = "kontract.auth"
    label = "kontract_auth"  # "auth" is Django's
    verbose_name = "Authentication"

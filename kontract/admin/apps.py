"""The admin as an application that shows the past of every versioned model: in place of ``django.contrib.admin``."""

from django.contrib.admin.apps import AdminConfig


class VersionedAdminConfig(AdminConfig):
    """Django's admin, whose default site is a ``VersionedAdminSite``.

    See https://docs.djangoproject.com/en/stable/ref/contrib/admin/#overriding-the-default-admin-site.
    """

    default_site = "kontract.admin.site.VersionedAdminSite"

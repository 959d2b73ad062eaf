"""A site on which versioned models are registered as any other, and have their history."""

import subprocess
import sys
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.exceptions import AlreadyRegistered
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import path
from django.utils.crypto import get_random_string

import kontract
from kontract.admin import VersionedAdmin
from kontract.admin.site import VersionedAdminSite
from kontract.auth.admin import PrincipalAdmin
from kontract.auth.models import Principal
from tests.shop.models import Category, Product, Tag

pytestmark = pytest.mark.more_privilege

site = VersionedAdminSite(name="admin")


class CategoryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """A plain one, with an option and a page of its own."""

    search_fields = ["name"]

    def get_urls(self) -> Any:
        return [path("own/", self.changelist_view, name="own"), *super().get_urls()]


class ProductAdmin(VersionedAdmin):
    """One that has its history already."""


site.register([Tag])
site.register(Category, CategoryAdmin, list_per_page=7)
site.register(Product, ProductAdmin)
site.register(Group)
site.register(Principal, PrincipalAdmin)

urlpatterns = [path("admin/", site.urls)]


@pytest.fixture
def client(namespace: str, settings: Any) -> Client:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    client = Client()
    client.force_login(User.objects.create(username=get_random_string(12), is_staff=True, is_superuser=True))
    return client


def test_each_versioned_model_gets_the_history_and_keeps_what_it_was_registered_with() -> None:
    assert type(site.get_model_admin(Tag)) is VersionedAdmin
    assert type(site.get_model_admin(Product)) is ProductAdmin
    assert type(site.get_model_admin(Group)) is admin.ModelAdmin
    assert type(site.get_model_admin(Principal)) is PrincipalAdmin  # its passwords are not to be brought back
    category = site.get_model_admin(Category)
    assert isinstance(category, CategoryAdmin)
    assert isinstance(category, VersionedAdmin)
    assert (category.search_fields, category.list_per_page) == (["name"], 7)
    assert {"shop_category_version", "own"} <= {pattern.name for pattern in category.get_urls()}
    assert site.check(None) == []
    with pytest.raises(AlreadyRegistered, match="Tag is already registered"):
        site.register(Tag, CategoryAdmin)


@pytest.mark.parametrize("model", [Tag, Category])
def test_the_history_shows_and_restores_versions(client: Client, model: Any) -> None:
    field = "word" if model is Tag else "name"
    with kontract.transaction() as block:
        instance = model.objects.create(**{field: "spring"})
    client.post(f"/admin/shop/{model._meta.model_name}/{instance.pk}/change/", {field: "autumn"})
    instance.refresh_from_db()
    assert getattr(instance, field) == "autumn"
    history = client.get(f"/admin/shop/{model._meta.model_name}/{instance.pk}/history/").content.decode()
    assert all(word in history for word in ("spring", "autumn"))
    restore = f"/admin/shop/{model._meta.model_name}/{instance.pk}/history/{block.txid}/restore/"
    client.post(restore, {"_seen": client.get(restore).context["seen"]})
    instance.refresh_from_db()
    assert getattr(instance, field) == "spring"


def test_the_app_makes_it_the_default_site() -> None:
    script = """
from django.conf import settings
apps = ["auth", "contenttypes", "messages", "sessions"]
engine = "django.template.backends.django.DjangoTemplates"
processors = [f"django.{n}" for n in (
    "template.context_processors.request", "contrib.auth.context_processors.auth",
    "contrib.messages.context_processors.messages")]
settings.configure(
    INSTALLED_APPS=["kontract.admin.apps.VersionedAdminConfig", "kontract", *(f"django.contrib.{a}" for a in apps),
                    "tests.shop"],
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "x"}},
    MIDDLEWARE=[f"django.contrib.{m}" for m in (
        "sessions.middleware.SessionMiddleware", "auth.middleware.AuthenticationMiddleware",
        "messages.middleware.MessageMiddleware")],
    TEMPLATES=[{"BACKEND": engine, "APP_DIRS": True, "OPTIONS": {"context_processors": processors}}],
)
import django
django.setup()
from django.contrib import admin
from django.contrib.admin.exceptions import AlreadyRegistered
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.apps import apps
from tests.shop.models import Tag
assert [*check_admin_app(apps.get_app_configs()), *check_dependencies()] == []
print(type(admin.site.get_model_admin(Tag)).__mro__)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "kontract.admin.options.VersionedAdmin" in done.stdout

"""The shop's back office: some models with the history of their versions, some with Django's own admin."""

from django.contrib import admin

from kontract.admin import VersionedAdmin
from tests.shop.models import Bundle, Category, Order, OrderLine, Product, Tag


@admin.register(Category)
class CategoryAdmin(VersionedAdmin):
    """Everything as it comes."""

    search_fields = ["name"]


@admin.register(Product)
class ProductAdmin(VersionedAdmin):
    """The changelist with all that it has, and a form that hides one field."""

    list_display = ["name", "category", "price", "state", "is_fragile", "since"]
    list_editable = ["price"]
    list_filter = ["state", "is_fragile", "category"]
    list_per_page = 10
    search_fields = ["name", "slug", "category__name"]
    date_hierarchy = "since"
    autocomplete_fields = ["category"]
    filter_horizontal = ["tags"]
    prepopulated_fields = {"slug": ["name"]}
    fieldsets = [
        (None, {"fields": ["name", "slug", "category", "tags", "description"]}),
        ("Sale", {"fields": [("price", "since"), "state", "is_fragile", "features"]}),
    ]


@admin.register(Bundle)
class BundleAdmin(VersionedAdmin):
    """A model with a parent."""

    fields = ["name", "slug", "category", "price", "size"]


class OrderLineInline(admin.TabularInline):  # type: ignore[type-arg]
    """The lines in the form of their order."""

    model = OrderLine
    raw_id_fields = ["product"]
    extra = 1


@admin.register(Order)
class OrderAdmin(VersionedAdmin):
    """A form with lines."""

    readonly_fields = ["placed_at"]
    inlines = [OrderLineInline]


@admin.register(Tag)
class TagAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Django's own admin."""

    search_fields = ["word"]

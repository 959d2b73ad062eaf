"""Django's admin on versioned models, and the history of their versions, driven by a browser that runs no script."""

import html
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin import site
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils.crypto import get_random_string

import kontract
from kontract.context import CallContext, calling
from kontract.mvcc import vacuum
from kontract.orm.past import ObjectVersion
from kontract.tables.catalog import locate, resolve
from tests.interleave import Actor
from tests.shop.models import Bundle, Category, Order, OrderLine, Product, Tag

pytestmark = [pytest.mark.more_privilege, pytest.mark.urls("tests.shop.urls"), pytest.mark.usefixtures("middleware")]

LogIn = Callable[..., Client]


@pytest.fixture
def middleware(settings: Any) -> None:
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]


@pytest.fixture
def log_in(namespace: str) -> LogIn:
    """Sign in as somebody who has these permissions, such as ``view_product``, or all."""

    def log_in(*permissions: str, everything: bool = False, **options: Any) -> Client:
        user = User.objects.create(
            username=get_random_string(12), first_name="Ada", last_name="L", is_staff=True, is_superuser=everything
        )
        found = Permission.objects.filter(content_type__app_label="shop", codename__in=permissions)
        assert len(found) == len(permissions)
        user.user_permissions.set(found)
        client = Client(**options)
        client.force_login(user)
        client.user = user  # type: ignore[attr-defined]
        return client

    return log_in


@pytest.fixture
def client(log_in: LogIn) -> Client:
    return log_in(everything=True)


@pytest.fixture
def kitchen(namespace: str) -> Any:
    return Category.objects.create(name="Kitchen")


@pytest.fixture
def pot(kitchen: Category) -> Any:
    return Product.objects.create(name="Pot", slug="pot", category=kitchen, price=Decimal("9.90"), since="2026-01-05")


def page(client: Client, url: str, *args: Any, status: int = 200, **query: Any) -> str:
    """Return the text of one of the shop's pages, its markup left out but for the marks of differences."""
    response = client.get(url_of(url, *args), query)
    assert response.status_code == status, response.content
    text = re.sub(r"(?s)<script.*?</script>|<(?!/?(del|ins)\b)[^>]*>", " ", response.content.decode())
    text = " ".join(html.unescape(text).split()).replace("\N{MINUS SIGN}", "-")
    return re.sub(r" ?(</?(del|ins)>) ?", r"\1", text)


def url_of(name: str, *args: Any) -> str:
    return reverse(f"admin:shop_{name}", args=args)


def submit(client: Client, url: str, *args: Any, **data: Any) -> Any:
    """Submit a form that is expected to be accepted."""
    response = client.post(url_of(url, *args), data, follow=True)
    form = (response.context or {}).get("adminform")
    assert response.redirect_chain, form and form.errors
    return response


def versions(obj: Any) -> list[ObjectVersion]:
    found: list[ObjectVersion] = type(obj)(pk=obj.pk).history
    return found


def restore(client: Client, model: str, obj: Any, txid: int) -> Any:
    """Ask to restore a version, and say yes to the question."""
    question = client.get(url_of(f"{model}_restore", obj.pk, txid))
    assert question.status_code == 200
    return submit(client, f"{model}_restore", obj.pk, txid, _seen=question.context["seen"])


def messages_of(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


def logged(obj: Any) -> list[int]:
    return list(LogEntry.objects.filter(object_id=str(obj.pk)).order_by("pk").values_list("action_flag", flat=True))


# --- What Django's admin does ----------------------------------------------------------------------------------------


def test_the_changelist_searches_filters_orders_and_turns_pages(client: Client, kitchen: Category) -> None:
    garden = Category.objects.create(name="Garden")
    for n in range(12):
        Product.objects.create(
            name=f"Thing {n:02}", slug=f"thing-{n}", category=garden if n % 2 else kitchen, price=20 - n,
            state="s" if n < 3 else "p", since=f"{2024 + n % 2}-03-{n + 1:02}",
        )  # fmt: skip

    def shown(**query: Any) -> list[str]:
        return re.findall(r"Thing \d\d", page(client, "product_changelist", **query))

    assert shown() == [f"Thing {n:02}" for n in range(10)]
    assert shown(p=2) == ["Thing 10", "Thing 11"]
    assert shown(q="garden", o="3") == ["Thing 11", "Thing 09", "Thing 07", "Thing 05", "Thing 03", "Thing 01"]
    assert shown(state__exact="s") == ["Thing 00", "Thing 01", "Thing 02"]
    assert shown(is_fragile__exact="1") == []
    assert shown(category__id__exact=str(garden.pk), since__year="2025", since__month="3", q="11") == ["Thing 11"]
    assert "12 total" in page(client, "product_changelist", state__exact="s", _facets="True")


def test_prices_are_edited_in_the_list_and_logged(client: Client, pot: Product) -> None:
    form = {"form-TOTAL_FORMS": 1, "form-INITIAL_FORMS": 1, "form-0-id": pot.pk, "form-0-price": "11.00"}
    response = submit(client, "product_changelist", _save="Save", **form)
    assert "1 product was changed successfully." in messages_of(response)
    pot.refresh_from_db()
    assert pot.price == Decimal("11.00")
    assert (versions(pot)[0].label, logged(pot)) == ("admin:shop_product_changelist", [CHANGE])


def test_objects_are_added_with_inlines_changed_and_deleted(client: Client, pot: Product) -> None:
    pan = Product.objects.create(name="Pan", slug="pan", category=pot.category, price=1)
    lines = {"lines-TOTAL_FORMS": 1, "lines-INITIAL_FORMS": 0, "lines-0-product": pot.pk, "lines-0-quantity": 2}
    submit(client, "order_add", number=1, customer="Bob", **lines)
    order = Order.objects.get(number=1)
    (line,) = order.lines.all()
    assert (line.product, line.quantity, order.customer) == (pot, 2, "Bob")
    lines |= {"lines-TOTAL_FORMS": 2, "lines-INITIAL_FORMS": 1, "lines-0-id": line.pk, "lines-0-DELETE": "on"}
    lines |= {"lines-0-order": order.pk, "lines-1-product": pan.pk, "lines-1-quantity": 5}
    submit(client, "order_change", order.pk, number=1, customer="Bobby", **lines)
    assert [str(line) for line in order.lines.all()] == ["5 x Pan"]
    confirmation = page(client, "order_delete", order.pk)
    assert "Order lines: 1" in confirmation
    assert "5 x Pan" in confirmation
    submit(client, "order_delete", order.pk, post="yes")
    assert (Order.objects.count(), OrderLine.objects.count()) == (0, 0)
    assert logged(order) == [ADDITION, CHANGE, DELETION]


def test_all_of_a_form_is_one_transaction_of_the_user(client: Client, pot: Product) -> None:
    lines = {"lines-TOTAL_FORMS": 1, "lines-INITIAL_FORMS": 0, "lines-0-product": pot.pk, "lines-0-quantity": 2}
    submit(client, "order_add", number=1, customer="Bob", **lines)
    order = Order.objects.get()
    ((version,), (line_version,)) = versions(order), versions(order.lines.get())
    assert version.txid == line_version.txid
    user = client.user  # type: ignore[attr-defined]
    assert (version.changed_by, version.label) == (str(user.pk), "admin:shop_order_add")


def test_what_is_taken_is_an_error_of_the_form(client: Client, pot: Product, kitchen: Category) -> None:
    form = {"name": "Other", "slug": "pot", "category": kitchen.pk, "price": "1", "state": "p", "features": "{}"}
    response = client.post(url_of("product_add"), form)
    assert response.context["adminform"].errors == {"slug": ["Product with this Slug already exists."]}


def test_what_is_referred_to_is_protected(client: Client, pot: Product, kitchen: Category) -> None:
    text = page(client, "category_delete", kitchen.pk)
    assert "would require deleting the following protected related objects" in text
    assert client.post(url_of("category_delete", kitchen.pk), {"post": "yes"}).status_code == 200
    assert Category.objects.filter(pk=kitchen.pk).exists()


def test_the_action_deletes_what_was_chosen(client: Client, pot: Product, kitchen: Category) -> None:
    Product.objects.create(name="Pan", slug="pan", category=kitchen, price=1)
    chosen = {"action": "delete_selected", "_selected_action": [str(pot.pk)]}
    assert "Pot" in client.post(url_of("product_changelist"), chosen).content.decode()
    submit(client, "product_changelist", post="yes", **chosen)
    assert [product.name for product in Product.objects.all()] == ["Pan"]


def test_autocomplete_finds_keys(client: Client, kitchen: Category) -> None:
    query = {"app_label": "shop", "model_name": "product", "field_name": "category", "term": "kit"}
    found = client.get(reverse("admin:autocomplete"), query).json()
    assert found["results"] == [{"id": str(kitchen.pk), "text": "Kitchen"}]


def test_kontract_registers_nothing_but_principals() -> None:
    assert {model._meta.app_label for model in site._registry} == {"auth", "kontract_auth", "shop"}


def test_djangos_own_admin_serves_versioned_models(client: Client) -> None:
    submit(client, "tag_add", word="red")
    tag = Tag.objects.get(word="red")
    submit(client, "tag_change", tag.pk, word="green")
    assert "Changed Word." in page(client, "tag_history", tag.pk)
    assert "green" in page(client, "tag_changelist", q="gre")


# --- Versions --------------------------------------------------------------------------------------------------------


def test_the_history_tells_who_changed_what_and_when(client: Client, pot: Product) -> None:
    garden = Category.objects.create(name="Garden")
    form = {
        "name": "Pot", "slug": "pot", "category": garden.pk, "price": "12.50", "since": "", "state": "s",
        "is_fragile": "on", "features": '{"litres": 2}', "description": "",
    }  # fmt: skip
    submit(client, "product_change", pot.pk, **form)
    text = page(client, "product_history", pot.pk)
    assert text.index("Version Date/time User Changes Action") < text.index("present") < text.index("Added")
    user = client.user  # type: ignore[attr-defined]
    assert f"{user.username} (Ada L) admin:shop_product_change" in text
    for label, before, after in [
        ("Category", "Kitchen", "Garden"),
        ("Unit price", "9.90", "12.50"),
        ("On sale since", "Jan. 5, 2026", "empty"),
        ("State", "planned", "on sale"),
        ("Is fragile", "No", "Yes"),
        ("Features", "{}", '{ "litres": 2 }'),
    ]:
        assert f"{label}<del>- before: {before}</del><ins>+ after: {after}</ins>" in text
    assert "Slug<del>" not in text


def test_a_long_text_is_compared_word_by_word(client: Client, pot: Product) -> None:
    words = [f"word{n}" for n in range(40)]
    for changed in ("early", "late"):
        words[20] = changed
        pot.description = " ".join(words)
        pot.save()
    text = page(client, "product_history", pot.pk)
    before, after = "<del>removed: [-early-]</del>", "<ins>added: [+late+]</ins>"
    assert f"… word15 word16 word17 word18 word19{before}{after}word21 word22" in text
    assert "word14 word15" not in text.partition(after)[0].partition("present")[2]


def test_a_field_that_the_form_hides_is_only_counted(client: Client, pot: Product) -> None:
    Product.objects.filter(pk=pot.pk).update(purchase_price=Decimal("3.21"))
    text = page(client, "product_history", pot.pk)
    assert "One field that is not shown here." in text
    assert "3.21" not in text


def test_a_version_is_shown_with_all_that_belonged_to_it(client: Client, pot: Product) -> None:
    order = Order.objects.create(number=1, customer="Bob")
    line = OrderLine.objects.create(order=order, product=pot, quantity=2)
    Order.objects.filter(pk=order.pk).update(customer="Bobby")
    then = versions(order)[0].txid
    Product.objects.filter(pk=pot.pk).update(name="Kettle")
    OrderLine.objects.filter(pk=line.pk).update(quantity=7)
    Order.objects.filter(pk=order.pk).update(customer="Robert")
    text = page(client, "order_version", order.pk, then)
    assert "Customer: Bobby" in text
    assert "2 x Pot" in text
    assert "7" not in re.findall(r"\d+", text.partition("Order lines")[2])
    form = client.get(url_of("order_version", order.pk, then)).content.decode().partition('id="order_form"')[2]
    assert not re.search(r'<(select|textarea)|type="(text|submit|number)"', form.partition("</form>")[0])
    assert client.post(url_of("order_version", order.pk, then), {"customer": "Eve"}).status_code == 405


def test_many_versions_are_shown_on_pages(client: Client, pot: Product) -> None:
    for n in range(30):
        Product.objects.filter(pk=pot.pk).update(price=n)
    first, second = (page(client, "product_history", pot.pk, v=number) for number in (1, 2))
    assert ("+ after: 29.00" in first, "+ after: 29.00" in second) == (True, False)
    assert ("Added" in first, "Added" in second) == (False, True)
    assert "31 entries" in first


def test_writes_by_others_than_users_are_shown_as_they_are_known(client: Client, pot: Product) -> None:
    with calling(CallContext(owner="robot-7", route="reprice")):
        Product.objects.filter(pk=pot.pk).update(price=1)
    assert "robot-7 reprice" in page(client, "product_history", pot.pk)


def test_values_are_text_and_no_markup(client: Client, pot: Product) -> None:
    attack = "<script>alert(1)</script>"
    with calling(CallContext(owner=attack, route=attack)):
        Product.objects.filter(pk=pot.pk).update(name=attack, description=attack * 3, features={attack: attack})
        category = Category.objects.create(name=attack)
        Product.objects.filter(pk=pot.pk).update(category=category)
        Product.objects.filter(pk=pot.pk).update(description=attack * 4, name=attack + "!")
    newest, older, *_ = versions(pot)
    Product.objects.get(pk=pot.pk).delete()
    for name, args in [
        ("product_history", [pot.pk]), ("product_version", [pot.pk, newest.txid]), ("product_deleted", []),
        ("product_restore", [pot.pk, older.txid]),
    ]:  # fmt: skip
        content = client.get(url_of(name, *args)).content.decode()
        assert "&lt;script&gt;alert(1)" in content
        assert "<script>alert" not in content


def test_an_unknown_object_or_version_is_not_found(client: Client, pot: Product) -> None:
    for object_id in ("0198c0de-0000-7000-8000-000000000000", "no key at all"):
        response = client.get(url_of("product_history", object_id), follow=True)
        assert "Perhaps it was deleted?" in messages_of(response)
        page(client, "product_version", object_id, 1, status=404)
    page(client, "product_version", pot.pk, 10**15, status=404)
    page(client, "product_restore", pot.pk, 10**15, status=404)


# --- Restoring -------------------------------------------------------------------------------------------------------


def test_a_version_is_restored_as_a_new_one_after_a_question(client: Client, pot: Product) -> None:
    first = versions(pot)[0].txid
    Product.objects.filter(pk=pot.pk).update(name="Kettle", price=1)
    question = page(client, "product_restore", pot.pk, first)
    assert "Name<del>- before: Kettle</del><ins>+ after: Pot</ins>" in question
    assert "is not restored with it" in question
    assert Product.objects.get(pk=pot.pk).name == "Kettle"
    response = restore(client, "product", pot, first)
    assert f"The product “Pot” is again as it was in version {first}." in messages_of(response)
    pot.refresh_from_db()
    assert (pot.name, pot.price) == ("Pot", Decimal("9.90"))
    newest = versions(pot)[0]
    assert (len(versions(pot)), newest.label) == (3, "admin:shop_product_restore")
    entry = LogEntry.objects.get(object_id=str(pot.pk))
    assert (entry.action_flag, entry.get_change_message()) == (CHANGE, f"Restored version {first}.")


def test_a_deleted_object_is_found_looked_at_and_brought_back(client: Client, pot: Product) -> None:
    first = versions(pot)[0].txid
    assert "Recently deleted" in page(client, "product_changelist")
    submit(client, "product_delete", pot.pk, post="yes")
    user = client.user  # type: ignore[attr-defined]
    assert re.search(rf"Pot .* {user.username}", page(client, "product_deleted"))
    text = page(client, "product_history", pot.pk)
    assert "This product has been deleted. Restore one of its versions to bring it back." in text
    assert text.index("admin:shop_product_delete Deleted") < text.index("Added")
    assert "Category: Kitchen" in page(client, "product_version", pot.pk, first)
    restore(client, "product", pot, first)
    assert Product.objects.get(slug="pot").category.name == "Kitchen"
    assert logged(pot) == [DELETION, ADDITION]
    text = page(client, "product_history", pot.pk)
    assert text.index("present") < text.index("Added") < text.index("Deleted") < text.rindex("Added")
    assert "Nothing has been deleted" in page(client, "product_deleted")


def test_children_are_not_restored_with_an_object(client: Client, pot: Product) -> None:
    order = Order.objects.create(number=1, customer="Bob")
    OrderLine.objects.create(order=order, product=pot)
    first = versions(order)[0].txid
    Order.objects.get().delete()
    restore(client, "order", order, first)
    assert Order.objects.get().lines.count() == 0


def test_a_model_with_a_parent_is_restored_whole(client: Client, kitchen: Category) -> None:
    bundle = Bundle.objects.create(name="Cups", slug="cups", category=kitchen, price=5, size=4)
    first = versions(bundle)[0].txid
    Bundle.objects.filter(pk=bundle.pk).update(name="Mugs", size=6)
    restore(client, "bundle", bundle, first)
    assert str(Bundle.objects.get()) == "Cups of 4"
    Bundle.objects.get().delete()
    assert not Product.objects.exists()
    restore(client, "bundle", bundle, first)
    assert str(Bundle.objects.get()) == "Cups of 4"
    assert Product.objects.get().bundle.size == 4


def test_a_change_of_the_parent_is_a_version(client: Client, kitchen: Category) -> None:
    bundle = Bundle.objects.create(name="Cups", slug="cups", category=kitchen, price=5, size=4)
    Bundle.objects.filter(pk=bundle.pk).update(size=6)
    Product.objects.update(name="Mugs")
    text = page(client, "bundle_history", bundle.pk)
    assert text.index("present") < text.index("- before: Cups") < text.index("- before: 4") < text.index("Added")
    assert len(versions(Product.objects.get())) == 2  # the change of the size is none of the product
    restore(client, "bundle", bundle, versions(bundle)[1].txid)
    assert str(Bundle.objects.get()) == "Cups of 6"


def test_what_stands_in_the_way_is_told(client: Client, pot: Product, kitchen: Category) -> None:
    first = versions(pot)[0].txid
    pot.delete()
    Product.objects.create(name="Other", slug="pot", category=Category.objects.create(name="Garden"), price=1)
    kitchen.delete()
    gone = versions(Product(pk=Product.objects.model._base_manager.as_of(first).get().pk))[0]
    text = page(client, "product_restore", gone.pk, first)
    assert "This version cannot be restored:" in text
    assert "Yes, restore it" not in text
    refused = client.post(url_of("product_restore", gone.pk, first), {"_seen": f"{gone.txid}-{gone.deleted_txid}"})
    assert refused.status_code == 200
    assert [product.name for product in Product.objects.all()] == ["Other"]


def test_a_change_in_between_is_asked_about_again(client: Client, pot: Product) -> None:
    first = versions(pot)[0].txid
    Product.objects.filter(pk=pot.pk).update(name="Kettle")
    seen = client.get(url_of("product_restore", pot.pk, first)).context["seen"]
    Product.objects.filter(pk=pot.pk).update(name="Cauldron")
    for answer in ({"_seen": seen}, {}):
        response = submit(client, "product_restore", pot.pk, first, **answer)
        assert "Somebody has changed it in the meantime." in messages_of(response)
        assert Product.objects.get(pk=pot.pk).name == "Cauldron"


def test_the_present_is_not_restored(client: Client, pot: Product) -> None:
    response = client.get(url_of("product_restore", pot.pk, versions(pot)[0].txid), follow=True)
    assert "This version is the present one." in messages_of(response)


def test_restoring_takes_a_token_against_forgery(log_in: LogIn, pot: Product) -> None:
    client = log_in(everything=True, enforce_csrf_checks=True)
    first = versions(pot)[0].txid
    Product.objects.filter(pk=pot.pk).update(name="Kettle")
    url = url_of("product_restore", pot.pk, first)
    question = client.get(url)
    answer = {"_seen": question.context["seen"]}
    assert client.post(url, answer).status_code == 403
    assert Product.objects.get(pk=pot.pk).name == "Kettle"
    assert client.post(url, answer | {"csrfmiddlewaretoken": str(question.context["csrf_token"])}).status_code == 302
    assert Product.objects.get(pk=pot.pk).name == "Pot"


# --- Permissions -----------------------------------------------------------------------------------------------------


def test_who_may_not_see_an_object_does_not_see_its_past(log_in: LogIn, pot: Product) -> None:
    client, first = log_in("change_order"), versions(pot)[0].txid
    Product.objects.filter(pk=pot.pk).update(name="Kettle")
    for name, args in [
        ("product_history", [pot.pk]), ("product_version", [pot.pk, first]), ("product_restore", [pot.pk, first]),
        ("product_deleted", []),
    ]:  # fmt: skip
        page(client, name, *args, status=403)
    assert client.post(url_of("product_restore", pot.pk, first)).status_code == 403
    assert Client().get(url_of("product_history", pot.pk)).status_code == 302


def test_who_may_only_look_is_not_offered_to_restore(log_in: LogIn, pot: Product) -> None:
    client, first = log_in("view_product"), versions(pot)[0].txid
    Product.objects.filter(pk=pot.pk).update(name="Kettle")
    assert "Restore" not in page(client, "product_history", pot.pk)
    assert "Restore" not in page(client, "product_version", pot.pk, first)
    page(client, "product_restore", pot.pk, first, status=403)
    assert client.post(url_of("product_restore", pot.pk, first)).status_code == 403


def test_bringing_back_takes_the_permission_to_add(log_in: LogIn, pot: Product) -> None:
    changes, adds = log_in("change_product"), log_in("change_product", "add_product")
    first, key = versions(pot)[0].txid, Product(pk=pot.pk)
    pot.delete()
    assert "Restore" not in page(changes, "product_history", key.pk)
    page(changes, "product_restore", key.pk, first, status=403)
    restore(adds, "product", key, first)
    assert Product.objects.filter(pk=key.pk).exists()


# --- What is not there any more, or never was ------------------------------------------------------------------------


def forget_history(model: Any) -> None:
    """Move the horizon to the present, and remove what is behind it."""
    connection, ns = locate()
    plan = vacuum.Plan(
        table=resolve(connection, ns, model._meta.db_table), horizon=kontract.ctx.current_txid - 1, versions=0
    )
    list(vacuum.remove(connection, plan, batch=100))


def test_history_that_was_removed_is_not_missed(client: Client, pot: Product) -> None:
    first = versions(pot)[0].txid
    Product.objects.filter(pk=pot.pk).update(price=1)
    second = versions(pot)[0].txid
    Category.objects.update(name="Scullery")
    forget_history(Product)
    text = page(client, "product_history", pot.pk)
    assert "The oldest version that is kept: there may have been earlier ones." in text
    page(client, "product_version", pot.pk, first, status=404)
    assert "Unit price: 1.00" in page(client, "product_version", pot.pk, second)
    Product.objects.filter(pk=pot.pk).update(price=2)
    restore(client, "product", pot, second)
    assert Product.objects.get(pk=pot.pk).price == 1


def test_what_a_version_refers_to_may_be_forgotten_before_it(client: Client, pot: Product) -> None:
    first = versions(pot)[0].txid
    garden = Category.objects.create(name="Garden")
    Product.objects.filter(pk=pot.pk).update(category=garden)
    forget_history(Category)
    text = page(client, "product_history", pot.pk)
    assert "Category<del>- before:" in text
    response = client.get(url_of("product_version", pot.pk, first), follow=True)
    assert "behind its horizon" in messages_of(response)
    restore(client, "product", pot, first)
    assert Product.objects.get(pk=pot.pk).category.name == "Kitchen"


def test_a_model_without_versions_has_djangos_history(client: Client, settings: Any) -> None:
    settings.KONTRACT = {**settings.KONTRACT, "TABLES": {"shop_category": {"versioned": False}}}
    submit(client, "category_add", name="Attic")
    category = Category.objects.get()
    assert "Added." in page(client, "category_history", category.pk)
    for name in ("category_version", "category_restore"):
        response = client.get(url_of(name, category.pk, 1), follow=True)
        assert "it has no past" in messages_of(response)
    assert "Nothing has been deleted" in page(client, "category_deleted")


# --- At the same moment ----------------------------------------------------------------------------------------------


def test_a_conflict_is_a_message(client: Client, pot: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.shop.admin import ProductAdmin

    def change_elsewhere() -> None:
        Product.objects.filter(pk=pot.pk).update(price=2)

    def save_model(self: Any, request: Any, obj: Any, form: Any, change: bool) -> None:
        obj.save()
        with Actor() as actor:
            actor.do(change_elsewhere)

    monkeypatch.setattr(ProductAdmin, "save_model", save_model)
    form = {"name": "Pan", "slug": "pot", "category": pot.category_id, "price": "1", "state": "p", "features": "{}"}
    response = submit(client, "product_change", pot.pk, **form)
    assert messages_of(response).startswith("Somebody else changed the same at the same moment, so nothing was saved.")
    pot.refresh_from_db()
    assert (pot.name, pot.price, logged(pot)) == ("Pot", Decimal(2), [])

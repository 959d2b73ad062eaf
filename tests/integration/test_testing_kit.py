"""``kontract.testing`` as a project's tests use it, and what it says when something is wrong."""

import json
import os
import subprocess
import sys
import unittest
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections, models
from django.test import TestCase
from django.test.utils import isolate_apps

import kontract
from kontract import env, tables
from kontract.orm import VersionedModel
from kontract.testing import (
    AsyncCallClient,
    CallClient,
    CallFailed,
    assert_changes,
    assert_no_changes,
    isolated_namespace,
)
from kontract.testing.answers import StreamReader
from tests.app import backend as app
from tests.docs import ROOT, blocks
from tests.shop.models import Category, Product, Tag
from tests.zoo.types import Cat


class Twin:
    """An ``AsyncCallClient`` that waits, so that both clients can be tested alike."""

    def __init__(self, client: AsyncCallClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if name == "with_options":
            return lambda **options: Twin(found(**options))
        if name == "stream":
            return lambda *args, **kwargs: async_to_sync(_collect)(found(*args, **kwargs))
        return async_to_sync(found) if callable(found) else found


async def _collect(items: Any) -> list[Any]:
    return [item async for item in items]


def make(kind: str, **options: Any) -> Any:
    return CallClient(**options) if kind == "sync" else Twin(AsyncCallClient(**options))


TOM = Cat(name="Tom")
KINDS = pytest.mark.parametrize("kind", ["sync", "async"])


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest) -> Any:
    """A client of either kind."""
    return make(request.param)


# --- Calls ---


def test_a_call_returns_the_result(client: Any) -> None:
    assert client.call("divide", 8) == 4
    assert client.call("set_user", user_id="u1", name="Ada") == {"name": "Ada"}
    assert client.txid == env.storage.users["u1"].txid
    assert client.response.status_code == 200
    assert client.call("echo_async", value=None) is None


def test_arguments_are_what_python_has(client: Any) -> None:
    shown = client.call(
        "describe_values",
        flag=True,
        day=date(2024, 2, 29),
        uuid=UUID(int=5),
        price=Decimal("1.10"),
        raw=bytes(range(256)),
        colour=app.Colour.RED,
        lines=[app.Line("bolt", 2, Decimal("0.1"))],
    )
    assert shown[1:5] == [
        "datetime.date(2024, 2, 29)",
        "UUID('00000000-0000-0000-0000-000000000005')",
        "Decimal('1.10')",
        repr(bytes(range(256))),
    ]
    assert shown[6] == "[Line(article='bolt', count=2, price=Decimal('0.1'))]"


def test_arguments_are_named_or_not(client: Any) -> None:
    with pytest.raises(TypeError, match="Name all of them"):
        client.call("set_user", "u1", name="Ada")


def test_a_failure_is_raised_with_its_problem(client: Any) -> None:
    with pytest.raises(
        CallFailed, match=r"^set_user failed with 422 invalid_arguments: set_user\(\) .*\"errors\""
    ) as caught:
        client.call("set_user", user_id="u1", name=5)
    failure = caught.value
    assert (failure.status, failure.code, failure.problem["errors"][0]["path"]) == (422, "invalid_arguments", ["name"])
    with pytest.raises(CallFailed, match="404 procedure_not_found"):
        client.call("nothing")


def test_a_fault_of_the_server_has_its_cause(client: Any) -> None:
    with pytest.raises(CallFailed, match=r"500 internal_error$") as caught:
        client.call("set_user_then_fail", user_id="u1")
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(CallFailed) as caught:
        client.call("fail", "missing")
    assert caught.value.__cause__ is None


def test_raw_responses(client: Any) -> None:
    response = client.post_call("fail", "forbidden")
    assert (response.status_code, json.loads(response.content)["detail"]) == (403, "Not yours.")
    assert client.get_call("set_user", user_id="u1").status_code == 405
    assert client.response.headers["Allow"] == "POST"


def test_a_call_by_get(client: Any) -> None:
    client.call("zoo_put", cage=7, pet=TOM)
    response = client.get_call("zoo_look", cage=7)
    assert json.loads(response.content)["result"] == {"name": "Tom", "kind": "cat"}
    again = client.with_options(headers={"If-None-Match": response.headers["ETag"]})
    assert again.get_call("zoo_look", cage=7).status_code == 304
    assert json.loads(client.get_call("zoo_nothing").content) == {"result": None}


def test_options(client: Any) -> None:
    before = datetime.now(UTC)
    client.call("zoo_put", cage=7, pet=TOM)
    txid = client.txid
    env.storage.zoo_cages.set("7", {"name": "Kitty", "kind": "cat"})
    past = client.with_options(as_of=txid)
    assert past.txid is None
    assert past.call("zoo_look", cage=7)["name"] == "Tom"
    assert past.with_options(as_of=before).call("zoo_look", cage=7) is None
    assert client.call("zoo_look", cage=7)["name"] == "Kitty"


def test_a_dry_run(client: Any) -> None:
    with assert_changes("users"):
        result, changes = client.dry_run("set_user", user_id="u1", name="Ada")
    assert result == {"name": "Ada"}
    assert [(change["table"], change["id"], change["op"]) for change in changes] == [("users", "u1", "insert")]


def test_a_key_is_answered_once(client: Any) -> None:
    once = client.with_options(idempotency_key="a-key-that-nobody-guesses")
    first = once.call("add_up", values=[1])
    assert once.call("add_up", values=[1]) == first == 1
    assert once.response.headers["Kontract-Replayed"] == "1"
    assert client.call("add_up", values=[1]) == 2


def test_a_batch(client: Any) -> None:
    ada, failure, nothing = client.batch(
        [
            ("set_user", {"user_id": "u1", "name": "Ada"}),
            ("set_user", {"user_id": "u2"}),
            ("echo_async", {"value": None}),
        ]
    )
    assert (ada, nothing) == ({"name": "Ada"}, None)
    assert isinstance(failure, CallFailed)
    assert failure.code == "invalid_arguments"
    with pytest.raises(CallFailed, match="The batch failed with 400 invalid_request"):
        client.batch([])


def test_a_stream(client: Any) -> None:
    assert list(client.stream("zoo_count", to=3)) == [0, 1, 2]
    with pytest.raises(CallFailed, match=r"^zoo_count failed with 422"):
        list(client.stream("zoo_count", to="x"))
    with pytest.raises(CallFailed, match=r"^zoo_count failed with "):
        list(client.stream("zoo_count", to=3, fail_at=2))
    with pytest.raises(TypeError, match=r"Use stream\(\)"):
        client.call("zoo_count", to=3)


def test_files(client: Any) -> None:
    photo = SimpleUploadedFile("lion.png", b"\x89PNG", "image/png")
    more = [SimpleUploadedFile("a.txt", b"a"), SimpleUploadedFile("b.txt", b"bb")]
    found = client.call("zoo_upload", photo=photo, title="Lion", taken=date(2024, 2, 29), more=more)
    assert [each["size"] for each in found] == [4, 1, 2]
    content = client.call("zoo_download", size=10, name="lion.bin")
    assert (type(content), len(content)) == (bytes, 10)
    assert "lion.bin" in client.response.headers["Content-Disposition"]


def test_a_procedure_that_does_not_stream_is_called(client: Any) -> None:
    with pytest.raises(TypeError, match=r"divide does not stream its results\. Use call\(\)"):
        list(client.stream("divide", 8))


def test_a_stream_can_be_left_early() -> None:
    items = CallClient().stream("zoo_count", to=1000)
    assert next(items) == 0
    items.close()
    assert next(CallClient().stream("zoo_count", to=1)) == 0


def test_an_asynchronous_stream_can_be_left_early() -> None:
    async def leave() -> list[Any]:
        parade = AsyncCallClient().stream("zoo_parade", names=["Rex", "Bello"])
        async for dog in parade:
            await parade.aclose()
            return [dog["name"]]
        return []

    assert async_to_sync(leave)() == ["Rex"]
    with pytest.raises(CallFailed, match=r"zoo_parade failed with .* needs_asgi"):
        next(CallClient().stream("zoo_parade", names=[]))


def test_a_stream_that_breaks_off_is_no_whole_one() -> None:
    reader = StreamReader("count")
    assert list(reader.feed(b'{"item":1}\n{"it')) == [1]
    assert list(reader.feed(b'em":2}\n')) == [2]
    with pytest.raises(AssertionError, match="of count broke off"):
        reader.finish()


# --- Who calls, and where ---


@KINDS
def test_somebody_calls(kind: str) -> None:
    for name in ("who_am_i", "who_am_i_async"):
        assert make(kind, owner="ada").call(name) == {"owner": "ada", "is_anonymous": False, "route": name}
        assert make(kind).call(name) == {"owner": "", "is_anonymous": True, "route": name}


@KINDS
def test_what_somebody_writes_is_theirs(kind: str) -> None:
    make(kind, owner="ada").call("set_user", user_id="u1", name="Ada")
    assert env.storage.users["u1"].owner == "ada"


@KINDS
def test_user_groups(kind: str) -> None:
    assert make(kind, owner="ada", ugroups=["keepers", "others"]).call("zoo_restricted") == "welcome"
    assert make(kind, owner="ada", ugroups="directors").call("zoo_restricted") == "welcome"
    for client, status in ((make(kind, owner="ada", ugroups="visitors"), 403), (make(kind), 401)):
        with pytest.raises(CallFailed) as caught:
            client.call("zoo_restricted")
        assert caught.value.status == status
    with pytest.raises(TypeError, match="Give an owner"):
        make(kind, ugroups="keepers")


@pytest.fixture
def sessions(settings: Any) -> None:
    """Install Django's sessions and authentication."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]


@KINDS
@pytest.mark.usefixtures("sessions")
def test_somebody_calls_where_django_looks_for_users(kind: str) -> None:
    for name in ("who_am_i", "who_am_i_async"):
        assert make(kind, owner="ada").call(name)["owner"] == "ada"
        assert make(kind).call(name)["owner"] == ""


@KINDS
@pytest.mark.more_privilege
@pytest.mark.usefixtures("sessions")
def test_a_user_of_djangos_signs_in_and_out(kind: str) -> None:
    user = get_user_model().objects.create_user(f"ada-{kind}")
    client = make(kind)
    client.force_login(user)
    assert client.call("who_am_i")["owner"] == str(user.pk)
    assert client.with_options(headers={"X": "y"}).call("who_am_i")["owner"] == str(user.pk)
    client.logout()
    assert client.call("who_am_i")["owner"] == ""
    user.delete()


@KINDS
def test_csrf_is_checked_where_that_is_asked_for(kind: str) -> None:
    with pytest.raises(CallFailed, match="403 csrf_failed"):
        make(kind, owner="ada", enforce_csrf_checks=True).call("echo", 1)


def test_a_namespace_of_its_own(client: Any) -> None:
    outer = kontract.context.get_namespace()
    with isolated_namespace() as name:
        client.call("set_user", user_id="u1", name="Ada")
        assert "u1" in env.storage.users
    assert "u1" not in env.storage.users
    assert kontract.context.get_namespace() == outer
    kind = CallClient if isinstance(client, CallClient) else lambda **options: make("async", **options)
    other = kind(namespace=name)
    other.call("set_user", user_id="u2", name="Bob")
    assert "u2" not in env.storage.users
    with kontract.namespace(name):
        assert sorted(env.storage.users) == ["u1", "u2"]


# --- What has changed ---


@pytest.fixture
def users() -> Any:
    """A table with two users."""
    env.storage.users.set_many({"u1": {"name": "Ada"}, "u2": {"name": "Bob"}})
    return env.storage.users


def test_changes_that_are_as_expected(users: Any) -> None:
    with assert_changes(
        "users", inserts=["u3"], updates={"u1": {"name": "Eve", "born": date(1990, 1, 2)}}, deletes=1
    ) as it:
        users.set("u3", {"name": "Cy"})
        users.set("u1", {"name": "Eve", "born": "1990-01-02"})
        users.delete("u2")
    assert it.inserts == {"u3": {"name": "Cy"}}
    assert it.updates["u1"].txid == users["u1"].txid
    assert it.deletes == {"u2": {"name": "Bob"}}


def test_changes_of_one_document_count_once(users: Any) -> None:
    with assert_changes("users", inserts=["new"], updates=["u1", "u2"]):
        users.set("gone", {})
        users.delete("gone")
        users.set("new", {})
        users.set("new", {"n": 1})
        users.set("u1", {"name": "Ada"})  # as it was, and yet a version
        users.delete("u2")
        users.set("u2", {})


def test_what_differs_is_told(users: Any) -> None:
    def change(**expected: Any) -> None:
        users.set_many({"u1": {"name": "Ada"}, "u2": {"name": "Bob"}})
        users.delete("u3")
        with assert_changes("users", **expected):
            users.set("u3", {"name": "Cy"})
            users.set("u1", {"name": "Eve"})

    with pytest.raises(AssertionError) as caught:
        change(inserts=["u3", "u4"], updates={"u1": {"name": "Ada", "age": 5}}, deletes=1)
    assert str(caught.value).splitlines() == [
        "The block did not change the table 'users' as expected:",
        "  inserts: missing 'u4'",
        "  updates of 'u1': name is 'Eve', 'Ada' expected",
        "  updates of 'u1': has no age, 5 expected",
        "  deletes: 1 expected, 0 found",
    ]
    with pytest.raises(AssertionError) as caught:
        change(inserts=["u3"])
    assert str(caught.value).splitlines()[1:] == ["  updates: 1 not expected", "    'u1': {'name': 'Eve'}"]


def test_long_lists_are_cut(users: Any) -> None:
    with pytest.raises(AssertionError) as caught, assert_changes("users"):
        users.set_many({f"n{n}": {"text": "x" * 1000} for n in range(100)})
    assert "inserts: 100 not expected" in str(caught.value)
    assert "and 90 more" in str(caught.value)
    assert len(str(caught.value)) < 4000


def test_what_a_block_raises_goes_out(users: Any) -> None:
    with pytest.raises(KeyError), assert_changes("users", inserts=5):
        users["nobody"]


def test_a_text_is_not_taken_for_its_letters() -> None:
    with pytest.raises(TypeError, match=r"Write \['u1'\]"):
        assert_changes("users", inserts="u1")


def test_only_its_own_table_counts(users: Any) -> None:
    with assert_changes("users", inserts=1), assert_changes("orders", inserts=["o1"]):
        users.set("u3", {})
        env.storage.orders.set("o1", {})


def test_an_unversioned_table_is_compared(users: Any) -> None:
    counters = env.storage.counters
    counters.set_many({"a": {"n": 1}, "b": {"n": 1}, "c": {"n": 1}})
    with assert_changes("counters", inserts=["d"], updates={"a": {"n": 2}}, deletes=["b"]) as it:
        counters.set("a", {"n": 2})
        counters.set("c", {"n": 1})  # as it was
        counters.delete("b")
        counters.set("d", {})
    assert it.deletes == {"b": {"n": 1}}


def test_nothing_has_changed(users: Any) -> None:
    with assert_no_changes():
        assert len(users) == 2
        users.set("u3", {})
        users.delete("u3")
    with (
        pytest.raises(AssertionError, match=r"was to change nothing, but did:\n  update of 'u1' in users$"),
        assert_no_changes(),
    ):
        users.set("u1", {})
    with assert_no_changes():
        env.storage.orders.get("o1")  # which makes the table


def test_inside_of_a_transaction_nothing_is_known_yet(users: Any) -> None:
    with kontract.transaction(), pytest.raises(RuntimeError, match="look at it from outside"), assert_changes("users"):
        pass


def test_coroutines_look_at_changes_too(users: Any) -> None:
    async def change() -> None:
        client = AsyncCallClient()
        async with assert_changes("users", inserts=["u3"]) as it:
            await client.call("set_user_async", user_id="u3", name="Cy")
        assert it.inserts["u3"]["name"] == "Cy"
        with pytest.raises(AssertionError, match="1 not expected"):
            async with assert_changes("users"):
                await client.call("set_user_async", user_id="u4", name="Dee")

    async_to_sync(change)()


# --- Models ---


def test_changes_of_a_model() -> None:
    shelf, other = Category.objects.create(name="Tools"), Category.objects.create(name="Toys")
    with assert_changes(Category, inserts=1, updates={shelf: {"name": "Tools & more"}}, deletes=[str(other.pk)]) as it:
        made = Category.objects.create(name="Books")
        shelf.name = "Tools & more"
        shelf.save()
        other.delete()
    assert it.inserts == {made.pk: made}
    assert [deleted.name for deleted in it.deletes.values()] == ["Toys"]
    with assert_changes(Category, deletes=[made]):
        made.delete()
    with pytest.raises(AssertionError) as caught, assert_changes(Category, updates={shelf.pk: {"name": "Tools"}}):
        Category.objects.update(name="Tool")
    assert str(caught.value).startswith("The block did not change the model Category as expected:\n  updates of UUID(")
    assert str(caught.value).endswith("name is 'Tool', 'Tools' expected")


def test_changes_of_what_connects_models() -> None:
    product = Product.objects.create(name="Saw", slug="saw", category=Category.objects.create(name="Tools"), price=1)
    with assert_changes(Product.tags.through, inserts=2), assert_changes(Product):
        product.tags.add(Tag.objects.create(word="new"), Tag.objects.create(word="sharp"))
    with assert_changes("shop_product_tags", deletes=2, using="default"):
        product.tags.clear()


@isolate_apps("tests.app")
def test_a_primary_key_may_have_several_fields() -> None:
    class Seat(VersionedModel):
        pk = models.CompositePrimaryKey("row", "number")
        row = models.CharField(max_length=3)
        number = models.IntegerField()

        class Meta:
            app_label = "app"
            db_table = "seats"

    tables.create("seats")
    seats: Any = Seat
    sold = seats.objects.create(row="B", number=1)
    with assert_changes(Seat, inserts=[("A", 1)], deletes=[sold]) as it:
        seats.objects.create(row="A", number=1)
        sold.delete()
    assert it.deletes["B", 1].row == "B"


def test_what_is_no_table_is_refused() -> None:
    for wrong in (get_user_model(), 5, Category(name="x")):
        with pytest.raises(TypeError, match="neither the name of a logical table nor a versioned model"):
            assert_changes(wrong)  # type: ignore[arg-type]


# --- Django's test cases ---


class CallTestCase(TestCase):
    """A test case as our users write them; it is run below."""

    __test__ = False

    @classmethod
    def setUpTestData(cls) -> None:
        env.storage.users.set("u1", {"name": "Ada"})

    def check(self) -> None:
        client = CallClient(owner="ada")
        with assert_changes("users", inserts=["u2"], updates=["u1"]) as it:
            client.call("set_user", user_id="u2", name="Bob")
            client.call("set_user", user_id="u1", name="Eve")
        assert it.updates["u1"]["name"] == "Eve"
        with assert_changes("users", deletes=["u1"]) as it, kontract.transaction():
            env.storage.users.delete("u1")
        assert it.deletes["u1"]["name"] == "Eve"
        with assert_no_changes(), pytest.raises(CallFailed):
            client.call("set_user_then_fail", user_id="u3")

    def test_one(self) -> None:
        self.check()

    def test_two(self) -> None:
        self.check()

    def test_in_a_namespace(self) -> None:
        self.enterContext(isolated_namespace())
        assert list(env.storage.users) == []
        env.storage.users.set("u1", {"name": "Ada"})
        self.check()

    async def test_of_coroutines(self) -> None:
        async with assert_changes("users", inserts=1):
            await AsyncCallClient().call("set_user_async", user_id="u2", name="Bob")


def test_a_test_case_of_django() -> None:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(CallTestCase).run(result)
    assert (result.testsRun, result.failures, result.errors) == (4, [], [])
    assert len(env.storage.users) == 0


# --- pytest ---

SETTINGS = """
import json, os
SECRET_KEY = "of nothing"
USE_TZ = True
INSTALLED_APPS = ["kontract", "shop"]
ROOT_URLCONF = "tests.urls"
DATABASES = {"default": json.loads(os.environ["DATABASE"])}
KONTRACT = {"TABLES": ["orders"]}
"""


WITHOUT = [f"-pno:{plugin}" for plugin in ("anyio", "cacheprovider", "hypothesispytest", "randomly", "schemathesis")]


def run_pytest(folder: Path, *options: str) -> str:
    """Run pytest in a project of its own and return what it prints."""
    database = {key: value for key, value in connections["default"].settings_dict.items() if key != "TEST"}
    environment = {**os.environ, "DATABASE": json.dumps(database), "PYTHONPATH": f"{folder}:{ROOT}"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, *WITHOUT, *options, "."],
        cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.more_privilege
def test_the_examples_of_the_guide_pass(tmp_path: Path) -> None:
    """They are run by pytest in a project of their own, which has its plugin from the installed package."""
    (tmp_path / "settings.py").write_text(SETTINGS)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").touch()
    for block in blocks("docs/testing.md", "python"):
        (tmp_path / block.text.partition("\n")[0].removeprefix("# ")).write_text(block.text)
    output = run_pytest(tmp_path, "--ds", "settings", "-W", "error")
    assert "7 passed" in output, output


def test_the_plugin_loads_nothing_that_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n"
        "def test_nothing(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.has_plugin('kontract')\n"
        "    assert not [m for m in sys.modules if m.startswith(('django', 'kontract.')) and 'testing' not in m]\n"
        "    assert 'kontract.testing.client' not in sys.modules\n"
    )
    output = run_pytest(tmp_path, "-p", "no:django")
    assert "1 passed" in output, output


def test_the_fixtures_of_pytest(call_client: CallClient, async_call_client: AsyncCallClient) -> None:
    assert call_client.call("echo", 5) == async_to_sync(async_call_client.call)("echo", 5) == 5

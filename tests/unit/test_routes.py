"""The manifest of routes, and a registry that imports a procedure's module at its first call."""

import asyncio
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from kontract import checks, perms
from kontract.exceptions import ConfigurationError, ProcedureNotFound
from kontract.rpc import registry as registry_module
from kontract.rpc.registry import Registry
from kontract.rpc.route import Route
from kontract.rpc.routes import read_routes, render

Write = Callable[[str, str], None]


def route(name: str, module: str = "lazy_one", **options: Any) -> Route:
    """Return what a manifest says of a function of that name in ``module``."""
    values: dict[str, Any] = {
        "function": f"{module}.{name}",
        "is_async": False,
        "is_stream": False,
        "egroup": "default",
    }
    values |= {"perm": perms.RWX, "ugroups": None, "etag": True, "raystream": None}
    return Route(name=name, module=module, **{**values, **options})


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Let ``@backend`` register with an empty registry."""
    fresh = Registry()
    monkeypatch.setattr(registry_module, "registry", fresh)
    return fresh


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write modules that can be imported, and forget them in the end."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(HEAD + dedent(text))

    yield write
    for name in [name for name in sys.modules if name.startswith("lazy_")]:
        del sys.modules[name]


HEAD = "from kontract import backend, perms\n"
ONE = """
    @backend
    def one() -> int:
        return 1
    """


def given(registry: Registry, *routes: Route) -> None:
    registry.defer({each.name: each for each in routes})


# --- The file ---

ROUTES = [
    route("two", "lazy_two", is_async=True, perm=perms.R__, ugroups=frozenset({"b", "a"}), etag=False),
    route("one", is_stream=True, egroup="api-v1", perm=perms.___),
    route("three", ugroups=frozenset()),
]


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "routes.json").write_text(render(ROUTES))
    assert read_routes(tmp_path / "routes.json") == {each.name: each for each in ROUTES}
    (tmp_path / "routes.json").write_text(render([]))
    assert read_routes(tmp_path / "routes.json") == {}


def test_a_manifest_is_the_same_for_the_same_procedures() -> None:
    text = render(ROUTES)
    assert text == render(reversed(ROUTES))
    assert [line.split('"')[1] for line in text.splitlines()[1:-1]] == ["one", "three", "two"]
    assert json.loads(text)["procedures"]["two"]["perm"] == "R__"


def damage(**changes: Any) -> str:
    content = json.loads(render(ROUTES))
    content["procedures"]["one"] |= changes
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Expecting value"),
        ("[]", "format is 1"),
        ('{"format": 2, "procedures": {}}', "format is 1"),
        ('{"format": 1}', "no procedures"),
        ('{"format": 1, "procedures": {"one": {}}}', "procedure 'one' is not one that"),
        (damage(is_async="no"), "procedure 'one' is not one that"),
        (damage(module=None), "procedure 'one' is not one that"),
        (damage(more=1), "procedure 'one' is not one that"),
        (damage(perm="rwx"), "impossible perm or ugroups"),
        (damage(ugroups=[1]), "impossible perm or ugroups"),
    ],
    ids=range(10),
)
def test_what_is_no_manifest_is_refused_with_the_remedy(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "routes.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=f"is no manifest of routes: .*{words}.*kontract_compile --routes"):
        read_routes(path)


def test_a_manifest_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.json', which cannot be read: No such file.* --routes"):
        read_routes(tmp_path / "absent.json")
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        read_routes(tmp_path)


# --- What is known without an import ---


def test_metadata_is_known_and_nothing_imported(registry: Registry) -> None:
    given(registry, *ROUTES)
    assert ("one" in registry, "four" in registry, len(registry)) == (True, False, 3)
    assert (registry.is_async("one"), registry.is_async("two"), registry.is_async("four")) == (False, True, False)
    assert registry.describe("two") is ROUTES[0]
    assert (registry.describe("two").is_read_only, registry.describe("three").is_read_only) == (True, False)
    assert [each.name for each in registry.routes()] == ["one", "three", "two"]
    assert registry.loaded() == []
    for ask in (registry.describe, registry.get):
        with pytest.raises(ProcedureNotFound):
            ask("four")
    assert not any(name.startswith("lazy_") for name in sys.modules)


def test_a_registry_that_is_closed_says_why_and_the_check_too(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.close("There is no manifest.")
    for ask in (registry.describe, registry.get):
        with pytest.raises(ConfigurationError, match=r"^There is no manifest\.$"):
            ask("one")
    assert not registry.is_async("one")
    monkeypatch.setattr(checks, "registry", registry)
    (message,) = checks.check_procedures()
    assert (message.id, message.msg) == ("kontract.E020", "There is no manifest.")


def test_without_a_manifest_the_metadata_is_that_of_the_procedures(registry: Registry, write: Write) -> None:
    write(
        "lazy_one",
        """
        @backend(name="first", egroup="api", perm=perms.R__, ugroup="staff", etag=False)
        async def one() -> int:
            return 1
        """,
    )
    __import__("lazy_one")
    options: dict[str, Any] = {
        "function": "lazy_one.one",
        "is_async": True,
        "egroup": "api",
        "perm": perms.R__,
        "etag": False,
    }
    assert registry.describe("first") == route("first", ugroups=frozenset({"staff"}), **options)


# --- The first call ---


def test_the_first_call_imports_its_module_alone(registry: Registry, write: Write) -> None:
    write("lazy_one", ONE)
    write("lazy_two", ONE.replace("one", "two"))
    given(registry, route("one"), route("two", "lazy_two"))
    procedure = registry.get("one")
    assert procedure() == 1
    assert registry.get("one") is procedure
    assert [each.name for each in registry.loaded()] == ["one"]
    assert "lazy_two" not in sys.modules
    assert [each.name for each in registry] == ["one", "two"]  # which imports the rest


def test_an_asynchronous_call_imports_in_a_thread(registry: Registry, write: Write) -> None:
    write("lazy_one", "import threading\nimporter = threading.current_thread()\n" + dedent(ONE))
    given(registry, route("one"))

    async def call() -> bool:
        procedure = await registry.aget("one")
        return procedure is await registry.aget("one") is registry.get("one")

    assert asyncio.run(call())
    assert sys.modules["lazy_one"].importer is not threading.current_thread()
    with pytest.raises(ProcedureNotFound):
        asyncio.run(registry.aget("two"))


def test_threads_that_call_at_once_import_once(registry: Registry, write: Write) -> None:
    write("lazy_count", "runs = []\n")
    write("lazy_one", "import time, lazy_count\nlazy_count.runs.append(1)\ntime.sleep(0.02)\n" + dedent(ONE))
    given(registry, route("one"))
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: registry.get("one"), range(8)))
    assert len(found) == 1
    assert sys.modules["lazy_count"].runs == [1]


def test_threads_may_import_modules_that_import_each_other(registry: Registry, write: Write) -> None:
    """Each thread waits for what the other does; Python sees that, and lets one of them go on."""
    for here, there in (("one", "two"), ("two", "one")):
        slow = f"import time\ntime.sleep(0.02)\nimport lazy_{there}\n"
        write(f"lazy_{here}", slow + dedent(ONE).replace("one", here))
    given(registry, route("one"), route("two", "lazy_two"))
    with ThreadPoolExecutor(2) as pool:
        assert [each.name for each in pool.map(registry.get, ["one", "two"])] == ["one", "two"]


def test_a_broken_module_fails_alone_and_is_tried_again(registry: Registry, write: Write) -> None:
    write("lazy_one", ONE)
    write("lazy_two", dedent(ONE).replace("one", "two") + "raise OSError('no disk')\n")
    given(registry, route("one"), route("two", "lazy_two"))
    for _ in range(2):
        with pytest.raises(
            ConfigurationError, match=r"'two' cannot be called, .* lazy_two .*OSError: no disk"
        ) as caught:
            registry.get("two")
        assert isinstance(caught.value.__cause__, OSError)
    assert registry.get("one")() == 1
    assert [each.name for each in registry.loaded()] == ["one"]
    write("lazy_two", ONE.replace("one", "two").replace("1", "2"))
    assert registry.get("two")() == 2


@pytest.mark.parametrize("text", ["def", "import lazy_nowhere", "raise SystemError", "1/0"])
def test_whatever_is_wrong_with_a_module_is_told(registry: Registry, write: Write, text: str) -> None:
    write("lazy_one", text)
    given(registry, route("one"))
    with pytest.raises(ConfigurationError, match="its module lazy_one cannot be imported"):
        registry.get("one")


def test_a_procedure_that_a_module_makes_with_another_ones_function(registry: Registry, write: Write) -> None:
    """What has to be imported is the module that makes it."""
    write(
        "lazy_factory",
        """
        def make(number):
            def get() -> int:
                return number
            return backend(name=f"get_{number}")(get)
        """,
    )
    write("lazy_one", "from lazy_factory import make\nmake(7)\n")
    __import__("lazy_one")
    manifest = registry.routes()
    assert (manifest[0].module, manifest[0].function) == ("lazy_one", "lazy_factory.make.<locals>.get")
    for name in ("lazy_one", "lazy_factory"):
        del sys.modules[name]
    given(registry, *manifest)
    assert registry.get("get_7")() == 7


# --- A manifest that is out of date ---


@pytest.mark.parametrize(
    "changes",
    [
        {"perm": perms.R__},
        {"ugroups": frozenset({"staff"})},
        {"is_async": True},
        {"is_stream": True},
        {"egroup": "api"},
        {"etag": False},
        {"function": "lazy_one.uno"},
    ],
    ids=str,
)
def test_a_procedure_that_has_changed_is_refused(registry: Registry, write: Write, changes: dict[str, Any]) -> None:
    write("lazy_one", ONE)
    given(registry, replace(route("one"), **changes))
    (changed,) = changes
    with pytest.raises(ConfigurationError, match=rf"not what the manifest .*: {changed} was .* is .*--routes"):
        registry.get("one")


def test_a_procedure_that_is_gone_is_refused(registry: Registry, write: Write) -> None:
    write("lazy_one", ONE)
    given(registry, route("one"), route("uno"))
    with pytest.raises(ConfigurationError, match=r"says that lazy_one has the procedure 'uno', but .*--routes"):
        registry.get("uno")
    assert registry.get("one")() == 1


def test_a_procedure_that_is_new_stays_out_and_the_log_says_so(
    registry: Registry, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    write("lazy_one", dedent(ONE) + dedent(ONE).replace("one", "new"))
    given(registry, route("one"))
    with caplog.at_level(logging.ERROR, "kontract.rpc"):
        assert registry.get("one")() == 1
    (record,) = caplog.records
    assert "Clients cannot call lazy_one.new" in record.getMessage()
    with pytest.raises(ProcedureNotFound):
        registry.get("new")
    assert [each.name for each in registry] == ["one"]


def test_what_was_there_before_the_manifest_is_callable_only_if_it_is_named(
    registry: Registry, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as what an app's models.py defines."""
    write("lazy_one", dedent(ONE) + dedent(ONE).replace("one", "new"))
    __import__("lazy_one")
    given(registry, route("one"))
    assert "Clients cannot call lazy_one.new" in caplog.text
    assert registry.get("one")() == 1
    assert "new" not in registry


def test_two_of_one_name_are_refused_whichever_comes_first(registry: Registry, write: Write) -> None:
    write("lazy_one", ONE)
    write("lazy_two", ONE)
    given(registry, route("one"))
    __import__("lazy_two")
    with pytest.raises(ConfigurationError, match=r"Two procedures are named 'one': lazy_two\.one .* and lazy_one\.one"):
        registry.get("one")


def test_everything_can_be_loaded_whatever_the_manifest_says(registry: Registry, write: Write) -> None:
    write("lazy_one", ONE)
    given(registry, route("uno", "lazy_nowhere"))
    __import__("lazy_one")
    registry.load_all()
    assert "uno" not in registry
    assert registry.get("one")() == 1
    with pytest.raises(ConfigurationError, match="is defined after start-up"):
        registry.register(replace(registry.get("one"), name="other"))

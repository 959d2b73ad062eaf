"""What ``@backend`` accepts and refuses, and the registry."""

import inspect
import json
from typing import Any

import pytest
from django.core.checks import Error
from pydantic import Field
from typing_extensions import TypedDict

from kontract import backend, checks
from kontract.exceptions import CallError, ConfigurationError, ProcedureNotFound
from kontract.rpc.problems import describe
from kontract.rpc.procedure import Procedure
from kontract.rpc.registry import Registry, registry
from tests.app.backend import describe_values, echo, echo_async


def make(function: Any, name: str = "procedure") -> Procedure[..., Any]:
    return Procedure(name=name, function=function)


def test_a_procedure_stays_callable_as_the_function() -> None:
    assert echo(5) == 5
    assert list(inspect.signature(echo).parameters) == ["value"]
    assert (echo.name, echo.module, echo.is_async) == ("echo", "tests.app.backend", False)
    assert echo.doc == "Return the value.\n\nWhatever it is."
    assert echo_async.is_async


def test_a_procedure_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        echo.name = "other"  # type: ignore[misc]
    assert not hasattr(echo, "__dict__")


def test_discovery_has_found_the_procedures_under_their_names() -> None:
    assert registry.get("echo") is echo
    assert "renamed" in registry
    assert "has_another_name" not in registry
    assert [p.name for p in registry] == sorted(p.name for p in registry)


def star_args(*values: int) -> None: ...
def star_kwargs(**values: int) -> None: ...
def bare(value) -> None: ...  # type: ignore[no-untyped-def]
def field_default(value: int = Field(gt=3)) -> None: ...
@pytest.mark.parametrize(
    ("function", "message"),
    [
        (star_args, r"takes \*values, but a call names every argument. Take a list as one parameter\.$"),
        (star_kwargs, r"takes \*\*values, but .* Take a dict as one parameter\.$"),
        (
            bare,
            r"^The parameter 'value' of the procedure tests\.unit\.test_procedure\.bare \(.*test_procedure.py, line",
        ),
        (field_default, r"has Field\(\.\.\.\) as its default"),
        (int, r"decorates functions, and <class 'int'> is none"),
        (echo, r"is none"),
    ],
)
def test_what_cannot_be_called_over_json_is_refused(function: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make(function)


@pytest.mark.parametrize("name", ["", "_private", "__class__", "a.b", "a/b", "1st", "é", "a" * 101])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot name the procedure tests\.unit.*name=\"\.\.\.\""):
        make(test_a_name_that_is_none_is_refused, name)


class Incomplete(TypedDict):
    value: "Elsewhere"  # type: ignore[name-defined] # noqa: F821


def one() -> None: ...
def two() -> None: ...


def test_a_name_is_taken_once_and_the_refusal_names_both_places() -> None:
    procedures = Registry()
    procedures.register(make(one))
    with pytest.raises(ConfigurationError, match=r"named 'procedure': .*\.one \(.*, line \d+\) and .*\.two \(.*line"):
        procedures.register(make(two))
    assert len(procedures) == 1


def test_a_frozen_registry_takes_no_more() -> None:
    with pytest.raises(ConfigurationError, match=r"\.one \(.*\) is defined after start-up"):
        backend(one)
    with pytest.raises(ConfigurationError, match="after start-up"):
        backend(name="other", retries=0)(one)
    assert "one" not in registry


def test_an_unknown_name_is_not_found() -> None:
    with pytest.raises(ProcedureNotFound, match=r"^There is no procedure 'nothing'\.$"):
        registry.get("nothing")


def test_the_check_finds_annotations_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def unresolved(value: "Nowhere") -> None: ...  # type: ignore[name-defined] # noqa: F821
    def incomplete(value: Incomplete) -> None: ...
    def malformed(value: "list[") -> None: ...  # type: ignore[valid-type] # noqa: F722
    def unknown(value: int) -> Registry: ...  # type: ignore[empty-body]

    procedures = Registry()
    for number, function in enumerate((describe_values.function, unresolved, incomplete, malformed, unknown)):
        procedures.register(make(function, f"procedure{number}"))
    monkeypatch.setattr(checks, "registry", procedures)
    found = checks.check_procedures()
    assert {(type(message), message.id) for message in found} == {(Error, "kontract.E004")}
    expected = ["'Nowhere' is not defined. Import its names at the top", "'Elsewhere' is not", "list[", "Registry"]
    for message, words in zip(found, expected, strict=True):
        assert words in message.msg


def test_an_error_may_have_a_status_that_no_standard_names() -> None:
    class Impatient(CallError):
        """You have left."""

        code = "impatient"
        http_status = 499

    problem = json.loads(describe(Impatient()).encode())
    assert problem == {
        "type": "about:blank", "title": "Error", "status": 499, "code": "impatient", "detail": "You have left.",
    }  # fmt: skip

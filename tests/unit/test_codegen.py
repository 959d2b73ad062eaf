"""From procedures to schemas, names and texts."""

import ast
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from keyword import iskeyword
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel
from typing_extensions import TypeAliasType, TypedDict

from kontract import CallError
from kontract.client import Options
from kontract.codegen import openapi, python
from kontract.codegen.manifest import Manifest, build_manifest
from kontract.codegen.problems import list_codes
from kontract.codegen.python_names import name_all, write_doc, write_value
from kontract.codegen.python_types import Types, find_alike
from kontract.exceptions import ConfigurationError
from kontract.rpc.procedure import Procedure
from kontract.rpc.registry import registry
from tests.written import check

GOLDEN = Path(__file__).parents[1] / "golden"
JSON = TypeAliasType("JSON", "list[JSON] | dict[str, JSON] | str | int | float | bool | None")


@dataclass
class Point:
    x: int
    y: int = 0
    tags: list[str] = field(default_factory=list)


class Client(BaseModel):
    """Has the name of what is generated."""

    id: UUID = Field(default_factory=uuid4)
    secret: bytes


class Names(RootModel[list[str]]):
    """A model that is a list."""


class Loose(BaseModel, extra="allow"):
    a: int


class Partial(TypedDict):
    a: int
    b: NotRequired[str | None]


class Mixed(TypedDict):
    """Read and written differently."""

    number: Annotated[int, Field(gt=0)]


def make(function: Any, name: str = "make", **options: Any) -> Procedure[..., Any]:
    return Procedure(name=name, function=function, **options)


def describe(*annotations: Any, result: Any = None) -> Manifest:
    """Return the manifest of one procedure for each annotation, which takes it."""
    procedures = []
    for number, annotation in enumerate(annotations):

        def function(value: Any) -> Any: ...

        function.__annotations__ = {"value": annotation, "return": result}
        procedures.append(make(function, f"p{number}"))
    return build_manifest(procedures)


def test_types_that_are_read_and_written_alike_are_one() -> None:
    manifest = describe(Mixed, result=Mixed)
    assert list(manifest.definitions) == ["Mixed"]
    assert manifest.inputs == {}
    manifest = describe(Point, result=Point)
    assert manifest.inputs == {"PointInput": "Point"}
    assert manifest.definitions["PointInput"]["required"] == ["x"]
    assert manifest.definitions["Point"]["required"] == ["x", "y", "tags"]


def test_two_classes_of_one_name_are_told_apart_by_their_modules() -> None:
    other = type("Point", (BaseModel,), {"__module__": "elsewhere.types", "__annotations__": {"z": int}})
    names = list(describe(Point, other, result=int).definitions)
    assert names == ["ElsewhereTypesPoint", "TestsUnitTestCodegenPoint"]


def test_a_type_may_be_called_as_what_wraps_arguments_and_results() -> None:
    arguments = type("Arguments", (BaseModel,), {"__module__": "a", "__annotations__": {"z": int}})
    result = type("Result", (BaseModel,), {"__module__": "a", "__annotations__": {"z": int}})
    assert list(describe(arguments, result=result).definitions) == ["Arguments", "Result"]


class Blob(TypedDict):
    raw: bytes


def test_bytes_are_base64_also_in_a_type_that_is_used_twice() -> None:
    manifest = describe(Blob, list[Blob], result=Blob)
    assert manifest.definitions["Blob"]["properties"] == {"raw": {"type": "string", "contentEncoding": "base64url"}}
    assert manifest.inputs == {}


def test_a_parameter_is_called_by_its_name() -> None:
    with pytest.raises(ConfigurationError, match=r"The parameter p0\(value\) has an alias. Rename"):
        describe(Annotated[int, Field(alias="other")])


def test_an_annotation_that_cannot_be_described_is_told_by_its_procedure() -> None:
    with pytest.raises(ConfigurationError, match=r"describe.<locals>.function .* cannot be validated"):
        describe(int, type("Odd", (), {}))


def test_parameters_have_kinds_and_defaults() -> None:
    def function(a: int, /, b: bytes = b"\xff", *, c: Point = Point(1), d: Any = object()) -> None: ...  # noqa: B008

    (entry,) = build_manifest([make(function)]).procedures
    assert entry.positional == ("a", "b")
    assert entry.arguments["required"] == ["a"]
    defaults = {key: schema.get("default", "none") for key, schema in entry.arguments["properties"].items()}
    assert defaults == {"a": "none", "b": "_w==", "c": {"x": 1, "y": 0, "tags": []}, "d": "none"}


def test_declared_errors() -> None:
    @dataclass(eq=False)
    class Sold(CallError):
        """It is sold."""

        code = "sold"
        http_status = 410
        at: Point

    def function() -> None: ...

    manifest = build_manifest([make(function, errors=(Sold,))])
    (error,) = manifest.errors
    assert (error.name, error.code, error.status, error.doc) == ("Sold", "sold", 410, "It is sold.")
    assert error.members["properties"] == {"at": {"$ref": "#/$defs/Point"}}
    described = openapi.build(manifest, server="/", title="", version="")["paths"]["/rpc/make"]["post"]["responses"]
    assert described["410"]["content"]["application/problem+json"]["schema"]["anyOf"] == [
        {"$ref": "#/components/schemas/Sold.sold"},
        {"$ref": "#/components/schemas/kontract.Problem410"},
    ]


def test_every_status_of_ours_is_documented() -> None:
    codes = list_codes()
    assert {"conflict", "idempotency_in_progress"} <= set(codes[409])
    assert {"clock_timeout", "database_unavailable"} <= set(codes[503])
    assert "call_error" not in {code for status in codes.values() for code in status}


def use(text: str) -> dict[str, Any]:
    """Run a generated module."""
    module = type(sys)("generated")
    sys.modules["generated"] = module
    exec(compile(text, "generated.py", "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    return module.__dict__


@pytest.mark.parametrize(
    ("annotation", "written"),
    [
        (int | None, "int | None"),
        (None | int, "int | None"),
        (Literal["a", 1, None, True], '_typing.Literal["a", 1, None, True]'),
        (Literal["it's", '"'], "_typing.Literal[\"it's\", '\"']"),
        (list[set[int]], "list[set[int]]"),
        (set[tuple[int, ...]], "list[list[int]]"),
        (tuple[()], "tuple[()]"),
        (dict[UUID, int], "dict[_uuid.UUID, int]"),
        (dict, "dict[str, _typing.Any]"),
        (int | Any, "_typing.Any"),
        (Names, "Names"),
        (JSON, "JSON"),
        (Client, "Client_"),
    ],
)
def test_annotations(annotation: Any, written: str) -> None:
    manifest = describe(annotation, result=int)
    text = python.render(manifest)
    assert f'        "value": {written},\n' in text
    assert use(text)["_procedure_p0"].prepare({}, Options()).kwargs == b"{}"


def test_what_is_sent_and_what_may_be_missing() -> None:
    module = use(python.render(describe(Point, Partial, Loose, Client, JSON, Names, result=Point | Partial | Loose)))
    options = Options()

    def send(name: str, value: Any) -> bytes:
        sent: bytes = module[name].prepare({"value": value}, options).kwargs
        return sent

    assert send("_procedure_p0", module["Point"](x=1)) == b'{"value":{"x":1}}'
    assert send("_procedure_p0", module["Point"](x=1, tags=[])) == b'{"value":{"x":1,"tags":[]}}'
    assert send("_procedure_p1", module["Partial"](a=1)) == b'{"value":{"a":1}}'
    assert send("_procedure_p1", module["Partial"](a=1, b=None)) == b'{"value":{"a":1,"b":null}}'
    assert module["Partial"](a=1).b is None
    assert send("_procedure_p2", module["Loose"](a=1, z=2)) == b'{"value":{"a":1,"z":2}}'
    assert send("_procedure_p3", module["Client_"](secret="s")) == b'{"value":{"secret":"s"}}'
    assert send("_procedure_p4", [{"a": [1.5, None]}]) == b'{"value":[{"a":[1.5,null]}]}'
    assert send("_procedure_p5", ["a"]) == b'{"value":["a"]}'


class Word(Enum):
    title = 1  # a method of texts
    COUNT = 2


def test_names_that_the_module_uses_itself() -> None:
    def function(value: Word) -> datetime:
        return datetime.min

    module = use(python.render(build_manifest([make(function, name) for name in ("kontract", "datetime", "close")])))
    assert {"kontract", "datetime", "close", "close_"} <= set(dir(module["Client"]))
    assert [member.name for member in module["Word"]] == ["title_", "COUNT"]


def make_error(name: str, code: str) -> Any:
    return type(name, (CallError,), {"__doc__": "An error.", "code": code, "__module__": code})


def test_errors_of_one_name_are_called_by_their_codes() -> None:
    def function(value: Point) -> None: ...

    errors = (make_error("Point", "no_point"), make_error("Gone", "user_gone"), make_error("Gone", "page_gone"))
    module = use(python.render(build_manifest([make(function, errors=(*errors, make_error("Late", "late")))])))
    assert {"Point", "NoPoint", "UserGone", "PageGone", "Late"} <= set(module["__all__"])
    assert module["_procedure_make"].errors["user_gone"] is module["UserGone"]


@pytest.mark.parametrize("names", [("Gone", "Away"), ("Gone", "Gone")])
def test_errors_that_clients_cannot_tell_apart_are_refused(names: tuple[str, str]) -> None:
    def function() -> None: ...

    errors = tuple(make_error(name, "gone") for name in names)
    with pytest.raises(ConfigurationError, match="both have the code 'gone', so clients of make"):
        build_manifest([make(function, errors=errors)])


def test_inputs_that_differ_in_more_than_required_fields_stay_apart() -> None:
    one, other = {"type": "object", "properties": {"a": {"type": "integer"}}}, {"type": "object", "properties": {}}
    outer = {"type": "object", "properties": {"b": {"$ref": "#/$defs/A"}}}
    outer_input = {"type": "object", "properties": {"b": {"$ref": "#/$defs/AInput"}}}
    definitions = {"A": one, "AInput": other, "B": outer, "BInput": outer_input}
    inputs = {"AInput": "A", "BInput": "B"}
    assert find_alike(Manifest(definitions=definitions, inputs=inputs)) == {}
    definitions["AInput"] = {"type": "object", "properties": {"a": {"type": "integer"}, "title": {"type": "string"}}}
    assert find_alike(Manifest(definitions=definitions, inputs=inputs)) == {}
    definitions["AInput"] = {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 1}},
        "required": ["a"],
    }
    manifest = Manifest(definitions=definitions, inputs=inputs)
    assert find_alike(manifest) == inputs
    assert Types(manifest).names == {"A": "A", "AInput": "A", "B": "B", "BInput": "B"}


@given(st.lists(st.text(max_size=6), unique=True), st.sets(st.sampled_from(["a", "int", "x", "def"])))
def test_names_are_identifiers_of_their_own(texts: list[str], reserved: set[str]) -> None:
    names = name_all(texts, reserved)
    assert list(names) == texts
    assert len(set(names.values())) == len(texts)
    for text, name in names.items():
        assert name.isidentifier()
        assert not name.startswith("_")
        assert name not in reserved
        if text.isidentifier() and text.isascii() and not (text[0] == "_" or text in reserved or iskeyword(text)):
            assert name == text


@given(st.text(), st.sampled_from(["", "    "]))
def test_docstrings_say_what_was_written(text: str, indent: str) -> None:
    if (doc := write_doc(text, indent)) == "":
        assert not text.strip()
        return
    tree = ast.parse(f"class A:\n{doc}" if indent else doc)
    body: Any = tree.body[0] if indent else tree
    said = ast.get_docstring(body)
    assert said is not None
    assert said.split() == text.split() or said == "\n".join(line.rstrip() for line in text.strip().split("\n"))


@given(st.text() | st.integers() | st.booleans() | st.none())
def test_values_are_literals(value: object) -> None:
    assert ast.literal_eval(write_value(value)) == value


def render_openapi(manifest: Manifest) -> str:
    """Render the document without the lists of codes, which grow with kontract and not with the zoo."""
    document = json.loads(openapi.render(manifest))
    for status in list_codes():
        del document["components"]["schemas"][f"kontract.Problem{status}"]["allOf"][1]["properties"]["code"]
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


RENDERERS = {"python": ("zoo_client.py", python.render), "openapi": ("zoo_openapi.json", render_openapi)}


@pytest.mark.parametrize("kind", RENDERERS)
def test_the_zoo_is_written_as_it_was(kind: str) -> None:
    name, render = RENDERERS[kind]
    text = render(build_manifest(p for p in registry if p.module == "tests.zoo.backend"))
    check(GOLDEN / name, text)


PROGRAM = """
import django, hashlib
django.setup()
from kontract.codegen import openapi, python, typescript
from kontract.codegen.manifest import build_manifest
from kontract.rpc.registry import registry
manifest = build_manifest(sorted(registry, key=hash))
for kind in (openapi, python, typescript):
    print(hashlib.sha256(kind.render(manifest).encode()).hexdigest())
"""


def test_every_process_writes_the_same() -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings_static"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM], env=environment | {"PYTHONHASHSEED": seed}, stdout=subprocess.PIPE
        )
        for seed in ("1", "2")
    ]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"\n") == 3

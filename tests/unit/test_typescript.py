"""The text of the TypeScript client; what becomes of it is tested with a compiler and a server."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from typing_extensions import TypeAliasType, TypedDict

from kontract import CallError
from kontract.codegen.manifest import Manifest, build_manifest
from kontract.codegen.typescript import render
from kontract.codegen.typescript.codecs import Codecs
from kontract.codegen.typescript.comments import render_comment
from kontract.codegen.typescript.names import Names
from kontract.codegen.typescript.runtime import find_globals, list_exported, read_runtime
from kontract.codegen.typescript.types import Types
from kontract.exceptions import ConfigurationError
from kontract.rpc.procedure import Procedure
from tests.typescript.shop import describe_shop
from tests.written import check

GOLDEN = Path(__file__).parents[1] / "golden" / "shop.ts"
JSON = TypeAliasType("JSON", "list[JSON] | dict[str, JSON] | str | int | float | bool | None")


class Colour(Enum):
    """What it looks like."""

    RED = "red"
    DARK_GREEN = "dark green"


class Size(IntEnum):
    ONE = 1


@dataclass
class Plain:
    a: int


@dataclass
class Dated:
    """Has a moment */ and more."""

    a: int
    at: datetime
    tags: list[str] = field(default_factory=list)


@dataclass
class Chain:
    at: datetime
    next: "Chain | None" = None


class Open(BaseModel, extra="allow"):
    a: int


class Empty(TypedDict):
    pass


class Left(TypedDict):
    kind: Literal["left"]
    at: datetime


class Right(TypedDict):
    kind: Literal["right"]
    at: str


class Odd(TypedDict):
    name: NotRequired[Annotated[str, Field(description="Of the thing.", deprecated=True)]]


Weird = TypedDict("Weird", {"__proto__": datetime, "a-b": int})
Wide = Annotated[int, Field(ge=-(2**63), lt=2**63)]


def describe(annotation: Any) -> Manifest:
    """Return the manifest of one procedure that returns such a value."""

    def procedure() -> None:
        """Do."""

    procedure.__annotations__["return"] = annotation
    return build_manifest([Procedure(name="procedure", function=procedure)])


def render_result(annotation: Any) -> tuple[str, str | None]:
    """Return the type of such a value, and its codec."""
    manifest = describe(annotation)
    names = Names(manifest).definitions
    result = manifest.procedures[0].result
    return Types(manifest.definitions, names).render(result), Codecs(manifest.definitions, names).render(result)


@pytest.mark.parametrize(
    ("annotation", "kind", "codec"),
    [
        (int, "number", None),
        (float, "number", None),
        (bool, "boolean", None),
        (str, "string", None),
        (None, "null", None),
        (Any, "unknown", '"any"'),
        (date, "ISODate", None),
        (time, "ISOTime", None),
        (timedelta, "ISODuration", None),
        (UUID, "UUID", None),
        (Decimal, "Decimal", None),
        (datetime, "Date", '"date"'),
        (bytes, "Uint8Array", '"bytes"'),
        (Wide, "bigint", '"bigint"'),
        (Annotated[int, Field(ge=0, le=2**53 - 1)], "number", None),
        (Annotated[int, Field(gt=2**60)], "bigint", '"bigint"'),
        (Literal["a", 1, None, True], '"a" | 1 | null | true', None),
        (Colour, "Colour", None),
        (Size, "Size", None),
        (list[int], "number[]", None),
        (list[int | str], "(number | string)[]", None),
        (set[datetime], "Date[]", '{ list: "date" }'),
        (list[Any], "unknown[]", '"any"'),
        (tuple[int, str], "[number, string]", None),
        (tuple[int, datetime], "[number, Date]", '{ tuple: [undefined, "date"] }'),
        (tuple[bytes, ...], "Uint8Array[]", '{ list: "bytes" }'),
        (dict[str, int], "{ [name: string]: number }", None),
        (dict[str, datetime], "{ [name: string]: Date }", '{ fields: {}, rest: "date" }'),
        (dict[str, Any], "{ [name: string]: unknown }", '"any"'),
        (dict[Colour, int], "{ [$Key in Colour]?: number | undefined }", None),
        (dict[Literal["a", "b"], Any], '{ [$Key in "a" | "b"]?: unknown }', '"any"'),
        (int | None, "number | null", None),
        (datetime | None, "Date | null", '"date"'),
        (Plain, "Plain", None),
        (Dated, "Dated", "() => Dated$"),
        (Chain, "Chain", "() => Chain$"),
        (list[Chain | None], "(Chain | null)[]", "{ list: () => Chain$ }"),
        (Open, "Open", "() => Open$"),
        (Empty, "Empty", None),
        (JSON, "JSON_", None),
        (int | Any, "unknown", '"any"'),
        (
            str | datetime | bytes | int,
            "string | Date | Uint8Array | number",
            '{ union: [{ is: "string", as: "date" }, { is: "string" }, { is: "number" }, '
            '{ is: "string", as: "bytes" }] }',
        ),
        (
            Plain | Dated | list[bytes] | bool,
            "Plain | Dated | Uint8Array[] | boolean",
            '{ union: [{ is: { has: ["a", "at", "tags"] }, as: () => Dated$ }, { is: { has: ["a"] } }, '
            '{ is: "array", as: { list: "bytes" } }, { is: "boolean" }] }',
        ),
        (
            Annotated[Left | Right, Field(discriminator="kind")],
            "Left | Right",
            '{ union: [{ is: { has: ["kind", "at"], tags: { kind: ["left"] } }, as: () => Left$ }, '
            '{ is: { has: ["kind", "at"], tags: { kind: ["right"] } } }] }',
        ),
        (
            Literal["now"] | datetime,
            '"now" | Date',
            '{ union: [{ is: "string", as: "date" }, { is: ["now"] }] }',
        ),
    ],
)
def test_types_and_codecs(annotation: Any, kind: str, codec: str | None) -> None:
    assert render_result(annotation) == (kind, codec)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Weird, 'const Weird$: $Codec = { fields: { ["__proto__"]: "date" } };'),
        (Weird, 'export interface Weird {\n  __proto__: Date;\n  "a-b": number;\n}'),
        (Chain, 'const Chain$: $Codec = { fields: { at: "date", next: () => Chain$ } };'),
        (Open, "export interface Open {\n  a: number;\n  [name: string]: unknown;\n}"),
        (Open, 'const Open$: $Codec = { fields: { a: undefined }, rest: "any" };'),
        (Empty, "export type Empty = { [name: string]: never };"),
        (Colour, 'export const Colour = { RED: "red", DARK_GREEN: "dark green" } as const;'),
        (Size, "export const Size = { ONE: 1 } as const;\nexport type Size = (typeof Size)[keyof typeof Size];"),
        (JSON, "export type JSON_ = JSON_[] | { [name: string]: JSON_ } | string | number | boolean | null;"),
        (Dated, "/** Has a moment *\\/ and more. */\nexport interface Dated {"),
        (Odd, "  /**\n   * Of the thing.\n   * @deprecated\n   */\n  name?: string | undefined;\n"),
    ],
)
def test_definitions(annotation: Any, expected: str) -> None:
    assert expected in render(describe(annotation))


def test_codecs_of_what_is_only_sent_are_left_out() -> None:
    def procedure(dated: Dated) -> int:
        """Do."""
        return dated.a

    assert "Dated$" not in render(build_manifest([Procedure(name="procedure", function=procedure)]))


def named(*names: str) -> Manifest:
    """Return the manifest of procedures with these names."""

    def procedure() -> None:
        """Do."""

    return build_manifest([Procedure(name=name, function=procedure) for name in names])


@pytest.mark.parametrize(
    ("procedure", "function"),
    [
        ("create_user", "createUser"),
        ("createUser", "createUser"),
        ("CreateUser", "createUser"),
        ("get_URL_2", "getURL2"),
        ("a__b_", "aB"),
        ("delete", "delete_"),
        ("class_", "class_"),
        ("setTimeout", "setTimeout_"),
        ("send", "send"),
        ("fetch", "fetch"),
    ],
)
def test_functions_are_in_camel_case(procedure: str, function: str) -> None:
    manifest = named(procedure)
    assert Names(manifest).functions == {procedure: function}
    assert f"export function {function}(" in render(manifest)


@pytest.mark.parametrize(
    ("procedures", "fault"),
    [
        (["create_user", "createUser"], r"'create_user' cannot be createUser\(\).*'createUser' has this name"),
        (["batch"], r"'batch' cannot be batch\(\) in TypeScript, because the client itself has this name"),
        (["create_client"], r"createClient\(\).*@backend\(name="),
        (["dry_run"], "dryRun"),
        (["configure"], "configure"),
    ],
)
def test_functions_of_one_name_are_refused(procedures: list[str], fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault):
        render(named(*procedures))


@pytest.mark.parametrize("name", ["Date", "Response", "KontractError", "UUID", "ReadOptions", "Uint8Array"])
def test_a_type_with_a_name_that_is_taken_gets_an_underscore(name: str) -> None:
    taken = type(name, (BaseModel,), {"__annotations__": {"a": int}})
    assert f"export interface {name}_ {{\n  a: number;\n}}" in render(describe(taken))


def test_types_of_arguments_and_errors_make_way_for_definitions() -> None:
    @dataclass(eq=False)
    class Gone(CallError):
        """It is gone."""

        code = "gone"
        since: datetime

    class ProcedureArgs(BaseModel):
        a: int

    class GoneMembers(BaseModel):
        a: int

    def procedure(args: ProcedureArgs, members: GoneMembers) -> None:
        """Do."""

    text = render(build_manifest([Procedure(name="procedure", function=procedure, errors=(Gone,))]))
    for expected in (
        "export interface ProcedureArgs {\n  a: number;\n}",
        "export interface ProcedureArgs_ {\n  args: ProcedureArgs;\n  members: GoneMembers;\n}",
        "export class Gone extends KontractProblem<GoneMembers_> {",
    ):
        assert expected in text


def test_the_runtime_stands_by_itself() -> None:
    text = read_runtime()
    assert "import " not in text
    assert {"configure", "batch", "dryRun", "KontractError", "createClient"} <= list_exported()
    assert not any(name.startswith("$") for name in list_exported())
    assert {"Date", "Response", "Uint8Array", "JSON", "Promise"} <= find_globals()


@given(st.text() | st.from_regex(r"[*/\\\n ]*"))
def test_no_text_ends_its_comment(text: str) -> None:
    comment = render_comment(text)
    assert comment.count("*/") == (1 if text.strip() else 0)
    assert comment.endswith(" */\n") or not comment


def test_a_small_shop() -> None:
    """Compare the generated part, without the runtime, with the file that people have read."""
    text = render(describe_shop()).split(read_runtime())[1].lstrip()
    check(GOLDEN, text)

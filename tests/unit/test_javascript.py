"""The text of the JavaScript client; that it runs, and that its runtime is current, is tested with node."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from kontract.codegen.javascript import render
from kontract.codegen.manifest import build_manifest
from kontract.codegen.typescript.runtime import list_exported, read_runtime
from kontract.rpc.procedure import Procedure
from tests.typescript.shop import describe_shop
from tests.unit.test_typescript import describe
from tests.written import check

GOLDEN = Path(__file__).parents[1] / "golden" / "shop.js"
Weird = TypedDict("Weird", {"__proto__": int, "a-b": int})


class Open(BaseModel, extra="allow"):
    a: int


@dataclass
class Told:
    """Ends */ here."""

    a: Annotated[int, Field(description="Of the\n thing.", deprecated=True)] = 1
    b: str = "]"


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (Told, "/**\n * Ends *\\/ here.\n * @typedef {object} Told\n"),
        (Told, " * @property {number} a - Of the thing. (deprecated)\n * @property {string} b\n */"),
        (Open, "/** @typedef {{ a: number; [name: string]: unknown }} Open */"),
        (Weird, '/** @typedef {{ __proto__: number; "a-b": number }} Weird */'),
    ],
)
def test_types_are_comments(annotation: Any, expected: str) -> None:
    assert expected in render(describe(annotation))


def test_defaults_that_a_tag_can_hold() -> None:
    def procedure(count: int = 3, text: str = "]", nothing: int | None = None) -> None:
        """Do."""

    text = render(build_manifest([Procedure(name="procedure", function=procedure)]))
    assert (
        " * @param {object} [args]\n * @param {number} [args.count=3]\n"
        " * @param {string} [args.text]\n * @param {number | null} [args.nothing]\n"
    ) in text


def test_the_runtime_stands_by_itself() -> None:
    text = read_runtime("javascript")
    values = re.findall(r"^export (?:async )?(?:const|let|function\*?|class) (\w+)", text, re.MULTILINE)
    assert set(values) < list_exported()
    assert {"configure", "batch", "dryRun", "KontractError"} <= set(values)
    assert not re.search(r"^(?:import\b|export (?!async|const|let|function|class))", text, re.MULTILINE)


def test_a_small_shop() -> None:
    """Compare the generated part, without the runtime, with the file that people have read."""
    text = render(describe_shop()).split(read_runtime("javascript"))[1].lstrip()
    check(GOLDEN, text)

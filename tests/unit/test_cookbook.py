"""The cookbook: from what the code says of itself to pages."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontract.codegen.cookbook import markdown, pages, vitepress
from kontract.codegen.cookbook.accounts import describe_ways
from kontract.codegen.cookbook.describing import describe, list_limits, write_type
from kontract.codegen.cookbook.facts import list_badges, list_facts
from kontract.codegen.cookbook.folding import fold
from kontract.codegen.cookbook.fragments import write_types
from kontract.codegen.cookbook.patterns import sample_pattern
from kontract.codegen.cookbook.recipe import Recipe, find_example, gather, mark_examples
from kontract.codegen.cookbook.samples import Sampler, sample_number, sample_text
from kontract.codegen.cookbook.snippets import sample_arguments, write_snippets
from kontract.codegen.cookbook.source import Module, SourceError, find_file, find_function, read_module
from kontract.codegen.cookbook.text import to_html
from kontract.codegen.cookbook.unloaded.manifest import read_manifest
from kontract.codegen.manifest import build_manifest
from kontract.rpc.codec import get_codec
from kontract.rpc.envelope import Arguments
from kontract.rpc.registry import registry

GOLDEN = Path(__file__).parents[1] / "golden"
URL = "https://example.org/kontract"

Write = Callable[[str, str], None]


@pytest.fixture(scope="module")
def recipes() -> dict[str, Recipe]:
    """The recipes of the zoo, and of what else is installed."""
    return {recipe.entry.name: recipe for recipe in gather(fold(build_manifest(registry)), registry.routes())}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write modules that could be imported."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str) -> None:
        path = tmp_path.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")

    yield write
    read_module.cache_clear()
    assert not [name for name in sys.modules if name.startswith("unread_")]


# --- Sources ---

COMMENTED = """
    #: not for anything

    #: First line.
    #:
    #:   indented
    @decorate(
        name="x",
    )
    @again
    def one(): ...

    #/// Like Rust.
    # /// More.
    async def two(): ...

    # A plain comment.
    def three(): ...

    #: Far away.

    def four(): ...

    class Group:
        #: Inside.
        @staticmethod
        def five():
            #: Deeper.
            def six(): ...

    if True:
        #: Perhaps.
        def seven(): ...
    """


@pytest.mark.parametrize(
    ("name", "comment"),
    [
        ("one", "First line.\n\n  indented"),
        ("two", "Like Rust.\nMore."),
        ("three", ""),
        ("four", ""),
        ("Group.five", "Inside."),
        ("Group.five.<locals>.six", "Deeper."),
        ("seven", "Perhaps."),
    ],
)
def test_comments_directly_above_a_function_are_found(name: str, comment: str) -> None:
    module = Module("commented", dedent(COMMENTED))
    assert module.find_comment(module.functions[name]) == comment


def test_functions_are_found_without_importing_their_modules(write: Write) -> None:
    write("unread_pkg.__init__", "raise RuntimeError('imported')")
    write("unread_pkg.inner", "raise RuntimeError('imported')\n#: Found.\ndef look(): ...")
    found = find_function("unread_pkg.inner.look")
    assert found is not None
    assert found[0].find_comment(found[1]) == "Found."
    assert find_function("unread_pkg.inner.other") is None
    assert find_function("unread_nowhere.look") is None
    assert find_file("unread_pkg.nowhere") is None
    assert find_file("math") is None


def test_a_source_that_cannot_be_read_is_named(write: Write) -> None:
    write("unread_broken", "def (:")
    with pytest.raises(SourceError, match=r"unread_broken cannot be read: .*unread_broken\.py"):
        find_function("unread_broken.look")


# --- Examples ---


def test_json_in_the_text_becomes_the_example(recipes: dict[str, Recipe]) -> None:
    entry = recipes["zoo_put"].entry
    text = (
        '```json\n{not json}\n```\n\n```json\n{"animal": 1}\n```\n\n```json\n{"kwargs": {"pet": {}, "cage": 7}}\n```\n'
    )
    assert list((find_example(text, entry) or {}).items()) == [("cage", 7), ("pet", {})]
    assert find_example('```json\n{"animal": 1}\n```', entry) is None
    assert find_example('```python\n{"cage": 1}\n```', entry) is None


def test_sessions_at_the_prompt_become_code() -> None:
    assert mark_examples("Text.\n\n>>> a()\n1\n>>> b\n\nMore.") == "Text.\n\n```python\n>>> a()\n1\n>>> b\n```\n\nMore."
    assert mark_examples("```python\n>>> a()\n```") == "```python\n>>> a()\n```"


def test_sample_arguments_are_taken_by_the_procedures(recipes: dict[str, Recipe]) -> None:
    """Every sample fits, but of a type whose limits only its own code knows."""
    checked = 0
    for procedure in registry:
        recipe = recipes[procedure.name]
        if not recipe.entry.uploads:
            get_codec(procedure).decode(Arguments(kwargs=sample_arguments(recipe)))
            checked += 1
    assert checked > 30


@pytest.mark.parametrize(
    ("pattern", "length", "sample"),
    [
        ("^[A-Z]{2}$", 0, "AA"),
        (r"^\d{3}-\d+$", 0, "111-1"),
        (r"[\w.]+@example\.com", 0, "a@example.com"),
        ("^[a-z]*$", 4, "aaaa"),
        ("^(a|b)$", 0, None),
        ("^[^a]$", 0, None),
        ("^a{2}$", 5, None),
    ],
)
def test_samples_of_patterns(pattern: str, length: int, sample: str | None) -> None:
    assert sample_pattern(pattern, length) == sample


@given(st.integers(-50, 50), st.integers(0, 50), st.sampled_from([None, 1, 5, 7]))
def test_samples_of_numbers_keep_to_bounds(low: int, size: int, step: int | None) -> None:
    schema: dict[str, Any] = {"type": "integer", "minimum": low, "maximum": low + size}
    schema |= {} if step is None else {"multipleOf": step}
    possible = [n for n in range(low, low + size + 1) if n % (step or 1) == 0]
    assert not possible or sample_number(schema) in possible


@given(st.integers(0, 30), st.integers(0, 30))
def test_samples_of_texts_keep_to_lengths(least: int, more: int) -> None:
    assert least <= len(sample_text({"type": "string", "minLength": least, "maxLength": least + more})) <= least + more


def test_types_that_contain_their_like_have_an_end() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}},
        "required": ["next"],
    }
    assert Sampler({"Node": node}, full=True).sample({"$ref": "#/$defs/Node"}) == {"next": None}


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, "(string | null)[]"),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "null"}]}, "[integer, null]"),
        ({"type": "object", "additionalProperties": {"$ref": "#/$defs/Cat"}}, "{ [string]: Cat }"),
        ({"type": "object", "properties": {"a": {}, "b": {"const": 1}}, "required": ["a"]}, "{ a: any, b?: 1 }"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"enum": ["a", 1, None]}, '"a" | 1 | null'),
        ({"type": "string", "contentEncoding": "base64url"}, "base64"),
        ({}, "any"),
    ],
)  # fmt: skip
def test_types_in_words(schema: dict[str, Any], text: str) -> None:
    assert write_type(describe(schema)) == text


def test_limits_in_words() -> None:
    schema = {"type": "string", "minLength": 1, "maxLength": 1, "pattern": "^a$", "deprecated": True}
    assert list(list_limits(schema)) == ["1 character", "matches ^a$", "deprecated"]
    number = {"anyOf": [{"type": "integer", "minimum": 0, "exclusiveMaximum": 9}, {"type": "null"}]}
    assert list(list_limits(number)) == ["≥ 0", "< 9"]
    assert list(list_limits({"type": "array", "maxItems": 2, "uniqueItems": True})) == [
        "at most 2 items",
        "no item twice",
    ]


def test_snippets_call_with_the_types_of_the_clients(recipes: dict[str, Recipe]) -> None:
    texts = {snippet.id: snippet.text for snippet in write_snippets(recipes["zoo_put"], URL)}
    assert texts["typescript"].endswith('await zooPut({ cage: 1, pet: { name: "text", kind: "cat" } });')
    assert texts["python"].endswith('client.zoo_put(cage=1, pet=Cat(name="text", kind="cat"))')
    stream = {snippet.id: snippet.text for snippet in write_snippets(recipes["zoo_count"], URL)}
    assert "for await (const item of zooCount" in stream["typescript"]
    assert stream["curl"].startswith(f"curl {URL}/rpc/zoo_count -N ")
    upload = {snippet.id: snippet.text for snippet in write_snippets(recipes["zoo_upload"], URL)}
    assert "-F photo=@photo" in upload["curl"]
    assert 'photo=File.read("photo")' in upload["python"]
    assert [snippet.id for snippet in write_snippets(recipes["auth_login"], URL)] == ["curl"]


def test_snippets_of_python_compile(recipes: dict[str, Recipe]) -> None:
    for recipe in recipes.values():
        for snippet in write_snippets(recipe, URL):
            if snippet.id == "python":
                compile(snippet.text, recipe.entry.name, "exec")


# --- Pages ---


def write_html(recipe: Recipe, **options: Any) -> str:
    return pages.write_page("Zoo", recipe, URL, types=write_types(recipe.definitions), **options)


def test_the_pages_people_have_read(recipes: dict[str, Recipe]) -> None:
    page = markdown.write_page(recipes["zoo_put"], URL)
    assert page == (GOLDEN / "zoo_put.md").read_text(encoding="utf-8")
    html = write_html(recipes["zoo_put"])
    assert html == (GOLDEN / "zoo_put.html").read_text(encoding="utf-8")


def test_facts_say_who_may_call_and_how(recipes: dict[str, Recipe]) -> None:
    facts = {fact.title: fact.markdown for fact in list_facts(recipes["zoo_restricted"])}
    assert facts["Callers"] == "members of `directors` or `keepers`"
    assert facts["Permissions"] == "`RWX`: may read, write and delete stored data"
    assert [badge.text for badge in list_badges(recipes["zoo_restricted"])] == ["writes", "restricted"]
    assert [badge.text for badge in list_badges(recipes["zoo_download"])] == ["reads", "download"]
    assert {fact.title: fact.markdown for fact in list_facts(recipes["zoo_look"])}["Headers"] == "`Kontract-As-Of`"


def test_the_sidebar_is_grouped_by_endpoint_group(recipes: dict[str, Recipe]) -> None:
    sidebar = {group["text"]: group["items"] for group in vitepress.list_sidebar(list(recipes.values()))}
    assert {"text": "zoo_put", "link": "/procedures/zoo_put"} in sidebar["zoo.cages"]
    assert list(sidebar) == sorted(sidebar)


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a < b", "a &lt; b"),
        ("`a < b` {{ x }}", "`a < b` &#123;&#123; x }}"),
        ("``a ` <b>``", "``a ` <b>``"),
        ("```html\n<b>{{ x }}\n```\n<i>", "```html\n<b>{{ x }}\n```\n&lt;i>"),
        ("~~~\n<b>\n~~~", "~~~\n<b>\n~~~"),
        ("<https://example.org/?a=1>", "[https://example.org/?a=1](https://example.org/?a=1)"),
    ],
)
def test_what_vue_would_read_is_escaped_outside_code(text: str, escaped: str) -> None:
    assert markdown.escape(text) == escaped


HOSTILE = """
<script>alert(1)</script> <img src=x onerror=alert(1)>

<div onclick="alert(1)">block</div>

[a](javascript:alert(1)) [b](JaVa\tScript:alert(1)) [c](data:text/html,x) [d](vbscript:x) ![e](https://evil.example/x.png)
[f](http://[) <javascript:alert(1)> [g][1] [h](javascript&#58;alert(1)) [i](jav&#x09;ascript&colon;alert(1))
[j](data&\\#58;x,y) ![k](/\\evil.example/k.png) ![l](https:evil.example/l.png)

[1]: javascript:alert(1) "x"
"""


class Tags(HTMLParser):
    """Lists elements and the addresses in them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_docstrings_run_nothing_and_load_nothing() -> None:
    tags = Tags()
    tags.feed(to_html(HOSTILE))
    assert {tag for tag, _ in tags.found} <= {"p", "a"}
    names = {name for _, attributes in tags.found for name in attributes}
    assert names <= {"href", "rel", "title"}
    assert [a["href"] for _, a in tags.found if "href" in a] == [
        "https://evil.example/x.png",
        "/\\evil.example/k.png",
        "https:evil.example/l.png",
    ]


@given(st.text(alphabet="<>&\"'`{}[]()!javscript:/ \n#*|ab58;\\"))
def test_no_text_becomes_an_element_of_its_author(text: str) -> None:
    tags = Tags()
    tags.feed(to_html(text))
    assert not {tag for tag, _ in tags.found} & {"script", "img", "iframe", "div", "style", "svg"}
    assert not any((a.get("href") or "").lower().startswith("javascript") for _, a in tags.found)


def test_data_for_the_form_cannot_end_its_element(recipes: dict[str, Recipe]) -> None:
    html = write_html(recipes["zoo_everything"], mount="/k", auth=None, session="</script><b>")
    (data,) = re.findall(r'<script id="kontract-data" type="application/json">(.*?)</script>', html, re.DOTALL)
    assert json.loads(data)["session"] == "</script><b>"


def test_the_index_for_searches_is_a_script(recipes: dict[str, Recipe]) -> None:
    text = pages.write_search_index(list(recipes.values()))
    entries = json.loads(text.removeprefix("window.kontractProcedures = ").removesuffix(";\n"))
    assert {entry["name"] for entry in entries} == set(recipes)


def test_nobody_signs_in_where_no_tokens_are_taken() -> None:
    assert describe_ways() is None


# --- Without importing ---

SHOP = """
    import datetime
    import enum as e
    from collections.abc import AsyncIterator
    from dataclasses import dataclass, field
    from typing import Annotated, Literal, NotRequired, Optional, TypedDict
    from pydantic import BaseModel, Field
    from django.core.files.uploadedfile import UploadedFile
    from kontract import backend, perms, CallError, Download, HttpResp
    from unread_types import Money as Cash
    raise RuntimeError("imported")

    class Colour(e.Enum):
        '''How it looks.'''
        RED = "red"

    class Base(TypedDict, total=False):
        note: str

    class Line(Base):
        count: Annotated[int, Field(ge=-(2**3), lt=2**8, description="How many.")]
        spare: NotRequired[bool]

    @dataclass
    class Tree:
        leaves: list["Tree"] = field(default_factory=list)

    class Named(BaseModel):
        first: str = Field(alias="firstName", max_length=9)

    @dataclass(eq=False)
    class Missing(CallError):
        '''Not there.'''
        code = "missing"
        http_status = 404
        name: str

    #: About it.
    @backend(perm=perms.RW_, errors=[Missing])
    def order(line: Line, /, colours: list[Colour], tree: Tree, cash: Cash | None, *, colour: Colour = Colour.RED,
              named: Optional[Named] = None, day: datetime.date = TODAY) -> HttpResp[dict[Literal["a", "b"], int]]:
        '''Order.'''

    @backend
    def keep(photo: UploadedFile, more: list[UploadedFile] | None = None) -> Download: ...

    @backend
    async def follow() -> AsyncIterator[tuple[int, str]]: ...
    """


def test_what_is_not_imported_is_read(write: Write) -> None:
    write("unread_shop", SHOP)
    write("unread_types", "from decimal import Decimal\nMoney = Decimal\nraise RuntimeError('imported')")
    names = ["order", "keep", "follow", "gone"]
    template = registry.describe("zoo_count")
    routes = [
        type(template)(**{
            **{key: getattr(template, key) for key in template.__slots__},
            "name": name,
            "module": "unread_shop",
            "function": f"unread_shop.{name}",
            "is_stream": name == "follow",
        })
        for name in names
    ]  # fmt: skip
    manifest = read_manifest(routes)
    entries = {entry.name: entry for entry in manifest.procedures}
    order = entries["order"]
    assert (order.doc, order.positional) == ("Order.", ("line", "colours", "tree", "cash"))
    assert order.arguments["required"] == ["line", "colours", "tree", "cash"]
    assert order.arguments["properties"]["colour"] == {"$ref": "#/$defs/Colour", "default": "red"}
    assert order.arguments["properties"]["day"] == {"type": "string", "format": "date"}
    cash = order.arguments["properties"]["cash"]
    assert write_type(describe(cash)) == "decimal | null"
    assert order.result["propertyNames"] == {"enum": ["a", "b"]}
    assert [(e.code, e.status, e.doc, list(e.members["properties"])) for e in order.errors] == [
        ("missing", 404, "Not there.", ["name"])
    ]
    line = manifest.definitions["Line"]
    assert line["properties"]["count"] == {
        "type": "integer", "minimum": -8, "exclusiveMaximum": 256, "description": "How many."
    }  # fmt: skip
    assert line["required"] == ["count"]
    assert manifest.definitions["Colour"]["enum"] == ["red"]
    assert manifest.definitions["Tree"]["properties"]["leaves"]["items"] == {"$ref": "#/$defs/Tree"}
    assert manifest.definitions["Named"]["properties"]["firstName"]["maxLength"] == 9
    assert manifest.definitions["Named"]["required"] == ["firstName"]
    assert [(u.name, u.required, u.many) for u in entries["keep"].uploads] == [
        ("photo", True, False),
        ("more", False, True),
    ]
    assert entries["keep"].is_download
    assert write_type(describe(entries["follow"].result)) == "[integer, string]"
    assert entries["gone"].arguments["properties"] == {}
    assert gather(manifest, routes)[3].notes == "About it."


def test_pages_without_an_import_are_those_with_one(recipes: dict[str, Recipe]) -> None:
    """But where two classes have one name, or the code computes what it says."""
    routes = registry.routes()
    read = {recipe.entry.name: recipe for recipe in gather(read_manifest(routes), routes)}
    differing = {
        name
        for name, recipe in recipes.items()
        if markdown.write_page(recipe, URL) != markdown.write_page(read[name], URL)
    }
    assert len(differing) < len(recipes) / 4
    assert not differing & {"zoo_look", "zoo_fail", "zoo_count", "zoo_upload", "zoo_download", "zoo_positional"}

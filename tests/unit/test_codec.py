"""Strict JSON in, annotated Python values, JSON out."""

import contextlib
import json
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from kontract.exceptions import ConfigurationError, InvalidArgumentsError, InvalidRequestError, InvalidResultError
from kontract.rpc.codec import Codec
from kontract.rpc.envelope import Arguments, loads, parse
from kontract.rpc.procedure import Procedure
from tests.app.backend import divide

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def _join(parts: st.SearchStrategy[str], form: str) -> st.SearchStrategy[str]:
    return st.lists(parts, min_size=2, max_size=3).map(lambda found: form % ", ".join(found))


def _objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return _join(st.tuples(KEYS, values).map(" :\n".join), "{%s\t}")


KEYS = st.sampled_from(['"a"', r'"\u0061"', r'"\""', r'"\u0022"', r'"\\"', '"ä"', '""'])
VALUES = ['"a"', r'"\""', r'"\u0022"', '"\x7f:"', '"Infinity"', "null", "true", "[]", "{}"]
NUMBERS = ["-0", "-0.0", "1E5", "0.1", "5e-324", "1e-400", "1.0", str(10**30), "1.7976931348623157e308"]
SCALARS = st.sampled_from(VALUES + NUMBERS)
TEXTS = _objects(SCALARS | _join(_objects(SCALARS), "[ %s]"))


class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


@dataclass
class Point:
    x: int
    y: float


class Person(TypedDict):
    name: str
    born: date


class Order(BaseModel):
    number: int
    paid: Decimal
    lines: list[Point]


DATES = st.dates(date(1, 1, 1))
PEOPLE = st.fixed_dictionaries({"name": st.text(), "born": DATES})
POINTS = st.builds(Point, x=st.integers(), y=st.floats(allow_nan=False, allow_infinity=False))
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False)
ANNOTATIONS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (bool, st.booleans()),
    (int, st.integers()),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (str, st.text()),
    (bytes, st.binary()),
    (date, DATES),
    (datetime, st.datetimes() | st.datetimes(timezones=st.just(UTC))),
    (time, st.times()),
    (timedelta, st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000))),
    (Decimal, DECIMALS),
    (UUID, st.uuids()),
    (Colour, st.sampled_from(Colour)),
    (Size, st.sampled_from(Size)),
    (Literal["a", 1], st.sampled_from(["a", 1])),
    (int | str | None, st.none() | st.integers() | st.text()),
    (list[date], st.lists(DATES)),
    (dict[str, bytes], st.dictionaries(st.text(), st.binary())),
    (tuple[int, str], st.tuples(st.integers(), st.text())),
    (set[int], st.sets(st.integers())),
    (Person, PEOPLE),
    (Point, POINTS),
    (Order, st.builds(Order, number=st.integers(), paid=DECIMALS, lines=st.lists(POINTS, max_size=3))),
    (Any, JSON),
]


def make(annotation: Any) -> Codec:
    def procedure(value: Any) -> Any: ...

    procedure.__annotations__ = {"value": annotation, "return": annotation}
    return Codec(Procedure(name="procedure", function=procedure))


CODECS = [(make(annotation), values) for annotation, values in ANNOTATIONS]


@given(st.sampled_from(CODECS).flatmap(lambda pair: st.tuples(st.just(pair[0]), pair[1])))
def test_what_a_procedure_returns_can_be_sent_back_to_it(pair: tuple[Codec, Any]) -> None:
    codec, value = pair
    result = json.loads(codec.encode(value))["result"]
    for body in ({"args": [result]}, {"kwargs": {"value": result}}):
        args, kwargs = codec.decode(parse(json.dumps(body).encode()))
        assert (args, kwargs) == ([], {"value": value})
        assert type(kwargs["value"]) is type(value)


@given(JSON)
def test_strict_json_reads_every_json_value(value: Any) -> None:
    assert loads(json.dumps(value).encode()) == value


def read_slowly(text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError
        return dict(pairs)

    return json.loads(text, object_pairs_hook=unique)


@given(TEXTS)
def test_a_key_that_occurs_twice_is_found_however_it_is_written(text: str) -> None:
    try:
        value = read_slowly(text)
    except ValueError:
        with pytest.raises(InvalidRequestError, match="occurs twice"):
            loads(text.encode())
    else:
        assert repr(loads(text.encode())) == repr(value)


@given(JSON, st.booleans())
def test_arguments_are_the_same_however_they_are_written(value: Any, escaped: bool) -> None:
    arguments = parse(json.dumps({"kwargs": {"value": value}}, ensure_ascii=escaped).encode())
    assert CODECS[-1][0].decode(arguments) == ([], {"value": value})


@given(
    st.binary()
    | st.text(alphabet='{}[]",:0123456789eE+-.truefalsnNI\\u \ud800').map(lambda t: t.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    with contextlib.suppress(InvalidRequestError):
        assert isinstance(parse(body), Arguments)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", 'must be an object with either "args"'),
        (b"5", "must be an object"),
        (b'{"args": [], "kwargs": {}}', "either"),
        (b'{"arguments": []}', "either"),
        (b'{"args": {}}', '"args" must be a list'),
        (b'{"args": null}', '"args" must be a list'),
        (b'{"kwargs": []}', '"kwargs" must be an object'),
        (b'{"args": [], "args": [1]}', "key 'args' occurs twice"),
        (b'{"args": [{"a": {"b": 1, "c": 2, "b": 3}}]}', "key 'b' occurs twice"),
        (b'{"args": [NaN]}', "NaN is not JSON"),
        (b'{"args": [-Infinity]}', "-Infinity is not JSON"),
        (b'{"args": [1e999]}', "out of the range"),
        (b'{"args": [' + b"9" * 5000 + b"]}", "not JSON"),
        (b'{"args": [}', "not JSON: Expecting value"),
        (b"{'args': []}", "not JSON"),
        (b'{"args": []} {}', "not JSON: Extra data"),
        (b'\xff{"args": []}', "not UTF-8: byte 0"),
        (b'\xef\xbb\xbf{"args": []}', "not JSON"),
        (b'{"args": ["\x00"]}', "not JSON"),
        (b"[" * 1_000_000, "nested deeper"),
        (b'{"args": [' + b"[" * 101 + b"]" * 101 + b"]}", "nested deeper than an argument may be: 100 levels"),
    ],
    ids=range(21),
)
def test_a_body_that_is_no_call_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        parse(body)


@pytest.mark.parametrize("body", [b"", b" \n", b"{}", b'{"args": []}', b'{"kwargs": {}}'])
def test_no_arguments(body: bytes) -> None:
    assert parse(body) == Arguments()


def test_an_argument_may_be_as_deep_as_a_document() -> None:
    assert parse(b'{"args": [' + b"[" * 100 + b"]" * 100 + b"]}").args
    with override_settings(KONTRACT={"MAX_DOCUMENT_DEPTH": 1}):
        assert parse(b'{"args": [{"a": 1}]}').args
        with pytest.raises(InvalidRequestError, match="1 levels"):
            parse(b'{"args": [{"a": []}]}')


def test_a_million_keys_with_a_late_duplicate_are_refused_quickly() -> None:
    pairs = [f'"{n}":0' for n in range(1_000_000)] + ['"999999":0']
    with pytest.raises(InvalidRequestError, match="'999999' occurs twice"):
        loads(f"{{{','.join(pairs)}}}".encode())


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, "1"),
        (int, True),
        (int, 1.0),
        (str, 1),
        (bool, 1),
        (bool, "true"),
        (float, "1.5"),
        (date, 20000),
        (datetime, "yesterday"),
        (UUID, 5),
        (bytes, "not base64!"),
        (Colour, "blue"),
        (list[int], {"0": 1}),
        (Person, {"name": "Ada"}),
        (Person, {"name": "Ada", "born": "1815-12-10", "admin": True}),
        (Point, {"x": 1, "y": 2, "z": 3}),
    ],
)
def test_there_are_no_silly_coercions(annotation: Any, value: Any) -> None:
    with pytest.raises(InvalidArgumentsError):
        make(annotation).decode(Arguments(args=[value]))


def test_errors_have_a_path_that_begins_with_the_parameter() -> None:
    codec = make(list[Order])
    with pytest.raises(InvalidArgumentsError, match=r"^procedure\(\) cannot take value.0.number: ") as caught:
        codec.decode(Arguments(args=[[{"number": "1", "paid": "2.50", "lines": [{"x": 1}]}]]))
    first, second = caught.value.errors
    assert first == {"path": ["value", 0, "number"], "message": "Input should be a valid integer", "type": "int_type"}
    assert second["path"] == ["value", 0, "lines", 0, "y"]
    assert caught.value.details() == {"errors": [first, second]}


@pytest.mark.parametrize(
    ("arguments", "path", "kind"),
    [
        (Arguments(), ["dividend"], "missing"),
        (Arguments(kwargs={"dividend": 1, "divider": 2}), ["divider"], "extra_forbidden"),
        (Arguments(args=[1, 2, 3]), [2], "too_many_arguments"),
        (Arguments(args=["1"]), ["dividend"], "int_type"),
    ],
)
def test_parameters_are_matched(arguments: Arguments, path: list[Any], kind: str) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        Codec(divide).decode(arguments)
    assert [(e["path"], e["type"]) for e in caught.value.errors] == [(path, kind)]


def test_parameters_are_bound_by_kind_and_defaults_left_to_the_function() -> None:
    codec = Codec(divide)
    assert codec.decode(Arguments(args=[7])) == ([7], {})
    assert codec.decode(Arguments(args=[7, 3])) == ([7], {"divisor": 3})
    assert codec.decode(Arguments(kwargs={"digits": 2, "dividend": 7})) == ([7], {"digits": 2})


def test_a_default_before_a_given_argument_keeps_its_place() -> None:
    def procedure(first: int = 1, second: int = 2, /) -> None: ...

    codec = Codec(Procedure(name="x", function=procedure))
    assert codec.decode(Arguments(kwargs={"second": 5})) == ([1, 5], {})
    assert codec.decode(Arguments()) == ([1, 2], {})


def test_an_error_does_not_repeat_all_that_was_sent() -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        make(int).decode(Arguments(kwargs={"value": 1, "x" * 10_000: 1}))
    assert caught.value.errors[0]["path"] == ["x" * 100]


def test_parameters_may_have_any_name() -> None:
    def procedure(_id: int, copy: int, json: int, model_config: int, self: int) -> None: ...

    names = {"_id": 1, "copy": 2, "json": 3, "model_config": 4, "self": 5}
    assert Codec(Procedure(name="x", function=procedure)).decode(Arguments(kwargs=names)) == ([], names)


def test_constraints_hold() -> None:
    codec = make(Annotated[int, Field(gt=0)])
    with pytest.raises(InvalidArgumentsError, match="should be greater than 0"):
        codec.decode(Arguments(args=[0]))


def test_only_so_many_errors_are_told() -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        make(list[int]).decode(Arguments(args=[["x"] * 1000]))
    assert len(caught.value.errors) == 20


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="lone surrogate"):
        make(str).decode(parse(rb'{"args": ["\ud800"]}'))


@pytest.mark.parametrize(
    ("annotation", "result"),
    [(int, "many"), (int, None), (float, math.nan), (Person, {"name": "Ada"}), (Any, object()), (Any, "\ud800")],
)
def test_a_result_that_does_not_fit_is_refused(annotation: Any, result: Any) -> None:
    with pytest.raises(InvalidResultError, match=r"returned what does not fit its annotation"):
        make(annotation).encode(result)


def test_a_result_that_contains_itself_is_refused() -> None:
    result: list[Any] = []
    result.append(result)
    with pytest.raises(InvalidResultError):
        make(Any).encode(result)


def test_a_document_becomes_what_the_annotation_shows_of_it() -> None:
    stored = {"name": "Ada", "born": "1815-12-10", "password": "secret"}
    assert json.loads(make(Person).encode(stored)) == {"result": {"name": "Ada", "born": "1815-12-10"}}


def test_without_a_return_annotation_json_is_written_as_it_is() -> None:
    def procedure(): ...  # type: ignore[no-untyped-def]

    codec = Codec(Procedure(name="x", function=procedure))
    assert codec.encode({"a": [1, None, date(2026, 1, 2)]}) == b'{"result":{"a":[1,null,"2026-01-02"]}}'


def test_an_annotation_that_cannot_be_validated_says_where() -> None:
    with pytest.raises(ConfigurationError, match=r"test_codec\.make.*cannot be validated: .*Codec"):
        make(Codec)

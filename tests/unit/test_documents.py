"""What may be a document or an id, and what is refused."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kontract.exceptions import DocumentTooLargeError, InvalidDocumentError, InvalidIdError
from kontract.tables.documents import Document, check_id, encode

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(text, values, max_size=5))
def test_json_survives_encoding(data: dict[str, Any]) -> None:
    assert json.loads(encode(data)) == data


@pytest.mark.parametrize("data", [None, [], "text", 5, {1, 2}])
def test_a_document_is_an_object(data: object) -> None:
    with pytest.raises(InvalidDocumentError, match="must be a dict"):
        encode(data)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "number"),
        (math.inf, "number"),
        pytest.param(10**5000, "number", id="many digits"),
        (b"bytes", "type bytes"),
        ({1, 2}, "type set"),
        (object, "type type"),
        ({1: "a"}, "keys are strings"),
        ("a\0b", "NUL"),
        ({"a\0b": 1}, "NUL"),
        ("\\\0", "NUL"),
        ("\ud800", "surrogate"),
    ],
)
def test_what_is_not_json_is_refused(value: object, message: str) -> None:
    with pytest.raises(InvalidDocumentError, match=message):
        encode({"deep": [{"down": value}]})


def test_an_escaped_backslash_before_u0000_is_no_nul() -> None:
    assert json.loads(encode({"a": "\\u0000"})) == {"a": "\\u0000"}


def test_cycles_are_refused_at_once() -> None:
    wide: list[Any] = []
    wide.extend([wide] * 10)
    with pytest.raises(InvalidDocumentError, match="contains itself"):
        encode({"a": wide})


def test_depth_is_limited() -> None:
    deep: dict[str, Any] = {}
    for _ in range(99):
        deep = {"a": deep}
    encode(deep)
    with pytest.raises(InvalidDocumentError, match="deeper than 100"):
        encode({"a": deep})


def test_size_is_limited_in_bytes() -> None:
    encode({"a": "x" * (8 * 1024 * 1024 - 9)})
    with pytest.raises(DocumentTooLargeError, match="at most 8388608"):
        encode({"a": "é" * (4 * 1024 * 1024)})
    with pytest.raises(DocumentTooLargeError):
        encode({"a": "x" * 16 * 1024 * 1024})


@given(text.filter(bool))
def test_any_unicode_text_is_an_id(value: str) -> None:
    if len(value.encode()) <= 1024:
        assert check_id(value) == value


@pytest.mark.parametrize(
    ("value", "message"),
    [("", "empty"), (None, "no string"), (7, "no string"), (b"a", "no string"), ("a\0", "NUL"), ("\udfff", "surrogate"),
     ("x" * 1025, "1025 bytes"), ("é" * 513, "1026 bytes")],
)  # fmt: skip
def test_what_is_no_id_is_refused(value: object, message: str) -> None:
    with pytest.raises(InvalidIdError, match=message):
        check_id(value)


def test_an_error_never_repeats_a_huge_value() -> None:
    with pytest.raises(InvalidIdError) as caught:
        check_id(["x" * 10_000])
    assert len(str(caught.value)) < 200


def test_a_document_is_a_dict_that_knows_its_origin() -> None:
    import copy
    import pickle

    document = Document({"a": [1]}, id="x", txid=7, owner="me")
    assert document == {"a": [1]}
    for twin in (copy.deepcopy(document), pickle.loads(pickle.dumps(document))):  # noqa: S301
        assert (twin, twin.id, twin.txid, twin.owner) == ({"a": [1]}, "x", 7, "me")

"""Versioned models in the signatures of procedures: what clients send and get."""

import json
import math
from typing import Any

import pytest
from django.db import models
from django.test import override_settings
from pydantic import TypeAdapter, ValidationError

from kontract import perms
from kontract.exceptions import InvalidArgumentsError, InvalidResultError
from kontract.rpc.codec import Codec
from kontract.rpc.envelope import Arguments
from kontract.rpc.procedure import Procedure
from tests.app.models import Article, Journal
from tests.calls import Post, call, refused
from tests.integration.orm.test_fields import VALUES
from tests.twins.compare import Models

Everything: Any = Models("versioned").Everything


def swap(value: Everything) -> Everything:
    """Return the instance."""
    return value


CODEC = Codec(Procedure(name="swap", function=swap))


def plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def can_be_sent(value: Any) -> bool:
    """Return whether ``clean_fields()`` and JSON let a value pass; columns hold more than that."""
    if isinstance(value, list):
        return bool(value) and all(map(can_be_sent, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value not in models.Field.empty_values


@pytest.mark.parametrize("name", [name for name in VALUES if name not in ("file", "image")])
def test_every_field_is_written_and_read_back_equal(versioned: Models, name: str) -> None:
    for number, value in enumerate([None, *filter(can_be_sent, VALUES[name])], 1):
        stored = Everything.objects.create(id=number, **{name: value})
        stored.refresh_from_db()
        shown = json.loads(CODEC.encode(stored))["result"]
        (_, arguments) = CODEC.decode(Arguments(kwargs={"value": {"id": number, name: shown[name]}}))
        assert plain(getattr(arguments["value"], name)) == plain(getattr(stored, name))


def test_what_json_has_no_number_for_is_no_result(versioned: Models) -> None:
    with pytest.raises(InvalidResultError, match="inf"):
        CODEC.encode(Everything(id=1, float=float("inf")))


def test_files_are_their_names(versioned: Models) -> None:
    stored = Everything.objects.create(id=1, file="files/a.txt", image=None)
    shown = json.loads(CODEC.encode(stored))["result"]
    assert (shown["file"], shown["image"]) == ("files/a.txt", None)


def test_a_call_takes_and_returns_instances(post: Post) -> None:
    journal = call(post, "create_journal", journal={"title": "Annals"})
    assert journal == {"id": str(Journal.objects.get().pk), "title": "Annals"}
    article = {
        "title": "On numbers", "journal_id": journal["id"], "pages": 3, "price": "1.50", "appeared": "2026-01-02",
        "starts": "10:00:00", "doi": "018e0000-0000-7000-8000-000000000000",
    }  # fmt: skip
    stored = call(post, "create_article", article=article)
    assert stored.items() >= article.items()
    assert (stored["is_free"], stored["words"], stored["read_at"]) == (False, [], None)
    assert call(post, "list_articles") == [stored]


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ({"title": ""}, []),  # the field's own rule
        ({"title": "x" * 101}, ["title"]),
        ({"title": None}, ["title"]),
        ({"title": "x", "unknown": 1}, ["unknown"]),
        ({}, ["title"]),
        ([], []),
        ("x", []),
    ],
)
def test_what_is_no_instance_is_refused(post: Post, sent: Any, path: list[str]) -> None:
    response = post("create_journal", json.dumps({"kwargs": {"journal": sent}}).encode())
    assert refused(response, 422, "invalid_arguments")["errors"][0]["path"] == ["journal", *path]
    assert not Journal.objects.exists()


def test_a_reference_to_nothing_is_refused_at_the_commit(post: Post) -> None:
    article = {
        "title": "On numbers", "journal_id": "018e0000-0000-7000-8000-000000000000", "pages": 3, "price": "1.50",
        "appeared": "2026-01-02", "starts": "10:00:00", "doi": "018e0000-0000-7000-8000-000000000000",
    }  # fmt: skip
    body = json.dumps({"kwargs": {"article": article}}).encode()
    refused(post("create_article", body), 409, "constraint_violated")


@override_settings(KONTRACT={"TABLES": {"articles": {"fields": {"price": perms._W_, "title": perms.R__}}}})
def test_what_a_client_may_not_read_is_not_shown_and_what_it_may_not_write_not_taken() -> None:
    def swap_article(article: Article) -> Article:
        return article

    codec = Codec(Procedure(name="swap", function=swap_article))
    shown = codec.result.json_schema(mode="serialization")["$defs"]["Article"]["properties"]
    taken = codec.arguments.json_schema(mode="validation")["$defs"]["ArticleInput"]["properties"]
    assert ("price" in shown, "title" in shown) == (False, True)
    assert ("price" in taken, "title" in taken) == (True, False)
    with pytest.raises(InvalidArgumentsError):
        codec.decode(Arguments(kwargs={"article": {"title": "x"}}))


def test_validation_does_not_ask_the_database() -> None:
    with pytest.raises(ValidationError, match="cannot be blank"):
        TypeAdapter(Journal).validate_json('{"title": ""}')

"""The OpenAPI document as it is served, and the server held to it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from django.test import Client, override_settings
from pytest_django import DjangoDbBlocker

from tests.zoo.server import serve

pytestmark = pytest.mark.any_role


def fetch(**headers: str) -> Any:
    return Client().get("/kontract/openapi.json", headers=headers)


def test_it_is_served_with_an_etag() -> None:
    response = fetch()
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert response["Cache-Control"] == "no-cache"
    document = response.json()
    assert (document["openapi"], document["servers"]) == ("3.1.0", [{"url": "/kontract"}])
    assert document["paths"]["/rpc/zoo_put"]["post"]["operationId"] == "zoo_put"
    again = fetch(**{"If-None-Match": response["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert Client().post("/kontract/openapi.json").status_code == 405


def test_a_project_may_keep_it_to_itself() -> None:
    with override_settings(KONTRACT={"OPENAPI": False}):
        assert fetch().status_code == 404


def test_operations_have_names_of_their_own_and_say_who_may_call() -> None:
    paths = fetch().json()["paths"]
    operations = [operation for path in paths.values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert {"zoo_look", "zoo_look-get", "kontract-batch"} <= set(names)
    assert "get" not in paths["/rpc/zoo_put"] | paths["/rpc/zoo_count"] | paths["/rpc/zoo_upload"]
    restricted = paths["/rpc/zoo_restricted"]["post"]
    assert restricted["x-kontract-ugroups"] == ["directors", "keepers"]
    assert {} not in restricted["security"]


def test_every_reference_leads_somewhere() -> None:
    document = fetch().json()

    def find(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from ([value["$ref"]] if isinstance(value.get("$ref"), str) else [])
            yield from value.get("discriminator", {}).get("mapping", {}).values()
        for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from find(child)

    for reference in set(find(document)):
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_every_schema_is_one_of_json_schema() -> None:
    document = fetch().json()
    for name, schema in document["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}), name


@pytest.fixture(scope="module")
def url(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    with django_db_blocker.unblock(), serve() as found:
        yield found


CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "allow_header_conformance",
)
# zoo_fail fails when told to; the tool cannot read the tuple that zoo_positional returns.
ZOO = "/rpc(/(delete|zoo_(?!fail$|positional$).*))?$"
WRITING = "/rpc(/zoo_(put|upload))?$"


@pytest.mark.parametrize(
    ("paths", "options"),
    [(ZOO, "--phases=fuzzing --max-examples=3"), (WRITING, "--phases=coverage")],
    ids=["anything", "boundaries"],
)
def test_no_response_is_outside_the_document(url: str, paths: str, options: str, tmp_path: Path) -> None:
    """Schemathesis calls with what the document allows, and with what it does not."""
    tool = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}openapi.json", "--url", url.rstrip("/")]
    command = [*tool, "--no-color", "--warnings=off", "--checks", ",".join(CHECKS), "--include-path-regex", paths]
    command += ["--seed", os.environ.get("SCHEMATHESIS_SEED", "1")]  # another one finds other mistakes
    run = subprocess.run([*command, *options.split()], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr
    assert re.search(r"(\d+) generated, \1 passed|(\d+) generated, \d+ passed, \d+ skipped", run.stdout)

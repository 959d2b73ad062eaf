"""Clients that sign in, in node and in tabs of a browser, against a real server."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from kontract.codegen import typescript
from kontract.codegen.manifest import build_manifest
from kontract.rpc.registry import registry
from tests.integration.auth.server import serve
from tests.typescript.toolchain import HERE, compile_project, find_node, run


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the compiled client and its tests."""
    find_node()
    directory = tmp_path_factory.mktemp("auth")
    (directory / "src").mkdir()
    (directory / "src" / "client.ts").write_text(typescript.render(build_manifest(registry)), encoding="utf-8")
    shutil.copy(HERE / "auth.test.ts", directory / "src")
    compile_project(directory)
    return directory / "built"


@pytest.fixture
def server(built: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Where the server is."""
    with django_db_blocker.unblock(), serve(built) as url:
        yield url


def test_a_client_in_node(built: Path, server: str) -> None:
    run(find_node(), "--test", "auth.test.js", cwd=built, KONTRACT_TEST_SERVER=server)

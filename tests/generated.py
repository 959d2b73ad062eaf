"""Python clients: generated under the settings of the moment, and imported until a block ends."""

import importlib.util
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kontract.codegen.manifest import build_manifest
from kontract.codegen.python import render
from kontract.rpc.procedure import Procedure
from kontract.rpc.registry import registry


def zoo_procedures() -> list[Procedure[..., Any]]:
    """Return the procedures that have every kind of argument and result."""
    return [procedure for procedure in registry if procedure.module == "tests.zoo.backend"]


def write_client(
    directory: Path, procedures: Iterable[Procedure[..., Any]] = registry, *, name: str | None = None
) -> Path:
    """Write the client of these procedures, by default of all, into a new module, by default of a unique ``name``."""
    path = directory / f"{name or f'client_{uuid.uuid4().hex}'}.py"
    path.write_text(render(build_manifest(procedures)), encoding="utf-8")
    return path


@contextmanager
def imported(path: Path) -> Iterator[Any]:
    """Give the module in a file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        yield module
    finally:
        del sys.modules[path.stem]

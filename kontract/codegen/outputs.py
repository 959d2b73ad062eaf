"""What can be generated from the project's procedures."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from kontract.codegen import javascript, python, typescript
from kontract.codegen.manifest import build_manifest
from kontract.codegen.serving import render_openapi
from kontract.rpc.registry import registry
from kontract.rpc.routes import render_routes


class Output(NamedTuple):
    """A kind of file, and how its text is made."""

    help: str
    render: Callable[[], str]


OUTPUTS: Final[Mapping[str, Output]] = {
    "typescript": Output("the TypeScript client", lambda: typescript.render(build_manifest(registry))),
    "javascript": Output("the JavaScript client", lambda: javascript.render(build_manifest(registry))),
    "python": Output("the Python client", lambda: python.render(build_manifest(registry))),
    "openapi": Output("the OpenAPI document", render_openapi),
    "routes": Output('the manifest of routes, for KONTRACT["ROUTES"]', render_routes),
}


def render(name: str) -> str:
    """Return the text of one of OUTPUTS, by the procedures that the source has, whatever a manifest of routes says."""
    registry.load_all()
    return OUTPUTS[name].render()

"""The JavaScript client: one file without dependencies, which runs as it is, with its types in JSDoc.

It is what a compiler would make of the TypeScript client.  No compiler is needed for it: what all clients have in
common is compiled beforehand (``make runtime``), and the rest is written as JavaScript.
"""

from kontract.codegen.auth import find_auth, list_others
from kontract.codegen.javascript.definitions import render_definition
from kontract.codegen.javascript.functions import render_client, render_function
from kontract.codegen.javascript.header import HEADER
from kontract.codegen.javascript.problems import render_problem
from kontract.codegen.manifest import Manifest
from kontract.codegen.typescript.codecs import Codecs
from kontract.codegen.typescript.names import Names
from kontract.codegen.typescript.runtime import render_runtime
from kontract.codegen.typescript.types import Types

__all__ = ["render"]


def render(manifest: Manifest) -> str:
    """Return the text of the client's only file.

    Raises ``ConfigurationError`` where a function cannot have the name of its procedure.
    """
    names = Names(manifest)
    types = Types(manifest.definitions, names.definitions)
    codecs = Codecs(manifest.definitions, names.definitions)
    answers = [*(entry.result for entry in manifest.procedures), *(error.members for error in manifest.errors)]
    parts = [
        HEADER,
        render_runtime(manifest, "javascript"),
        *(render_definition(names.definitions[name], schema, types) for name, schema in manifest.definitions.items()),
        *(f"const {name} = {codec};" for name, codec in codecs.render_all(answers).items()),
        *(render_problem(error, names, types, codecs) for error in manifest.errors),
        *(render_function(entry, names, types, codecs) for entry in list_others(manifest)),
        *(render_function(e, names, types, codecs, is_exported=False) for e in find_auth(manifest).values()),
        render_client(manifest, names),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"

"""The errors that procedures declare, as classes."""

from kontract.codegen.manifest import ErrorEntry
from kontract.codegen.typescript.codecs import Codecs
from kontract.codegen.typescript.comments import render_comment
from kontract.codegen.typescript.definitions import is_interface, render_interface
from kontract.codegen.typescript.names import Names
from kontract.codegen.typescript.types import Types, render_literal


def render_problem(error: ErrorEntry, names: Names, types: Types, codecs: Codecs) -> str:
    """Return the class of a declared error, and the type of what it tells."""
    name, has_members = names.problem(error), is_interface(error.members)
    members = names.members[error.name, error.code]
    base = f"KontractProblem<{members}>" if has_members else "KontractProblem"
    codec = codecs.render(error.members)
    lines = [
        *([render_interface(members, error.members, types), ""] if has_members else []),
        f"{render_comment(error.doc)}export class {name} extends {base} {{",
        *([] if codec is None else [f"  static override readonly codec: $Codec = {codec};"]),
        f"  override readonly name = {render_literal(error.name)};",
        f"  override readonly code = {render_literal(error.code)};",
        "}",
    ]
    return "\n".join(lines)

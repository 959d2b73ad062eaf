"""The errors that procedures declare, as classes."""

from kontract.codegen.javascript.definitions import list_tags
from kontract.codegen.manifest import ErrorEntry
from kontract.codegen.typescript.codecs import Codecs
from kontract.codegen.typescript.comments import render_comment
from kontract.codegen.typescript.definitions import is_interface
from kontract.codegen.typescript.names import Names
from kontract.codegen.typescript.types import Types, render_literal


def render_problem(error: ErrorEntry, names: Names, types: Types, codecs: Codecs) -> str:
    """Return the class of a declared error, and the type of what it tells."""
    name, members = names.problem(error), names.members[error.name, error.code]
    has_members = is_interface(error.members)
    codec = codecs.render(error.members)
    tags = [f"@property {{{members}}} problem"] if has_members else []
    lines = [
        *([render_comment("", list_tags(members, error.members, types))] if has_members else []),
        f"{render_comment(error.doc, tags)}export class {name} extends KontractProblem {{",
        *([] if codec is None else [f"  static codec = {codec};"]),
        f"  name = {render_literal(error.name)};",
        f"  code = {render_literal(error.code)};",
        "}",
    ]
    return "\n".join(lines)

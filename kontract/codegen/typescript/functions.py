"""One function for each procedure, and the client that has them all."""

from typing import Final

from kontract.codegen.manifest import ProcedureEntry, UploadEntry
from kontract.codegen.typescript.codecs import Codecs
from kontract.codegen.typescript.comments import render_comment
from kontract.codegen.typescript.names import Names
from kontract.codegen.typescript.types import Types, render_literal, render_name

_NOTHING: Final = "{ [name: string]: never }"


def render_function(entry: ProcedureEntry, names: Names, types: Types, codecs: Codecs) -> str:
    """Return the function of a procedure, after the type of its arguments."""
    arguments = _render_arguments(entry, names, types)
    first = f"args{'?' if is_optional(entry) else ''}: {names.arguments[entry.name] if arguments else _NOTHING}"
    parameters = f"{first}, options?: {_options(entry)}"
    head = f"export function {names.functions[entry.name]}({parameters}): {render_return(entry, types)} {{\n"
    body = f"  return {find_callee(entry)}({describe(entry, names, codecs)}, args, options);\n}}"
    return f"{arguments}{_render_comment(entry, names)}{head}{body}"


def _render_arguments(entry: ProcedureEntry, names: Names, types: Types) -> str:
    properties = types.render_properties(entry.arguments)
    files = "".join(_render_upload(upload) for upload in entry.uploads)
    if not properties and not files:
        return ""
    return f"export interface {names.arguments[entry.name]} {{\n{properties}{files}}}\n\n"


def _render_upload(upload: UploadEntry) -> str:
    kind = "readonly KontractUpload[]" if upload.many else "KontractUpload"
    return f"  {render_name(upload.name)}{f': {kind}' if upload.required else f'?: {kind} | null | undefined'};\n"


def is_optional(entry: ProcedureEntry) -> bool:
    """Tell whether a procedure can be called without arguments."""
    return not (entry.arguments.get("required") or any(upload.required for upload in entry.uploads))


def _options(entry: ProcedureEntry) -> str:
    if entry.is_stream:
        return "StreamOptions"
    if entry.uploads or entry.is_download:
        return "FileOptions"
    return "ReadOptions" if entry.is_read_only else "WriteOptions"


def render_return(entry: ProcedureEntry, types: Types) -> str:
    """Return the type of what the function returns."""
    if entry.is_download:
        return "Promise<KontractDownload>"
    result = types.render(entry.result)
    return f"AsyncGenerator<{result}, void, undefined>" if entry.is_stream else f"Promise<{result}>"


def find_callee(entry: ProcedureEntry) -> str:
    """Return the function of the runtime that makes the call."""
    if entry.is_download:
        return "__kontract_download"
    return "__kontract_stream" if entry.is_stream else "__kontract_rpc"


def describe(entry: ProcedureEntry, names: Names, codecs: Codecs) -> str:
    """Return what the runtime has to know, as an expression."""
    members = [f"name: {render_literal(entry.name)}"]
    members += ["isReadOnly: true"] if entry.is_read_only else []
    members += ["hasGet: true"] if entry.has_get else []
    if entry.uploads:
        members.append(f"files: [{', '.join(render_literal(upload.name) for upload in entry.uploads)}]")
    if not entry.is_download and (codec := codecs.render(entry.result)) is not None:
        members.append(f"result: {codec}")
    if entry.errors:
        errors = ", ".join(f"{render_name(error.code)}: {names.problem(error)}" for error in entry.errors)
        members.append(f"errors: {{ {errors} }}")
    return f"{{ {', '.join(members)} }}"


def _render_comment(entry: ProcedureEntry, names: Names) -> str:
    throws = [f"@throws {{@link {names.problem(error)}}} {error.doc}" for error in entry.errors]
    return render_comment(entry.doc, ["", f"@group {entry.egroup}", *throws])


def render_client(names: Names) -> str:
    """Return the function that makes clients, and their type."""
    functions = "".join(f"  {name},\n" for name in names.functions.values())
    return f"""\
const $functions = {{
{functions}}};

/** All functions, which call with a client's own options. */
export type KontractClient = typeof $functions & {{ readonly batch: typeof batch }};

/** Makes a client of its own, which knows nothing of configure(): for another server, or for each user on a server. */
export function createClient(options: ClientOptions): KontractClient {{
  const client = $makeClient(options);
  return {{ ...$bind($functions, client), batch: (makeCalls, more) => $batch(client, makeCalls, more) }};
}}"""

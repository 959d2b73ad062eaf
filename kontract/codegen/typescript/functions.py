"""One function for each procedure, and the client that has them all."""

from typing import Final

from kontract.codegen.auth import find_auth, list_others
from kontract.codegen.manifest import Manifest, ProcedureEntry, UploadEntry
from kontract.codegen.typescript.codecs import Codecs
from kontract.codegen.typescript.comments import render_comment
from kontract.codegen.typescript.names import Names, camel
from kontract.codegen.typescript.types import Types, render_literal, render_name

_NOTHING: Final = "{ [name: string]: never }"
_CLIENT: Final = """\
/** All functions, which call with a client's own options. */
export type KontractClient = typeof $functions & KontractEvents & { readonly batch: typeof batch };

/** Makes a client of its own, which knows nothing of configure(): for another server, or for each user on a server. */
export function createClient(options: ClientOptions): KontractClient {
  const client = $makeClient(options);
  const batch: KontractClient["batch"] = (makeCalls, more) => $batch(client, makeCalls, more);
  return { ...$bind($functions, client), ...$bindEvents(client), batch };
}"""
_SIGNING_CLIENT: Final = """\
/** All functions, which call with a client's own options. */
export type KontractClient = typeof $functions &
  KontractEvents & { readonly auth: typeof auth; readonly batch: typeof batch };

/** Makes a client of its own, which knows nothing of configure(): for another server, or for each user on a server. */
export function createClient(options: ClientOptions): KontractClient {
  const session = new $AuthSession($authFunctions);
  const client = { ...$makeClient(options), session };
  return {
    ...$bind($functions, client),
    ...$bindEvents(client),
    auth: $makeAuth($authFunctions, session, () => client),
    batch: (makeCalls, more) => $batch(client, makeCalls, more),
  };
}"""


def render_function(
    entry: ProcedureEntry, names: Names, types: Types, codecs: Codecs, *, is_exported: bool = True
) -> str:
    """Return the function of a procedure, after the type of its arguments."""
    export = "export " if is_exported else ""
    arguments = _render_arguments(entry, names, types, export)
    first = f"args{'?' if is_optional(entry) else ''}: {names.arguments[entry.name] if arguments else _NOTHING}"
    parameters = f"{first}, options?: {_options(entry)}"
    head = f"{export}function {names.functions[entry.name]}({parameters}): {render_return(entry, types)} {{\n"
    body = f"  return {find_callee(entry)}({describe(entry, names, codecs)}, args, options);\n}}"
    return f"{arguments}{_render_comment(entry, names)}{head}{body}"


def _render_arguments(entry: ProcedureEntry, names: Names, types: Types, export: str) -> str:
    properties = types.render_properties(entry.arguments)
    files = "".join(_render_upload(upload) for upload in entry.uploads)
    if not properties and not files:
        return ""
    return f"{export}interface {names.arguments[entry.name]} {{\n{properties}{files}}}\n\n"


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


def render_client(manifest: Manifest, names: Names) -> str:
    """Return the function that makes clients, and their type."""
    others = "".join(f"  {names.functions[entry.name]},\n" for entry in list_others(manifest))
    if find_auth(manifest):
        return f"const $functions = {{\n{others}}};\n\n{_render_auth(manifest, names)}\n\n{_SIGNING_CLIENT}"
    return f"const $functions = {{\n{others}}};\n\n{_CLIENT}"


def _render_auth(manifest: Manifest, names: Names) -> str:
    """Return what signs in: the functions that it calls, and the object that callers have."""
    return f"""\
const $authFunctions = {{
{list_auth_functions(manifest, names)}}};
const $authSession = new $AuthSession($authFunctions);
$setSession($authSession);

/** Who calls with this module's functions. */
export const auth = $makeAuth($authFunctions, $authSession, () => $defaultClient);

export interface ClientOptions {{
  /** How calls are signed in. */
  auth?: AuthOptions | undefined;
}}"""


def list_auth_functions(manifest: Manifest, names: Names) -> str:
    """Return the properties of an object: the functions of signing in by the names of the methods that call them."""
    entries = find_auth(manifest).items()
    return "".join(f"  {camel(method)}: {names.functions[entry.name]},\n" for method, entry in entries)

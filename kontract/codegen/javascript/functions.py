"""One function for each procedure, and the client that has them all."""

from collections.abc import Iterator
from typing import Final

from kontract.codegen.auth import find_auth, list_others
from kontract.codegen.javascript.members import list_members
from kontract.codegen.manifest import Manifest, ProcedureEntry, UploadEntry
from kontract.codegen.typescript.codecs import Codecs
from kontract.codegen.typescript.comments import render_comment
from kontract.codegen.typescript.functions import (
    describe,
    find_callee,
    is_optional,
    list_auth_functions,
    render_return,
)
from kontract.codegen.typescript.names import Names
from kontract.codegen.typescript.types import Types

_CLIENT: Final = """\
/** Makes a client of its own, which knows nothing of configure(): for another server, or for each user on a server. */
export function createClient(options) {
  const client = $makeClient(options);
  const batch = (makeCalls, more) => $batch(client, makeCalls, more);
  return { ...$bind($functions, client), ...$bindEvents(client), batch };
}"""
_SIGNING_CLIENT: Final = """\
const $authSession = new $AuthSession($authFunctions);
$setSession($authSession);

/** Who calls with this module's functions. */
export const auth = $makeAuth($authFunctions, $authSession, () => $defaultClient);

/** Makes a client of its own, which knows nothing of configure(): for another server, or for each user on a server. */
export function createClient(options) {
  const session = new $AuthSession($authFunctions);
  const client = { ...$makeClient(options), session };
  return {
    ...$bind($functions, client),
    ...$bindEvents(client),
    auth: $makeAuth($authFunctions, session, () => client),
    batch: (makeCalls, more) => $batch(client, makeCalls, more),
  };
}"""
_OPTIONS: Final = ("signal", "timeout", "retries", "headers", "onResponse")


def render_function(
    entry: ProcedureEntry, names: Names, types: Types, codecs: Codecs, *, is_exported: bool = True
) -> str:
    """Return the function of a procedure."""
    head = f"{'export ' if is_exported else ''}function {names.functions[entry.name]}(args, options) {{\n"
    body = f"  return {find_callee(entry)}({describe(entry, names, codecs)}, args, options);\n}}"
    return f"{render_comment(entry.doc, _list_tags(entry, names, types))}{head}{body}"


def _list_tags(entry: ProcedureEntry, names: Names, types: Types) -> Iterator[str]:
    yield from ("", f"@group {entry.egroup}")
    yield f"@param {{object}} {'[args]' if is_optional(entry) else 'args'}"
    yield from list_members(entry.arguments, types, "param", "args.")
    yield from map(_tag_upload, entry.uploads)
    yield f"@param {{object}} [options] - {', '.join(_list_options(entry))}"
    yield f"@returns {{{render_return(entry, types)}}}"
    yield from (f"@throws {{{names.problem(error)}}} {error.doc}" for error in entry.errors)


def _tag_upload(upload: UploadEntry) -> str:
    kind = "readonly KontractUpload[]" if upload.many else "KontractUpload"
    return (
        f"@param {{{kind}}} args.{upload.name}" if upload.required else f"@param {{{kind} | null}} [args.{upload.name}]"
    )


def _list_options(entry: ProcedureEntry) -> Iterator[str]:
    """Yield the names of the options that a call may have; the guide to the TypeScript client says what they are."""
    yield from _OPTIONS
    if entry.is_read_only:
        yield "asOf"
    elif not entry.is_stream:
        yield "idempotencyKey"
    if not (entry.is_stream or entry.is_download or entry.uploads):
        yield "batch"


def render_client(manifest: Manifest, names: Names) -> str:
    """Return the function that makes clients."""
    others = "".join(f"  {names.functions[entry.name]},\n" for entry in list_others(manifest))
    if not find_auth(manifest):
        return f"const $functions = {{\n{others}}};\n\n{_CLIENT}"
    own = f"const $authFunctions = {{\n{list_auth_functions(manifest, names)}}};"
    return f"const $functions = {{\n{others}}};\n\n{own}\n{_SIGNING_CLIENT}"

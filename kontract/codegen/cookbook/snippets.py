"""A call as curl, the TypeScript client and the Python client make it."""

import json
import shlex
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from kontract.codegen.cookbook.literals import Literals, find_property
from kontract.codegen.cookbook.recipe import Recipe
from kontract.codegen.cookbook.samples import Sampler
from kontract.codegen.manifest import Manifest, ProcedureEntry, UploadEntry
from kontract.codegen.python_names import BUILTINS, name_all
from kontract.codegen.typescript.names import name_functions
from kontract.codegen.typescript.runtime import list_parts
from kontract.codegen.typescript.types import render_name
from kontract.exceptions import ConfigurationError

# What the expressions of kontract.codegen.cookbook.literals name, and where it comes from.
_IMPORTS: Final = {
    "urlsafe_b64decode(": "from base64 import urlsafe_b64decode",
    "date.": "from datetime import date",
    "datetime.": "from datetime import datetime",
    "time.": "from datetime import time",
    "Decimal(": "from decimal import Decimal",
    "UUID(": "from uuid import UUID",
}


class Snippet(NamedTuple):
    """A piece of code.  ``language`` is what a block of Markdown calls it."""

    id: str
    title: str
    language: str
    text: str


def sample_arguments(recipe: Recipe) -> dict[str, Any]:
    """Return arguments to begin with: those of an example in the text, else a value for each that is required."""
    if (given := recipe.example) is not None:
        return given
    entry = recipe.entry
    required = {**entry.arguments, "properties": {n: entry.arguments["properties"][n] for n in _list_required(entry)}}
    found: dict[str, Any] = Sampler(recipe.definitions).sample({"type": "object", **required})
    return found


def _list_required(entry: ProcedureEntry) -> list[str]:
    return list(entry.arguments.get("required", ()))


def write_snippets(recipe: Recipe, url: str) -> list[Snippet]:
    """Return a call with sample arguments; ``url`` is where kontract's URLs are mounted."""
    arguments = sample_arguments(recipe)
    found = [Snippet("curl", "curl", "sh", write_curl(recipe.entry, arguments, url))]
    if (name := find_typescript_name(recipe.entry)) is not None:
        found.append(Snippet("typescript", "TypeScript", "ts", write_typescript(recipe, name, arguments)))
    if (name := find_python_name(recipe.entry)) is not None:
        found.append(Snippet("python", "Python", "python", write_python(recipe, name, arguments, url)))
    return found


def write_curl(entry: ProcedureEntry, arguments: Mapping[str, Any], url: str) -> str:
    """Return a command for a shell."""
    body = json.dumps({"kwargs": arguments}, ensure_ascii=False)
    lines = [f"curl {shlex.quote(f'{url}/rpc/{entry.name}')}"]
    if entry.ugroups is not None:
        lines.append('-H "Authorization: Bearer $TOKEN"')
    files = _list_required_files(entry)
    if entry.uploads:
        kwargs = json.dumps(arguments, ensure_ascii=False)
        lines += [f"-F {shlex.quote(f'kwargs={kwargs};type=application/json')}"] if arguments else []
        lines += [f"-F {shlex.quote(f'{file.name}=@{file.name}')}" for file in files]
    else:
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(body)}"]
    lines += [f"-o {entry.name}"] if entry.is_download else []
    lines[0] += " -N" if entry.is_stream else ""
    return " \\\n  ".join(lines)


def _list_required_files(entry: ProcedureEntry) -> list[UploadEntry]:
    return [upload for upload in entry.uploads if upload.required]


def find_typescript_name(entry: ProcedureEntry) -> str | None:
    """Return what the TypeScript client calls a procedure; None where it has no function of its own."""
    if _signs_in(entry):
        return None
    try:
        return name_functions([entry.name], list_parts(Manifest(procedures=(entry,))))[entry.name]
    except ConfigurationError:  # a name that the client itself needs
        return None


def find_python_name(entry: ProcedureEntry) -> str | None:
    """Return what the Python client calls a procedure; None where it has no method of its own."""
    return None if _signs_in(entry) else name_all([entry.name], BUILTINS | {"close", "options", "auth"})[entry.name]


def _signs_in(entry: ProcedureEntry) -> bool:
    """Tell whether clients call a procedure of kontract.auth themselves, when they are told to sign in."""
    return entry.egroup == "auth" and entry.name.startswith("auth_")


def write_typescript(recipe: Recipe, name: str, arguments: Mapping[str, Any]) -> str:
    """Return a module that makes the call as function ``name``."""
    entry, literals = recipe.entry, Literals(recipe.definitions)
    members = [
        f"{render_name(key)}: {literals.write_typescript(value, find_property(entry.arguments, key))}"
        for key, value in arguments.items()
    ]
    members += [
        f"{render_name(file.name)}: {'[file]' if file.many else 'file'}" for file in _list_required_files(entry)
    ]
    call = f"{name}({{ {', '.join(members)} }})" if members else f"{name}()"
    head = f'import {{ {name} }} from "./api.ts";\n\n'
    if entry.is_stream:
        return f"{head}for await (const item of {call}) {{\n  console.log(item);\n}}"
    if entry.is_download:
        return f"{head}const download = await {call};\nconst blob = await download.blob();"
    return f"{head}const result = await {call};"


def write_python(recipe: Recipe, name: str, arguments: Mapping[str, Any], url: str) -> str:
    """Return a script that makes the call as method ``name``."""
    entry, literals = recipe.entry, Literals(recipe.definitions)
    files = _list_required_files(entry)
    names = name_parameters(entry)
    given = [
        f"{names[key]}={literals.write_python(value, find_property(entry.arguments, key))}"
        for key, value in arguments.items()
    ]
    given += [f"{names[file.name]}={_write_file(file)}" for file in files]
    call = f"client.{name}({', '.join(given)})"
    imports = [line for sign, line in _IMPORTS.items() if any(f"={sign}" in g or f"({sign}" in g for g in given)]
    imports += ["from kontract.client import File"] if files else []
    imports = sorted(imports) + ([""] if imports else [])
    classes = ", ".join(["Client", *literals.classes])
    lines = [*imports, f"from client import {classes}", "", f'client = Client("{url}/")', *_use(entry, call)]
    return "\n".join(lines)


def name_parameters(entry: ProcedureEntry) -> dict[str, str]:
    """Return what the Python client calls the parameters."""
    return name_all([*entry.arguments["properties"], *(upload.name for upload in entry.uploads)], {"self"})


def _write_file(file: UploadEntry) -> str:
    one = f'File.read("{file.name}")'
    return f"[{one}]" if file.many else one


def _use(entry: ProcedureEntry, call: str) -> list[str]:
    if entry.is_stream:
        return [f"for item in {call}:", "    print(item)"]
    if entry.is_download:
        return [f"with {call} as download:", f'    download.save("{entry.name}")']
    return [f"result = {call}"]

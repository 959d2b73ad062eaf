"""What every client has in common: hand-written TypeScript, one module after the other."""

import functools
import re
from pathlib import Path

HEADER = """\
/* eslint-disable */
// Written by "manage.py kontract_compile --typescript" from the backend's procedures. Do not edit: it would be lost.
// Names with a $ are this file's own."""

_DIRECTORY = Path(__file__).parents[1] / "templates" / "typescript"
_MODULES = (
    *("json", "values", "errors", "client", "watch", "sending", "calls"),
    *("trials", "batches", "streams", "downloads", "bound"),
)
_IMPORT = re.compile(r'^import\b[^;]*? from "\./\w+\.ts";\n', re.MULTILINE)
_OWN_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|let|function\*?|class|interface|type) \$)", re.MULTILINE)
_EXPORT = re.compile(r"^export (?:async )?(?:const|let|function\*?|class|interface|type) (\w+)", re.MULTILINE)
_SILENT = re.compile(r'^ *(?://|/?\*).*$|(?<= )// .*$|"[^"\n]*"', re.MULTILINE)
_GLOBAL = re.compile(r"(?<![\w.#$])[A-Z]\w*")
_FUNCTIONS = frozenset(("clearTimeout", "decodeURIComponent", "encodeURIComponent", "globalThis", "setTimeout"))


@functools.cache
def read_runtime() -> str:
    """Return the modules as one, in which nothing is imported, and exported only what is for callers."""
    texts = [(_DIRECTORY / f"{name}.ts").read_text(encoding="utf-8") for name in _MODULES]
    return "\n\n".join(_OWN_EXPORT.sub("", _IMPORT.sub("", text)).strip() for text in texts)


@functools.cache
def list_exported() -> frozenset[str]:
    """Return the names that callers can import whatever the procedures are."""
    return frozenset(_EXPORT.findall(read_runtime())) | {"createClient", "KontractClient"}


@functools.cache
def find_globals() -> frozenset[str]:
    """Return the names of JavaScript and TypeScript that the runtime relies on, so that nothing else may have them."""
    code = _SILENT.sub("", read_runtime())
    return _FUNCTIONS | frozenset(_GLOBAL.findall(code)) - list_exported()

"""What every client has in common: hand-written TypeScript, one module after the other, or what tsc makes of it."""

import functools
import re
from pathlib import Path

from kontract.codegen.auth import find_auth
from kontract.codegen.manifest import Manifest
from kontract.codegen.typescript.pins import write_pins

HEADER = """\
/* eslint-disable */
// Written by "manage.py kontract_compile --typescript" from the backend's procedures. Do not edit: it would be lost.
// Names with a $ are this file's own."""

_TEMPLATES = Path(__file__).parents[1] / "templates"
_SUFFIXES = {"typescript": "ts", "javascript": "js"}
_MODULES = (
    *("json", "values", "errors", "client", "watch", "sending", "calls"),
    *("trials", "batches", "streams", "downloads", "bound"),
    *("events_wire", "events_cursor", "events_patch", "events_source", "events_topics", "events_tabs", "events_hub"),
    *("events", "events_bound"),
)
_CHANNEL = (
    *("pins", "errors", "bytes", "crypto", "suites", "noise", "schedule", "frames", "envelope", "framing", "opener"),
    *("handshake", "session", "turns", "tunnel", "answer"),
)
_PARTS = {  # what only some clients have
    "auth": ("auth_storage", "auth_tabs", "auth_session", "auth"),
    "direct": ("direct",),
    "raystream": (*(f"raystream_{name}" for name in _CHANNEL), "raystream"),
}
_IMPORT = re.compile(r'^(?:import\b[^;]*? from "\./\w+\.[jt]s"|export \{\});\n', re.MULTILINE)
_OWN_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|let|function\*?|class|interface|type) \$)", re.MULTILINE)
_EXPORT = re.compile(r"^export (?:async )?(?:const|let|function\*?|class|interface|type) (\w+)", re.MULTILINE)
_SILENT = re.compile(r'^ *(?://|/?\*).*$|(?<= )// .*$|"[^"\n]*"', re.MULTILINE)
_GLOBAL = re.compile(r"(?<![\w.#$])[A-Z]\w*")
_FUNCTIONS = frozenset(
    (
        *("clearInterval", "clearTimeout", "decodeURIComponent", "encodeURIComponent", "globalThis", "setInterval"),
        "setTimeout",
    )
)


def list_parts(manifest: Manifest) -> tuple[str, ...]:
    """Return the parts of the runtime that a client needs besides what all have."""
    channel = "direct" if manifest.channel is None else "raystream"
    return (channel, "auth") if find_auth(manifest) else (channel,)


def render_runtime(manifest: Manifest, language: str = "typescript") -> str:
    """Return the modules that this client needs as one, with the keys that it pins."""
    return write_pins(read_runtime(language, list_parts(manifest)), manifest.channel)


@functools.cache
def read_runtime(language: str = "typescript", parts: tuple[str, ...] = ("direct",)) -> str:
    """Return the modules as one, in which nothing is imported, and exported only what is for callers.

    ``language``: "typescript", or "javascript" for what ``make runtime`` compiles from it.
    """
    names = [*_MODULES, *(name for part in parts for name in _PARTS[part])]
    files = [_TEMPLATES / language / f"{name}.{_SUFFIXES[language]}" for name in names]
    texts = [file.read_text(encoding="utf-8") for file in files]
    return "\n\n".join(_OWN_EXPORT.sub("", _IMPORT.sub("", text)).strip() for text in texts)


@functools.cache
def list_exported(parts: tuple[str, ...] = ("direct",)) -> frozenset[str]:
    """Return the names that callers can import whatever the procedures are."""
    own = frozenset({"createClient", "KontractClient", *({"auth"} & set(parts))})
    return own | frozenset(_EXPORT.findall(read_runtime(parts=parts)))


@functools.cache
def find_globals(parts: tuple[str, ...] = ("direct",)) -> frozenset[str]:
    """Return the names of JavaScript and TypeScript that the runtime relies on, so that nothing else may have them."""
    code = _SILENT.sub("", read_runtime(parts=parts))
    return _FUNCTIONS | frozenset(_GLOBAL.findall(code)) - list_exported(parts)

"""The parts that a page of HTML has many of.  Were these templates, they would take most of the command's time."""

import re
from collections.abc import Iterable, Mapping
from html import escape

from django.utils.safestring import SafeString, mark_safe

from kontract.codegen.cookbook.describing import Field, Piece, describe, is_object, list_fields
from kontract.codegen.cookbook.facts import Badge, Fact
from kontract.codegen.cookbook.snippets import Snippet
from kontract.codegen.cookbook.text import to_html
from kontract.codegen.schemas import Schema


def write_badges(badges: Iterable[Badge]) -> SafeString:
    """Return words beside a name."""
    return mark_safe("".join(f'<span class="badge {b.kind}">{escape(b.text)}</span>' for b in badges))  # noqa: S308


def write_facts(facts: Iterable[Fact]) -> SafeString:
    """Return a list of facts, in which nothing but code is marked up."""
    lines = (f"    <div><dt>{escape(f.title)}</dt><dd>{_mark_code(escape(f.markdown))}</dd></div>\n" for f in facts)
    return mark_safe("".join(lines))  # noqa: S308 - its texts are escaped


def _mark_code(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)


def write_snippets(snippets: Iterable[Snippet]) -> SafeString:
    """Return tabs with code."""
    return mark_safe("".join(map(_write_snippet, snippets)))  # noqa: S308 - its texts are escaped


def _write_snippet(snippet: Snippet) -> str:
    title = escape(snippet.title)
    return (
        f'      <div class="tab" id="example-{snippet.id}" data-title="{title}"><h3>{title}</h3>\n'
        f'        <pre class="code" data-language="{snippet.language}" tabindex="0" role="group" aria-label="{title}">'
        f"<code>{escape(snippet.text)}</code></pre></div>\n"
    )


def write_pieces(pieces: Iterable[Piece]) -> SafeString:
    """Return a type, in which the name of a definition leads to it."""
    return mark_safe("".join(map(_write_piece, pieces)))  # noqa: S308 - its texts are escaped


def _write_piece(piece: Piece) -> str:
    text = escape(piece.text)
    return text if piece.definition is None else f'<a href="#type-{escape(piece.definition)}">{text}</a>'


def write_fields(fields: Iterable[Field]) -> SafeString:
    """Return a list of parameters, properties or members of an error; "" where there is none."""
    items = "".join(map(_write_field, fields))
    return mark_safe(f'<dl class="fields">\n{items}</dl>\n' if items else "")  # noqa: S308 - its texts are escaped


def _write_field(field: Field) -> str:
    required = ' <span class="required">required</span>' if field.required else ""
    doc = f"      <p>{escape(field.doc)}</p>\n" if field.doc else ""
    limits = "".join(_list_limits(field))
    limits = f'      <p class="limits">{limits}</p>\n' if limits else ""
    return (
        f'  <div class="item">\n    <dt><code class="name">{escape(field.name)}</code> '
        f'<span class="type">{write_pieces(field.type)}</span>{required}</dt>\n    <dd>\n{doc}'
        f"{limits}    </dd>\n  </div>\n"
    )


def _list_limits(field: Field) -> Iterable[str]:
    if field.default:
        yield f"<span>default <code>{escape(field.default)}</code></span>"
    yield from (f"<span>{escape(limit)}</span>" for limit in field.limits)


def write_types(definitions: Mapping[str, Schema]) -> dict[str, SafeString]:
    """Return what a page says of each definition, by name."""
    return {name: _write_type(name, schema) for name, schema in definitions.items()}


def _write_type(name: str, schema: Schema) -> SafeString:
    text = schema.get("description")
    doc = f'      <div class="prose">{to_html(text)}</div>\n' if text else ""
    fields = write_fields(list_fields(schema)) if is_object(schema) else ""
    body = fields or f'      <p class="type">{write_pieces(describe(schema))}</p>\n'
    return mark_safe(  # noqa: S308 - its texts are escaped
        f'    <div class="definition" id="type-{escape(name)}">\n      <h3><code>{escape(name)}</code></h3>\n'
        f"{doc}{body}    </div>\n"
    )

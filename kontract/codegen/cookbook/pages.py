"""Pages as HTML: the same for a folder that any web server can show, and for the pages that kontract serves."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from django.template import Context, Engine
from django.utils.html import json_script
from django.utils.safestring import SafeString

from kontract.codegen.cookbook import fragments
from kontract.codegen.cookbook.describing import describe, list_fields
from kontract.codegen.cookbook.facts import list_badges, list_facts, list_files, list_headers
from kontract.codegen.cookbook.grouping import group
from kontract.codegen.cookbook.markdown import FOLDER
from kontract.codegen.cookbook.recipe import Recipe
from kontract.codegen.cookbook.samples import Sampler
from kontract.codegen.cookbook.snippets import (
    find_python_name,
    find_typescript_name,
    name_parameters,
    sample_arguments,
    write_snippets,
)
from kontract.codegen.cookbook.text import to_html

PACKAGE: Final = Path(__file__).parents[2]
ASSETS: Final = PACKAGE / "static" / "kontract" / "docs"
# What a page without the form needs.
STATIC_ASSETS: Final = ("code.js", "docs.css", "icon.svg", "navigation.js", "theme.js")

_SEARCHED: Final = 400  # characters of a description that can be found


@lru_cache(maxsize=1)
def _get_engine() -> Engine:
    """Return an engine that finds the package's templates, whatever the project's settings say of templates."""
    loaders = [("django.template.loaders.cached.Loader", ["django.template.loaders.filesystem.Loader"])]
    return Engine(dirs=[str(PACKAGE / "templates")], loaders=loaders)


def _render(template: str, values: Mapping[str, Any]) -> str:
    return _get_engine().get_template(f"kontract/docs/{template}").render(Context(dict(values)))


def write_files(title: str, recipes: Sequence[Recipe], url: str) -> dict[str, str]:
    """Return the texts of all files of a site by their paths within its folder."""
    types = fragments.write_types({name: schema for recipe in recipes for name, schema in recipe.definitions.items()})
    pages = {f"{FOLDER}/{recipe.entry.name}.html": write_page(title, recipe, url, types=types) for recipe in recipes}
    assets = {f"assets/{name}": (ASSETS / name).read_text(encoding="utf-8") for name in STATIC_ASSETS}
    index = write_index(title, recipes)
    return {"index.html": index, "search-index.js": write_search_index(recipes), **assets, **pages}


def write_index(title: str, recipes: Sequence[Recipe], *, home: str = "index.html") -> str:
    """Return the page that lists all procedures; ``home`` is its address within the site."""
    groups = [
        {"name": egroup, "items": [_summarise(recipe) for recipe in members]}
        for egroup, members in group(recipes).items()
    ]
    return _render("index.html", {"title": title, "root": "", "home": home, "groups": groups, "count": len(recipes)})


def _summarise(recipe: Recipe) -> dict[str, str]:
    badge = list_badges(recipe)[0]
    return {
        "name": recipe.entry.name,
        "summary": _strip(recipe.summary),
        "kind": badge.kind,
        "kind_text": badge.text,
    }


def write_search_index(recipes: Sequence[Recipe]) -> str:
    """Return the script that tells pages of all procedures: a script, since a page in a file may load nothing else."""
    entries = [
        {
            **_summarise(recipe),
            "group": recipe.entry.egroup,
            "text": _strip(recipe.details)[:_SEARCHED],
        }
        for members in group(recipes).values()
        for recipe in members
    ]
    return f"window.kontractProcedures = {json.dumps(entries, ensure_ascii=False)};\n"


def _strip(text: str) -> str:
    """Return Markdown as a line of plain text, about."""
    return " ".join(re.sub(r"```[^\n]*|[`*]", "", text).split())


def write_page(
    title: str,
    recipe: Recipe,
    url: str,
    *,
    types: Mapping[str, SafeString],
    home: str = "index.html",
    mount: str | None = None,
    **more: Any,
) -> str:
    """Return the page of a procedure.

    ``url`` is where kontract's URLs are mounted, for examples; ``types`` has what pages say of its definitions.  With
    ``mount``, the path of the same place, the page has a form that makes calls there; ``more`` is for the template, and
    in ``auth`` and ``session`` for the form.
    """
    entry = recipe.entry
    values = {
        "title": title,
        "root": "../",
        "home": home,
        "name": entry.name,
        "egroup": entry.egroup,
        "badges": fragments.write_badges(list_badges(recipe)),
        "text": to_html(recipe.text) if recipe.text else "",
        "facts": fragments.write_facts(list_facts(recipe)),
        "fields": fragments.write_fields([*list_fields(entry.arguments), *list_files(entry)]),
        "is_download": entry.is_download,
        "is_stream": entry.is_stream,
        "result": fragments.write_pieces(describe(entry.result)),
        "sample": _write_sample(recipe),
        "errors": [
            {"status": e.status, "code": e.code, "doc": e.doc, "fields": fragments.write_fields(list_fields(e.members))}
            for e in entry.errors
        ],
        "types": [types[name] for name in recipe.definitions],
        "snippets": fragments.write_snippets(write_snippets(recipe, url)),
        "can_look_back": "Kontract-As-Of" in list_headers(entry),
        "can_rehearse": "Kontract-Dry-Run" in list_headers(entry),
    }
    if mount is not None:
        data = {**describe_call(recipe), "mount": mount, "auth": more.pop("auth"), "session": more.pop("session")}
        values["data"] = json_script(data, "kontract-data")
    return _render("procedure.html", {**values, **more})


def _write_sample(recipe: Recipe) -> str:
    sample = Sampler(recipe.definitions, full=True).sample(recipe.entry.result)
    whole = {"item": sample} if recipe.entry.is_stream else {"result": sample}
    return json.dumps(whole, ensure_ascii=False, indent=2)


def describe_call(recipe: Recipe) -> dict[str, Any]:
    """Return what the form has to know of a procedure."""
    entry = recipe.entry
    return {
        "name": entry.name,
        "arguments": entry.arguments,
        "uploads": [{"name": u.name, "required": u.required, "many": u.many} for u in entry.uploads],
        "definitions": recipe.definitions,
        "isStream": entry.is_stream,
        "isDownload": entry.is_download,
        "isRestricted": entry.ugroups is not None,
        "isEncrypted": recipe.entry.raystream == "required",
        "example": sample_arguments(recipe),
        "typescript": find_typescript_name(entry),
        "python": find_python_name(entry),
        "parameters": name_parameters(entry),
    }

"""A folder that VitePress builds as it is: pages, and what tells it of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from kontract.codegen.cookbook.grouping import group
from kontract.codegen.cookbook.markdown import FOLDER, write_index, write_page
from kontract.codegen.cookbook.recipe import Recipe

SIDEBAR: Final = ".vitepress/sidebar.json"
CONFIG: Final = ".vitepress/config.mjs"  # written where there is none; from then on it is the project's

_CONFIG: Final = """\
import {{ defineConfig }} from "vitepress";
import sidebar from "./sidebar.json" with {{ type: "json" }};

export default defineConfig({{
  title: {title},
  themeConfig: {{ sidebar, search: {{ provider: "local" }} }},
}});
"""


def write_files(title: str, recipes: Sequence[Recipe], url: str) -> Mapping[str, str]:
    """Return the texts of all files by their paths within the folder."""
    pages = {f"{FOLDER}/{recipe.entry.name}.md": write_page(recipe, url) for recipe in recipes}
    sidebar = json.dumps(list_sidebar(recipes), ensure_ascii=False, indent=2) + "\n"
    return {"index.md": write_index(title, recipes), SIDEBAR: sidebar, **pages}


def write_config(title: str) -> str:
    """Return the configuration to begin with."""
    return _CONFIG.format(title=json.dumps(title, ensure_ascii=False))


def list_sidebar(recipes: Sequence[Recipe]) -> list[dict[str, Any]]:
    """Return the sidebar, see https://vitepress.dev/reference/default-theme-sidebar."""
    return [
        {
            "text": egroup,
            "items": [{"text": recipe.entry.name, "link": f"/{FOLDER}/{recipe.entry.name}"} for recipe in members],
        }
        for egroup, members in group(recipes).items()
    ]

"""HTML of the Markdown in docstrings.  What is HTML in them is shown as text, and nothing is loaded from elsewhere."""

import html
import re
from functools import lru_cache
from threading import Lock
from typing import Final
from urllib.parse import SplitResult, urlsplit
from xml.etree.ElementTree import Element

from django.utils.safestring import SafeString, mark_safe
from markdown import Extension, Markdown
from markdown.treeprocessors import Treeprocessor

_SAFE_SCHEMES: Final = frozenset({"", "http", "https", "mailto"})
_CONTROL: Final = re.compile(r"[\x00-\x20\x7f]+")


class _Links(Treeprocessor):
    """Make links harmless: no scripts, and a link where an image of another host would be."""

    def run(self, root: Element) -> None:
        """Change the tree."""
        for element in root.iter():
            for name in ("href", "src"):
                if (address := element.get(name)) is not None and not _is_safe(address):
                    element.attrib.pop(name)
            if element.tag == "img" and _is_elsewhere(source := element.get("src") or ""):
                element.tag, element.text = "a", element.get("alt") or source
                element.attrib = {"href": source}
            if element.tag == "a":
                element.set("rel", "noreferrer")


def _is_safe(address: str) -> bool:
    try:
        return _read(address).scheme in _SAFE_SCHEMES
    except ValueError:  # such as "http://[", which leads nowhere
        return False


def _is_elsewhere(address: str) -> bool:
    parts = _read(address)
    return bool(parts.scheme or parts.netloc)


def _read(address: str) -> SplitResult:
    """Return the parts of an address as browsers see them, to whom ``&#58;`` is a colon and ``\\`` a slash."""
    return urlsplit(_CONTROL.sub("", html.unescape(address)).replace("\\", "/"))


class _Plain(Extension):
    """Take no HTML, and make links harmless."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Change the converter."""
        md.preprocessors.deregister("html_block")
        md.inlinePatterns.deregister("html")
        md.treeprocessors.register(_Links(md), "links", -1)  # behind the last one that makes text of signs


@lru_cache(maxsize=1)
def _get_converter() -> tuple[Markdown, Lock]:
    """Return what converts one text at a time."""
    return Markdown(extensions=["fenced_code", "tables", "sane_lists", _Plain()], output_format="html"), Lock()


def to_html(text: str) -> SafeString:
    """Return Markdown as HTML."""
    converter, lock = _get_converter()
    with lock:
        return mark_safe(converter.reset().convert(text))  # noqa: S308 - no HTML in it is the author's

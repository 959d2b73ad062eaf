"""The page's settings are what it says, and its options are all there are."""

import re
from dataclasses import fields
from typing import Any

import pytest

from kontract.checks import check_channel, check_settings
from kontract.conf import RaystreamOptions
from tests.docs import ROOT, blocks

from .wire import KEYS, in_base64

PAGE = "docs/raystream.md"


def test_the_settings_on_the_page_are_complete(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, secret in (("KEY", KEYS[0]), ("NEXT_KEY", KEYS[1])):
        monkeypatch.setenv(f"RAYSTREAM_{name}", in_base64(secret.private_bytes()))
    monkeypatch.setenv("RAYSTREAM_WRAPPING_KEY", in_base64(bytes(32)))
    module: dict[str, Any] = {"KONTRACT": {}, "MIDDLEWARE": []}
    exec("import os\n" + next(iter(blocks(PAGE, "py"))).text, module)  # noqa: S102
    settings.KONTRACT, settings.MIDDLEWARE = module["KONTRACT"], module["MIDDLEWARE"]
    assert check_settings() == []
    assert check_channel() == []


def test_every_option_is_on_the_page() -> None:
    table = (ROOT / PAGE).read_text().partition("## Options")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == [option.name for option in fields(RaystreamOptions)]


def test_all_pieces_of_code_are_python() -> None:
    for block in blocks(PAGE, "py"):
        compile(block.text, PAGE, "exec")

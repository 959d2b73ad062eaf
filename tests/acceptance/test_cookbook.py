"""The cookbook in a real browser, and its Markdown in VitePress."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from html import unescape
from io import StringIO
from pathlib import Path
from re import DOTALL, findall
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from django.db import connections

from tests.acceptance.conftest import find_free_port, wait_for
from tests.browser import Browser, Page
from tests.typescript.toolchain import find_node, install_packages, run

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "tests" / "cookbook"


@pytest.fixture(scope="module")
def url(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the cookbook is served, by a process of its own."""
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.cookbook.settings",
        "KONTRACT_TEST_DATABASE": str(connections["default"].settings_dict["NAME"]),
    }
    port, output = find_free_port(), tmp_path_factory.mktemp("cookbook") / "server.log"
    options = ["--port", str(port), "--lifespan", "off", "tests.cookbook.asgi:application"]
    command = [sys.executable, "-m", "uvicorn", *options]
    with (
        output.open("w") as log,
        subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log) as process,
    ):
        try:
            wait_for(port, process, output)
            yield f"http://127.0.0.1:{port}/kontract/docs/"
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser.start() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A page that has to end without an error, a violation of the policy, or a request to another host."""
    with browser.open() as page:
        yield page
        page.expect_clean(urlsplit(url).netloc)


def open_procedure(page: Page, url: str, name: str) -> None:
    page.goto(f"{url}procedures/{name}.html")
    page.wait_for("document.querySelector('#try-form')?.hidden === false")


def send(page: Page, status: str) -> str:
    """Send the call, and return what came back."""
    page.evaluate("document.querySelector('#response-line').textContent = ''")
    page.click("#send")
    page.wait_for_text(status, "#response-line")
    page.wait_for("document.querySelector('#progress').textContent !== ''")
    return page.text("#response-body")


def find_field(page: Page, label: str) -> str:
    """Return the selector of the field with a label."""
    found = f"[...document.querySelectorAll('#arguments label')].find((l) => l.textContent === '{label}')"
    page.wait_for(f"{found}?.htmlFor")
    return f"#{page.evaluate(f'{found}.htmlFor')}"


def test_a_visitor_cooks_tries_and_looks_back(page: Page, url: str) -> None:
    open_procedure(page, url, "kitchen_guest")
    assert '"owner": ""' in send(page, "200")
    page.click("button.account", "Sign in")
    assert page.run_axe() == []
    page.click("dialog button", "Begin as a visitor")
    page.wait_for_text("Visitor", "button.account")
    assert '"owner": ""' not in send(page, "200")

    open_procedure(page, url, "kitchen_cook")
    page.wait_for_text("Visitor", "button.account")  # the tab keeps the token
    assert '"heat": "hot"' in send(page, "200")  # from the example in the comment
    before = page.text("#response-txid")
    page.type(find_field(page, "name"), "Leek soup")
    page.click("#dry-run")
    answer = send(page, "200")
    assert 'name: "Soup" → "Leek soup"' in answer
    assert "Kontract-Dry-Run: 1" in page.text("#example-curl")
    page.click("#dry-run")
    page.click("#new-key")
    send(page, "200")
    send(page, "200")
    assert "replayed" in page.text("#response-line")
    assert page.text("#response-txid") != before

    open_procedure(page, url, "kitchen_look")
    page.type(find_field(page, "id"), "soup")
    assert '"name": "Leek soup"' in send(page, "200")
    page.wait_for("!document.querySelector('#as-of-last').hidden")
    page.type("#as-of", before.removeprefix("txid "))
    assert '"name": "Soup"' in send(page, "200")
    page.click("button.account")
    page.click("dialog button", "Forget the token")
    page.wait_for_text("Sign in", "button.account")
    assert page.failures == []


def test_what_is_wrong_is_shown_where_it_is(page: Page, url: str) -> None:
    open_procedure(page, url, "kitchen_cook")
    page.type(find_field(page, "grams"), "many")
    page.click("#send")
    page.wait_for_text("Give a whole number.", "#arguments")
    page.type(find_field(page, "grams"), "-5")
    send(page, "422")
    page.wait_for_text("Input should be greater than 0", "#arguments")
    invalid = "document.querySelector('[aria-invalid=true]')"
    assert page.evaluate(f"{invalid}.value") == "-5"
    assert page.evaluate(f"document.activeElement === {invalid}")
    assert "invalid_arguments" in page.text(".problem")
    assert page.run_axe() == []
    open_procedure(page, url, "kitchen_look")
    page.type(find_field(page, "id"), "nothing")
    assert "no_such_dish" in send(page, "404")


def test_arguments_can_be_text(page: Page, url: str) -> None:
    open_procedure(page, url, "kitchen_sum")
    page.click(".modes button", "JSON")
    page.type("#json-text", '{"numbers": [9007199254740993, 1]}')
    assert "9007199254740994" in send(page, "200")
    page.click(".modes button", "Form")
    assert page.evaluate("document.querySelector('#arguments input').value") == "9007199254740993"
    page.click("#arguments button", "Add item")
    page.press("7")
    assert "9007199254741001" in send(page, "200")
    page.click(".modes button", "JSON")
    page.type("#json-text", "{")
    page.click("#send")
    page.wait_for("document.querySelector('#json-text').getAttribute('aria-invalid') === 'true'")


def test_values_of_every_kind_come_back_as_they_were_sent(page: Page, url: str) -> None:
    open_procedure(page, url, "zoo_echo")
    sent = page.evaluate("JSON.parse(document.querySelector('#kontract-data').textContent).example.value")
    send(page, "200")
    result = page.evaluate("JSON.parse(document.querySelector('#response-body code').textContent).result")
    exact = ("flag", "day", "uuid", "price", "colour", "legs", "choice", "numbers", "pair", "keeper")
    assert {key: result[key] for key in exact} == {key: sent[key] for key in exact}
    assert result["pet"]["kind"] == sent["pet"]["kind"]


def test_streams_files_and_downloads(page: Page, url: str, tmp_path: Path) -> None:
    open_procedure(page, url, "zoo_count")
    page.type(find_field(page, "to"), "3")
    assert '{"item":2}' in send(page, "200").replace(" ", "")
    assert page.text("#progress") == "3 items"
    open_procedure(page, url, "zoo_upload")
    page.click("#send")
    page.wait_for_text("Choose a file.", "#files")
    (tmp_path / "lion.jpg").write_bytes(b"roar")
    page.upload("#files input", tmp_path / "lion.jpg")
    assert '"size": 4' in send(page, "200")
    page.wait_for_text("photo=@lion.jpg", "#example-curl")
    open_procedure(page, url, "zoo_download")
    page.type(find_field(page, "size"), "5")
    assert "Save zoo.bin 5 bytes" in send(page, "200")


def test_a_cookie_signs_in_with_its_csrf_token(page: Page, url: str) -> None:
    page.goto(url.replace("kontract/docs/", "sign-in"))
    open_procedure(page, url, "kitchen_guest")
    page.wait_for_text("curator", "button.account")
    assert '"is_anonymous": false' in send(page, "200")


@pytest.mark.parametrize("name", ["kitchen_cook", "kitchen_sum", "zoo_put", "zoo_defaults", "zoo_words", "zoo_count"])
def test_examples_are_the_same_before_and_after_the_form_writes_them(page: Page, url: str, name: str) -> None:
    with urllib.request.urlopen(f"{url}procedures/{name}.html") as response:  # noqa: S310 - of the test's own server
        html = response.read().decode()
    blocks = findall(r'<pre class="code" data-language="(?:sh|ts|python)".*?<code>(.*?)</code>', html, DOTALL)
    written = [unescape(text) for text in blocks]
    open_procedure(page, url, name)
    shown = page.evaluate("[...document.querySelectorAll('.tab code')].map((code) => code.textContent)")
    assert shown == written[-3:]


def test_people_search_by_keyboard(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for("document.querySelector('#procedures a') !== null")
    page.press("/")
    page.wait_for("document.activeElement.id === 'search'")
    for letter in "dish":
        page.press(letter)
    page.wait_for("document.querySelector('#found').textContent.endsWith('procedures found')")
    page.press("ArrowDown")
    assert "kitchen" in page.evaluate("document.activeElement.textContent")
    page.press("Enter")
    page.wait_for("location.pathname.includes('/procedures/kitchen')")


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
def test_pages_are_accessible_and_fit(browser: Browser, url: str, width: int, dark: bool) -> None:
    with browser.open(width=width, height=844, dark=dark) as page:
        for address in (url, f"{url}procedures/kitchen_cook.html", f"{url}procedures/zoo_echo.html"):
            page.goto(address)
            page.wait_for("document.querySelector('#procedures a') !== null")
            assert page.run_axe() == []
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.click("button.theme")
        chosen = page.evaluate("document.documentElement.dataset.theme")
        assert chosen == ("light" if dark else "dark")
        page.goto(url)
        assert page.evaluate("document.documentElement.dataset.theme") == chosen
        assert page.run_axe() == []
        page.expect_clean(urlsplit(url).netloc)


def test_a_folder_of_pages_needs_no_server(browser: Browser, tmp_path: Path) -> None:
    call_command("kontract_docs", "--html", tmp_path, stdout=StringIO())
    with browser.open() as page:
        page.goto((tmp_path / "index.html").as_uri())
        page.type("#search", "zoo_put")
        page.press("Enter")
        page.wait_for("location.pathname.endsWith('/procedures/zoo_put.html')")
        page.click("[role=tab]", "Python")
        assert "client.zoo_put" in page.text("#example-python")
        assert page.run_axe() == []
        page.expect_clean("")
        assert page.failures == []


def test_vitepress_builds_it_without_a_warning(tmp_path: Path) -> None:
    node = find_node()
    install_packages(PROJECT)
    environment = {"DJANGO_SETTINGS_MODULE": "tests.cookbook.settings"}
    command = (sys.executable, "-W", "error", "-m", "django", "kontract_docs", "--output", str(tmp_path))
    run(*command, "--title", "Kitchen & <zoo> {{ 1 }}", cwd=ROOT, **environment)
    (tmp_path / "node_modules").symlink_to(PROJECT / "node_modules")
    output = run(node, str(PROJECT / "node_modules/vitepress/bin/vitepress.js"), "build", str(tmp_path), CI="1")
    assert not [line for line in output.splitlines() if "warn" in line.lower() or "falling back" in line]
    page = (tmp_path / ".vitepress/dist/procedures/kitchen_cook.html").read_text(encoding="utf-8")
    assert "{{ this }}" in page
    assert "&lt;angle brackets&gt;" in page

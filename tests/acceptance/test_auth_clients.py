"""Clients that sign in, in node and in tabs of a browser, against a real server."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pytest_django import DjangoDbBlocker

from kontract.codegen import javascript, typescript
from kontract.codegen.manifest import build_manifest
from kontract.rpc.registry import registry
from tests.browser import Browser, Page
from tests.integration.auth.people import PASSWORD
from tests.integration.auth.server import sealed, serve
from tests.integration.raystream.server import Proxy
from tests.typescript.toolchain import HERE, compile_project, find_node, run


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the compiled client and its tests."""
    find_node()
    directory = tmp_path_factory.mktemp("auth")
    (directory / "src").mkdir()
    (directory / "src" / "client.ts").write_text(typescript.render(build_manifest(registry)), encoding="utf-8")
    with sealed():
        (directory / "src" / "sealed.ts").write_text(typescript.render(build_manifest(registry)), encoding="utf-8")
    for script in ("auth.test.ts", "sealed.test.ts"):
        shutil.copy(HERE / script, directory / "src")
    compile_project(directory)
    return directory / "built"


@pytest.fixture
def server(built: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """Where the server is."""
    with django_db_blocker.unblock(), serve(built) as url:
        yield url


def test_a_client_in_node(built: Path, server: str) -> None:
    run(find_node(), "--test", "auth.test.js", cwd=built, KONTRACT_TEST_SERVER=server)


def test_the_same_client_in_javascript(built: Path, server: str, tmp_path: Path) -> None:
    """Run what the two might differ in with the client that no compiler has seen."""
    shutil.copytree(built, tmp_path / "built")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "built" / "client.js").write_text(javascript.render(build_manifest(registry)), encoding="utf-8")
    chosen = "--test-name-pattern=keeps the id|cost one refresh|of all kinds|have a session|own outlives"
    run(find_node(), "--test", chosen, "auth.test.js", cwd=tmp_path / "built", KONTRACT_TEST_SERVER=server)


def test_a_client_in_node_through_the_channel(
    built: Path, tmp_path: Path, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> None:
    noted = tmp_path / "secrets"
    with django_db_blocker.unblock(), sealed(), serve() as url, Proxy(urlsplit(url).port or 0) as proxy:
        here = {"KONTRACT_TEST_SERVER": f"http://127.0.0.1:{proxy.port}", "KONTRACT_TEST_SECRETS": str(noted)}
        run(find_node(), "--test", "--test-name-pattern=through the channel alone", "sealed.test.js", cwd=built, **here)
        seen = proxy.seen.lower()
        run(find_node(), "--test", "--test-name-pattern=beside the channel", "sealed.test.js", cwd=built, **here)
    assert seen.count(b"post /kontract/_rs http/1.1") > 10
    secrets = [secret.encode() for secret in json.loads(noted.read_text())]
    assert len(secrets) > 10
    for text in (*secrets, b"auth_", b"who_am_i", b"bearer", b"token", b"cookie", b"password", b"eyj"):
        assert text.lower() not in seen


# --- Tabs of a browser -----------------------------------------------------------------------------------------------

ADA = json.dumps({"email": "ada@example.com", "password": PASSWORD})
BOB = json.dumps({"email": "bob@example.com", "password": PASSWORD})
WHO = "api.whoAmI().then(({ owner }) => owner)"
TEN = f"Promise.all(Array.from({{ length: 10 }}, () => {WHO}))"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser.start() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    """A page with the client as ``api``."""
    with browser.open() as page:
        yield go(page, server)


@pytest.fixture
def tab(browser: Browser, page: Page, server: str) -> Iterator[Page]:
    """Another tab of the same browser."""
    with browser.open_beside(page) as tab:
        yield go(tab, server)


def go(page: Page, server: str) -> Page:
    page.goto(f"{server}/")
    page.wait_for("!!window.api")
    return page


def count(server: str, name: str) -> int:
    """Return how many requests came, by procedure, or by procedure and status."""
    found: dict[str, int] = httpx.get(f"{server}/counts").json()
    return found.get(name, 0)


def at_once(expression: str, *pages: Page) -> list[Any]:
    """Evaluate in several tabs at once."""
    for page in pages:
        page.evaluate(f"void (window.pending = {expression})")
    return [page.evaluate("pending") for page in pages]


def test_the_refresh_token_is_out_of_reach_of_scripts(page: Page, server: str) -> None:
    page.evaluate("void (window.answers = [])")
    page.evaluate("""void api.configure({ fetch: async (input, init) => {
      const response = await fetch(input, init);
      window.answers.push(await response.clone().text());
      return response;
    } })""")
    page.evaluate("api.auth.anonymous()")
    page.evaluate("api.auth.refresh()")
    assert count(server, "auth_refresh 200") == 1
    cookies = page.send("Network.getCookies", urls=[f"{server}/kontract/rpc/auth_refresh"])["cookies"]
    found = {cookie["name"]: cookie for cookie in cookies}
    cookie = found["kontract_refresh"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert cookie["path"] == "/kontract/rpc/auth_refresh"
    others = page.send("Network.getCookies", urls=[server, f"{server}/kontract/rpc/who_am_i"])["cookies"]
    assert {other["name"] for other in others} == {"kontract_signed_in"}
    assert page.evaluate("document.cookie") == "kontract_signed_in=1"
    assert page.evaluate("localStorage.length + sessionStorage.length") == 0
    answers = page.evaluate("window.answers")
    assert len(answers) == 2
    assert all(json.loads(answer)["result"]["refresh_token"] is None for answer in answers)
    assert cookie["value"] not in "".join(answers)


def test_a_page_is_signed_in_after_it_was_loaded_again(page: Page, server: str) -> None:
    assert page.evaluate(WHO) == ""
    assert count(server, "auth_refresh") == 0, "who has never signed in asks for nothing"
    principal = page.evaluate("api.auth.anonymous()")
    go(page, server)
    assert set(page.evaluate(TEN)) == {principal["id"]}
    assert count(server, "auth_refresh") == 1
    assert page.evaluate("api.auth.principal") == principal
    assert page.evaluate("api.auth.logout()") == 1
    go(page, server)
    assert page.evaluate(WHO) == ""
    assert count(server, "auth_refresh") == 1
    assert page.failures == []


def test_tabs_rotate_once(page: Page, tab: Page, server: str) -> None:
    principal = page.evaluate("api.auth.anonymous()")
    for _ in range(3):
        before = count(server, "auth_refresh")
        httpx.post(f"{server}/void/{principal['id']}")
        first, second = at_once(TEN, page, tab)
        assert {*first, *second} == {principal["id"]}
        assert count(server, "auth_refresh") - before == 1


def listen(page: Page) -> None:
    page.evaluate("void api.auth.onChange((principal) => (window.told = principal?.email ?? principal?.id ?? null))")


def test_signing_in_and_out_reach_the_other_tab(page: Page, tab: Page, server: str) -> None:
    listen(page)
    listen(tab)
    principal = page.evaluate("api.auth.anonymous()")
    tab.wait_for(f"window.told === '{principal['id']}'", 2)
    page.evaluate(f"api.auth.link({ADA})")
    tab.wait_for("window.told === 'ada@example.com'", 2)
    assert at_once(WHO, page, tab) == [principal["id"]] * 2
    assert page.evaluate("api.auth.logout()") == 1
    tab.wait_for("window.told === null", 2)
    assert at_once(WHO, page, tab) == ["", ""]
    tab.evaluate(f"api.auth.register({BOB})")
    page.wait_for("window.told === 'bob@example.com'", 2)
    assert (count(server, "auth_refresh"), page.failures) == (0, [])


def test_two_tabs_that_begin_at_once_are_one_visitor(page: Page, tab: Page, server: str) -> None:
    for one in (page, tab):
        one.evaluate("api.configure({ auth: { anonymous: 'auto' } })")
    first, second = at_once(TEN, page, tab)
    assert len({*first, *second}) == 1
    assert count(server, "auth_anonymous") == 1


def test_a_tab_that_was_copied_has_its_tokens_renewed_with_it(page: Page, tab: Page, server: str) -> None:
    storage = """{
      load: () => sessionStorage.getItem("token") ?? undefined,
      save: (token) => sessionStorage.setItem("token", token),
      clear: () => sessionStorage.removeItem("token"),
    }"""
    page.evaluate(f"void api.configure({{ auth: {{ storage: {storage} }} }})")
    principal = page.evaluate("api.auth.anonymous()")
    copied = page.evaluate("sessionStorage.getItem('token')")  # as "duplicate tab" does
    tab.evaluate(f"void sessionStorage.setItem('token', '{copied}')")
    tab.evaluate(f"void api.configure({{ auth: {{ storage: {storage} }} }})")
    assert tab.evaluate(WHO) == principal["id"]
    for one in (page, tab, page):
        one.evaluate("api.auth.refresh()")
        time.sleep(0.2)
        assert len({other.evaluate("sessionStorage.getItem('token')") for other in (page, tab)}) == 1
    assert at_once(WHO, page, tab) == [principal["id"]] * 2
    assert page.send("Network.getCookies", urls=[f"{server}/kontract/rpc/auth_refresh"])["cookies"] == []


ATTACKS = {
    "as JSON": "fetch(refresh, { method: 'POST', credentials: 'include', body: '{}', "
    "headers: { 'Content-Type': 'application/json' } })",
    "as plain text": "fetch(refresh, { method: 'POST', credentials: 'include', mode: 'no-cors', body: '{}' })",
    "as a form": "fetch(refresh, { method: 'POST', credentials: 'include', mode: 'no-cors', "
    "body: new URLSearchParams({ kwargs: '{}' }) })",
    "as a file": "(() => { const form = new FormData(); form.append('kwargs', '{}'); return "
    "fetch(refresh, { method: 'POST', credentials: 'include', mode: 'no-cors', body: form }) })()",
    "as an image": "new Promise((done) => { const image = new Image(); "
    "image.onload = image.onerror = () => done(); image.src = refresh; })",
}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"], ids=["another origin", "another site"])
def test_a_page_from_elsewhere_cannot_use_the_cookie(
    browser: Browser, page: Page, server: str, django_db_blocker: DjangoDbBlocker, host: str
) -> None:
    principal = page.evaluate("api.auth.anonymous()")
    refresh = json.dumps(f"{server}/kontract/rpc/auth_refresh")
    with django_db_blocker.unblock(), serve() as elsewhere, browser.open_beside(page) as foreign:
        foreign.goto(elsewhere.replace("127.0.0.1", host) + "/counts")
        for number, (how, attack) in enumerate(ATTACKS.items(), 1):
            foreign.evaluate(f"((refresh) => {attack})({refresh}).catch(() => 0)")
            assert (count(server, "auth_refresh"), count(server, "auth_refresh 200")) == (number, 0), how
    assert page.evaluate("api.auth.refresh()") == principal
    assert count(server, "auth_refresh 200") == 1

"""The browser that other tests rely on: it has to see what goes wrong in a page."""

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import Browser, Page

PAGE = b"""<!doctype html>
<title>page</title>
<img src="/picture.png">
<label>Name <input id="name" value="old"></label>
<button>Other</button>
<button id="go">Go</button>
<input type="file" aria-label="File">
<p id="said"></p>
<script>
  document.querySelector("#go").onclick = (event) => {
    document.querySelector("#said").textContent = `${event.isTrusted} ${document.querySelector("#name").value}`;
  };
</script>
"""
FAULTY = b"""<!doctype html>
<title>faulty</title>
<input>
<script src="/script.js"></script>
<script>throw new Error("inline")</script>
"""
SCRIPT = (
    b"""console.error("logged"); fetch("http://127.0.0.1:9/elsewhere").catch(() => {}); throw new Error("uncaught");"""
)


class Handler(http.server.BaseHTTPRequestHandler):
    """Serve the pages above."""

    def do_GET(self) -> None:
        page = {"/": PAGE, "/faulty": FAULTY, "/script.js": SCRIPT}.get(self.path)
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/javascript" if self.path.endswith(".js") else "text/html")
        if self.path == "/faulty":
            self.send_header("Content-Security-Policy", "script-src 'self'")
        self.end_headers()
        self.wfile.write(page or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser.start() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, host: str) -> Iterator[Page]:
    with browser.open() as page:
        page.goto(f"http://{host}/")
        yield page


def test_it_clicks_types_and_chooses_files_as_people_do(page: Page, host: str, tmp_path: Path) -> None:
    page.type("#name", "Ada")
    page.click("button", "Go")
    page.wait_for_text("true Ada", "#said")
    (tmp_path / "a.txt").write_text("a")
    page.upload("input[type=file]", tmp_path / "a.txt")
    assert page.evaluate("document.querySelector('input[type=file]').files[0].name") == "a.txt"
    page.type("#name", "")
    page.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Other"
    page.expect_clean(host)


def test_it_sees_what_goes_wrong(page: Page, host: str) -> None:
    assert [line for line in page.failures if "picture.png" in line]
    page.goto(f"http://{host}/faulty")
    page.wait_for("true")
    assert any("logged" in error for error in page.errors)
    assert any("uncaught" in error for error in page.errors)
    assert page.violations
    assert page.hosts == {host, "127.0.0.1:9"}
    with pytest.raises(AssertionError):
        page.expect_clean(host)
    assert any("label" in problem for problem in page.run_axe())


def test_pages_have_cookies_and_sizes_of_their_own(browser: Browser, page: Page, host: str, tmp_path: Path) -> None:
    page.evaluate("document.cookie = 'a=1'")
    with browser.open(width=390, height=844, dark=True) as phone:
        phone.goto(f"http://{host}/")
        assert phone.evaluate("[document.cookie, matchMedia('(prefers-color-scheme: dark)').matches]") == ["", True]
        phone.screenshot(tmp_path / "phone.png")
    assert (tmp_path / "phone.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert page.evaluate("document.cookie") == "a=1"


def test_what_does_not_happen_is_an_error(page: Page) -> None:
    with pytest.raises(AssertionError, match="has not become true"):
        page.wait_for("false", seconds=0.1)
    with pytest.raises(AssertionError, match="ReferenceError"):
        page.evaluate("nothing.at.all")

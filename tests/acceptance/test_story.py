"""The demo's page as visitors use it, in a real browser; and what its calls refuse, whatever a visitor sends."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.conftest import Demo, find_free_port
from tests.browser import Browser, Page

IMAGES = Path(__file__).parents[2] / "docs" / "images"
TRIPS = "document.querySelectorAll('.trip').length"
STATE = "document.querySelector('#live').dataset.state"


class Server:
    """The demo, served at ``host``; it can be away for a while."""

    def __init__(self, demo: Demo, port: int) -> None:
        self._demo, self._port, self.host = demo, port, f"127.0.0.1:{port}"
        self._running = ExitStack()

    def start(self) -> None:
        command = ("manage.py", "demo", "--port", str(self._port))
        self._running.enter_context(self._demo.serve(self._port, *command))

    def stop(self) -> None:
        self._running.close()


@pytest.fixture(scope="module")
def server(loaded: Demo) -> Iterator[Server]:
    server = Server(loaded, find_free_port())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def host(server: Server) -> str:
    """Where the demo is served."""
    return server.host


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser.start() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, host: str) -> Iterator[Page]:
    """The page of somebody who has never been here; it has to stay clean."""
    with browser.open() as page:
        visit(page, host)
        yield page
        page.expect_clean(host)


@pytest.fixture
def other(browser: Browser, host: str) -> Iterator[Page]:
    """The page of somebody else, with other cookies."""
    with browser.open() as page:
        visit(page, host)
        yield page
        page.expect_clean(host)


def visit(page: Page, host: str) -> None:
    page.goto(f"http://{host}/")
    page.wait_for(f"{TRIPS} > 1")


def plan(page: Page, title: str) -> None:
    """Plan a trip, with the keyboard."""
    page.type("#new-title", title)
    page.press("Enter")
    page.wait_for_text(title, ".trip.mine")


def add_stop(page: Page, place: str, country: str, note: str = "") -> None:
    page.click(".trip.mine [data-act=add]")
    page.wait_for("document.querySelectorAll('#stop-dialog option').length === 249")
    page.type("#stop-dialog [name=place]", place)
    page.choose("#stop-dialog select", country)
    page.type("#stop-dialog textarea", note)
    page.click("#stop-dialog .primary")
    page.wait_for_text(place, ".trip.mine .stops")


def sign(page: Page, way: str, email: str) -> None:
    """Register or sign in."""
    page.click("#account")
    page.click("label", "New account" if way == "register" else "Sign in")
    page.type("#account-dialog [name=email]", email)
    page.type("#account-dialog [name=password]", "a long enough secret")
    page.click("#account-dialog .signing .primary")
    page.wait_for("!document.querySelector('#account-dialog').open")


def name_of(page: Page) -> str:
    """Return what others see of the visitor."""
    page.wait_for("!['', 'Guest'].includes(document.querySelector('#account .name').textContent)")
    return page.text("#account .name").removesuffix(" (guest)")


def picture(page: Page, name: str, scheme: str = "light", *, at: str = "body") -> None:
    """Renew a screenshot of the documentation, if asked to, of what begins ``at`` an element."""
    if "KONTRACT_REWRITE_DOCS" not in os.environ:
        return
    page.prefer(scheme)
    page.evaluate(f"document.activeElement.blur(), document.querySelector('{at}').scrollIntoView()")
    page.evaluate("new Promise((resolve) => setTimeout(resolve, 2000))")  # until what is new glows no more
    page.wait_for("!document.querySelector('#notices')?.childElementCount")
    page.screenshot(IMAGES / f"{name}_{scheme}.png")
    page.prefer("light")


def test_the_whole_story(page: Page, other: Page) -> None:
    plan(page, "Portugal by tram")  # nobody asked who it is
    add_stop(page, "Lisbon", "PT", "Line 28 before breakfast.")
    name = name_of(page)
    assert page.text("#account .name").endswith("(guest)")

    sign(page, "register", "ada@example.com")  # the data stay, and so does the name
    page.wait_for(f"document.querySelector('#account .name').textContent === {json.dumps(name)}")
    page.wait_for_text("Portugal by tram", ".trip.mine")

    other.wait_for_text("Lisbon", "#trips")
    assert other.evaluate("document.querySelectorAll('.trip.mine').length") == 0
    add_stop(page, "Porto", "PT")
    other.wait_for_text("Porto", "#trips")  # without doing anything
    other.wait_for_text(f"{name} added Porto.", "#notices")
    for scheme in ("light", "dark"):
        picture(page, "wanderboard", scheme)

    page.wait_for_text("added Porto", "#changes")
    page.choose("#moment", page.evaluate("String(document.querySelector('#moment').max - 2)"))
    page.wait_for("!document.querySelector('#trips').innerText.includes('Porto')")
    page.wait_for_text("Lisbon", "#trips")
    page.wait_for_text("added Lisbon", ".past-note")
    assert not page.evaluate("document.querySelector('[data-act=add]').checkVisibility()")  # the past stays as it was
    picture(page, "wanderboard_past")
    page.click(".past-note [data-act=now]")
    page.wait_for_text("Porto", "#trips")

    page.click("#changes [data-act=undo]")
    page.wait_for_text("took back Porto", "#changes")
    other.wait_for("!document.querySelector('#trips').innerText.includes('Porto')")

    page.click("#account")
    page.wait_for_text("ada@example.com", "#account-dialog .signed")
    page.click("#account-dialog .signed .primary")
    page.wait_for("document.querySelectorAll('.trip.mine').length === 0")
    assert page.text("#account .name") == "Guest"
    page.wait_for_text("Portugal by tram", "#trips")
    assert (page.failures, other.failures) == ([], [])


def test_a_guest_who_signs_in_brings_trips_along(page: Page, other: Page) -> None:
    plan(page, "First")
    sign(page, "register", "grace@example.com")
    plan(other, "Second")
    sign(other, "login", "grace@example.com")
    other.wait_for("document.querySelectorAll('.trip.mine').length === 2")
    page.wait_for_text("took over Second", "#changes")


def test_a_guest_stays_who_it_is_when_the_page_is_loaded_again(page: Page, host: str) -> None:
    plan(page, "Reloaded")
    name = name_of(page)
    visit(page, host)
    page.wait_for_text("Reloaded", ".trip.mine")
    assert name_of(page) == name


def test_failures_are_told_where_they_happen(page: Page) -> None:
    plan(page, "Faults")
    add_stop(page, "Oslo", "NO")
    page.wait_for_text("planned Faults", "#changes")
    page.click(".change:nth-child(2) [data-act=undo]")  # of the trip, on which there is a stop meanwhile
    page.wait_for_text("Take that back first", "#notices .failure")
    page.click("#account")
    page.click("label", "Sign in")
    page.type("#account-dialog [name=email]", "nobody@example.com")
    page.type("#account-dialog [name=password]", "not the right secret")
    page.click("#account-dialog .signing .primary")
    page.wait_for_text("There is no account", "#account-dialog .signing .fault")
    assert page.evaluate("document.querySelector('#account-dialog').open")


def seal(page: Page) -> None:
    page.click("#channel")
    page.wait_for("document.querySelector('#channel').ariaChecked === 'true'")
    page.wait_for_text("Sealed: only this server", "#notices")


def test_through_the_sealed_channel(page: Page, browser: Browser, host: str) -> None:
    seal(page)
    start = page.evaluate("performance.now()")
    with browser.open_beside(page) as tab:  # somebody else: each tab has a session of its own
        visit(tab, host)
        seal(tab)
        sign(tab, "register", "emmy@example.com")
        plan(tab, "Sealed and signed")
        page.wait_for_text("Sealed and signed", "#trips")
        page.send("Page.bringToFront")
        plan(page, "Sealed trip")
        add_stop(page, "Bern", "CH")
        tab.wait_for_text("Bern", "#trips")
        assert tab.evaluate("document.querySelectorAll('.trip.mine').length") == 1
        tab.expect_clean(host)
    page.click("[data-act=look]")
    page.wait_for_text("The board as it was", ".past-note")
    seen = page.evaluate(
        f"performance.getEntriesByType('resource').filter((entry) => entry.startTime > {start})"
        ".map((entry) => new URL(entry.name).pathname)"
    )
    assert set(seen) == {"/kontract/_rs"}


def test_countries_are_called_as_in_the_atlas(page: Page, host: str) -> None:
    plan(page, "Names")
    add_stop(page, "Lomé", "TG")
    call(host, "rename_country", code="TG", name="Togoland")
    page.wait_for_text("Togoland", ".trip.mine .country")
    page.wait_for("document.querySelector('#stop-dialog [value=TG]').textContent === 'Togoland'")


def test_what_others_write_is_text(page: Page, other: Page) -> None:
    title = "<img src=//elsewhere.example/x onerror=alert(1)>"
    plan(page, title)
    add_stop(page, "</template><script>alert(2)</script>", "IT", "javascript:alert(3)")
    other.wait_for_text(title, "#trips")
    other.wait_for_text("added </template><script>alert(2)</script>", "#changes")
    assert other.evaluate("document.querySelectorAll('#trips img, #trips script').length") == 0


def test_pages_find_a_server_that_was_away(server: Server, page: Page, other: Page) -> None:
    seal(other)
    for each in (page, other):
        each.wait_for(f"{STATE} === 'live'")
    server.stop()
    try:
        for each in (page, other):
            each.wait_for(f"{STATE} === 'lost'")
            each.type("#new-title", "Kept")
            each.press("Enter")
            each.wait_for_text("The server cannot be reached.", "#notices")
            assert each.evaluate("document.querySelector('#new-title').value") == "Kept"
    finally:
        server.start()
    for each in (page, other):
        each.wait_for(f"{STATE} === 'live'", 40)
    for each, witness in ((page, other), (other, page)):
        plan(each, "Told afterwards")
        witness.wait_for_text(f"{name_of(each)} planned Told afterwards", "#changes")


def test_keyboard_and_accessibility(page: Page, host: str) -> None:
    page.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the trips"
    plan(page, "Accessible")
    page.evaluate("document.querySelector('.trip.mine [data-act=rename]').focus()")
    page.press("Enter")
    page.wait_for("document.querySelector('#trip-dialog').open")
    assert page.run_axe() == []
    page.press("Escape")
    assert page.evaluate("document.activeElement.dataset.act") == "rename"
    page.evaluate("document.querySelector('#moment').focus()")
    page.press("ArrowDown")
    page.wait_for_text("The board as it was", ".past-note")
    assert "planned Accessible" in page.evaluate("document.querySelector('#moment').ariaValueText")
    for scheme in ("light", "dark"):
        page.prefer(scheme)
        assert page.run_axe() == []
    page.click(".past-note [data-act=now]")
    assert page.run_axe() == []
    page.goto(f"http://{host}/atlas/")
    assert page.run_axe() == []


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone(browser: Browser, host: str, dark: bool) -> None:
    with browser.open(width=390, height=844, dark=dark) as phone:
        visit(phone, host)
        plan(phone, "Flanders in spring")
        assert phone.evaluate("document.documentElement.scrollWidth") == 390  # nothing sticks out
        assert phone.run_axe() == []
        add_stop(phone, "Ghent", "BE", "Canals by bike.")
        picture(phone, "wanderboard_phone", "dark" if dark else "light")
        phone.expect_clean(host)


def try_without_effect(page: Page, host: str) -> None:
    """Look at a procedure of the demo in the cookbook, and see what a call would change."""
    page.goto(f"http://{host}/kontract/docs/procedures/rename_country.html")
    page.wait_for("document.querySelector('#try-form')?.hidden === false")
    for label, value in (("code", "NZ"), ("name", "Aotearoa")):
        field = f"[...document.querySelectorAll('#arguments label')].find((l) => l.textContent === '{label}')?.htmlFor"
        page.type(f"#{page.wait_for(field)}", value)
    page.click("#dry-run")
    page.click("#send")
    page.wait_for_text('name: "New Zealand" → "Aotearoa"', "#response-body")


@pytest.mark.parametrize(("name", "width", "scheme"), [("cookbook", 1280, "light"), ("cookbook_phone", 390, "dark")])
def test_its_calls_are_documented_and_tried(browser: Browser, host: str, name: str, width: int, scheme: str) -> None:
    with browser.open(width=width, height=844, dark=scheme == "dark") as page:
        page.goto(f"http://{host}/kontract/docs/")
        page.wait_for_text("rename_country", "main")
        picture(page, name, scheme)
        try_without_effect(page, host)
        picture(page, f"{name}_call", scheme, at="#try-title")
        page.expect_clean(host)


def call(host: str, name: str, token: str | None = None, /, *, as_of: int | None = None, **kwargs: Any) -> Any:
    """Call a procedure; return its result, or the code of the problem."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    headers |= {} if as_of is None else {"Kontract-As-Of": str(as_of)}
    body = json.dumps({"kwargs": kwargs}).encode()
    request = urllib.request.Request(f"http://{host}/kontract/rpc/{name}", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            return json.load(response)["result"]
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)["code"]


def test_nobody_changes_the_trips_of_others(host: str) -> None:
    owner, thief = (call(host, "auth_anonymous")["access_token"] for _ in range(2))
    trip = call(host, "add_trip", owner, title="Mine")
    stop = call(host, "add_stop", owner, trip=trip, place="Rome", country="IT")
    txid = call(host, "show_board", owner)["moments"][-1]["txid"]
    for token, undoing in ((thief, "transaction_not_found"), (None, "authentication_required")):
        refused = [
            call(host, "rename_trip", token, trip=trip, title="Stolen"),
            call(host, "remove_trip", token, trip=trip),
            call(host, "add_stop", token, trip=trip, place="X", country="IT"),
            call(host, "edit_stop", token, stop=stop, place="X", country="IT"),
            call(host, "remove_stop", token, stop=stop),
            call(host, "undo_change", token, txid=txid),
            call(host, "undo", token, txid=txid),
        ]
        assert refused == ["not_found"] * 5 + [undoing] * 2
    assert call(host, "add_trip", title="Nobody's") == "authentication_required"
    (shown,) = [each for each in call(host, "list_trips", thief) if each["id"] == trip]
    assert (shown["title"], shown["is_mine"], [each["place"] for each in shown["stops"]]) == ("Mine", False, ["Rome"])
    assert call(host, "add_stop", owner, trip=trip, place="Nowhere", country="ZZ") == "unknown_country"
    assert call(host, "add_trip", owner, title=" " * 5) == "invalid_arguments"


def test_moments_say_what_happened(host: str) -> None:
    token = call(host, "auth_anonymous")["access_token"]
    trip = call(host, "add_trip", token, title="Alps")
    stop = call(host, "add_stop", token, trip=trip, place="Bern", country="CH")
    call(host, "rename_trip", token, trip=trip, title="The Alps")
    call(host, "edit_stop", token, stop=stop, place="Basel", country="CH", note="Museums.")
    call(host, "remove_stop", token, stop=stop)
    call(host, "undo_change", token, txid=call(host, "show_board", token)["moments"][-1]["txid"])
    call(host, "remove_trip", token, trip=trip)
    moments = call(host, "show_board", token)["moments"][-7:]
    assert [moment["what"] for moment in moments] == [
        *("planned Alps", "added Bern", "renamed The Alps", "changed Basel", "skipped Basel"),
        *("brought back Basel", "gave up The Alps"),
    ]
    assert {(moment["is_mine"], moment["can_undo"]) for moment in moments} == {(True, True)}
    assert len({moment["who"] for moment in moments}) == 1
    then = call(host, "list_trips", token, as_of=moments[1]["txid"])
    assert [each["place"] for each in then[0]["stops"]] == ["Bern"]
    assert trip not in {each["id"] for each in call(host, "list_trips")}


def test_the_board_shows_nobodys_id_or_address(host: str) -> None:
    signed = call(host, "auth_register", credentials={"email": "eve@example.com", "password": "a long enough secret"})
    call(host, "add_trip", signed["access_token"], title="Hidden")
    shown = json.dumps(call(host, "show_board"))
    assert "Hidden" in shown
    assert signed["principal"]["id"] not in shown
    assert "eve@example.com" not in shown

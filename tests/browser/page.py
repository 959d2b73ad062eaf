"""A page as its user has it: looked at, clicked, typed into; and what a user would not see goes wrong there."""

import base64
import json
import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.browser.axe import read_axe
from tests.browser.pipe import Pipe, ProtocolError

WAIT = 20.0  # seconds that something expected may take to appear
_PAUSE = 0.03  # seconds between two looks
# What keys are called, and the codes that go with the names.
_KEYS: Final = {"Enter": 13, "Tab": 9, "Escape": 27, "Space": 32, "ArrowDown": 40, "ArrowUp": 38, "Backspace": 8}
_KEYS_TEXT: Final = {"Enter": "\r", "Space": " "}
_FIND = """(selector, text) => {
  const shown = (e) => e.checkVisibility({ visibilityProperty: true });
  const all = [...document.querySelectorAll(selector)].filter(shown);
  return all.find((e) => text === null || (e.textContent ?? "").includes(text));
}"""
_PLACE = """async (element) => {
  const look = () => JSON.stringify(element.getBoundingClientRect());
  element.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
  const before = look();
  await new Promise((resolve) => setTimeout(resolve, 30));
  if (look() !== before) return null;
  const box = element.getBoundingClientRect();
  const place = [box.x + box.width / 2, box.y + box.height / 2];
  return element.contains(document.elementFromPoint(...place)) ? place : null;
}"""


class Page:
    """A tab.

    ``errors``: what was logged as an error or a warning, and what nobody caught.  ``violations``: of the content
    security policy.  ``failures``: addresses whose answer is an error, with the browser's words.  ``hosts``: whom it
    sent requests to, as ``host:port``.
    """

    def __init__(self, pipe: Pipe, session: str) -> None:
        self._pipe, self._session = pipe, session
        self.errors: list[str] = []
        self.violations: list[str] = []
        self.failures: list[str] = []
        self.hosts: set[str] = set()
        pipe.listen(session, self._note)
        for domain in ("Page", "Runtime", "Log", "Network", "DOM", "Audits"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command of the DevTools protocol to this page."""
        return self._pipe.send(method, self._session, **params)

    def goto(self, url: str) -> None:
        """Load a page and wait until all of it is there."""
        if error := self.send("Page.navigate", url=url).get("errorText"):
            raise AssertionError(f"{url} cannot be loaded: {error}")
        self.wait_for("document.readyState === 'complete'")

    @property
    def url(self) -> str:
        """Where the page is."""
        return str(self.evaluate("location.href"))

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, awaited.  Raises ``AssertionError`` where it throws."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if (thrown := answer.get("exceptionDetails")) is not None:
            raise AssertionError(f"{expression}\n{thrown.get('exception', {}).get('description', thrown['text'])}")
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float = WAIT) -> Any:
        """Return the value of a JavaScript expression once it is true, as JavaScript has it."""
        deadline = time.monotonic() + seconds
        while not (looked := self._look(f"(async (value) => [!!(await value), await value])({expression})"))[0]:
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"This has not become true in {seconds:g} seconds: {expression}\n"
                    f"The page shows: {self.text()[:2000]}\n"
                    f"Its errors: {self.errors + self.violations + self.failures}"
                )
            self._pipe.pump(_PAUSE)
        return looked[1]

    def wait_for_text(self, text: str, selector: str = "body") -> None:
        """Wait until an element shows a text."""
        self.wait_for(f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(text)})")

    def _look(self, expression: str) -> Any:
        """Return whether a value is true, and the value; that nothing is, where the page is just being replaced."""
        try:
            return self.evaluate(expression)
        except ProtocolError as error:
            if "context" in str(error):
                return False, None
            raise

    def text(self, selector: str = "body") -> str:
        """Return what an element shows."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def click(self, selector: str, text: str | None = None) -> None:
        """Click, as with a mouse, the first visible element that fits the CSS selector and contains ``text``.

        Waits until it is there, rests, and nothing covers it.
        """
        found = f"({_FIND})({json.dumps(selector)}, {json.dumps(text)})"
        self.wait_for(f"!!{found}")
        x, y = self.wait_for(f"({_PLACE})({found})")
        for event in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=event, x=x, y=y, button="left", clickCount=1)

    def type(self, selector: str, text: str) -> None:
        """Replace what is in a field by ``text``."""
        self.click(selector)
        self.evaluate(f"(({_FIND})({json.dumps(selector)}, null)).select?.()")
        if text:
            self.send("Input.insertText", text=text)
        else:
            self.press("Backspace")

    def press(self, key: str, *, shift: bool = False) -> None:
        """Press a key: one of ``Enter Tab Escape Space ArrowDown ArrowUp Backspace``, or a character."""
        named = {"key": " " if key == "Space" else key, "code": key, "windowsVirtualKeyCode": _KEYS.get(key, 0)}
        text = _KEYS_TEXT.get(key, "" if key in _KEYS else key)
        held = {"modifiers": 8 if shift else 0}
        self.send("Input.dispatchKeyEvent", type="keyDown", **named, **held, **({"text": text} if text else {}))
        self.send("Input.dispatchKeyEvent", type="keyUp", **named, **held)

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a ``<select>``, or move a slider, as its user does: with the events that go with it."""
        self.wait_for(f"!!document.querySelector({json.dumps(selector)})")
        self.evaluate(f"""(() => {{
          const field = document.querySelector({json.dumps(selector)});
          field.value = {json.dumps(value)};
          for (const name of ["input", "change"]) field.dispatchEvent(new Event(name, {{ bubbles: true }}));
        }})()""")

    def upload(self, selector: str, *paths: Path) -> None:
        """Choose files in an ``<input type=file>``."""
        expression = f"document.querySelector({json.dumps(selector)})"
        found = self.send("Runtime.evaluate", expression=expression)["result"]["objectId"]
        self.send("DOM.setFileInputFiles", files=[str(path) for path in paths], objectId=found)

    def resize(self, width: int, height: int, *, scale: float = 1) -> None:
        """Give the page another size in CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 600,
        )

    def prefer(self, scheme: str) -> None:
        """Prefer ``"light"`` or ``"dark"`` pages."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path, *, full: bool = False) -> None:
        """Write a PNG of what is in view, or of the ``full`` page."""
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=full)["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(data))

    def run_axe(self) -> list[str]:
        """Return the serious and critical problems of accessibility that axe-core finds, in a line each."""
        self.evaluate(read_axe())
        found = self.evaluate(
            "axe.run(document, { resultTypes: ['violations'], preload: false }).then((result) => result.violations)"
        )
        return [
            f"{problem['impact']}: {problem['help']}: {node['html'][:200]} ({node['failureSummary']})"
            for problem in found
            if problem["impact"] in ("serious", "critical")
            for node in problem["nodes"]
        ]

    def expect_clean(self, *hosts: str) -> None:
        """Fail where the page logged an error, broke its policy, or asked another host than these."""
        assert (self.errors, self.violations) == ([], [])
        assert self.hosts <= set(hosts)

    def _note(self, event: str, params: dict[str, Any]) -> None:
        match event:
            case "Runtime.exceptionThrown":
                thrown = params["exceptionDetails"]
                self.errors.append(thrown.get("exception", {}).get("description", thrown["text"]))
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.errors.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
            case "Log.entryAdded":
                self._note_entry(params["entry"])
            case "Audits.issueAdded" if params["issue"]["code"] == "ContentSecurityPolicyIssue":
                self.violations.append(json.dumps(params["issue"]["details"]))
            case "Network.requestWillBeSent" | "Network.webSocketCreated":
                address = urlsplit(params.get("url") or params["request"]["url"])
                self.hosts |= {address.netloc} if address.scheme in ("http", "https", "ws", "wss") else set()

    def _note_entry(self, entry: dict[str, Any]) -> None:
        text = f"{entry['text']} {entry.get('url', '')}".strip()
        if entry["source"] == "network":
            self.failures.append(text)
        elif "Content Security Policy" in text:
            self.violations.append(text)
        elif entry["level"] in ("error", "warning"):
            self.errors.append(text)

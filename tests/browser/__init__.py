"""A real Chromium for tests, driven through the DevTools protocol over a pipe; nothing to install but the browser.

``with Browser.start() as browser, browser.open() as page:`` gives a page of its own, with cookies of its own.
"""

from tests.browser.browser import Browser
from tests.browser.page import Page

__all__ = ["Browser", "Page"]

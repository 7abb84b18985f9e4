"""Somebody at the browser: opens pages, and notes whatever goes wrong in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .tab import PATIENCE_MS, Tab

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Response, Route

GRADIO_FETCHES = ("https://cdnjs.cloudflare.com/ajax/libs/iframe-resizer/",)
"""What gradio 3 and 4 write into every page, for pages inside of others; the tests have no internet."""


class Visitor:
    """A browser's window with cookies of its own; `troubles` is what went wrong in any of its pages."""

    def __init__(self, browser: Browser, url: str) -> None:
        self.url = url
        self.troubles: list[str] = []
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.route(lambda address: not address.startswith((url, "data:", "blob:")), self._answer_nothing)
        self.context.on("page", self._watch)

    def open(self, *, theme: str = "light", width: int = 1280) -> Tab:
        """Open the tab in a new page."""
        page = self.context.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{self.url}?__theme={theme}", wait_until="domcontentloaded")
        return Tab(page).wait_until_ready()

    def leave(self) -> None:
        """Close all pages."""
        for page in self.context.pages:
            page.close()

    def _watch(self, page: Page) -> None:
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.troubles.append(f"uncaught: {getattr(error, 'stack', None) or error}"))
        page.on("response", self._note_response)

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.troubles.append(f"console: {message.text} ({message.location.get('url', '')})")

    def _note_response(self, response: Response) -> None:
        if response.status >= 400:
            self.troubles.append(f"status {response.status}: {response.url}")

    def _answer_nothing(self, route: Route) -> Any:
        if not route.request.url.startswith(GRADIO_FETCHES):
            self.troubles.append(f"asked the internet: {route.request.url}")
        return route.fulfill(status=200, body="", content_type="text/javascript")

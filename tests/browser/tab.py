"""The tab as somebody sees it: what can be written, pressed and read, whatever gradio makes of it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page, Route

PATIENCE_MS = 60_000
"""How long anything is awaited: machines may be busy, and what is there at once costs no waiting."""

MENU_TRIES = 20

AREAS = {
    "summary": "#embmerge_summary",
    "messages": "#embmerge_messages",
    "name check": "#embmerge_name_check",
    "result": "#embmerge_result",
}
"""What can be read on the pane Build."""


class Tab:
    """One page with the tab in it. What is awaited may take as long as the page's own patience."""

    def __init__(self, page: Page) -> None:
        self.page = page

    # --- Writing and pressing ----------------------------------------------------------------------------------------

    def write(self, text: str, *, into: str = "expression") -> Tab:
        """Put a text into a box, in the place of what it holds."""
        self.box(into).fill(text)
        return self

    def type(self, text: str, *, into: str = "expression") -> Tab:
        """Type a text behind what the box holds, key by key."""
        self.box(into).press_sequentially(text, delay=15)
        return self

    def press(self, button: str) -> Tab:
        """Press a button by its id."""
        self.one(f"button#embmerge_{button}, #embmerge_{button} button").click()
        return self

    def tick(self, box: str, *, on: bool = True) -> Tab:
        """Tick a box by its id, or take the tick away."""
        self.one(f"#embmerge_{box} input[type=checkbox]").set_checked(on)
        return self

    def choose(self, label: str, *, of: str) -> Tab:
        """Choose one of several round buttons."""
        self.one(f"#embmerge_{of}").get_by_text(label, exact=True).click()
        return self

    def unfold(self, fold: str) -> Tab:
        """Open a fold by its id."""
        self.one(f"#embmerge_{fold} .label-wrap").click()
        return self

    def pick(self, option: str, *, of: str) -> Tab:
        """Pick one of a list that drops down."""
        from playwright.sync_api import Error

        item = self.page.locator(f'li[aria-label="{option}"]').locator("visible=true").first
        for _ in range(MENU_TRIES):  # an answer for the list itself closes it
            box = self.one(f"#embmerge_{of} input")
            if item.count() == 0:
                box.click()
            with contextlib.suppress(Error):
                item.click(timeout=1000)
                return self
            box.blur()
        raise AssertionError(f"the list {of} does not show {option}")

    def mend(self, label: str, *, at: str) -> Tab:
        """Press a button that an answer has brought, by what is written on it."""
        self.area(at).get_by_role("button", name=label, exact=True).first.click()
        return self

    def key(self, keys: str) -> Tab:
        """Press keys where the cursor is, `Control+Enter`."""
        self.page.keyboard.press(keys)
        return self

    def open_pane(self, title: str) -> Tab:
        """Go to another pane by its title; on a small screen it may stand in a menu."""
        from playwright.sync_api import Error, expect

        kinds = (".tab-nav > button", "button[role=tab]", ".overflow-dropdown button")
        is_title = re.compile(rf"^\s*{re.escape(title)}\s*$")
        pane = (
            self.page.locator(", ".join(f"#embmerge_page {kind}" for kind in kinds))
            .locator("visible=true")
            .filter(has_text=is_title)
        )
        menu = self.page.locator("#embmerge_page .overflow-menu > button").locator("visible=true")
        expect(pane.or_(menu).first).to_be_visible()
        for _ in range(MENU_TRIES):  # a menu may be about to close
            if pane.count() == 0:
                menu.first.click()
            with contextlib.suppress(Error):
                pane.first.click(timeout=1000)
                return self
        raise AssertionError(f"there is no pane {title}")

    def come_to_front(self) -> Tab:
        """Show this page where another one was shown."""
        self.page.bring_to_front()
        return self

    def choose_checkpoint(self, wanted: str) -> Tab:
        """Write a checkpoint into the app's own row, and open it."""
        return self.open_choice().write(wanted, into="checkpoint").press("open")

    def open_choice(self) -> Tab:
        """Show the app's own row, which is behind a button."""
        button = self.page.locator("[data-embmerge-change]").first
        if button.get_attribute("aria-expanded") != "true":
            button.click()
        return self

    def give_files(self, *paths: Path, to: str) -> Tab:
        """Put files into an upload by its id, as if they were dropped there.

        Nobody drops a file in the instant in which a pane opens; gradio 3 forgets one while an answer is on its way.
        """
        self.page.wait_for_timeout(1500)
        self.page.locator(f"#embmerge_{to} input[type=file]").first.set_input_files([str(path) for path in paths])
        return self

    def save(self, text: str, name: str, *, folder: str = "") -> Tab:
        """Write an expression and a name, and press Save."""
        self.write(text).write(name, into="name")
        if folder:
            self.write(folder, into="folder")
        return self.press("save")

    # --- Reading -----------------------------------------------------------------------------------------------------

    def sees(self, *texts: str | re.Pattern[str], at: str = "summary") -> Tab:
        """Wait until all these texts are there to be read."""
        from playwright.sync_api import expect

        for text in texts:
            expect(self.area(at)).to_contain_text(text, use_inner_text=True)
        return self

    def sees_no(self, *texts: str | re.Pattern[str], at: str = "summary") -> Tab:
        """Wait until none of these texts is there."""
        from playwright.sync_api import expect

        for text in texts:
            expect(self.area(at)).not_to_contain_text(text, use_inner_text=True)
        return self

    def sees_greyed(self, is_greyed: bool = True) -> Tab:
        """Wait until the last good answer is marked as such, or is not any more."""
        from playwright.sync_api import expect

        stale = self.page.locator("#embmerge_summary .embmerge-stale")
        expect(stale).to_have_count(1 if is_greyed else 0)
        return self

    def sees_old(self, *folds: str, is_old: bool = True) -> Tab:
        """Wait until what these folds show is marked as old, or is not any more."""
        from playwright.sync_api import expect

        for fold in folds:
            expect(self.area(fold).locator(".embmerge-stale")).to_have_count(1 if is_old else 0)
        return self

    def holds(self, text: str, *, into: str = "expression") -> Tab:
        """Wait until a box holds this text."""
        from playwright.sync_api import expect

        expect(self.box(into)).to_have_value(text)
        return self

    def offers(self, box: str, is_offered: bool = True) -> Tab:
        """Wait until a box to tick can be seen, or not any more."""
        from playwright.sync_api import expect

        expect(self.page.locator(f"#embmerge_{box} input[type=checkbox]").first).to_be_visible(visible=is_offered)
        return self

    def is_done(self, button: str) -> Tab:
        """Wait until a button that starts long work can be pressed again."""
        from playwright.sync_api import expect

        expect(self.one(f"button#embmerge_{button}, #embmerge_{button} button")).to_be_enabled()
        return self

    def read(self, area: str) -> str:
        """Give what stands there now."""
        return self.area(area).inner_text()

    def strips(self) -> list[str]:
        """Give what the chunks of a prompt are said to hold."""
        strips = self.page.locator("#embmerge_summary .embmerge-strip")
        return [strip.get_attribute("aria-label") or "" for strip in strips.locator("visible=true").all()]

    def markup_free(self) -> bool:
        """Say whether nothing that was typed became markup: no picture, no script of a stranger."""
        return self.page.locator("#embmerge_page img[src=x], #embmerge_page script").count() == 0

    @property
    def is_wider_than_the_screen(self) -> bool:
        """Whether the page has to be scrolled to the side."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))

    def colours(self, selector: str) -> tuple[str, str]:
        """Give the colours of a text and of the nearest painted thing behind it."""
        found = self.page.locator(selector).first.evaluate(
            """node => {
                let behind = node;
                const paint = (n) => getComputedStyle(n).backgroundColor;
                while (behind.parentElement && paint(behind) === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
                return [getComputedStyle(node).color, paint(behind)];
            }"""
        )
        return found[0], found[1]

    # --- How --------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def slow_answer(self, to: str) -> Iterator[None]:
        """Hold back every question with that text until the block is left."""
        held: list[Route] = []

        def hold(route: Route) -> None:
            if to in (route.request.post_data or ""):
                held.append(route)
            else:
                route.continue_()

        self.page.route("**/*", hold)
        yield
        assert held, "no such question was asked"
        for route in held:
            route.continue_()
        self.page.unroute("**/*", hold)

    @contextlib.contextmanager
    def slow_upload(self) -> Iterator[None]:
        """Hold back every upload until the block is left."""
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        def say_done(route: Route) -> None:  # newer gradios ask how far an upload is that the server knows nothing of
            route.fulfill(content_type="text/event-stream", body='data: {"msg": "done"}\n\n')

        self.page.route(re.compile(r"/upload(\?|$)"), hold)
        self.page.route(re.compile(r"/upload_progress\?"), say_done)
        yield
        assert held, "nothing was uploaded"
        for route in held:
            route.continue_()

    def watch(self, area: str) -> None:
        """Note from now on everything that can be read there, for `watched`."""
        self.area(area).evaluate(
            """node => {
                window.watched = [];
                new MutationObserver(() => window.watched.push(node.innerText))
                    .observe(node, {childList: true, subtree: true, characterData: true});
            }"""
        )

    def watched(self) -> list[str]:
        """Give what could be read since `watch`."""
        return list(self.page.evaluate("window.watched"))

    def area(self, name: str) -> Locator:
        return self.page.locator(AREAS.get(name, f"#embmerge_{name}")).first

    def box(self, name: str) -> Locator:
        kinds = ("textarea", "input:not([type=checkbox]):not([type=radio]):not([type=file])")
        return self.one(", ".join(f"#embmerge_{name} {kind}" for kind in kinds))

    def one(self, selector: str) -> Locator:
        """Find what can be seen of it: gradio 3 writes an id on two nodes, gradio 6 keeps invisible copies."""
        return self.page.locator(selector).locator("visible=true").first

    def wait_until_ready(self) -> Tab:
        """Wait until the tab has taken its first look at the model."""
        self.page.locator("#embmerge_summary [data-embmerge-begun]").first.wait_for(state="attached")
        return self.sees("An embedding is", at="messages")

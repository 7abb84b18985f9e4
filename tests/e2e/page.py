"""A running WebUI's page in a browser, as far as the tests need it: its main tabs, its prompts and our tab."""

from __future__ import annotations

from typing import Any

from ..browser.tab import Tab

OURS = "Save embedding"
SDNEXT_TABS = {"txt2img": "Text"}
"""The host's own names for some main tabs."""

PATIENCE_MS = 240_000
"""How long anything is awaited: SD.Next's page has 9,600 components, and gradio 3 draws all anew with each answer."""

HOST_TROUBLES = ("ERR_NAME_NOT_RESOLVED", "reading 'props'", "/internal/ping", "/webui-assets/")
"""What a host's own page logs without us: fonts and scripts from the internet, a slip of gradio's, and waiting."""


class Page:
    """One page, with what its console said."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.page.set_default_timeout(PATIENCE_MS)
        self.url = url
        self.troubles: list[str] = []
        page.on("console", lambda said: self._note_said(said) if said.type == "error" else None)
        page.on("pageerror", lambda error: self._note(error.stack or str(error)))
        self.open()

    def _note_said(self, said: Any) -> None:
        self._note(f"{said.text} {said.location.get('url', '')}")

    def _note(self, text: str) -> None:
        if not any(known in text for known in HOST_TROUBLES):
            self.troubles.append(text)

    def open(self) -> None:
        """Open the page, also after Reload UI; the host goes on making it after it has loaded."""
        self.page.goto(self.url)
        self.page.wait_for_selector("#txt2img_prompt textarea")
        self.page.wait_for_function("typeof window.embmerge === 'object' && typeof onUiLoaded === 'function'")
        self.page.wait_for_timeout(1500)

    def reload_ui(self) -> None:
        """Press "Reload UI" and wait until the page is there again.

        Meanwhile only what an extension's scripts raise counts: gradio's page loses its server, and says so.
        """
        before = len(self.troubles)
        self.page.evaluate("window.isOld = true")
        self.page.click(":is(#footer, footer) >> text=Reload UI")
        self.page.wait_for_function("window.isOld === undefined")
        self.troubles[before:] = [said for said in self.troubles[before:] if "extensions/" in said]
        self.open()

    def show(self, title: str) -> None:
        """Open one of the host's main tabs; hosts differ in capitals."""
        tab = "#tabs > .tab-nav button"
        self.page.click(f"{tab}:text('{title}'), {tab}:text-is('{SDNEXT_TABS.get(title, title)}')")

    def write(self, box: str, text: str) -> None:
        """Type into the box with that elem_id."""
        self.page.fill(f"#{box} textarea, #{box} input[type=text], textarea#{box}", text)

    def paste(self, box: str, text: str) -> None:
        """Put a text in the place of what stands in the box, as a paste does."""
        self.page.focus(f"#{box} textarea")
        self.page.evaluate(
            "([box, text]) => { document.querySelector(`#${box} textarea`).select();"
            " document.execCommand('insertText', false, text); }",
            [box, text],
        )

    def read(self, box: str) -> str:
        """Give what stands in the box with that elem_id."""
        return str(self.page.input_value(f"#{box} textarea, #{box} input[type=text], textarea#{box}"))

    def preview(self, expression: str) -> str:
        """Write an expression in our tab; give the summary once its second answer is there."""
        self.show(OURS)
        Tab(self.page).open_pane("Build")
        self.write("embmerge_expression", "")
        self.page.wait_for_selector(".embmerge-empty")
        self.write("embmerge_expression", expression)
        self.page.wait_for_selector("#embmerge_summary .embmerge-near")
        return self.summary()

    def summary(self) -> str:
        return str(self.page.inner_text("#embmerge_summary"))

    def messages(self) -> str:
        return str(self.page.inner_text("#embmerge_messages"))

    def save(self, name: str) -> str:
        """Save what is written; give the result line."""
        self.write("embmerge_name", name)
        self.page.wait_for_timeout(600)
        return self.press_save()

    def hide_old_answers(self) -> None:
        """Hide what an earlier "Save" has said, so that nobody takes it for the next answer."""
        answers = "#embmerge_result :is(.embmerge-saved, .embmerge-error)"
        self.page.evaluate(f"document.querySelectorAll('{answers}').forEach(node => node.style.display = 'none')")

    def press_save(self) -> str:
        """Press "Save"; give the new result line."""
        answers = "#embmerge_result :is(.embmerge-saved, .embmerge-error)"
        self.page.evaluate(f"document.querySelectorAll('{answers}').forEach(node => node.classList.add('is-old'))")
        self.page.click("button#embmerge_save, #embmerge_save button")
        self.page.wait_for_selector(f"{answers}:not(.is-old)")
        return str(self.page.inner_text("#embmerge_result"))

    def generate(self, prompt: str) -> str:
        """Make a small picture in txt2img; give what then stands under it: its parameters, or an error."""
        self.show("txt2img")
        for box, number in {"steps": 1, "width": 64, "height": 64}.items():
            self.page.fill(f"#txt2img_{box} input[type=number]", str(number))
        self.write("txt2img_prompt", prompt)
        # SD.Next shows the parameters with their names, in a place of their own.
        answers = ":is(#html_info_txt2img p, #html_info_formatted_txt2img p, #html_log_txt2img .error)"
        self.page.evaluate(f"document.querySelectorAll('{answers}').forEach(node => node.classList.add('is-old'))")
        self.page.click("#txt2img_generate")
        answer = self.page.wait_for_selector(f"{answers}:not(.is-old)")
        return str(answer.inner_text()).removeprefix("Prompt:").strip()

    def counter(self, tab: str = "txt2img") -> str:
        """Give the host's token counter of the positive prompt."""
        return str(self.page.inner_text(f"#{tab}_token_counter")).strip()

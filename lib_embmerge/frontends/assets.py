"""The style and the javascript, which a WebUI loads by itself and the app has to bring.

They stand at the top of the extension's folder, where WebUIs look; `pip install .` puts them into `share/embmerge`.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

from ..errors import FileError

__all__ = ["read_javascript", "read_style"]

SCRIPTS = ("channel", "model", "tab", "folds", "jobs", "many", "help", "keys")
"""Files of javascript/ that the tab needs, in this order."""


def read_style() -> str:
    """Return style.css."""
    return _read("style.css")


def read_javascript() -> str:
    """Return the tab's javascript as one function, for a page that loads no files."""
    return "() => {\n" + "\n".join(_read(f"javascript/{name}.js") for name in SCRIPTS) + "\n}"


def _read(name: str) -> str:
    folders = (Path(__file__).resolve().parents[2], Path(sysconfig.get_path("data"), "share", "embmerge"))
    for folder in folders:
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8")
    raise FileError(f"embmerge's own file {name} is missing.", suggestion="Install it again.")

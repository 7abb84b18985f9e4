"""Names under which embeddings are saved: what is refused, and what is advised against.

What is refused cannot be saved on some system, or would leave the folder; what is advised against is saved, but some
loader mixes it up, by the loaders' own sources that compatibility cites.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import FileError, NameProblem
from ..host_protocol import EXTENSIONS
from ..prompt_rules import WEBUI, PromptRules
from ..remarks import Remark
from .paths import is_below

__all__ = [
    "CONVERTIBLE",
    "LONGEST_NAME",
    "KnownNames",
    "check_name",
    "check_new_name",
    "folder_below",
    "is_path",
    "remark_on_name",
]

CONVERTIBLE = (*EXTENSIONS, ".ckpt", ".pth", ".sft", ".pti", ".png", ".webp")
"""Endings of the files in a folder that may hold embeddings, whether programs read them so or not."""

LONGEST_NAME = 120
"""Characters."""

LONGEST_FILE_NAME = 255
"""Bytes that the common file systems allow."""

LONGEST_FOLDER = 200
"""Characters below the embeddings folder; Windows allows 260 for a whole path."""

_UNSAFE = '/\\:*?"<>|'
"""Characters that are part of a path, or forbidden, on some system."""

_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$", "clock$"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in "0123456789¹²³"]
)
"""Names that Windows keeps for devices, whatever the extension."""

_INVISIBLE = frozenset(["Cc", "Cf", "Cs", "Zl", "Zp"])

_ADVISED = re.compile(r"[A-Za-z0-9_.-]+")

_NUMBERED = re.compile(r"(.+)_(\d+)")


def is_path(name: str) -> bool:
    """Return whether a checkpoint's name behind an `@` means a place on the disk, and not one of a list."""
    return any(sign in name for sign in "/\\:")


def check_name(name: str, *, extension: str = ".safetensors") -> None:
    """Refuse a name that cannot be the stem of a file everywhere.

    Raises: NameProblem where it is empty, longer than `LONGEST_NAME` characters or what a file system takes, holds a
    character that is part of a path or invisible, begins or ends with a dot or a blank, or is a device's on Windows.
    """
    if not name:
        raise NameProblem("The name is empty.")
    if len(name) > LONGEST_NAME:
        raise NameProblem(f"The name has {len(name)} characters; at most {LONGEST_NAME} are allowed.")
    _check_characters(name)
    if name[0] in ". " or name[-1] in ". ":
        raise NameProblem(f"The name {name!r} begins or ends with a dot or a blank.")
    if name.split(".")[0].rstrip(" ").lower() in _DEVICES:
        raise NameProblem(f"{name!r} is the name of a device on Windows.")
    if len((name + extension).encode("utf-8")) > LONGEST_FILE_NAME:
        raise NameProblem(f"The name is too long for a file: at most {LONGEST_FILE_NAME} bytes with {extension}.")


def check_new_name(name: str) -> None:
    """Refuse also a name that was typed with its extension: files that are there may be called so, new ones not.

    Raises: NameProblem as `check_name`, and where the name ends in an embedding file's extension.
    """
    check_name(name)
    stem = Path(name).stem
    if Path(name).suffix.lower() in EXTENSIONS:
        raise NameProblem(
            f"The name {name!r} ends in an extension.",
            suggestion=f"Leave out the extension: {stem}.",
            alternatives=[stem],
        )


def _check_characters(name: str) -> None:
    for character in name:
        if character in _UNSAFE:
            raise NameProblem(f"The name {name!r} holds {character}, which is not allowed in a file name.")
        if unicodedata.category(character) in _INVISIBLE:
            raise NameProblem(f"The name {name!r} holds the invisible character U+{ord(character):04X}.")


def remark_on_name(
    name: str,
    *,
    others: Iterable[str] | KnownNames = (),
    is_vocabulary_word: Callable[[str], bool] | None = None,
    rules: PromptRules = WEBUI,
) -> list[Remark]:
    """Return a remark for each reason why a name that may be saved will be trouble.

    `others` are the names of the embeddings that are there; `is_vocabulary_word` says whether a text is a single token;
    `rules` are those of the prompts that will name it.
    """
    known = others if isinstance(others, KnownNames) else KnownNames(others)
    return [
        *_remark_on_characters(name),
        *_remark_on_word(name, is_vocabulary_word, rules),
        *_remark_on_others(name, known, rules),
    ]


class KnownNames:
    """The names of the embeddings that are there, found by what another name may be confused with."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        """Take the names that are there."""
        self._alike: dict[str, dict[str, None]] = {}
        self._numbered: dict[str, dict[str, None]] = {}
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        """Take one more."""
        self._alike.setdefault(_folded(name), {})[name] = None
        numbered = _NUMBERED.fullmatch(name)
        if numbered:
            self._numbered.setdefault(numbered[1], {})[name] = None

    def __contains__(self, name: str) -> bool:
        """Return whether there is one of just that name."""
        return name in self._alike.get(_folded(name), ())

    def alike(self, name: str) -> list[str]:
        """Return the others that differ only by case, or in how the same characters are stored."""
        return [other for other in self._alike.get(_folded(name), ()) if other != name]

    def numbered(self, base: str) -> list[str]:
        """Return those that are called `base_1`, `base_2`, …."""
        return list(self._numbered.get(base, ()))


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _remark_on_characters(name: str) -> list[Remark]:
    if _ADVISED.fullmatch(name):
        return []
    odd = sorted({c for c in name if not _ADVISED.fullmatch(c)})
    shown = " and ".join({" ": "a blank", ",": "a comma"}.get(c, c) for c in odd)
    return [
        Remark(
            "name: characters",
            f"The name holds {shown}; only ASCII letters, digits, _ - and . can be typed in every WebUI's prompt"
            " (InvokeAI stops at others, ComfyUI at blanks).",
        )
    ]


def _remark_on_word(
    name: str, is_vocabulary_word: Callable[[str], bool] | None, rules: PromptRules
) -> list[Remark]:
    if is_vocabulary_word is None or not is_vocabulary_word(name):
        return []
    what = "every prompt with that word would use the embedding."
    if rules.before_names:
        what = f"in expressions '{name}' will be the embedding, and the word only as text('{name}')."
    return [Remark("name: word", f"{name} is a word of the model's own vocabulary: {what}")]


def _remark_on_others(name: str, others: KnownNames, rules: PromptRules) -> list[Remark]:
    twins = [_remark_on_twin(name, other, rules) for other in others.alike(name)]
    remarks = []
    numbered = _NUMBERED.fullmatch(name)
    if numbered and (base := numbered[1]) in others:
        remarks.append(f"{name} beside {base}: SD.Next and diffusers call the vectors of {base} {base}_1, {base}_2, ….")
    remarks += [
        f"{name} beside {other}: SD.Next and diffusers call the vectors of {name} {name}_1, {name}_2, …."
        for other in others.numbered(name)
    ]
    return [Remark("name: taken", said) for said in twins] + [Remark("name: numbered", said) for said in remarks]


def _remark_on_twin(name: str, other: str, rules: PromptRules) -> str:
    if unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", other):
        return f"There is a {other} already that looks just like this name: its accents are stored another way."
    why = "prompts are lower-cased, so only one of them can be found."
    if rules.before_names:
        why = "many disks keep only one of them, and quotes in expressions find only one."
    return f"The name differs only by case from {other}; {why}"


def folder_below(root: Path, relative: str) -> Path:
    """Return the folder `relative`, `a/b` or empty, below `root`; it need not exist.

    Raises: NameProblem where it is longer than `LONGEST_FOLDER`, absolute, leaves `root` by `..` or by a symbolic link,
    or a part of it is refused.
    """
    # Path would silently drop "//" and "/./"; a stranger's text is taken apart here instead.
    if len(relative) > LONGEST_FOLDER:
        raise NameProblem(f"The folder has {len(relative)} characters; at most {LONGEST_FOLDER} are allowed.")
    parts = relative.split("/") if relative else []
    if relative.startswith("~"):  # which a person means as the home folder
        raise NameProblem(f"The folder {relative!r} must be a plain path below the embeddings folder.")
    for part in parts:
        if part in ("", ".", ".."):
            raise NameProblem(f"The folder {relative!r} must be a plain path below the embeddings folder.")
        check_name(part, extension="")
    folder = root.joinpath(*parts)
    try:
        inside = is_below(folder, root)
    except FileError as error:
        raise NameProblem(f"The folder {relative!r} cannot be resolved.") from error
    if not inside:
        raise NameProblem(f"The folder {relative!r} leads out of the embeddings folder.")
    return folder

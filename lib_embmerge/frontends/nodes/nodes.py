"""The nodes: what each takes and gives, in the way that ComfyUI reads a class.

ComfyUI calls `FUNCTION` with the inputs by name, and `IS_CHANGED` with those that are no links, to know whether a kept
result is still right. Mistakes are raised: ComfyUI marks the node, shows the message, and computes nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol

import torch

from ...entered import Entered, read_expression
from ...errors import FileExists
from ...evaluation import Analysis
from ...files.installed_embeddings import EmbeddingFolder
from ...files.names import folder_below
from ...files.paths import is_file, make_folder
from ...files.reading import read_embedding
from ...host_protocol import TextModel
from ...merge import MergeSettings
from ...saving import TooLong, save_expression
from ...vectors.embedding import Embedding
from ..save_form import SaveForm
from .figures import describe, describe_difference, describe_saved, name_in_prompts, open_source

__all__ = [
    "DISPLAY_NAMES",
    "KINDS",
    "Compare",
    "ExpressionsForClip",
    "Look",
    "Node",
    "NodeHost",
    "Save",
    "TextEncode",
    "make_nodes",
]

CATEGORY = "conditioning/embmerge"
SHOWN = "embmerge_text"
"""Key under which our script finds the text that a node shows."""

TOO_LONG = ("ask", "cut", "pool", "split", "keep")


class NodeHost(Protocol):
    """What the nodes ask of ComfyUI."""

    @property
    def embeddings_folder(self) -> Path:
        """Where embeddings are saved."""
        ...

    def settings(self) -> MergeSettings:
        """Read the user's settings."""
        ...

    def installed(self) -> EmbeddingFolder:
        """Return the folders of embeddings."""
        ...

    def text_model(self, clip: Any, title: str | None = None) -> TextModel:
        """Return the text model of a CLIP object; `title` is its file's name."""
        ...

    def last_text_model(self) -> TextModel | None:
        """Return that of the CLIP object that was used last, or None."""
        ...

    def name_of_model(self, graph: Any, node: str) -> str | None:
        """Return the file that a node's CLIP was loaded from."""
        ...

    def encode(self, clip: Any, text: str) -> Any:
        """Return the conditioning of a text with expressions."""
        ...

    def answering(self, clip: Any) -> Any:
        """Return a clone of a CLIP object that answers expressions."""
        ...

    def state(self, texts: list[str]) -> str:
        """Return what changes with the files that texts name in expressions."""
        ...

    def state_of_expressions(self, text: str) -> str:
        """Return the same for a text that is an expression."""
        ...

    def file_state(self, path: Path) -> tuple[int, int]:
        """Return a file's time of change and size."""
        ...


class Node:
    """What all nodes have: the host, and how texts are asked for."""

    host: ClassVar[NodeHost]
    CATEGORY = CATEGORY

    @staticmethod
    def _text(tooltip: str, default: str = "") -> tuple[str, dict[str, object]]:
        # Dynamic prompts would resolve the braces of an expression before the node sees them.
        return ("STRING", {"multiline": True, "default": default, "tooltip": tooltip, "dynamicPrompts": False})


class TextEncode(Node):
    """A text with expressions becomes conditioning."""

    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "encode"
    DESCRIPTION = "Encodes a prompt like CLIP Text Encode, with expressions: a photo of <'cat' - 'adult' + 'child'>."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, object]:  # noqa: N802 - ComfyUI's name
        """Return what the node takes."""
        text = cls._text("The prompt. Expressions stand in < > or { }.")
        return {"required": {"clip": ("CLIP", {"tooltip": "The text encoders."}), "text": text}}

    @classmethod
    def IS_CHANGED(cls, text: str | None = None, clip: object = None) -> str:  # noqa: N802
        """Return what a kept result depends on beside the inputs; a linked text is its own node's matter."""
        return cls.host.state([text]) if isinstance(text, str) else ""

    def encode(self, clip: Any, text: str) -> tuple[Any]:
        """Return the conditioning."""
        return (self.host.encode(clip, text),)


class ExpressionsForClip(Node):
    """Every later text encode of a CLIP answers expressions."""

    RETURN_TYPES = ("CLIP",)
    FUNCTION = "wrap"
    DESCRIPTION = "Lets every later text encode of this CLIP answer expressions, also behind clip skip and LoRAs."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, object]:  # noqa: N802
        """Return what the node takes."""
        return {"required": {"clip": ("CLIP", {"tooltip": "The text encoders. What goes in stays as it is."})}}

    def wrap(self, clip: Any) -> tuple[Any]:
        """Return the CLIP that answers."""
        return (self.host.answering(clip),)


class Save(Node):
    """An expression becomes a file in the embeddings folder."""

    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("name",)
    FUNCTION = "save"
    OUTPUT_NODE = True
    DESCRIPTION = "Saves an expression as an embedding file. It is named embedding:NAME in prompts, at once."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, object]:  # noqa: N802
        """Return what the node takes."""
        return {
            "required": {
                "clip": ("CLIP", {"tooltip": "The text encoders it is made for."}),
                "expression": cls._text("The expression, without brackets.", "'cat' - 'adult' + 'child'"),
                "name": ("STRING", {"default": "young-cat", "tooltip": "The file's name, without extension."}),
                "folder": ("STRING", {"default": "", "tooltip": "A folder below the embeddings folder; may be empty."}),
                "overwrite": ("BOOLEAN", {"default": False, "tooltip": "Replace a file that is there."}),
                "more_than_75": (
                    list(TOO_LONG),
                    {"tooltip": "What becomes of more than 75 vectors, which many programs refuse."},
                ),
            },
            "hidden": {"prompt": "PROMPT", "unique_id": "UNIQUE_ID"},
        }

    @classmethod
    def IS_CHANGED(  # noqa: N802
        cls, expression: str | None = None, name: str | None = None, folder: str | None = None, **_: object
    ) -> str:
        """Return what a kept result depends on beside the inputs: files that are read, and the one that is written."""
        read = cls.host.state_of_expressions(expression) if isinstance(expression, str) else ""
        path = Path(cls.host.embeddings_folder, str(folder or ""), f"{name}.safetensors")
        return f"{read} {cls.host.file_state(path)[1] > 0}"

    def save(
        self,
        clip: Any,
        expression: str,
        name: str,
        folder: str = "",
        overwrite: bool = False,
        more_than_75: str = "ask",
        prompt: Any = None,
        unique_id: str = "",
    ) -> dict[str, object]:
        """Write the file, and say where it is and what is to be known of it.

        Raises: as `save_expression`; where the very same is there already nothing is written, and nothing raised.
        """
        model = self.host.text_model(clip, self.host.name_of_model(prompt, unique_id))
        limits = self.host.settings().limits
        entered = read_expression(expression, limits=limits)
        below = folder.strip().replace("\\", "/").rstrip("/")
        target = folder_below(self.host.embeddings_folder, below)
        form = SaveForm(overwrite, long=None if more_than_75 == "ask" else more_than_75)  # type: ignore[arg-type]
        options = form.options(target, limits, is_installed_here=True)
        prefix = f"{below}/" if below else ""
        with _computing():
            if not overwrite and _is_there(entered, name, model, target):
                text = f"{target / name}.safetensors\nIt is there already, with the same vectors.\n"
                named = name_in_prompts(prefix, name)
                return _shown(f"{text}In prompts: {named}", named)
            make_folder(target)
            try:
                saved = save_expression(entered, name, model, options)
            except FileExists as error:
                error.suggestion = "Switch overwrite on to replace it."
                raise
            except TooLong as error:
                error.suggestion = "Choose under more_than_75: cut, pool, split or keep."
                raise
        return _shown(describe_saved(saved, prefix), " ".join(name_in_prompts(prefix, one.name) for one in saved))


class Look(Node):
    """What an expression or a file holds."""

    RETURN_TYPES = ("STRING",)
    FUNCTION = "look"
    OUTPUT_NODE = True
    DESCRIPTION = "Shows an expression's tokens, how long its vectors are, and the words near them."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, object]:  # noqa: N802
        """Return what the node takes."""
        text = cls._text("An expression without brackets, or embedding:name.", "'cat' - 'adult' + 'child'")
        return {"required": {"clip": ("CLIP", {"tooltip": "The text encoders."}), "expression": text}}

    @classmethod
    def IS_CHANGED(cls, expression: str | None = None, clip: object = None) -> str:  # noqa: N802
        """Return what a kept result depends on beside the inputs."""
        return cls.host.state_of_expressions(expression) if isinstance(expression, str) else ""

    def look(self, clip: Any, expression: str) -> dict[str, object]:
        """Return the figures as text, shown on the node too."""
        model = self.host.text_model(clip)
        with _computing():
            shown = open_source(expression, model, self.host.installed().paths(), self.host.settings().limits)
            text = describe(shown, model)
        return _shown(text, text)


class Compare(Node):
    """How far two expressions or files are from each other."""

    RETURN_TYPES = ("STRING",)
    FUNCTION = "compare"
    OUTPUT_NODE = True
    DESCRIPTION = "Shows how far two expressions or embeddings are from each other."

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, object]:  # noqa: N802
        """Return what the node takes."""
        tooltip = "An expression without brackets, or embedding:name."
        return {
            "required": {
                "clip": ("CLIP", {"tooltip": "The text encoders."}),
                "a": cls._text(tooltip, "'cat' - 'adult' + 'child'"),
                "b": cls._text(tooltip, "'cat'"),
            }
        }

    @classmethod
    def IS_CHANGED(cls, a: str | None = None, b: str | None = None, clip: object = None) -> str:  # noqa: N802
        """Return what a kept result depends on beside the inputs."""
        return cls.host.state_of_expressions("\n".join(text for text in (a, b) if isinstance(text, str)))

    def compare(self, clip: Any, a: str, b: str) -> dict[str, object]:
        """Return the differences as text, shown on the node too."""
        model = self.host.text_model(clip)
        paths, limits = self.host.installed().paths(), self.host.settings().limits
        with _computing():
            text = describe_difference(*(open_source(each, model, paths, limits) for each in (a, b)))
        return _shown(text, text)


KINDS: Mapping[str, tuple[type[Node], str]] = {
    "EmbmergeTextEncode": (TextEncode, "Text Encode with Expressions"),
    "EmbmergeExpressionsForCLIP": (ExpressionsForClip, "Expressions for CLIP"),
    "EmbmergeSaveEmbedding": (Save, "Save Embedding"),
    "EmbmergeLookAtExpression": (Look, "Look at Expression"),
    "EmbmergeCompare": (Compare, "Compare Expressions"),
}
"""The nodes by the name that graphs know them by, and what people read."""

DISPLAY_NAMES = {key: name for key, (_, name) in KINDS.items()}


def make_nodes(host: NodeHost) -> dict[str, type[Node]]:
    """Return the nodes for one host, by the name that graphs know them by."""
    return {key: type(key, (kind,), {"host": host, "__doc__": kind.__doc__}) for key, (kind, _) in KINDS.items()}


@contextlib.contextmanager
def _computing() -> Iterator[None]:
    """Compute with tensors that can be kept: nodes run in torch's inference mode."""
    with torch.inference_mode(False), torch.no_grad():
        yield


def _shown(text: str, *outputs: object) -> dict[str, object]:
    return {"ui": {SHOWN: [text]}, "result": outputs}


def _is_there(entered: Entered, name: str, model: TextModel, folder: Path) -> bool:
    """Return whether the file that is to be written is there already, to the bit: a graph is run again and again."""
    path = folder / f"{name}.safetensors"
    if not is_file(path):
        return False
    file = read_embedding(path)
    if file.metadata.get("embmerge.expression") != entered.expression:
        return False
    return Analysis(entered, model, stays_text=name).value().equals(Embedding(file.all_vectors))

"""What a program is to us: rules that a file must pass; and the rules that several programs have."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ...files.layouts import ALL_WIDTHS
from ...files.stored import OUTSIDE
from ...remarks import Remark
from ..facts import MODELS, FileFacts, TensorFacts
from ..verdicts import Problem, ProgramRemark, Rule

__all__ = [
    "PICKLES",
    "PICTURES",
    "Program",
    "check_dimensions_of_one",
    "check_two_dimensions",
    "dimensions_of_one",
    "ending_fits",
    "extension_in",
    "first_word",
    "is_no_preview",
    "lies_deeper",
    "lines_up",
    "one_folder",
    "other_width",
    "plain_only",
    "small_letters",
    "two_dimensions",
]

NEWER_PROTOCOL = 4
"""Version of pickle from which on torch's safe reader lacks the steps. Source: torch/_weights_only_unpickler.py."""

PICKLES = (".pt", ".bin")
PICTURES = (".png", ".webp", ".jxl", ".avif")
_FORM_OF = MappingProxyType(
    {
        ".safetensors": "safetensors",
        **dict.fromkeys((*PICKLES, ".ckpt", ".pth"), "pickle"),
        **dict.fromkeys(PICTURES, "picture"),
    }
)
"""What the programs take a file for by its ending."""

_PLAIN_GLOBALS = re.compile(
    r"collections\.(OrderedDict|Counter)|_codecs\.encode|(builtins|__builtin__)\.(bytearray|set|complex)"
    r"|torch\._utils\._rebuild_\w+|torch\._tensor\._rebuild_from_type_v2|torch\.serialization\._get_layout"
    r"|torch\.((nn\.parameter|storage)\.)?\w*(Storage|Size|Parameter|Tensor|device)"
    r"|torch\.(q?u?int\d+\w*|b?float\d\w*|complex\d+|bool|per_(tensor|channel)_\w+)"
)
"""What torch's own restricted reader takes, as of tensors, without more. Source: torch/_weights_only_unpickler.py."""


def extension_in(*extensions: str) -> Rule:
    """Return the rule that a file's name ends so."""
    def rule(facts: FileFacts, _model: str) -> Problem | None:
        if facts.extension in extensions:
            return None
        shown = ", ".join(extension for extension in extensions if extension and extension not in PICTURES)
        return Problem(f"It looks for {shown}, not {facts.extension or 'names without an ending'}.")

    return rule


def ending_fits(facts: FileFacts, _model: str) -> Problem | None:
    """Refuse what is another kind of file than its ending says: each reads by the ending alone."""
    if not facts.form or _FORM_OF.get(facts.extension, facts.form) == facts.form:
        return None
    return Problem(f"It opens {facts.extension} as another kind of file than it is, a {facts.form}.")


def _has_vectors(tensors: Mapping[str, TensorFacts]) -> Problem | None:
    """Refuse what some loaders take and none can use: no vectors, or what is no tensor."""
    for key, tensor in tensors.items():
        if 0 in tensor.shape:
            return Problem(f"{key} holds no vectors.")
        if tensor.is_array:
            return Problem(f"{key} is an array of numpy, not a tensor.")
    return None


def check_two_dimensions(tensors: Mapping[str, TensorFacts]) -> Problem | None:
    """Refuse no vectors, and more dimensions than [vectors, width], which some loaders take and none can use."""
    if (problem := _has_vectors(tensors)) is not None:
        return problem
    for key, tensor in tensors.items():
        if len(tensor.shape) > 2:
            return Problem(f"{key} has the shape {list(tensor.shape)}; an embedding has [vectors, width].")
    return None


def check_dimensions_of_one(tensors: Mapping[str, TensorFacts]) -> Problem | None:
    """Take further dimensions of 1 behind the first: each vector is assigned to a row, which drops them."""
    if all(set(tensor.shape[1:-1]) <= {1} for tensor in tensors.values()):
        return _has_vectors(tensors)
    return check_two_dimensions(tensors)


def two_dimensions(facts: FileFacts, _model: str) -> Problem | None:
    """Check the dimensions of all tensors, strictly."""
    return check_two_dimensions(facts.by_encoder)


def dimensions_of_one(facts: FileFacts, _model: str) -> Problem | None:
    """Check the dimensions of all tensors, with further ones of 1 taken."""
    return check_dimensions_of_one(facts.by_encoder)


def lies_deeper(_facts: FileFacts, _model: str) -> Problem:
    """Refuse what no tensor stands in at the first level."""
    return Problem("Its tensors stand one level deeper than it looks.")


def lines_up(facts: FileFacts, model: str) -> Problem | None:
    """Refuse unequal rows of the encoders in use: A1111 counts those of clip_g, and the rest of the prompt shifts."""
    rows = {key: facts.tensors[key].rows for key in MODELS[model].clip if key in facts.tensors}
    if len(set(rows.values())) < 2:
        return None
    shown = ", ".join(f"{key} {count}" for key, count in rows.items())
    return Problem(f"The encoders have unequal numbers of vectors ({shown}), so the prompt shifts.")


def other_width(facts: FileFacts, model: str, widths: Sequence[int] | None = None) -> Problem:
    """Return the problem of vectors that are too wide or too narrow for a family."""
    target = MODELS[model]
    wanted = " and ".join(str(ALL_WIDTHS[encoder]) for encoder in target.clip or target.encoders)
    has = " and ".join(str(width) for width in (facts.widths if widths is None else widths)[:4])
    if has == wanted:
        return Problem(f"{target.title} takes vectors of {wanted} numbers; the file has those under other names.")
    said = f"{target.title} takes vectors of {wanted} numbers; the file's have {has}."
    return Problem(said)


def plain_only(facts: FileFacts, _model: str) -> Problem | None:
    """Refuse pickles that ask for more than tensors: torch.load takes no others since 2.6, unless it is told to."""
    others = sorted(name for name in facts.globals if not _PLAIN_GLOBALS.fullmatch(name))
    if facts.form != "pickle":
        return None
    if (problem := one_folder(facts, _model)) is not None:
        return problem
    if facts.protocol >= NEWER_PROTOCOL:
        return Problem(f"Its pickle is of version {facts.protocol}, which today's torch refuses.")
    return Problem(f"Its pickle asks for {others[0]}, which today's torch refuses.") if others else None


def one_folder(facts: FileFacts, _model: str) -> Problem | None:
    """Refuse archives that somebody has packed anew. Source: caffe2/serialize/inline_container.cc."""
    if any(name.startswith(OUTSIDE) for name in facts.entries):
        return Problem("Its archive holds more than one folder, which torch refuses.")
    return None


def is_no_preview(facts: FileFacts, _model: str) -> Problem | None:
    """Refuse the picture that stands beside a file to show it."""
    if facts.extension in PICTURES and facts.name.lower().endswith(".preview"):
        return Problem("It takes .preview before the ending for the picture of another file, and skips it.")
    return None


def small_letters(facts: FileFacts, _model: str) -> Problem | None:
    """Refuse an ending in capitals."""
    if facts.ending == facts.ending.lower():
        return None
    return Problem(f"It looks for {facts.extension}; {facts.ending} it finds on Windows only.")


def first_word(facts: FileFacts, _model: str) -> str | None:
    """Say that of several embeddings in a file only the first is read."""
    if len(facts.words) > 1 and not facts.is_lora:
        return f"Of its {len(facts.words)} embeddings only {facts.words[0]} is read; convert makes a file of each."
    return None


@dataclass(frozen=True)
class Program:
    """A program: the families that it takes embeddings for, the rules that a file must pass, in order, and remarks.

    `shapes` is the rule for its tensors' dimensions, `deeper` that for a file without tensors at the first level.
    `is_site` is one that people load files up to, which does not look into them. `has_bare_names` says that a prompt
    names an embedding by the bare word, `numbers_vectors` that each further vector gets a word of its own.
    """

    name: str
    models: tuple[str, ...]
    rules: tuple[Rule, ...]
    remarks: tuple[ProgramRemark, ...] = ()
    shapes: Rule = two_dimensions
    deeper: Rule = lies_deeper
    is_site: bool = False
    has_bare_names: bool = False
    numbers_vectors: bool = False

    def concerns(self, remark: Remark) -> bool:
        """Return whether a remark on a file's name holds for the program's prompts."""
        if remark.kind == "name: word":
            return self.has_bare_names
        return self.numbers_vectors or remark.kind != "name: numbered"

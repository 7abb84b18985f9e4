"""The commands, their options, and reading them.

Help is text in help/; what `argparse` knows of an option is its name. Only the parser of the command in hand is built.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ...carry_ways import CARRY_WAYS
from ...errors import EmbeddingMergeError, FileError, closest_names, shorten
from ...files.layouts import ALL_WIDTHS
from ...files.paths import read_path
from ...limits import HIGHEST, LIMITED, Limits
from .terminal import fit_help, terminal_width

if TYPE_CHECKING:
    from .report import Report

__all__ = ["COMMANDS", "QUOTING", "Command", "build_whole_parser", "help_text", "read_options"]

SHELLS = ("bash", "zsh", "fish", "tcsh", "powershell")
"""That the library for completion writes scripts for."""

HELP = Path(__file__).parent / "help"

SHIELD = "\0"
"""Put before an argument that begins with a minus and is no option; no argument of a process can hold it."""

SUMMARY = re.compile(r"^ {4}([a-z]+) {2,}(\S.*)$", re.MULTILINE)
"""A line of the whole's help: a command, and what it does."""

LONGEST_NUMBER = 9
"""Digits of a number that an option takes."""

LARGEST_PORT = 65_535

LONGEST_HOST = 253
"""Characters of a name that a network knows."""

EXAMPLE = "\"'king' - 'man' + 'woman'\""
"""An expression as it is written in a shell."""

QUOTING = "A shell takes quotes away and divides at blanks. Write the whole expression between double quotes:"

EXPRESSION_WITH_SIGN = re.compile(r"-[\s+-]*(['\"(\d.]|\w+\s*\()")


@dataclass(frozen=True)
class Command:
    """One command: its options, and the function that does it, imported only when it is called."""

    name: str
    module: str
    function: str
    add_options: Callable[[argparse.ArgumentParser], None]

    def load(self) -> Callable[[argparse.Namespace], Report]:
        """Import the function that does the command."""
        function: Callable[[argparse.Namespace], Report]
        function = getattr(import_module(f"{__package__}.{self.module}"), self.function)
        return function


def help_text(name: str) -> str:
    """Return the help of a command, or of the whole under the name `embmerge`."""
    return (HELP / f"{name}.txt").read_text(encoding="utf-8").rstrip().replace("{limits}", _describe_limits())


def _describe_limits() -> str:
    limits = Limits()
    shown = [(f"{name} ({getattr(limits, name):,})", what) for name, what in LIMITED.items()]
    width = max(len(name) for name, _ in shown)
    lines = [f"  {'--limit NAME=NUMBER':24}  changes a limit; may be given more than once:"]
    return "\n".join(lines + [f"{'':30}{name:{width}}  {what}" for name, what in shown])


def read_options(command: Command, arguments: Sequence[str]) -> argparse.Namespace:
    """Read a command's arguments.

    Raises: EmbeddingMergeError where they cannot be read; SystemExit(0) after `--help`.
    """
    parser = _Parser(prog=f"embmerge {command.name}", add_help=False, allow_abbrev=False)
    _add_options(parser, command)
    options, left = parser.parse_known_intermixed_args(_shield_all(arguments))
    if left:
        raise _left_over(parser, getattr(options, "text", None), [word.removeprefix(SHIELD) for word in left])
    read = argparse.Namespace(**{key: _unshield(value) for key, value in vars(options).items()})
    _refuse_empty(read)
    return read


def build_whole_parser() -> argparse.ArgumentParser:
    """Return one parser of all commands, as a shell's completion needs it."""
    whole = argparse.ArgumentParser(prog="embmerge", add_help=False, allow_abbrev=False)
    whole.add_argument("-h", "--help", action="store_true")
    whole.add_argument("--version", action="store_true")
    commands = whole.add_subparsers(dest="command")
    summaries = dict(SUMMARY.findall(help_text("embmerge")))
    for command in COMMANDS.values():
        parser = commands.add_parser(command.name, help=summaries[command.name], add_help=False, allow_abbrev=False)
        _add_options(parser, command)
    return whole


def _add_options(parser: argparse.ArgumentParser, command: Command) -> None:
    parser.add_argument("-h", "--help", action=_ShowHelp, command=command.name)
    parser.add_argument("--json", action="store_true")
    command.add_options(parser)


def _left_over(parser: argparse.ArgumentParser, text: object, left: list[str]) -> EmbeddingMergeError:
    """Return what to say of arguments that have no place: an option that does not exist, or quotes that a shell ate."""
    option = next((word.partition("=")[0] for word in left if len(word) > 1 and word.startswith("-")), None)
    if option is not None and re.fullmatch(r"--?[a-zA-Z][\w-]*", option):
        close = closest_names(option, parser._option_string_actions)
        see = None if close else f"See {parser.prog} --help."
        return EmbeddingMergeError(f"{parser.prog} has no option {option}.", suggestion=see, alternatives=close)
    message = f"{parser.prog} does not know what to do with {shorten(' '.join(left))}."
    if text is None:
        return EmbeddingMergeError(message, suggestion=f"See {parser.prog} --help.")
    return EmbeddingMergeError(message, suggestion=f"{QUOTING} {_quoted(' '.join([*_texts(text), *left]))}.")


def _texts(text: object) -> list[str]:
    """Return what stands for expressions among the arguments, of which a command takes one or several."""
    return [str(_unshield(one)) for one in (text if isinstance(text, list) else [text])]


def _quoted(words: str) -> str:
    """Return an expression as it is typed in a shell: the one that was meant, or an example."""
    from ...language import guess_intended

    guess = guess_intended(words)
    return f'"{guess.alternatives[0]}"' if guess else EXAMPLE


def _refuse_empty(options: argparse.Namespace) -> None:
    """Refuse an empty text: a script's variable was empty. An empty prompt can be counted by saying that it is one."""
    text = getattr(options, "text", None)
    if text is not None and options.kind != "prompt" and not all(one.strip() for one in _texts(text)):
        raise EmbeddingMergeError("There is nothing in the quotes.", suggestion=f"Write an expression, say {EXAMPLE}.")


def _shield_all(arguments: Sequence[str]) -> list[str]:
    """Shield expressions that begin with a sign, and all that stands behind `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [*map(_shield, arguments[:end]), *(SHIELD + argument for argument in arguments[end + 1 :])]


def _shield(argument: str) -> str:
    return SHIELD + argument if EXPRESSION_WITH_SIGN.match(argument) else argument


def _unshield(value: object) -> object:
    if isinstance(value, str):
        return value.removeprefix(SHIELD)
    return [_unshield(item) for item in value] if isinstance(value, list) else value


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes are errors like any other."""

    def error(self, message: str) -> NoReturn:
        """Turn argparse's complaint into ours."""
        command = self.prog
        raise EmbeddingMergeError(f"{command}: {message.replace(SHIELD, '').removesuffix('.')}. See {command} --help.")


class _ShowHelp(argparse.Action):
    """Print the command's text and stop, before anything else is looked at."""

    def __init__(self, option_strings: Sequence[str], dest: str, *, command: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS)
        self.command = command

    def __call__(self, parser: argparse.ArgumentParser, *_rest: object) -> None:
        """Print and stop."""
        print(fit_help(help_text(self.command), terminal_width()))
        parser.exit(0)


class _SetLimit(argparse.Action):
    """Put one limit, `NAME=NUMBER`, in the place of the usual one."""

    def __call__(
        self, _parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: object, _option: str | None = None
    ) -> None:
        """Set it.

        Raises: ArgumentError where it is no limit's name, or no number that it may be.
        """
        name, _, number = str(value).removeprefix(SHIELD).partition("=")
        highest = HIGHEST.get(name.strip())
        if highest is None:
            raise argparse.ArgumentError(self, f"it must be NAME=NUMBER, with one of the names {', '.join(HIGHEST)}")
        try:
            wished = _positive(number.strip())
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentError(self, f"{name.strip()}: {error}") from None
        if wished > highest:
            raise argparse.ArgumentError(self, f"{name.strip()} may be {highest:,} at most")
        namespace.limits = namespace.limits.with_numbers({name.strip(): wished})


# --- Options that several commands share ---------------------------------------------------------------------------


def _model(parser: argparse.ArgumentParser, *, several: bool = False) -> None:
    parser.add_argument("--checkpoint", type=_path, metavar="FILE", action="append" if several else "store")
    parser.add_argument("--tokenizer", type=_path, metavar="FILE")
    parser.add_argument("--embeddings", type=_path, metavar="DIR")
    parser.add_argument("--checkpoints", type=_path, metavar="DIR")
    parser.add_argument("--limit", action=_SetLimit, dest="limits", default=Limits(), metavar="NAME=NUMBER")


def _kind(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--expression", dest="kind", action="store_const", const="expression", default="any")
    kinds.add_argument("--prompt", dest="kind", action="store_const", const="prompt")


def _file(parser: argparse.ArgumentParser, *, folder: Path | None = Path(), can_skip: bool = False) -> None:
    parser.add_argument("--dir", type=_path, default=folder, metavar="DIR")
    existing = parser.add_mutually_exclusive_group()
    existing.add_argument("--overwrite", action="store_true")
    if can_skip:
        existing.add_argument("--skip-existing", action="store_true")
    parser.add_argument("--dtype", choices=("float32", "float16"), default="float32")


def _recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--author")
    parser.add_argument("--note")
    parser.add_argument("--trigger")
    parser.add_argument("--tags")
    parser.add_argument("--negative", action="store_true")
    parser.add_argument("--hash", action="store_true")
    parser.add_argument("--long", choices=("cut", "pool", "split", "keep"))


# --- The commands --------------------------------------------------------------------------------------------------


def _count(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="EXPRESSION-OR-PROMPT")
    _kind(parser)
    _model(parser)


def _save(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("text", metavar="EXPRESSION")
    _kind(parser)
    _model(parser)
    _file(parser)
    _recipe(parser)


def _inspect(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="EXPRESSION-OR-FILE")
    parser.add_argument("--rows", choices=("part", "token", "vector"), default="vector")
    parser.add_argument("-k", type=_positive, default=5, metavar="N")
    _kind(parser)
    _model(parser)


def _nearest(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="EXPRESSION-OR-FILE")
    parser.add_argument("-k", type=_positive, default=8, metavar="N")
    _kind(parser)
    _model(parser)


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="EXPRESSION-OR-FILE")
    parser.add_argument("-k", type=_positive, default=8, metavar="N")
    _kind(parser)
    _model(parser)


def _carry(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", type=_path)
    parser.add_argument("--from", dest="source", type=_path, metavar="CHECKPOINT")
    parser.add_argument("--to", dest="checkpoint", type=_path, metavar="CHECKPOINT", required=True)
    parser.add_argument("--way", choices=tuple(CARRY_WAYS))
    parser.add_argument("--name", metavar="NAME")
    parser.add_argument("--embeddings", type=_path, metavar="DIR")
    parser.add_argument("--checkpoints", type=_path, metavar="DIR")
    parser.add_argument("--limit", action=_SetLimit, dest="limits", default=Limits(), metavar="NAME=NUMBER")
    _file(parser)
    _recipe(parser)


def _compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", metavar="EXPRESSION-OR-FILE", nargs="+")
    _kind(parser)
    _model(parser, several=True)


def _rebuild(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="+", type=_path)
    _model(parser)
    _file(parser, folder=None)
    _recipe(parser)


def _batch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("list_file", metavar="LIST-FILE", type=_path)
    parser.add_argument("--words", action="store_true")
    _model(parser)
    _file(parser, can_skip=True)
    _recipe(parser)


def _convert(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="+", type=_path)
    parser.add_argument("--unequal", choices=("pad", "cut"))
    parser.add_argument("--as", dest="encoder", choices=tuple(ALL_WIDTHS), default="")
    parser.add_argument("--drop-bad", action="store_true")
    parser.add_argument("--name")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--split", action="store_true")
    how.add_argument("--join", action="store_true")
    _file(parser)


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", nargs="+", type=_path)


def _functions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", nargs="*")
    parser.add_argument("--markdown", action="store_true")


def _app(parser: argparse.ArgumentParser) -> None:
    _model(parser)
    parser.add_argument("--host", type=_host, metavar="NAME")
    parser.add_argument("--port", type=_port)
    parser.add_argument("--no-browser", action="store_true")


def _completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS)


def _path(text: str) -> Path:
    if not text:  # which Path takes for the current folder; a script's variable was empty
        raise argparse.ArgumentTypeError("it is empty")
    try:
        return read_path(text.removeprefix(SHIELD))
    except FileError as error:
        raise argparse.ArgumentTypeError(error.message) from error


def _positive(text: str) -> int:
    number = text.removeprefix(SHIELD)
    if not number.isdecimal() or len(number) > LONGEST_NUMBER or int(number) < 1:
        raise argparse.ArgumentTypeError("it must be a whole number of at least 1")
    return int(number)


def _host(text: str) -> str:
    if not text.isprintable() or not text.strip() or len(text) > LONGEST_HOST or set(text) & set("/ @?#"):
        raise argparse.ArgumentTypeError("it must be a name or number of this machine")
    return text


def _port(text: str) -> int:
    number = _positive(text)
    if number > LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"it must be at most {LARGEST_PORT}")
    return number


COMMANDS: Mapping[str, Command] = {
    command.name: command
    for command in (
        Command("count", "counting", "count_vectors", _count),
        Command("save", "writing", "save_one", _save),
        Command("inspect", "looking", "inspect_vectors", _inspect),
        Command("nearest", "looking", "list_nearest", _nearest),
        Command("explain", "explaining", "explain_vectors", _explain),
        Command("compare", "comparing", "compare_two", _compare),
        Command("rebuild", "writing", "rebuild_files", _rebuild),
        Command("carry", "explaining", "carry_file", _carry),
        Command("batch", "writing", "save_list", _batch),
        Command("convert", "converting", "convert_files", _convert),
        Command("check", "converting", "check_files", _check),
        Command("functions", "functions", "list_functions", _functions),
        Command("app", "serving", "serve_app", _app),
        Command("completion", "completion", "write_completion", _completion),
    )
}
"""All commands by name."""

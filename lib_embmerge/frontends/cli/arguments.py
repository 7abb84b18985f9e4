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

from ...errors import EmbeddingMergeError, FileError
from ...files.layouts import ALL_WIDTHS
from ...files.paths import read_path
from ...limits import HIGHEST, LIMITED, Limits

if TYPE_CHECKING:
        from .report import Report

__all__ = ["COMMANDS", "Command", "help_text", "read_options"]

CARRY_WAYS = ("words", "ridge", "rotation", "shared")
"""Of `carry`, whose module brings torch."""

HELP = Path(__file__).parent / "help"

SHIELD = "\0"
"""Put before an argument that begins with a minus and is no option; no argument of a process can hold it."""

LONGEST_NUMBER = 9
"""Digits of a number that an option takes."""

LARGEST_PORT = 65_535

LONGEST_HOST = 253
"""Characters of a name that a network knows."""

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
    if name != "embmerge" and name not in COMMANDS:
        raise EmbeddingMergeError(f"There is no command {name}.")
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
    parser.add_argument("-h", "--help", action=_ShowHelp, command=command.name)
    parser.add_argument("--json", action="store_true")
    command.add_options(parser)
    options = parser.parse_intermixed_args(_shield_all(arguments))
    return argparse.Namespace(**{key: _unshield(value) for key, value in vars(options).items()})


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
        raise EmbeddingMergeError(f"{command}: {message.replace(SHIELD, '')}. See {command} --help.")


class _ShowHelp(argparse.Action):
    """Print the command's text and stop, before anything else is looked at."""

    def __init__(self, option_strings: Sequence[str], dest: str, *, command: str) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS)
        self.command = command

    def __call__(self, parser: argparse.ArgumentParser, *_rest: object) -> None:
        """Print and stop."""
        print(help_text(self.command))
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
    parser.add_argument("--way", choices=CARRY_WAYS)
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
    )
}
"""All commands by name."""

"""From the words of a command line to an exit status."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import EmbeddingMergeError, closest_names, printable
from .terminal import fit_help, fit_sentence, paint, shows_colours, terminal_width

if TYPE_CHECKING:
    from .report import Report

__all__ = ["run_command"]

FAILED = 2
INTERRUPTED = 130
"""What a shell expects of a program that was stopped with Ctrl-C."""


def run_command(arguments: Sequence[str]) -> int:
    """Run one command; return the exit status: 0, or 2 with what is wrong on stderr, or 130 after Ctrl-C."""
    _make_writable()
    try:
        status = _run(list(arguments))
        sys.stdout.flush()
    except EmbeddingMergeError as error:
        return _fail(_explain(error))
    except BrokenPipeError:
        _discard_output()
        return 0
    except OSError as error:
        return _fail(_explain_system_error(error))
    except UnicodeError:
        return _fail("An argument or a file holds bytes that are no text in UTF-8.")
    except MemoryError:
        return _fail("There is not enough memory for this.")
    except KeyboardInterrupt as stop:
        _say(f"Interrupted: {stop}" if stop.args else "Interrupted.")
        return INTERRUPTED
    return status


def _run(arguments: list[str]) -> int:
    from . import arguments as commands

    if not arguments or arguments[0] in ("-h", "--help", "help"):
        asked = arguments[1] if len(arguments) > 1 and arguments[0] == "help" else "embmerge"
        if asked not in ("embmerge", *commands.COMMANDS):
            raise _unknown_command(asked, list(commands.COMMANDS))
        print(fit_help(commands.help_text(asked), terminal_width()))
        return 0 if arguments else FAILED
    if arguments[0] == "--version":
        from ...version import __version__

        print(f"embmerge {__version__}")
        return 0
    command = commands.COMMANDS.get(arguments[0])
    if command is None:
        raise _unknown_command(arguments[0], list(commands.COMMANDS))
    options = commands.read_options(command, arguments[1:])
    return _show(command.load()(options), options.json)


def _show(report: Report, as_json: bool) -> int:
    text = report.as_json() if as_json else report.as_text()
    if text:
        print(_coloured(text, report) if shows_colours(sys.stdout) and not as_json else text)
    sys.stdout.flush()
    for warning in report.warnings:
        _say(f"{paint('warning:', 'yellow', sys.stderr)} {printable(warning)}", is_safe=True)
    if report.note and not as_json:
        _say(report.note)
    for error in report.errors:
        _say(error)
    return FAILED if report.errors else 0


def _coloured(text: str, report: Report) -> str:
    for word, colour in report.colours.items():
        text = re.sub(rf"(?<![^ \n]){re.escape(word)}(?![^ :\n])", paint(word, colour, sys.stdout), text)
    return text


def _unknown_command(word: str, known: list[str]) -> EmbeddingMergeError:
    if word.startswith("-"):
        return EmbeddingMergeError(f"The command comes first, then its options: embmerge {' | '.join(known)}")
    close = closest_names(word, known)
    suggestion = None if close else f"The commands are {', '.join(known)}."
    return EmbeddingMergeError(f"There is no command {word}.", suggestion=suggestion, alternatives=close)


def _explain(error: EmbeddingMergeError) -> str:
    from .report import describe_error

    return describe_error(error)


def _explain_system_error(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"


def _fail(message: str) -> int:
    _say(message)
    return FAILED


def _say(text: str, *, is_safe: bool = False) -> None:
    """Write one or several lines, carets in red; what would steer a terminal is made visible."""
    lines = text.split("\n")
    lines = lines if is_safe else [_underline(printable(line)) for line in lines]
    print("\n".join(fitted for line in lines for fitted in fit_sentence(line)), file=sys.stderr)


def _underline(line: str) -> str:
    return paint(line, "red", sys.stderr) if line.strip() and not line.strip(" ^") else line


def _make_writable() -> None:
    """Let no output end the program.

    Characters that the terminal's encoding lacks are shown escaped. A stream that the caller has closed is None in
    Python, and `print` would then write errors to stdout: it becomes one that leads nowhere.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115  # until the program ends
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Send what Python would still flush at its end to nowhere.

    Source: https://docs.python.org/3/library/signal.html#note-on-sigpipe
    """
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # a captured stdout has no file
        return

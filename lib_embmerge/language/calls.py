"""Function calls: whether the function exists and takes these arguments."""

from __future__ import annotations

from ..errors import Span, UnknownFunction, WrongArgument, closest_names, shorten
from ..families import ENCODERS
from ..operations import FUNCTIONS, OPERATIONS, Operation, Parameter, signature
from .nodes import Apply, Expression, Number, Text
from .numbers import LeadingZeros, plain

__all__ = ["check_call"]

KIND_WORDS = {
    "embedding": "an embedding",
    "number": "a number",
    "integer": "a whole number",
    "number or embedding": "a number or an embedding",
    "text": "a quoted text",
}


def check_call(name: str, arguments: tuple[Expression | Number, ...], name_span: Span, span: Span) -> Apply:
    """Return the node of a call.

    Raises: UnknownFunction with the closest names; WrongArgument for the number, kind or range of the arguments.
    """
    operation = FUNCTIONS.get(name)
    if operation is None:
        raise _unknown(name, name_span)
    parameters = operation.parameters
    _check_count(operation, len(arguments), span)
    for i, argument in enumerate(arguments):
        _check_argument(operation, parameters[min(i, len(parameters) - 1)], argument)
    return Apply(name, tuple(plain(a) if isinstance(a, Number) else a for a in arguments), span)


def _unknown(name: str, span: Span) -> UnknownFunction:
    close = () if name in OPERATIONS else closest_names(name.lower(), FUNCTIONS)
    suggestion = None
    if name in OPERATIONS:
        suggestion = f"It is an operator: {OPERATIONS[name].example}."
    elif not close:
        others = [other for other in FUNCTIONS if other not in ENCODERS]
        suggestion = f"The functions are {', '.join(others)}, and the name of each text encoder."
    return UnknownFunction(
        f"There is no function {shorten(name)}.", span=span, suggestion=suggestion, alternatives=close
    )


def _check_count(operation: Operation, count: int, span: Span) -> None:
    parameters = operation.parameters
    least = sum(not p.optional for p in parameters)
    most = None if any(p.repeated for p in parameters) else len(parameters)
    if count >= least and (most is None or count <= most):
        return
    raise WrongArgument(
        f"{operation.name} takes {_count_words(least, most)}, found {count or 'none'}.",
        span=span,
        suggestion=f"Write it as {signature(operation)}.",
    )


def _count_words(least: int, most: int | None) -> str:
    if most == 0:
        return "no arguments"
    plural = "" if (most or least) == 1 else "s"
    if most is None:
        return f"at least {least} argument{plural}"
    return f"{least if least == most else f'{least} to {most}'} argument{plural}"


def _check_argument(operation: Operation, parameter: Parameter, argument: Expression | Number) -> None:
    if not _fits(parameter, argument):
        name = "Every argument" if parameter.repeated else parameter.name
        raise _wrong(
            operation,
            argument,
            f"{name} of {signature(operation)} must be {KIND_WORDS[parameter.kind]}, found {_found(argument)}.",
        )
    if not isinstance(argument, Number):
        return
    if parameter.kind == "integer" and isinstance(argument.value, LeadingZeros):
        raise _wrong(operation, argument, f"{parameter.name} of {signature(operation)} has no leading zeros.")
    if parameter.minimum is not None and argument.value < parameter.minimum:
        raise _wrong(
            operation,
            argument,
            f"{parameter.name} of {signature(operation)} must be at least "
            f"{parameter.minimum}, found {_found(argument)}.",
            parameter.below,
        )


def _wrong(
    operation: Operation, argument: Expression | Number, message: str, suggestion: str = ""
) -> WrongArgument:
    example = f"For example: {operation.example}."
    return WrongArgument(message, span=argument.span, suggestion=suggestion or example)


def _fits(parameter: Parameter, argument: Expression | Number) -> bool:
    if parameter.kind == "integer":
        return isinstance(argument, Number) and isinstance(argument.value, int)
    if parameter.kind == "number":
        return isinstance(argument, Number)
    if parameter.kind == "text":
        return isinstance(argument, Text)
    return parameter.kind == "number or embedding" or not isinstance(argument, Number)


def _found(argument: Expression | Number) -> str:
    if not isinstance(argument, Number):
        return "an embedding"
    from .write import write_number

    return write_number(argument.value)

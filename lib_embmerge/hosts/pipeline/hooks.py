"""One function of the host, wrapped so that it can be installed again, removed, and shared with other extensions.

An extension that wraps a function after us holds our delegate for ever; one that unloads before us would put back a
function that knows nothing of us. So a delegate is inert without its target: removing ours clears the target, and
takes the delegate off where it is still the outermost. Installing uses an outermost delegate again and otherwise adds
one, with the target in that one alone: whether an earlier one is still called by what is outermost, nobody can tell.

A host may lack what a hook needs, refuse to have it replaced, or call it in another way than the hook takes it: with
other parameters in its target's places, or as no function of its owner. Then all hooks of the group are taken out
again, and the host is as it was.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ...errors import UnsupportedHost

__all__ = ["Hook", "HookGroup", "class_with", "replaced"]

DELEGATES = "_embmerge_delegates"
"""Attribute of an owner (a module or a class of the host) under which the delegates with a target are found again."""


def class_with(module: Any, name: str) -> type:
    """Return the class of a host's module that has a function of its own by this name, whatever the class is called.

    Raises: UnsupportedHost where none has.
    """
    for kind in vars(module).values():
        if isinstance(kind, type) and name in vars(kind):
            return kind
    raise _lacking(f"{module.__name__}.*.{name}")


@contextlib.contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Let a value stand in the place of an owner's own while the context lasts."""
    own = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, own)


class Hook:
    """A wrapper around `getattr(owner, name)`; `target(original, *args, **kwargs)` replaces the call.

    The owner is a module or a class; the delegates it carries survive a reload of our own modules.
    """

    def __init__(self, owner: Any, name: str, target: Callable[..., Any], without: str = "") -> None:
        """Take the function's owner and name, what stands in for it, and what a host without it lacks."""
        self.owner = owner
        self.name = name
        self.target = target
        self.without = without

    def install(self) -> None:
        """Let calls reach the target, whatever was installed before.

        Raises: UnsupportedHost where the host has no such function, lets nobody replace it, or calls it otherwise.
        """
        try:
            self._install()
        except (AttributeError, TypeError) as error:
            place = getattr(self.owner, "__qualname__", None) or getattr(self.owner, "__name__", self.owner)
            raise _lacking(f"{place}.{self.name}") from error

    def _install(self) -> None:
        delegates = self._delegates()
        outermost = vars(self.owner).get(self.name)
        if not _is_delegate(outermost):
            original = getattr(self.owner, self.name)
            signature = _signature(original)
            if not _fits(inspect.getattr_static(self.owner, self.name), original, signature, self.target):
                raise TypeError(f"{self.name} takes its parameters in another way")
            outermost = _make_delegate(original, signature, self.name in vars(self.owner))
            setattr(self.owner, self.name, outermost)
        if self.name in delegates:
            delegates[self.name].target = None
        outermost.target = self.target
        delegates[self.name] = outermost

    def uninstall(self) -> None:
        """Let calls pass by the target; take the delegate off where nobody wrapped it since."""
        delegates = vars(self.owner).get(DELEGATES, {})
        delegate = delegates.pop(self.name, None)
        if delegate is not None:
            delegate.target = None
        if not delegates and DELEGATES in vars(self.owner):
            delattr(self.owner, DELEGATES)
        while _is_delegate(outermost := vars(self.owner).get(self.name)):
            if outermost.own:
                setattr(self.owner, self.name, outermost.original)
            else:
                delattr(self.owner, self.name)

    def _delegates(self) -> dict[str, Any]:
        found = vars(self.owner).get(DELEGATES)
        if found is None:
            found = {}
            setattr(self.owner, DELEGATES, found)
        return found  # type: ignore[no-any-return]


class HookGroup:
    """Hooks that are installed and removed together."""

    without = ""
    """What a person should know of a WebUI in which they cannot work; empty where nothing works without them."""

    def __init__(self, hooks: Sequence[Hook]) -> None:
        """Take the hooks."""
        self._hooks = hooks

    def install(self) -> None:
        """Let calls pass through the hooks; installing twice changes nothing.

        Raises: UnsupportedHost where one of them cannot work; none is left in the host then.
        """
        try:
            for hook in self._hooks:
                hook.install()
        except UnsupportedHost:
            self.uninstall()
            raise

    def uninstall(self) -> None:
        """Take the hooks out again."""
        for hook in self._hooks:
            hook.uninstall()


def _lacking(place: str) -> UnsupportedHost:
    lacking = UnsupportedHost("Something that embmerge needs is missing in this WebUI, or cannot be extended.")
    lacking.places = [place]
    return lacking


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """Return a function's parameters; None of one that tells none, as some built-in ones."""
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):
        return None


def _fits(found: object, function: Any, signature: inspect.Signature | None, target: Callable[..., Any]) -> bool:
    """Return whether a target can stand in for a function: each parameter that it names has its place there, too.

    A parameter of another name in that place will do, but not where ours is somewhere else: the places have changed.
    What tells no parameters is trusted, as is `*args`.
    """
    if isinstance(found, (staticmethod, classmethod, property)) or inspect.iscoroutinefunction(function):
        return False
    if signature is None:
        return True
    parameters = signature.parameters.values()
    by_place = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    wanted = _places_named(target)
    takes_more = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    stand_elsewhere = any(name in named and name not in by_place[at : at + 1] for at, name in enumerate(wanted))
    return not stand_elsewhere and (takes_more or len(by_place) >= len(wanted))


def _places_named(target: Any) -> Sequence[str]:
    """Return the parameters that a target needs after the original, by name: one of our functions or methods."""
    function = getattr(target, "__func__", target)
    code = function.__code__
    first = 1 if function is target else 2  # of a method, `self` stands before the original
    return code.co_varnames[first : code.co_argcount - len(function.__defaults__ or ())]  # type: ignore[no-any-return]


def _is_delegate(function: Any) -> bool:
    # A wrapper made with functools.wraps has copies of our delegate's attributes.
    return function is not None and getattr(function, "embmerge_delegate", None) is function


def _make_delegate(original: Callable[..., Any], signature: inspect.Signature | None, own: bool) -> Any:
    # The attributes of a function are other extensions' marks: a copy of them would make our delegate look like theirs.
    @functools.wraps(original, updated=())
    def delegate(*args: Any, **kwargs: Any) -> Any:
        target = delegate.target  # type: ignore[attr-defined]
        return original(*args, **kwargs) if target is None else target(original, *args, **kwargs)

    # Who looks at a function's parameters without following wrappers finds the original's, too.
    if signature is not None:
        delegate.__signature__ = signature  # type: ignore[attr-defined]
    delegate.embmerge_delegate = delegate  # type: ignore[attr-defined]
    delegate.target = None  # type: ignore[attr-defined]
    delegate.original = original  # type: ignore[attr-defined]
    delegate.own = own  # type: ignore[attr-defined]
    return delegate

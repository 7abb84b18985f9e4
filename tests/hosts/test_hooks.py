"""A wrapper that can be put on again, taken off, and shared."""

from __future__ import annotations

import functools
import inspect
import types
from typing import Any

import pytest

from lib_embmerge.errors import UnsupportedHost
from lib_embmerge.hosts.pipeline.hooks import Hook


def twice(original: Any, *args: Any, **kwargs: Any) -> Any:
    return 2 * original(*args, **kwargs)


def thrice(original: Any, *args: Any, **kwargs: Any) -> Any:
    return 3 * original(*args, **kwargs)


def make_module() -> Any:
    module = types.ModuleType("host")

    def price(amount: int, *, tax: int = 0) -> int:
        """Give a price."""
        return amount + tax

    price.mark = "the host's"  # type: ignore[attr-defined]
    module.price = price  # type: ignore[attr-defined]
    return module


def wrapped_by_another(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return 1000 + function(*args, **kwargs)

    return wrapper


@pytest.fixture
def module() -> Any:
    return make_module()


def test_calls_reach_the_target_with_everything(module: Any) -> None:
    Hook(module, "price", twice).install()
    assert module.price(5, tax=1) == 12


def test_the_delegate_looks_like_the_original_but_has_not_its_marks(module: Any) -> None:
    Hook(module, "price", twice).install()
    assert module.price.__name__ == "price"
    assert module.price.__doc__ == "Give a price."
    assert not hasattr(module.price, "mark")


def test_the_delegate_has_the_original_s_parameters_for_whoever_looks(module: Any) -> None:
    """SD.Next makes the fields of its interface from a function's parameters, and follows no wrappers."""
    looks = inspect.getfullargspec, inspect.signature
    original = [look(module.price) for look in looks]
    Hook(module, "price", twice).install()
    assert [look(module.price) for look in looks] == original


def test_a_function_that_tells_no_parameters_is_wrapped_too(module: Any) -> None:
    module.largest = max
    Hook(module, "largest", twice).install()
    assert module.largest(1, 2) == 4


def test_taking_it_off_leaves_the_original(module: Any) -> None:
    original = module.price
    hook = Hook(module, "price", twice)
    hook.install()
    hook.uninstall()
    assert module.price is original


def test_taking_it_off_without_having_put_it_on_does_nothing(module: Any) -> None:
    original = module.price
    Hook(module, "price", twice).uninstall()
    assert module.price is original


def test_put_on_twice_it_acts_once(module: Any) -> None:
    hook = Hook(module, "price", twice)
    hook.install()
    hook.install()
    assert module.price(5) == 10


def test_a_newer_hook_takes_the_place_of_an_older_one(module: Any) -> None:
    """After "Reload UI" our code is loaded anew and knows nothing of the hooks it had made."""
    original = module.price
    Hook(module, "price", twice).install()
    newer = Hook(module, "price", thrice)
    newer.install()
    assert module.price(5) == 15
    newer.uninstall()
    assert module.price is original


def test_beneath_another_wrapper_it_acts_once_and_becomes_inert(module: Any) -> None:
    hook = Hook(module, "price", twice)
    hook.install()
    module.price = wrapped_by_another(module.price)
    assert module.price(5) == 1010
    hook.install()
    assert module.price(5) == 2 * 1005  # outermost now, and the earlier delegate lets calls pass
    hook.uninstall()
    assert module.price(5) == 1005


def test_cut_off_by_another_s_unloading_it_can_be_put_on_again(module: Any) -> None:
    original = module.price
    module.price = wrapped_by_another(original)
    hook = Hook(module, "price", twice)
    hook.install()
    module.price = original  # what the other extension had found
    assert module.price(5) == 5
    hook.install()
    assert module.price(5) == 10
    hook.uninstall()
    assert module.price is original


def test_inert_delegates_that_come_to_light_are_taken_off(module: Any) -> None:
    original = module.price
    hook = Hook(module, "price", twice)
    hook.install()
    ours = module.price
    module.price = wrapped_by_another(ours)
    hook.uninstall()
    module.price = ours  # the other extension unloads
    assert module.price(5) == 5
    hook.install()
    assert module.price(5) == 10
    hook.uninstall()
    assert module.price is original


def test_a_method_of_a_class() -> None:
    class Base:
        def price(self, amount: int) -> int:
            return amount + 1

    class Derived(Base):
        pass

    hook = Hook(Derived, "price", twice)
    hook.install()
    assert Derived().price(5) == 12
    assert Base().price(5) == 6
    hook.uninstall()
    assert "price" not in vars(Derived)
    assert Derived().price(5) == 6


def test_hooks_of_a_class_and_its_base_are_separate() -> None:
    class Base:
        def price(self, amount: int) -> int:
            return amount

    class Derived(Base):
        pass

    for_base, for_derived = Hook(Base, "price", twice), Hook(Derived, "price", thrice)
    for_base.install()
    for_derived.install()
    assert (Base().price(1), Derived().price(1)) == (2, 6)
    for_base.uninstall()
    for_derived.uninstall()
    assert (Base().price(1), Derived().price(1)) == (1, 1)


def test_a_failing_call_fails_as_before(module: Any) -> None:
    Hook(module, "price", twice).install()
    with pytest.raises(TypeError, match="unexpected keyword"):
        module.price(5, discount=1)


class Cashier:
    """A host's class in which a function may be anything."""

    def swapped(self, tax: int, amount: int) -> None: ...

    def by_name(self, *, amount: int, tax: int) -> None: ...

    def fewer(self, amount: int) -> None: ...

    @staticmethod
    def alone(amount: int, tax: int) -> None: ...

    @classmethod
    def of_class(cls, amount: int, tax: int) -> None: ...

    @property
    def kept(self) -> int:
        return 1

    async def later(self, amount: int, tax: int) -> None: ...

    def more(self, amount: int, tax: int, rest: int = 0) -> int:
        return amount + tax + rest

    def renamed(self, price: int, part: int) -> int:
        return price + part

    def anything(self, *args: int) -> int:
        return sum(args)


def doubled(original: Any, cashier: Any, amount: int, tax: int, *args: Any, **kwargs: Any) -> Any:
    return 2 * original(cashier, amount, tax, *args, **kwargs)


@pytest.mark.parametrize("name", ["swapped", "by_name", "fewer", "alone", "of_class", "kept", "later"])
def test_a_function_that_is_called_in_another_way_is_left_as_it_is(name: str) -> None:
    before = vars(Cashier)[name]
    with pytest.raises(UnsupportedHost) as caught:
        Hook(Cashier, name, doubled).install()
    assert caught.value.places == [f"Cashier.{name}"]
    assert vars(Cashier)[name] is before


@pytest.mark.parametrize("name", ["more", "renamed", "anything"])
def test_a_function_that_can_be_called_so_is_wrapped(name: str) -> None:
    hook = Hook(Cashier, name, doubled)
    hook.install()
    assert getattr(Cashier(), name)(2, 3) == 10
    hook.uninstall()

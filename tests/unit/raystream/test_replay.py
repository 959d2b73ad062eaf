"""The replay window."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kontract.raystream.replay import WINDOW_BITS, Window

SEQUENCES = 100_000


class Model:
    """The window as one would write it down: all numbers, and the greatest."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.greatest = -1

    def accept(self, number: int) -> bool:
        if number in self.seen or number <= self.greatest - WINDOW_BITS:
            return False
        self.seen.add(number)
        self.greatest = max(self.greatest, number)
        return True


def test_it_decides_as_a_set_of_all_numbers_would() -> None:
    source = random.Random(20_250_101)
    steps = (-WINDOW_BITS, -WINDOW_BITS + 1, -2, -1, 0, 1, 1, 2, 3, WINDOW_BITS - 1, WINDOW_BITS, WINDOW_BITS + 1)
    refused = 0
    for _ in range(SEQUENCES):
        window, model, number = Window(), Model(), 0
        for step in source.choices(steps, k=4):
            number = max(0, number + step)
            after = window.accept(number)
            assert (after is not None) == model.accept(number)
            window, refused = after or window, refused + (after is None)
    assert refused > SEQUENCES / 10


@given(st.lists(st.one_of(st.integers(0, 3 * WINDOW_BITS), st.integers(0, 2**64 - 1)), max_size=60))
@settings(max_examples=300, deadline=None)
def test_it_decides_so_for_whatever_numbers_hypothesis_finds(numbers: list[int]) -> None:
    window, model = Window(), Model()
    for number in [*numbers, *numbers]:
        after = window.accept(number)
        assert (after is not None) == model.accept(number)
        window = after or window
        assert window.bits & 1
        assert window.bits.bit_length() <= WINDOW_BITS


def test_a_long_shuffled_run_is_accepted_once() -> None:
    source = random.Random(7)
    numbers = [base + offset for base in range(0, 20_000, 500) for offset in source.sample(range(500), 500)]
    window = Window()
    for number in numbers:
        after = window.accept(number)
        assert after is not None
        window = after
        assert window.accept(number) is None
    assert all(window.accept(number) is None for number in numbers)


@pytest.mark.parametrize("number", [0, 1, 2**20 - 1, 2**64 - 1])
def test_the_first_number_may_be_any(number: int) -> None:
    window = Window().accept(number)
    assert window == Window(number, 1)


def test_the_edge_of_the_window() -> None:
    window = Window(2000, 1)
    assert window.accept(2000 - WINDOW_BITS) is None
    assert window.accept(2000 - WINDOW_BITS + 1) == Window(2000, 1 | 1 << WINDOW_BITS - 1)


def test_it_never_grows_beyond_its_bits() -> None:
    window = Window(5, (1 << WINDOW_BITS) - 1)
    for ahead in (1, 2, WINDOW_BITS - 1, WINDOW_BITS, 2**63):
        after = window.accept(5 + ahead)
        assert after is not None
        assert after.bits.bit_length() <= WINDOW_BITS
        assert after.bits & 1


def test_a_window_is_after_another_when_it_refuses_all_that_the_other_does() -> None:
    source = random.Random(3)
    for _ in range(2000):
        earlier = later = Window()
        for _ in range(source.randrange(12)):
            earlier = earlier.accept(source.randrange(3000)) or earlier
        later = earlier
        for _ in range(source.randrange(12)):
            later = later.accept(source.randrange(3000)) or later
        assert later.is_after(earlier)
        assert earlier.is_after(later) == (earlier == later)

"""Turns at a worker: the smallest request is next; who waits too long or leaves has none and holds none."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from pipeline.service.tables import RefusedError
from pipeline.service.turns import Turns


async def stays() -> None:
    """A client that waits for its answer."""
    await asyncio.Event().wait()


async def leaves() -> None:
    """A client that is gone."""


async def held(
    turns: Turns,
    size: int,
    order: list[int],
    seconds: float = 5.0,
    left: Callable[[], Awaitable[None]] = stays,
) -> None:
    async with turns.turn(size, seconds, left):
        order.append(size)
        await asyncio.sleep(0.01)


def test_the_smallest_of_those_that_wait_is_next() -> None:
    async def order() -> list[int]:
        turns, taken = Turns(), list[int]()
        await asyncio.gather(*(held(turns, size, taken) for size in (7, 9, 2, 5)))
        await held(turns, 8, taken)
        return taken

    assert asyncio.run(order()) == [7, 2, 5, 9, 8]


@pytest.mark.parametrize(("seconds", "left", "status"), [(0.0, stays, 429), (5.0, leaves, 400)])
def test_who_waits_too_long_or_leaves_is_refused_and_the_others_go_on(
    seconds: float, left: Callable[[], Awaitable[None]], status: int
) -> None:
    async def taken() -> list[int]:
        turns, order = Turns(), list[int]()
        first, later = (asyncio.create_task(held(turns, size, order)) for size in (1, 3))
        await asyncio.sleep(0)
        with pytest.raises(RefusedError) as refusal:
            await held(turns, 2, order, seconds, left)
        assert refusal.value.status == status
        await asyncio.gather(first, later)
        return order

    assert asyncio.run(taken()) == [1, 3]


def test_a_turn_that_comes_as_its_request_is_given_up_goes_to_the_next() -> None:
    async def taken() -> list[int]:
        turns, order = Turns(), list[int]()
        async with turns.turn(1, 5.0, stays):
            second, third = (asyncio.create_task(held(turns, size, order)) for size in (2, 3))
            await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait_for(third, 1)
        return order

    assert asyncio.run(taken()) == [3]

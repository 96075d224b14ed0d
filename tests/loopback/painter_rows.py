"""Rows about a painter that raises, hangs, dies or runs out of memory; somebody else's picture waits beside it."""

from collections.abc import Iterator
from functools import partial

from tests.loopback.bench import Cell, Outcome, World
from tests.loopback.painter import DIES, HANGS, OUT_OF_MEMORY, RAISES

GROUP = "the painter"
PATIENCE_S = 20.0
IMPATIENT = {"STALL_S": "5"}
"""A step that hangs is noticed after two minutes elsewhere."""


def cells() -> Iterator[Cell]:
    """All of them."""
    for words in (RAISES, HANGS, DIES, OUT_OF_MEMORY):
        yield Cell(GROUP, words, "", partial(_painter, words=words), settings=IMPATIENT)


async def _painter(world: World, words: str) -> Outcome:
    """First the one that breaks it, then one beside it, then one after it."""
    requests = [world.person("breaks it").command(words), world.person("beside").post()]
    requests[0].may_be_told = words in (RAISES, OUT_OF_MEMORY)
    await world.settle(requests, patience=10)
    requests.append(world.person("after").post())
    return await world.settle(requests, patience=PATIENCE_S, limit=PATIENCE_S * 3)

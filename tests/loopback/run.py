"""Runs cells: those that share beside each other in one world, the others a few at a time in worlds of their own."""

import asyncio
import hashlib
import logging
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tests.loopback.bench import Cell, Outcome, World, world

log = logging.getLogger(__name__)

BESIDE_EACH_OTHER = 24
CELL_TIMEOUT_S = 1500.0


@dataclass
class Report:
    """What was measured: outcomes by cell; what the shared bot's log should not hold; faults of the bench itself."""

    outcomes: dict[str, tuple[Cell, Outcome]] = field(default_factory=dict)
    worries: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def all_worries(self) -> list[str]:
        """What no bot's log should hold."""
        return [*self.worries, *(line for _, outcome in self.outcomes.values() for line in outcome.worries)]


def choose(cells: Sequence[Cell], most: int, seed: str) -> list[Cell]:
    """At most so many cells, the same ones for the same seed, from all groups."""

    def key(cell: Cell) -> str:
        return hashlib.sha256(f"{seed} {cell.name}".encode()).hexdigest()

    return sorted(cells, key=key)[:most]


def bad_cells(report: Report) -> list[str]:
    """What is bad, each in a line with what stood."""
    return [
        f"{name} is {outcome.word}: {'; '.join(outcome.notes)}"
        for name, (_, outcome) in report.outcomes.items()
        if not outcome.is_good
    ]


class Runner:
    """Runs cells into one report; `done` is called after each."""

    def __init__(
        self,
        done: Callable[[Cell, Outcome], None] = lambda cell, outcome: None,
        *,
        worlds: int = 3,
    ) -> None:
        self.report = Report()
        self._done = done
        self._worlds = worlds

    async def run(self, cells: Sequence[Cell], *, all_at_once: bool = False) -> Report:
        """All of them: first those that share, then the others, unless `all_at_once`."""
        alone = asyncio.Queue[Cell]()
        for cell in cells:
            if not cell.shares:
                alone.put_nowait(cell)
        sharing = self._share([cell for cell in cells if cell.shares])
        working = [self._work(alone) for _ in range(min(self._worlds, alone.qsize()))]
        if all_at_once:
            await asyncio.gather(sharing, *working)
        else:
            await sharing
            await asyncio.gather(*working)
        return self.report

    async def _share(self, cells: Sequence[Cell]) -> None:
        """Cells that disturb nobody, beside each other in one world."""
        if not cells:
            return
        async with world() as here:
            places = asyncio.Semaphore(BESIDE_EACH_OTHER)
            await asyncio.gather(*(self._run_in(here, cell, places) for cell in cells))
        self.report.errors += here.discord.errors
        self.report.worries += here.bot.worries()

    async def _work(self, cells: "asyncio.Queue[Cell]") -> None:
        """Cells that disturb each other, each in a world of its own."""
        while not cells.empty():
            cell = cells.get_nowait()
            try:
                async with world(cell.settings, cell.lifetimes) as here:
                    outcome = await asyncio.wait_for(cell.run(here), CELL_TIMEOUT_S)
                self.report.errors += here.discord.errors
                self._keep(cell, replace(outcome, worries=here.bot.worries()))
            except Exception:
                self.report.errors.append(f"{cell.name}: {traceback.format_exc()}")

    async def _run_in(self, here: World, cell: Cell, places: asyncio.Semaphore) -> None:
        async with places:
            try:
                outcome = await asyncio.wait_for(cell.run(here), CELL_TIMEOUT_S)
            except Exception:
                self.report.errors.append(f"{cell.name}: {traceback.format_exc()}")
                return
        self._keep(cell, outcome)

    def _keep(self, cell: Cell, outcome: Outcome) -> None:
        self.report.outcomes[cell.name] = cell, outcome
        self._done(cell, outcome)

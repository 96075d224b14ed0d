"""A story's events in the terminal: as lines and bars for people, or as JSON, one a line."""

import math
from collections.abc import AsyncGenerator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter
from rich.console import Console

from core.cli.event_lines import line_of, print_line
from core.cli.progress import ProgressBars
from core.errors import FilmFailed
from core.finetuning.progress import Advance
from core.generation.protocol import Loading, Painting, Queued
from core.hearing.categories import TopCategory
from core.hearing.timeline import clock
from core.log_lines import one_line
from core.stories.events import (
    Cut,
    Film,
    Filmed,
    Filming,
    SceneLost,
    ScenePainted,
    ScenePaints,
    StoryEvent,
    StoryScene,
)

_TOP = TypeAdapter(tuple[TopCategory, ...])


class _Bars:
    """One bar after the other, on the error output; without a terminal a line now and then."""

    def __init__(self) -> None:
        self._bars = ProgressBars()
        self._shown = ExitStack()
        self._title = ""
        self._advance: Advance | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.close()

    def show(self, title: str, done: int, total: int, remark: str = "") -> None:
        """How far `title` is; where it is another than before, its bar begins below."""
        if self._advance is None or title != self._title:
            self._shown.close()
            self._title, self._advance = title, self._shown.enter_context(self._bars.task(title, total))
        self._advance(done, remark)


async def watch_story(events: AsyncGenerator[StoryEvent, None]) -> Film:
    """Show the scenes and how far they are; returns the film, whose file is there until `events` are closed."""
    out = Console(highlight=False, soft_wrap=True)
    scenes: tuple[StoryScene, ...] = ()
    settled = 0
    with _Bars() as bars:
        bars.show("hearing", 0, 1)
        async for event in events:
            match event:
                case Cut():
                    scenes = event.scenes
                    for line in _lines_of(event):
                        out.print(line, markup=False)
                    bars.show("hearing", 1, 1)
                case ScenePaints(number, progress):
                    bars.show("painting", settled, len(scenes), f"scene {number + 1}: {_doing(progress)}")
                case ScenePainted(number, painted):
                    settled += 1
                    out.print(f"Scene {number + 1}: {one_line(painted.picture.recipe.prompt.text)}", markup=False)
                    bars.show("painting", settled, len(scenes))
                case SceneLost(number, error):
                    settled += 1
                    told = f"Scene {number + 1}: not painted; the picture beside it stands in. {one_line(str(error))}"
                    out.print(told, markup=False)
                    bars.show("painting", settled, len(scenes))
                case Filming(done_s, of_s):
                    bars.show("filming", int(done_s), math.ceil(of_s), "seconds")
                case Filmed(film):
                    break
        else:
            raise FilmFailed
    for scene in film.scenes:
        out.print(f"{clock(scene.begins_s):>5}  {one_line(scene.title)}", markup=False)
    return film


def _lines_of(cut: Cut) -> list[str]:
    """What was cut, for people."""
    count = len(cut.scenes)
    lines = [f"Heard:  {f'{count} scenes' if count > 1 else 'one scene'} in {clock(cut.duration_s)}"]
    if cut.shortened:
        lines.append(f"        The recording is longer; the film begins at {clock(cut.begins_s)} of it.")
    return lines


def _doing(event: Loading | Queued | Painting) -> str:
    match event:
        case Loading(arrived):
            return "loading the model" if arrived is None else f"fetching the model, {arrived:.0%}"
        case Queued(position):
            return f"waiting, number {position}"
        case Painting(step, steps):
            return f"step {step} of {steps}"


async def print_story(file: Path, events: AsyncGenerator[StoryEvent, None]) -> Film:
    """Each event as one line of JSON; returns the film, whose file is there until `events` are closed."""
    async for event in events:
        match event:
            case Cut(scenes, duration_s, seed, begins_s, shortened):
                line: dict[str, object] = {
                    "event": "cut",
                    "file": str(file),
                    "duration_s": duration_s,
                    "seed": seed,
                    "begins_s": begins_s,
                    "shortened": shortened,
                    "scenes": [_plain(scene) for scene in scenes],
                }
            case ScenePaints(number, progress):
                line = {**line_of(progress), "scene": number}
            case ScenePainted(number, painted):
                line = {**line_of(painted), "scene": number}
            case SceneLost(number, error):
                line = {"event": "lost", "scene": number, "error": str(error)}
            case Filming(done_s, of_s):
                line = {"event": "filming", "done_s": round(done_s, 2), "of_s": round(of_s, 2)}
            case Filmed(film):
                print_line({"event": "filmed", "duration_s": film.duration_s, "size": film.size})
                return film
        print_line(line)
    raise FilmFailed


def _plain(scene: StoryScene) -> dict[str, object]:
    return {
        "begins_s": scene.begins_s,
        "ends_s": scene.ends_s,
        "title": scene.title,
        "top": _TOP.dump_python(scene.top, mode="json"),
        "prompt": scene.prompt.text,
        "words": scene.words,
        "balance": scene.balance,
    }

"""The page's sentences about films, in English. Pure; it knows nothing of HTML."""

import math
from collections.abc import Sequence

from core.generation.protocol import Loading, Painting, Queued
from core.hearing.timeline import clock
from core.web import wording
from core.web.film_job import FilmJob, Progress
from core.web.film_shelf import AboutFilm


def painting(job: FilmJob, number: int, event: Loading | Queued | Painting) -> Progress:
    """What is said while scene `number`, from 0, is on its way."""
    line, done = _scene(job, number), float(job.settled)
    match event:
        case Loading(arrived):
            told = wording.loading(arrived)
            return Progress(told["line"], told["about"], done, len(job.scenes))
        case Queued(position):
            return Progress(line, f"{wording.place_in_line(position)}.", done, len(job.scenes))
        case Painting(step, steps):
            return Progress(line, f"Step {step} of {steps}", done + step / max(steps, 1), len(job.scenes))


def settled(job: FilmJob) -> Progress:
    """What is said once one more scene is painted, or will not be."""
    done, scenes = job.settled, len(job.scenes)
    return Progress(f"{wording.capitalised(wording.counted(done, 'scene', 'scenes'))} of {scenes}", "", done, scenes)


def filming(done_s: float, of_s: float) -> Progress:
    """What is said while the film is made."""
    of = math.ceil(of_s)
    return Progress("Making the film", f"{min(math.floor(done_s), of)} of {of} seconds", done_s, of_s)


def _scene(job: FilmJob, number: int) -> str:
    title = wording.lowered(job.scene(number).title)
    return f"Scene {number + 1} of {len(job.scenes)}: {title}" if len(job.scenes) > 1 else wording.capitalised(title)


def name_of(scenes: int) -> str:
    """What a film is called."""
    return f"A film of {wording.counted(scenes, 'scene', 'scenes')}"


def said_to_ears(titles: Sequence[str]) -> str:
    """What a screen reader is told once the scenes are known."""
    return f"I hear {wording.counted(len(titles), 'scene', 'scenes')}: {', '.join(map(wording.lowered, titles))}."


def remarks(about: AboutFilm) -> list[str]:
    """What is to be known of a film besides."""
    said = []
    if about.shortened:
        said.append(f"Your recording is longer; the film begins at {clock(about.begins_s)} of it.")
    if about.lost:
        lost = wording.counted(about.lost, "scene", "scenes")
        said.append(f"{wording.capitalised(lost)} could not be painted; what is beside it is seen longer.")
    if len(about.chapters) == 1 and not about.lost:
        said.append("I heard one scene, so it is one moving picture.")
    return said

"""What the templates show of a film and of its making: words, addresses and places, as plain values. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.hearing.timeline import clock
from core.web import film_wording, wording
from core.web.film_job import FilmJob, FilmState, Progress, SceneState
from core.web.film_shelf import Chapter, ShownFilm

STRIP = 1280
"""The strip's units from left to right."""


@dataclass(frozen=True)
class SceneView:
    """A scene in the list and in the strip, where it is from `x` on, `width` wide, of STRIP. `sign`: what became of it,
    for whoever does not see it."""

    at: str
    begins_s: float
    title: str
    state: str
    x: float
    width: float
    sign: str = ""


@dataclass(frozen=True)
class FilmView:
    """A film as `films.jinja` shows it, made or under way; what is not known yet is empty."""

    id: str
    state: str
    say: str
    last: int
    back: str
    title: str = ""
    seconds: float = 0.0
    clock: str = ""
    scenes: tuple[SceneView, ...] = ()
    progress: Progress | None = None
    still: int = 0
    size: tuple[int, int] = (0, 0)
    remarks: tuple[str, ...] = ()
    is_covered: bool = False
    error: str = ""


SIGNS = {
    SceneState.TO_COME: "to come",
    SceneState.NOW: "being painted",
    SceneState.PAINTED: "painted",
    SceneState.LOST: "could not be painted",
}


def view_of(job: FilmJob) -> FilmView:
    """What is shown of `job` now."""
    if job.film is not None:
        return made_view(job.film, job.last_told)
    if job.state is FilmState.FAILED:
        say = f"That did not work. {job.error}"
        return FilmView(job.id, "film-error", say, job.last_told, job.page_after, error=str(job.error))
    if job.cut is None:
        return FilmView(job.id, "listening", "", job.last_told, job.page_after)
    titles = [scene.title for scene in job.cut.scenes]
    chapters = [Chapter(scene.begins_s, scene.title) for scene in job.cut.scenes]
    return FilmView(
        id=job.id,
        state="story",
        say=film_wording.said_to_ears(titles),
        last=job.last_told,
        back=job.page_after,
        title=film_wording.name_of(len(titles)),
        seconds=round(job.cut.duration_s, 2),
        clock=clock(job.cut.duration_s),
        scenes=_scenes(chapters, job.cut.duration_s, job.scenes),
        progress=job.progress or Progress("On its way", "", 0, len(titles)),
        still=job.still.number if job.still is not None else 0,
    )


def made_view(film: ShownFilm, last: int = 0) -> FilmView:
    """What is shown of a film that is there."""
    about = film.about
    title = film_wording.name_of(len(about.chapters))
    return FilmView(
        id=film.id,
        state="filmed",
        say=f"The film is ready: {wording.lowered(title)}.",
        last=last,
        back=f"/jobs/{about.of}" if about.of else "/",
        title=title,
        seconds=round(about.seconds, 2),
        clock=clock(about.seconds),
        scenes=_scenes(about.chapters, about.seconds, [SceneState.PAINTED] * len(about.chapters)),
        size=about.size,
        remarks=tuple(film_wording.remarks(about)),
        is_covered=about.is_covered,
    )


def _scenes(chapters: Sequence[Chapter], ends_s: float, states: Sequence[SceneState]) -> tuple[SceneView, ...]:
    begins = [chapter.begins_s for chapter in chapters]
    return tuple(
        SceneView(
            at=clock(chapter.begins_s),
            begins_s=chapter.begins_s,
            title=chapter.title,
            state=state.value,
            x=round(STRIP * chapter.begins_s / ends_s, 1),
            width=round(STRIP * (end - chapter.begins_s) / ends_s, 1),
            sign=SIGNS[state],
        )
        for chapter, end, state in zip(chapters, [*begins[1:], ends_s], states, strict=True)
    )

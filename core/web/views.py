"""What the templates show of a request: its words, addresses and choices, as plain values. Pure."""

from dataclasses import dataclass

from core.generation.protocol import MAX_SEED
from core.hearing.timeline import clock
from core.prompting.styles import Style
from core.recipe import Recipe, from_json
from core.stories.cutting import MOST_SCENES
from core.web import wording
from core.web.asking import LONGEST_PROMPT, LONGEST_SAID, shown_words
from core.web.job import Job, State
from core.web.shelf import Shown

MOST_TILES = 12


@dataclass(frozen=True)
class Words:
    """What was understood of what somebody said, for that one alone."""

    said: str
    about: str
    note: str


@dataclass(frozen=True)
class Spot:
    """A stretch in a line of 100 units."""

    begin: float
    length: float


@dataclass(frozen=True)
class When:
    """A label, how sure it is, and when it was heard."""

    name: str
    sure: str
    spots: tuple[Spot, ...]
    words: str


@dataclass(frozen=True)
class View:
    """A request as `piece.html.jinja` shows it; what is not known yet is empty."""

    id: str
    state: str
    say: str
    last: int
    back: str = "/"
    title: str = ""
    others: tuple[wording.Thing, ...] = ()
    seconds: float = 0.0
    clock: str = ""
    line: str = ""
    about: str = ""
    step: int = 0
    steps: int = 0
    preview: int = 0
    words: Words | None = None
    when: tuple[When, ...] = ()
    prompt: str = ""
    style: str = ""
    recipe: Recipe | None = None
    size: tuple[int, int] = (0, 0)
    alt: str = ""
    is_covered: bool = False
    error: str = ""


@dataclass(frozen=True)
class Tile:
    """A request among those of this visit."""

    id: str
    state: str
    title: str
    preview: int
    step: int
    steps: int
    place: str
    is_current: bool
    is_covered: bool


CHOICES = {
    "styles": [(style.value, wording.STYLE_NAMES[style]) for style in Style],
    "longest_prompt": LONGEST_PROMPT,
    "longest_said": LONGEST_SAID,
    "most_seed": MAX_SEED,
    "most_pictures": wording.counted(MOST_SCENES, "picture", "pictures"),
}


def view_of(job: Job) -> View:
    """What is shown of `job` now."""
    if job.state is State.FAILED:
        kind = "nothing" if job.is_silent and job.heard is not None else "error"
        say = "I heard nothing." if kind == "nothing" else f"That did not work. {job.error}"
        return View(job.id, kind, say, job.last_told, error=str(job.error))
    if job.heard is None:
        return View(job.id, "hearing", "", job.last_told)
    first, *others = wording.things_in(job.heard, job.options)
    known = _state_words(job)
    title = wording.title_of(job.heard, job.options)
    says = {
        State.HEARD: wording.said_to_ears(job.heard, job.options),
        State.QUEUED: f"{known['line']}{', ' if job.about_s else ''}{wording.about(job.about_s)}.",
        State.PAINTING: "Painting.",
        State.PAINTED: f"The picture is ready: {wording.lowered(title)}.",
    }
    picture = job.picture
    return View(
        id=job.id,
        state=job.state.value,
        say=says[job.state],
        last=job.last_told,
        title=first.name,
        others=tuple(others),
        seconds=round(job.heard.duration_s, 1),
        clock=clock(job.heard.duration_s),
        step=job.step,
        steps=job.steps,
        preview=job.preview.number if job.preview else 0,
        words=_words(job),
        when=tuple(_when(times, job.heard.duration_s) for times in wording.times_in(job.heard)),
        prompt=shown_words(job.heard, job.options),
        style=(job.options.style or job.heard.style or Style.NONE).value,
        recipe=from_json(picture.about.recipe) if picture else None,
        size=picture.about.size if picture else (0, 0),
        alt=picture.about.alt if picture else "",
        is_covered=picture is not None and picture.about.is_covered,
        **known,
    )


def _state_words(job: Job) -> dict[str, str]:
    if job.state is State.QUEUED and job.position is not None:
        return wording.waiting(job.position, job.about_s)
    return wording.loading(None)


def _words(job: Job) -> Words | None:
    spoken = job.heard.spoken if job.heard is not None else None
    if spoken is None or not job.options.spoken_words or not spoken.words or spoken.doubt:
        return None
    about = ""
    if spoken.language:
        sure = wording.how_sure(spoken.language_probability)
        about = f"{wording.LANGUAGES.get(spoken.language, spoken.language)}, {sure}"
    left_out = f"Left out, since this painter does not know it: {', '.join(job.left_out)}." if job.left_out else ""
    unseen = spoken.said is None or not spoken.said.subjects
    return Words(spoken.words, about, "I saw no picture in these words, so I paint the sounds." if unseen else left_out)


def _when(times: wording.Times, seconds: float) -> When:
    spots = (
        Spot(round(100 * stretch.begin_s / seconds, 1), round(100 * (stretch.end_s - stretch.begin_s) / seconds, 1))
        for stretch in times.stretches
    )
    return When(times.name, times.sure, tuple(spots), times.words)


def tiles_of(jobs: list[Job], current: str = "") -> list[Tile]:
    """Those of this visit; none where there is only the one that is looked at."""
    tiles = [_tile(job, current) for job in jobs[:MOST_TILES] if job.heard is not None]
    return [] if all(tile.is_current for tile in tiles) else tiles


def _tile(job: Job, current: str) -> Tile:
    assert job.heard is not None
    return Tile(
        id=job.id,
        state=job.state.value if job.state in (State.PAINTED, State.PAINTING) else "waiting",
        title=wording.title_of(job.heard, job.options),
        preview=job.preview.number if job.preview else 0,
        step=job.step,
        steps=job.steps,
        place=wording.place_in_line(job.position) if job.position else "On its way",
        is_current=job.id == current,
        is_covered=job.picture is not None and job.picture.about.is_covered,
    )


def made_from(shown: Shown) -> str:
    """What stands under a picture that anybody may see."""
    seconds = wording.counted(round(shown.about.seconds), "second", "seconds")
    return f"{shown.about.alt} It was made of {seconds} of sound, which was not kept."

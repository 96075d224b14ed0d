"""One request of a browser for a film: what has become of it. It knows nothing of engines or of HTTP."""

from dataclasses import dataclass, field
from enum import StrEnum

from core.stories.events import Cut, StoryScene
from core.web.film_shelf import ShownFilm
from core.web.followed import Followed


class FilmState(StrEnum):
    """Where a request is."""

    HEARING = "hearing"
    CUT = "cut"
    """Its scenes are known, and none of them is being painted yet."""
    PAINTING = "painting"
    FILMING = "filming"
    FILMED = "filmed"
    FAILED = "failed"


class FilmKind(StrEnum):
    """What is told."""

    CUT = "cut"
    PROGRESS = "progress"
    STILL = "still"
    FILMED = "filmed"
    FAILED = "failed"


class SceneState(StrEnum):
    """What has become of a scene."""

    TO_COME = "to-come"
    NOW = "now"
    PAINTED = "painted"
    LOST = "lost"


@dataclass(frozen=True)
class Progress:
    """How far it is: a `line`, more `about` it, and so much `done` of `all`, in scenes or in seconds of film."""

    line: str
    about: str
    done: float
    all: float


@dataclass(frozen=True)
class Still:
    """What is painted so far of a scene: a JPEG. The `number` changes with it."""

    number: int
    jpeg: bytes


@dataclass
class FilmJob(Followed):
    """Of the event loop alone. `of`: the request for the picture that it was asked for from; "" for none.

    `cut` is there from CUT on, `film` when FILMED, `error` when FAILED.
    """

    of: str
    state: FilmState = FilmState.HEARING
    cut: Cut | None = None
    scenes: list[SceneState] = field(default_factory=list)
    progress: Progress | None = None
    still: Still | None = None
    is_covered: bool = False
    film: ShownFilm | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether nothing of it is painted yet."""
        return self.state in (FilmState.HEARING, FilmState.CUT)

    @property
    def is_painting(self) -> bool:
        """Whether it is being made."""
        return self.state in (FilmState.PAINTING, FilmState.FILMING)

    @property
    def page(self) -> str:
        """Where it is seen."""
        return f"/films/{self.id}"

    @property
    def page_after(self) -> str:
        """Where whoever cancels it is led to: to its picture."""
        return f"/jobs/{self.of}" if self.of else "/"

    @property
    def settled(self) -> int:
        """How many scenes are painted, or will not be."""
        return sum(scene in (SceneState.PAINTED, SceneState.LOST) for scene in self.scenes)

    async def is_begun(self) -> None:
        """Wait until it is known whether the recording can be heard."""
        while self.state is FilmState.HEARING:
            await self.news()

    def begin_scenes(self, cut: Cut) -> None:
        """It was heard."""
        self.cut, self.state = cut, FilmState.CUT
        self.scenes = [SceneState.TO_COME for _ in cut.scenes]
        self.tell(FilmKind.CUT)

    def scene(self, number: int) -> StoryScene:
        """The scene of that number."""
        assert self.cut is not None  # scenes are painted once they are known
        return self.cut.scenes[number]

    def tell_progress(self, state: FilmState, progress: Progress) -> None:
        """It is a little further."""
        self.state, self.progress = state, progress
        self.tell(
            FilmKind.PROGRESS,
            line=progress.line,
            about=progress.about,
            done=progress.done,
            all=progress.all,
            scenes=list(self.scenes),
        )

    def show(self, jpeg: bytes) -> None:
        """This is what is painted so far."""
        self.still = Still(self.still.number + 1 if self.still else 1, jpeg)
        self.tell(FilmKind.STILL, picture=f"/api/films/{self.id}/{self.still.number}.jpg")

    def succeed(self, film: ShownFilm) -> None:
        """It is made."""
        self.film, self.state = film, FilmState.FILMED
        self.end()
        self.tell(FilmKind.FILMED, page=self.page, film=f"{self.page}.mp4", poster=f"{self.page}.jpg")

    def fail(self) -> None:
        """No film comes of it; `error` says why."""
        self.state = FilmState.FAILED
        self.end()
        self.tell(FilmKind.FAILED, error=str(self.error), kind=type(self.error).__name__)

    def forget_little(self) -> None:
        """Nobody asks for what was painted so far any more."""
        self.still = None

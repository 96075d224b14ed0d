"""A recogniser and rules that know beforehand what is said, for tests of what becomes of it."""

from collections.abc import Callable, Iterable

from core.hearing.audio import Samples
from core.speech.recognise import Recogniser, Recognition, Segment, Task
from core.speech.spoken import SaidScene
from core.speech.writer import SceneWriter


def segment(text: str) -> Segment:
    return Segment(text, 0.0, 3.0, log_probability=-0.3, no_speech=0.05, compression=1.1)


class Scripted:
    """A recogniser that hears the same words in everything."""

    translates = True

    def __init__(self, text: str = "my dog ran into the water", *, language: str = "en", surely: float = 0.95) -> None:
        self.text, self.language, self.surely = text, language, surely
        self.asked: list[Task] = []

    def recognise(self, samples: Samples, *, language: str = "", task: Task = Task.TRANSCRIBE) -> Recognition:
        self.asked.append(task)
        return Recognition(self.segments(task), language or self.language, self.surely)

    def segments(self, task: Task) -> Iterable[Segment]:
        yield segment(self.text)


def writer(*scenes: tuple[str, SaidScene]) -> Callable[..., SceneWriter]:
    """Rules that know these words."""
    known = dict(scenes)
    return lambda *_: SceneWriter(rules=lambda words: known.get(words, SaidScene()), served=None)


class Said:
    """What recognises speech and what makes scenes of it, as an engine takes them."""

    def __init__(self, recogniser: Recogniser, *scenes: tuple[str, SaidScene]) -> None:
        self.recogniser: Callable[..., Recogniser] = lambda *_: recogniser
        self.writer = writer(*scenes)

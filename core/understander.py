"""The engine's side of speech: the words of a voice are recognised in the lane, doubted, and written as a scene.

It is to speech what `hearer.py` is to sounds. Whatever goes wrong in it, the picture is painted from the sounds; words
and scenes never reach the log. It knows nothing of pictures, nor of who asks but whom the lane is fair to.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from core.errors import ModelError, ModelMissing, ShuttingDown, WordsRefused
from core.events import Heard, HeardSummary
from core.hearing.audio import Samples
from core.models import ModelStore
from core.options import ImagineOptions
from core.settings import CoreSettings, Speech
from core.speech import factory
from core.speech.lane import Lane, TooLate
from core.speech.recognise import Recognised, Recogniser, Task, recognise
from core.speech.spoken import Outcome, SaidScene, Spoken
from core.speech.trust import doubt
from core.speech.voice import Voice, only_voice

if TYPE_CHECKING:
    from core.speech.writer import SceneWriter

log = logging.getLogger(__name__)


class Understander:
    """Understands what any number of people say, one note at a time."""

    def __init__(
        self,
        settings: CoreSettings,
        models: ModelStore,
        *,
        make_recogniser: Callable[[CoreSettings, ModelStore], Recogniser] | None,
        make_writer: Callable[[CoreSettings, ModelStore], "SceneWriter"] | None,
        after_loading: Callable[[], None],
    ) -> None:
        """The makers are called in threads; `after_loading` likewise, in the thread that has loaded a model.

        None to make a recogniser stands for the one that the settings name, if it is here.
        """
        if settings.transcribe is not None:
            log.warning("TRANSCRIBE is called SPEECH now, with the values auto, on and off; please rename it.")
        self._settings = settings
        self._models = models
        self._make_recogniser = make_recogniser or factory.make_recogniser
        self._make_writer = make_writer or factory.make_writer
        self._after_loading = after_loading
        self._lane = Lane(self._load)
        self._writer: asyncio.Task[SceneWriter] | None = None
        self._is_here: bool | None = None if make_recogniser is None else True
        """Whether there is a recogniser; None while nobody has looked."""

    def may_understand(self, options: ImagineOptions) -> bool:
        """Whether words are to be recognised: the settings and whoever spoke them say so, and it is possible."""
        if self._settings.speech is Speech.OFF or not options.spoken_words:
            return False
        if self._is_here is None:
            self._is_here = self._look()
        return self._is_here

    def _look(self) -> bool:
        try:
            self._models.speech.recogniser()
        except ModelMissing as error:
            level = logging.INFO if self._settings.speech is Speech.AUTO else logging.WARNING
            log.log(level, "what is said is not recognised: %s", error)
            return False
        return True

    async def spoken(
        self,
        heard: Heard | None,
        summary: HeardSummary,
        options: ImagineOptions,
        *,
        user: str = "",
        refuses: Callable[[str], bool] = lambda text: False,
        allows: Callable[[], bool] = lambda: True,
    ) -> Spoken | None:
        """What was said in what was just `heard`, or by `options`; None where nothing is, or `summary` has it already.

        `refuses` and `allows`: see Engine.imagine. Raises ShuttingDown, and WordsRefused for somebody's own words.
        """
        if options.said is not None:
            if summary.spoken is not None and summary.spoken.words == options.said:
                return None
            spoken = await self._read(options.said)
        elif heard is not None and heard.voice is not None:
            spoken = await self._understand(heard, heard.voice, options, user, allows)
            if not allows():
                return None
        else:
            return None
        if spoken.said is None or not any(map(refuses, (*spoken.said.phrases, " ".join(spoken.said.phrases)))):
            return spoken
        if options.said is not None:
            raise WordsRefused
        return replace(spoken, said=None, outcome=Outcome.REFUSED)

    async def _understand(
        self, heard: Heard, voice: Voice, options: ImagineOptions, user: str, allows: Callable[[], bool]
    ) -> Spoken:
        """What was said by the `voice`, within the patience that the settings have. Raises ShuttingDown."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._settings.speech_patience_s
        unheard = Spoken("", Outcome.FAILED, seconds=voice.seconds)
        samples, language = (
            only_voice(heard.clip.samples, voice),
            options.speech_language or self._settings.speech_language,
        )

        def work(recogniser: Recogniser) -> Iterator[Recognised]:
            return takewhile(lambda _: allows(), self._recognise(samples, language or "", recogniser))

        try:
            recognised = await self._lane.run(
                work,
                voice.seconds,
                user=user,
                within_s=self._settings.speech_patience_s,
            )
        except TooLate:
            log.info("words were not recognised within %g s", self._settings.speech_patience_s)
            return replace(unheard, outcome=Outcome.TOO_LATE)
        except ShuttingDown:
            raise
        except ModelError as error:
            if self._is_here:
                log.warning("what is said is not recognised: %s", error)
            self._is_here = False  # a restart tries again
            return unheard
        except Exception as error:
            log.warning("the words of a recording could not be recognised (%s)", type(error).__name__)
            return unheard
        return await self._written(recognised, voice.seconds, within_s=ends - loop.time())

    async def _read(self, words: str) -> Spoken:
        """The same of words that somebody wrote, in English or whatever language the writer reads."""
        scene = await self._scene(words, words, "", within_s=self._settings.speech_patience_s)
        return Spoken(words, Outcome.SEEN if scene.subjects else Outcome.NOTHING_TO_SEE, scene)

    def stop(self) -> None:
        """Give up what is being recognised, and take nothing more."""
        self._lane.stop()

    async def close(self) -> None:
        """After `stop`: wait for the lane, and close the writer's connection."""
        await self._lane.close()
        if self._writer is not None and not _has_failed(self._writer):
            await (await self._writer).close()

    async def _written(self, recognised: Recognised, seconds: float, *, within_s: float) -> Spoken:
        spoken = Spoken(
            recognised.words,
            Outcome.NOTHING_TO_SEE,
            language=recognised.language,
            language_probability=recognised.language_probability,
            doubt=doubt(recognised),
            seconds=seconds,
            complete=recognised.complete,
        )
        if spoken.doubt:
            log.info("words were recognised and not believed: %s", spoken.doubt)
            return replace(spoken, outcome=Outcome.DOUBTED)
        if not spoken.words:
            return spoken
        if not recognised.english and not self._settings.scene_url:
            return replace(spoken, outcome=Outcome.NO_ENGLISH)
        scene = await self._scene(spoken.words, recognised.english, spoken.language, within_s=within_s)
        return replace(spoken, said=scene, outcome=Outcome.SEEN if scene.subjects else Outcome.NOTHING_TO_SEE)

    async def _scene(self, words: str, english: str, language: str, *, within_s: float) -> SaidScene:
        if self._writer is None or _has_failed(self._writer):
            self._writer = asyncio.create_task(
                asyncio.to_thread(self._make_writer, self._settings, self._models), name="scene writer"
            )
        writer = await asyncio.shield(self._writer)
        return await writer.write(words, english, language, within_s=within_s)

    def _recognise(self, samples: Samples, language: str, recogniser: Recogniser) -> Iterator[Recognised]:
        """Step by step: the words; and in English if they are another language's, are believed, and nobody else reads
        them."""
        for known in recognise(recogniser, samples, language, Task.TRANSCRIBE):
            if not known.complete:
                yield known
        abroad = known.language != "en" and recogniser.translates and not self._settings.scene_url
        if not abroad or not known.words or doubt(known):
            yield known
            return
        yield replace(known, complete=False)
        for english in recognise(recogniser, samples, known.language, Task.TRANSLATE):
            if english.complete and not doubt(english):
                known = replace(known, translation=english)
        yield known

    def _load(self) -> Recogniser:
        recogniser = self._make_recogniser(self._settings, self._models)
        self._after_loading()
        return recogniser


def _has_failed(task: "asyncio.Task[SceneWriter]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)

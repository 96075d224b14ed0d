"""Recording in, stream of events out: the only caller of the stages.

    async with Engine(settings) as engine:
        async for event in engine.imagine(recording, options):
            ...                        # Heard, Understood, Loading, Queued..., Painting..., Painted

Hearing runs in a small thread pool, recognition in a thread of its own, painting in the generator's one thread; the
event loop waits for none. No asyncio is in core but here and in what it is made of: `hearer.py`, `understander.py`
with the lane and the served writer, `painter.py`, `enlarger.py`, `checker.py`, `streams.py`.
Whoever stops reading the stream (`aclose`, or cancelling the task) cancels the job. The engine knows nothing of who
asks, and keeps nothing once a stream has ended.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
import numpy.typing as npt
from PIL.Image import Image

from core.checker import Checker
from core.enlarger import Enlarger
from core.errors import ImagineSoundError, ModelMissing, NothingHeard
from core.events import Event, Heard, HeardSummary, Understood
from core.generation.adapter_header import choices
from core.generation.enlarging import EnlargingThread
from core.generation.limits import shaped
from core.generation.protocol import (
    MAX_SEED,
    Figures,
    GenerationRequest,
    GeneratorInfo,
    ImageGenerator,
    InspectionRequest,
    Loading,
    UpscalingRequest,
)
from core.hearer import Hearer
from core.hearing.ears import EarPool
from core.hearing.strip import Strip
from core.located import LocatedModel
from core.makers import enlarger_of, painter_of, picture_check_of
from core.models import ModelStore
from core.options import ImagineOptions, PictureCheck
from core.painter import Painter
from core.prompting.prompt import Prompt
from core.prompting.scene import Scene
from core.provenance.key_file import Marker
from core.provenance.manifest import Signer
from core.recipe import Recipe
from core.settings import CoreSettings
from core.speech.recognise import Recogniser
from core.speech.spoken import Spoken
from core.streams import inspected_by, painted_by
from core.telling import can_be_painted, check_words, chosen, is_told_in, labels_in_recipe, scene_of, told
from core.understander import Understander

if TYPE_CHECKING:
    from core.speech.writer import SceneWriter

log = logging.getLogger(__name__)

LONGEST_CLOSING_S = 3.0
"""How long closing takes altogether; a model that is being loaded, or hangs, ends with the process."""

DEFAULTS = ImagineOptions()
"""Nobody has chosen anything."""

Made = TypeVar("Made")


class Engine:
    """Hears and paints for any number of askers at once. Use as an async context manager, or call `close`."""

    def __init__(
        self,
        settings: CoreSettings,
        *,
        models: ModelStore | None = None,
        make_generator: Callable[[CoreSettings, ModelStore], ImageGenerator] | None = None,
        make_enlarger: Callable[[CoreSettings, ModelStore], EnlargingThread] | None = None,
        make_recogniser: Callable[[CoreSettings, ModelStore], Recogniser] | None = None,
        make_writer: Callable[[CoreSettings, ModelStore], "SceneWriter"] | None = None,
        after_loading: Callable[[], None] = lambda: None,
    ) -> None:
        """`after_loading` is called in the thread that has loaded a model; see `spare_from_collections`."""
        self.settings = settings
        self._models = models or ModelStore(settings, tell=lambda share: self._painter.tell(share))
        self._after_loading = after_loading
        self._marker = Marker(settings.data_dir)
        self.sign = Signer(settings).sign
        """For the files of what was painted; blocks for some milliseconds."""
        self._painter = Painter(partial(self._loaded, make_generator or painter_of))
        self._enlarger = Enlarger(partial(self._loaded, make_enlarger or enlarger_of))
        self._checker = Checker(settings, self._models, partial(self._loaded, picture_check_of))
        self._hearer = Hearer(settings, self._models, self._words, after_loading=after_loading)
        self._understander = Understander(
            settings,
            self._models,
            make_recogniser=make_recogniser,
            make_writer=make_writer,
            after_loading=after_loading,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def imagine(
        self,
        source: bytes | Path | HeardSummary,
        options: ImagineOptions = DEFAULTS,
        *,
        user: str = "",
        hearing_begins: Callable[[], None] = lambda: None,
        refuses: Callable[[str], bool] = lambda text: False,
        allows_words: Callable[[], bool] = lambda: True,
        check: PictureCheck | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Hear a recording and paint it: Heard, then Loading, Queued and Painting, then Painted.

        Where somebody speaks in it, or `options` say what is said, Understood follows Heard. What was heard before is
        painted without hearing it again: the stream begins after Heard. `user` is whom the queues are fair to;
        `hearing_begins` is called in the hearing thread once it is the recording's turn, and a first Painting, of no
        step yet, comes when it is the picture's. `refuses` says of a text whether it may not be painted: it is asked
        before anybody is told the text. `allows_words` says whether words may still be recognised: it is asked again
        and again, from any thread, and once it is False they are dropped; `check`: see `paint`. Raises one of
        core.errors: RecordingError for a recording that cannot be heard, NothingHeard for mere silence (unless
        `options` say what to paint), WordsRefused, PaintingError, ModelError, PainterLost, ShuttingDown.
        """
        check_words(refuses, options.prompt, options.negative_prompt, options.said)
        if isinstance(source, HeardSummary):
            heard, summary = None, source
        else:
            loop = asyncio.get_running_loop()
            begin_painter = partial(loop.call_soon_threadsafe, self._painter.begin)
            heard = await self.hear(source, options, begins=hearing_begins, sounds=begin_painter)
            summary = heard.summary
            check_words(refuses, summary.prompt.text, summary.prompt.negative_text)
            yield heard
        spoken = await self._understander.spoken(
            heard, summary, options, user=user, refuses=refuses, allows=allows_words
        )
        if spoken is not None:
            if spoken.said is not None and spoken.said.subjects:
                await self.know_painter()
            understood = await self._understood(summary, spoken, options)
            yield understood
            summary = summary.understood(understood)
        if not can_be_painted(summary, options):
            raise NothingHeard
        prompt = await self.prompt_for(summary, options)
        check_words(refuses, prompt.text, prompt.negative_text)
        labels = labels_in_recipe(summary.top)
        async with aclosing(self.paint(prompt, options, heard=labels, user=user, check=check)) as events:
            async for event in events:
                yield event

    async def hear(
        self,
        recording: bytes | Path,
        options: ImagineOptions = DEFAULTS,
        *,
        begins: Callable[[], object] = lambda: None,
        sounds: Callable[[], object] = lambda: None,
        longest_s: float | None = None,
    ) -> Heard:
        """What is in `recording`, and the prompt for it. Cancelling it frees what hears it at once.

        In the hearing thread, `begins` is called at its turn, `sounds` once it could be read and is not silent.
        `longest_s`: how many seconds of it are heard, None: as many as the settings say. Raises RecordingError,
        ModelError, ShuttingDown.
        """
        heard = await self._hearer.hear(recording, options, begins=begins, sounds=sounds, longest_s=longest_s)
        return self._with_voice(heard, options)

    async def part(self, heard: Heard, begins_s: float, ends_s: float, options: ImagineOptions = DEFAULTS) -> Heard:
        """What was heard in a part of it, as if that were a recording of its own. Raises ShuttingDown."""
        return self._with_voice(await self._hearer.part(heard, begins_s, ends_s, options), options)

    def _with_voice(self, heard: Heard, options: ImagineOptions) -> Heard:
        may_understand = options.said is None and self._understander.may_understand(options)
        return heard if may_understand else replace(heard, voice=None)

    async def understand(
        self,
        heard: Heard | None,
        options: ImagineOptions = DEFAULTS,
        *,
        user: str = "",
        refuses: Callable[[str], bool] = lambda text: False,
        allows: Callable[[], bool] = lambda: True,
    ) -> Understood | None:
        """What was said in it, or what `options` say without any recording; None where nobody speaks.

        It takes no longer than SPEECH_PATIENCE_S. `refuses`, `allows`: see `imagine`. Raises ShuttingDown.
        """
        summary = HeardSummary.of_nothing() if heard is None else heard.summary
        spoken = await self._understander.spoken(heard, summary, options, user=user, refuses=refuses, allows=allows)
        return None if spoken is None else await self._understood(summary, spoken, options)

    async def know_painter(self) -> None:
        """Wait for the painter, which may know few words; for a large one, which knows all, not to the end."""
        with suppress(TimeoutError, ImagineSoundError):
            async with asyncio.timeout(self.settings.speech_patience_s):
                await self.generator()

    async def _understood(self, summary: HeardSummary, spoken: Spoken, options: ImagineOptions) -> Understood:
        def tell() -> Understood:
            scene, left_out = scene_of(replace(summary, spoken=spoken), options, self.loaded_info())
            return Understood(spoken, scene, self._words(scene, options), left_out)

        return await asyncio.to_thread(tell)

    async def weave(self, heard: Heard) -> Strip:
        """The strip of what was heard, woven in a hearing thread. Raises ShuttingDown."""
        return await self._hearer.weave(heard)

    async def words_for(self, scene: Scene, options: ImagineOptions) -> Prompt:
        """A scene in words, as somebody chose their style."""
        return await asyncio.to_thread(self._words, scene, options)

    async def prompt_for(self, heard: HeardSummary, options: ImagineOptions) -> Prompt:
        """The words that are painted for what was heard: those it was told in already, unless `options` change them."""
        style = options.style or self.settings.style
        if is_told_in(heard, style, options):
            return chosen(heard.prompt, style, options)

        def tell() -> Prompt:
            return self._words(scene_of(heard, options, self.loaded_info())[0], options)

        return await asyncio.to_thread(tell)

    async def paint(
        self,
        prompt: Prompt,
        options: ImagineOptions = DEFAULTS,
        *,
        heard: tuple[str, ...] = (),
        user: str = "",
        check: PictureCheck | None = None,
    ) -> AsyncGenerator[Event, None]:
        """Paint `prompt`, of a recipe say, without hearing anything; `heard` goes into the picture's recipe.

        As many Painted come as `options` count, and then nothing; if one fails, all do. `check`: what becomes of those
        that should not be shown; None: what the settings say. Raises PictureBlocked, among others.
        """
        async with aclosing(self._checker.checked(self._paint(prompt, options, heard, user), check)) as events:
            async for event in events:
                yield event

    async def _paint(
        self, prompt: Prompt, options: ImagineOptions, heard: tuple[str, ...], user: str
    ) -> AsyncGenerator[Event, None]:
        if self._painter.is_awaited:
            yield Loading()
            async with aclosing(self._painter.arrivals()) as arrivals:
                async for share in arrivals:
                    yield Loading(share if share < 1 else None)
        generator = await self.generator()
        size, info = options.size, await asyncio.to_thread(generator.info)
        if size is None and options.shape is not None:
            size = shaped(options.shape, info)
        seed = secrets.randbelow(MAX_SEED) if options.seed is None else options.seed
        requests = [
            GenerationRequest(
                prompt=prompt,
                seed=(seed + index) % (MAX_SEED + 1),
                steps=options.steps,
                guidance=options.guidance,
                size=size,
                adapter=options.adapter,
                near=options.near,
                user=user,
                heard=heard,
            )
            for index in range(options.count)
        ]
        if options.marked and self.settings.watermark:
            requests = await asyncio.to_thread(self._marked, requests)
        async with aclosing(painted_by(generator, requests, info.picture_s)) as events:
            async for event in events:
                yield event

    async def enlarge(
        self, image: Image, recipe: Recipe, times: int, *, user: str = "", check: PictureCheck | None = None
    ) -> AsyncGenerator[Event, None]:
        """`image`, which was painted by `recipe`, 2 or 4 `times` larger: as `paint`, with tiles for steps.

        It waits in a queue of its own, and leaves the painter alone. Raises ModelMissing where nothing enlarges it,
        ModelUnusable, InvalidOptions where it would be too large, OutOfMemory, UpscalingStalled, ShuttingDown.
        """
        await asyncio.to_thread(self.upscaler, recipe.model)
        yield Loading()
        thread = await self._enlarger.thread()
        larger = painted_by(thread, [UpscalingRequest(image, recipe, times, user)])
        async with aclosing(self._checker.checked(larger, check)) as events:
            async for event in events:
                yield event

    async def inspect(self, request: InspectionRequest) -> npt.NDArray[np.float32]:
        """The noise that a picture may have started from; see Inspected. It waits in the painter's queue.

        Raises InvalidOptions where the painter cannot tell, PaintingError, ModelError, PainterLost, ShuttingDown.
        """
        return await inspected_by(await self.generator(), request)

    def upscaler(self, painter: str) -> LocatedModel:
        """What enlarges the pictures of the model `painter`, as a recipe names it. Raises ModelMissing."""
        return self._models.upscaler(painter)

    def can_enlarge(self, painter: str) -> bool:
        """Whether anything does. Looks at a few names on the disk; loads nothing."""
        try:
            self.upscaler(painter)
        except ModelMissing:
            return False
        return True

    async def info(self) -> GeneratorInfo:
        """What paints; loads the model if it is not loaded yet."""
        generator = await self.generator()
        return await asyncio.to_thread(generator.info)

    def loaded_info(self) -> GeneratorInfo | None:
        """The same, without waiting: None while the model is not loaded."""
        return None if (generator := self._painter.loaded) is None else generator.info()

    def load_failure(self) -> BaseException | None:
        """Why nothing can be painted now, where that is known."""
        return self._painter.failure

    def adapters(self) -> tuple[str, ...]:
        """The names of the LoRA adapters that may be chosen; reads a directory, so not on the event loop."""
        if self.settings.painters:
            info = self.loaded_info()
            return () if info is None else tuple(info.adapters)
        return tuple(choices(self.settings.adapters_dir))

    def queue_length(self) -> int:
        """How many pictures wait or are being painted."""
        return 0 if self._painter.loaded is None else self._painter.loaded.queue_length()

    def figures(self) -> Figures:
        """What the painter has counted since it was loaded."""
        return Figures() if (generator := self._painter.loaded) is None else generator.figures()

    async def ears(self) -> EarPool:
        """The sound classifiers, loaded at the first call; a failed load is tried again at the next."""
        return await self._hearer.ears()

    async def generator(self) -> ImageGenerator:
        """The painter, made at the first call; a failed start is tried again at the next."""
        return await self._painter.generator()

    async def lost(self) -> None:
        """Wait until the painter is lost: everyone is told PainterLost from then on, until the program starts anew.

        The engine still hears, and is to be closed.
        """
        await self._painter.lost()

    async def close(self) -> None:
        """Give up what is being painted, and free the models. Streams still being read end with ShuttingDown."""
        self._hearer.stop()
        self._understander.stop()
        parts = (self._painter, self._hearer, self._understander, self._enlarger, self._checker)
        try:
            async with asyncio.timeout(LONGEST_CLOSING_S):
                await asyncio.gather(*(part.close() for part in parts))
        except TimeoutError:
            log.warning("the engine is not closed after %g s; what is left ends with the process", LONGEST_CLOSING_S)

    def _loaded(self, make: Callable[[CoreSettings, ModelStore], Made]) -> Made:
        made = make(self.settings, self._models)
        self._after_loading()
        return made

    def _marked(self, requests: Sequence[GenerationRequest]) -> list[GenerationRequest]:
        """Each with the pattern of its composition: pictures that are near each other share one."""
        seeds = [request.seed if request.near is None else request.near for request in requests]
        return [
            replace(request, pattern=self._marker.pattern_for(seed))
            for request, seed in zip(requests, seeds, strict=True)
        ]

    def _words(self, scene: Scene, options: ImagineOptions) -> Prompt:
        return told(scene, options.style or self.settings.style, options, self.loaded_info())

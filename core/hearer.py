"""The engine's ear: recordings heard in a small thread pool, fewer looks at each where many wait, and closed in time.

It is the event loop's side of hearing, as `painter.py` is of painting. It knows nothing of pictures, nor of who asks.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from core.errors import HearingStopped, ShuttingDown
from core.events import Heard, HeardSummary
from core.hearing.acoustics import measure
from core.hearing.audio import Clip, load_clip
from core.hearing.categories import get_top_categories
from core.hearing.ears import CROWDED_BUDGET, CROWDED_PASSES, MOST_PASSES, EarPool, Ears
from core.hearing.listening import Listened, listen
from core.hearing.sound import SAMPLE_RATE
from core.hearing.strip import Strip, weave
from core.hearing.timeline import WINDOW_S
from core.importing import without_collections
from core.models import ModelStore
from core.options import ImagineOptions
from core.prompting.prompt import Prompt, title_of
from core.prompting.scene import Scene, compose_scene, with_manner
from core.settings import CoreSettings
from core.speech.voice import voice_in
from core.threads import in_daemon_thread

Words = Callable[[Scene, ImagineOptions], Prompt]
"""The prompt for a scene, as somebody chose it. Any thread."""


class Hearer:
    """Hears any number of recordings, `hearing_threads` at a time."""

    def __init__(
        self,
        settings: CoreSettings,
        models: ModelStore,
        words: Words,
        *,
        after_loading: Callable[[], None],
    ) -> None:
        """`after_loading` is called in the thread that has loaded a model."""
        self._settings = settings
        self._models = models
        self._words = words
        self._after_loading = after_loading
        self._threads = ThreadPoolExecutor(settings.hearing_threads, thread_name_prefix="hearing")
        self._ears: EarPool | None = None
        self._loading = threading.Lock()
        self._heard_now: set[threading.Event] = set()
        """What stops each recording that is being heard."""
        self._waiting: set[threading.Event] = set()
        """The same of those whose turn has not come."""
        self._closed = False

    async def hear(
        self,
        recording: bytes | Path,
        options: ImagineOptions,
        *,
        begins: Callable[[], object],
        sounds: Callable[[], object],
        longest_s: float | None = None,
    ) -> Heard:
        """See Engine.hear."""
        if self._closed:
            raise ShuttingDown
        loop = asyncio.get_running_loop()
        stop = threading.Event()
        self._heard_now.add(stop)
        self._waiting.add(stop)

        def hear() -> Heard:
            self._waiting.discard(stop)
            begins()
            clip = self._read(recording, options, longest_s, stop)
            if not clip.silent:
                sounds()
            return self._hear(clip, options, self._loaded_ears(stop))

        try:
            return await loop.run_in_executor(self._threads, hear)
        except HearingStopped as error:
            raise ShuttingDown from error
        finally:
            stop.set()
            self._heard_now.discard(stop)
            self._waiting.discard(stop)  # it may have been given up before its turn

    async def part(self, heard: Heard, begins_s: float, ends_s: float, options: ImagineOptions) -> Heard:
        """What was heard in a part of it, as if that were a recording of its own. Raises ShuttingDown."""
        if self._closed:
            raise ShuttingDown

        def cut_out() -> Heard:
            return self._told(part_of(heard, begins_s, ends_s), options)

        return await asyncio.get_running_loop().run_in_executor(self._threads, cut_out)

    async def weave(self, heard: Heard) -> Strip:
        """The strip of what was heard. Raises ShuttingDown."""
        if self._closed:
            raise ShuttingDown
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, weave, heard.clip.samples, heard.summary.windows)

    async def ears(self) -> EarPool:
        """The sound classifiers, loaded at the first call; a failed load is tried again at the next."""
        if self._closed:
            raise ShuttingDown
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._loaded_ears, threading.Event())

    def stop(self) -> None:
        """Give up what is being heard, and take nothing more."""
        self._closed = True
        for stop in self._heard_now:
            stop.set()

    async def close(self) -> None:
        """After `stop`: wait for the threads, and free the models."""
        await asyncio.wrap_future(in_daemon_thread(self._threads.shutdown, "closing"))
        if self._ears is not None:
            await asyncio.wrap_future(in_daemon_thread(self._ears.close, "closing"))

    def _loaded_ears(self, stop: threading.Event) -> EarPool:
        """The classifiers, loaded in the thread that needs them first. Raises HearingStopped, and what loading raises.

        That is after a recording was read: for one that cannot be, nothing is loaded.
        """
        with self._loading:
            if self._ears is None:
                if stop.is_set():
                    raise HearingStopped
                models = self._models.ears()
                with without_collections():  # mediapipe and scipy load here, not before
                    self._ears = EarPool(models)
                self._after_loading()
            return self._ears

    def _read(
        self, recording: bytes | Path, options: ImagineOptions, longest_s: float | None, stop: threading.Event
    ) -> Clip:
        limits = self._settings.audio_limits
        if longest_s is not None:
            limits = replace(limits, max_seconds=longest_s)
        if options.max_seconds is not None:
            limits = replace(limits, max_seconds=min(limits.max_seconds, options.max_seconds))
        return load_clip(recording, limits, stop)

    def _hear(self, clip: Clip, options: ImagineOptions, pool: EarPool) -> Heard:
        with pool.lent() as ears:
            return self._told(listen(clip, ears, self._passes_for(clip, ears)), options)

    def _told(self, listened: Listened, options: ImagineOptions) -> Heard:
        clip, windows, top = listened.clip, listened.windows, listened.top
        scene = compose_scene(top)
        manner = measure(clip.samples, windows, scene.subjects[0].label)
        scene = with_manner(scene, manner)
        summary = HeardSummary(
            title=title_of(scene),
            top=top,
            windows=windows,
            duration_s=clip.duration_s,
            prompt=self._words(scene, options),
            style=(options.style or self._settings.style) if options.prompt is None else None,
            shortened=clip.shortened,
            damaged=clip.damaged,
            begins_s=clip.begins_s,
            mendings=clip.mendings,
            passes=listened.passes,
            manner=manner,
        )
        return Heard(summary, scene, clip, voice_in(windows))

    def _passes_for(self, clip: Clip, ears: Ears) -> int:
        """Fewer looks at each where more wait to be heard than can be heard at once, fewest at long recordings."""
        budget, most = self._settings.hearing_budget, MOST_PASSES
        if len(self._waiting) > self._settings.hearing_threads:
            budget, most = min(budget, CROWDED_BUDGET), CROWDED_PASSES
        return ears.passes_for(clip, budget=budget, most=most)


def part_of(heard: Heard, begins_s: float, ends_s: float) -> Listened:
    """What was heard from `begins_s` to `ends_s`: the windows that lie there by more than half, one at least."""
    summary, clip = heard.summary, heard.clip
    windows = [window for window in summary.windows if begins_s <= window.timestamp_ms / 1000 + WINDOW_S / 2 < ends_s]
    if not windows:
        windows = [min(summary.windows, key=lambda window: abs(window.timestamp_ms / 1000 - begins_s))]
    first_ms = windows[0].timestamp_ms
    windows = [replace(window, timestamp_ms=window.timestamp_ms - first_ms) for window in windows]
    samples = clip.samples[round(begins_s * SAMPLE_RATE) : round(ends_s * SAMPLE_RATE)]
    return Listened(
        replace(clip, samples=samples, begins_s=clip.begins_s + begins_s),
        tuple(windows),
        get_top_categories(windows),
        summary.passes,
    )

"""Whether anybody waits for somebody else's words: a recogniser that takes six seconds, and many who speak.

    python -m benchmarks.speech_lane [--model DIR]

Three voice notes and a siren at once: when the labels of each are told. Forty voice notes of five people at once: when
the last of them begins to be painted after its labels, and in which order people were served. With `--model`, a
directory with a Whisper model: how much slower the bundled painter paints while it recognises on one thread.
"""

import argparse
import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import aclosing
from pathlib import Path
from tempfile import TemporaryDirectory

from core.engine import Engine
from core.events import Heard, Understood
from core.generation.protocol import Painted
from core.hearing.audio import Samples, load_clip
from core.hearing.samples import DEMO, write_wav
from core.options import ImagineOptions
from core.prompting.prompt import Prompt
from core.settings import CoreSettings
from core.speech.recognise import Recognition, Segment, Task, recognise
from core.speech.spoken import SaidScene
from core.speech.whisper import load_whisper
from core.speech.writer import SceneWriter
from tests.speech.babble import babble

RECOGNITION_S = 6.0
FEW = ImagineOptions(steps=2)
DOG = Prompt("a barking dog", "")


class Slow:
    """A recogniser that takes its time, and notes for whom."""

    translates = True

    def recognise(self, samples: Samples, *, language: str = "", task: Task = Task.TRANSCRIBE) -> Recognition:
        """The same words each time."""
        return Recognition(self._segments(), "en", 0.99)

    def _segments(self) -> Iterable[Segment]:
        time.sleep(RECOGNITION_S)
        yield Segment("my dog ran into the water", 0.0, 3.0, -0.2, 0.0, 1.0)


def settings() -> CoreSettings:
    """The miniatures, nothing fetched."""
    return CoreSettings().model_copy(update={"download_models": False, "device": "cpu", "image_model": "auto"})


def slow_engine() -> Engine:
    """An engine with that recogniser."""
    dog = SaidScene(("a dog",), kind="story")
    return Engine(
        settings(),
        make_recogniser=lambda *_: Slow(),
        make_writer=lambda *_: SceneWriter(rules=lambda words: dog, served=None),
    )


async def labels(directory: Path) -> None:
    """Three voice notes and a siren."""
    siren = write_wav(directory / "siren.wav", DEMO["siren"]())
    async with slow_engine() as engine:
        await engine.ears()
        began = time.monotonic()

        async def first(name: str, source: bytes | Path) -> None:
            async with aclosing(engine.imagine(source, FEW, user=name)) as events:
                assert isinstance(await anext(events), Heard)
                print(f"  labels of {name}: {time.monotonic() - began:.2f} s")

        notes = [(f"note {number}", babble(3.0, seed)) for number, seed in enumerate((4, 6, 7), start=1)]
        await asyncio.gather(*(first(*each) for each in (*notes, ("the siren", siren))))


async def crowd() -> None:
    """Forty voice notes of five people."""
    waits, served = [], []
    async with slow_engine() as engine:
        await asyncio.gather(engine.ears(), engine.info())

        async def one(user: str, seed: int) -> None:
            heard_at = 0.0
            async with aclosing(engine.imagine(babble(3.0, seed), FEW, user=user)) as events:
                async for event in events:
                    match event:
                        case Heard():
                            heard_at = time.monotonic()
                        case Understood(spoken):
                            waits.append(time.monotonic() - heard_at)
                            if spoken.words:
                                served.append(user)
                            return

        await asyncio.gather(*(one(f"person {number % 5}", 4 + number % 7) for number in range(40)))
        patience = engine.settings.speech_patience_s
    print(f"  from the labels to what is painted: median {statistics.median(waits):.2f} s, at most {max(waits):.2f} s")
    most = max(Counter(served).values(), default=0)
    print(f"  patience {patience:g} s; recognised: {', '.join(served) or 'none'}; most of one person: {most}")


async def beside_the_painter(model: Path) -> None:
    """How long a picture takes, alone and while one thread recognises."""
    recogniser = load_whisper(model, threads=1)
    clip = load_clip(babble(10.0))
    async with Engine(settings()) as engine:

        async def picture() -> float:
            began = time.monotonic()
            async with aclosing(engine.paint(DOG, ImagineOptions(seed=1))) as events:
                async for event in events:
                    if isinstance(event, Painted):
                        return time.monotonic() - began
            raise AssertionError("a stream ends with a picture, or raises")

        def listen() -> None:
            for _ in recognise(recogniser, clip.samples, "en", Task.TRANSCRIBE):
                pass

        await picture()
        alone, beside = [], []
        for _ in range(5):
            alone.append(await picture())
            listening = asyncio.create_task(asyncio.to_thread(listen))
            beside.append(await picture())
            await listening
    ratio = statistics.median(beside) / statistics.median(alone)
    print(f"  a picture beside a recognition takes {ratio:.2f} times as long ({statistics.median(alone):.2f} s alone)")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    chosen = parser.parse_args()
    print(f"Three voice notes and a siren, recognition takes {RECOGNITION_S:g} s:")
    with TemporaryDirectory() as directory:
        asyncio.run(labels(Path(directory)))
    print("Forty voice notes of five people:")
    asyncio.run(crowd())
    if chosen.model is not None:
        print("The painter meanwhile:")
        asyncio.run(beside_the_painter(chosen.model))


if __name__ == "__main__":
    main()

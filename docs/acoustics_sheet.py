"""Makes docs/acoustics.webp: ten pairs of sounds that differ in one thing, painted by the bundled miniature.

    YAMNET_MODEL=yamnet.tflite python -m docs.acoustics_sheet --recordings ESC-10

Each pair is made of the first recording of its class that is heard as what it is and of which both manners are measured
as they were made. Both pictures have the same labels, the same seed and the same painter.
"""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.signal import resample_poly

from benchmarks.acoustic_pairs import in_a_room, ramped, repeated, single_event
from core.engine import Engine
from core.generation.protocol import Painted
from core.hearing.acoustics import Manner, Motion, Space, measure
from core.hearing.audio import Clip, Samples, load_clip
from core.hearing.ears import EarPool
from core.hearing.listening import listen
from core.hearing.samples import siren
from core.hearing.size import Size
from core.options import ImagineOptions
from core.prompting.prompt import Prompt, describe
from core.prompting.scene import Scene, compose_scene, with_manner
from core.settings import CoreSettings

SEED = 7
SIDE, GAP, CAPTION, PAIRS_A_ROW = 192, 10, 34, 2

Make = Callable[[Samples], Samples | None]
Holds = Callable[[Manner], bool]


@dataclass(frozen=True)
class Kind:
    """What a pair is made of, and how: the class, its label, how each half is made, and what must be measured of it."""

    folder: str
    label: str
    one: Make
    other: Make
    one_holds: Holds
    other_holds: Holds


def times(count: int, *, room_s: float = 0.0) -> Make:
    """A recording's single event so often, in a room."""

    def make(recording: Samples) -> Samples | None:
        event = single_event(recording)
        if event is None:
            return None
        sound = repeated(event, count, np.random.default_rng(0))
        return in_a_room(sound, room_s, np.random.default_rng(1)) if room_s else sound

    return make


def in_room(room_s: float) -> Make:
    """A recording in a room."""
    return lambda recording: in_a_room(recording, room_s, np.random.default_rng(1))


def ramp(*changes_db: float) -> Make:
    """A recording that grows louder by each of `changes_db` in turn, in equal parts."""

    def make(recording: Samples) -> Samples:
        parts = np.array_split(recording, len(changes_db))
        return np.concatenate([ramped(part, change) for part, change in zip(parts, changes_db, strict=True)])

    return make


def at_pitch(up: int, down: int) -> Make:
    """A recording played faster (`down` above `up`), and thus higher; or slower and lower."""
    return lambda recording: np.asarray(resample_poly(recording, up, down), np.float32)


def as_it_is(recording: Samples) -> Samples:
    """A recording as it is."""
    return recording


def _is(**fields: object) -> Holds:
    return lambda manner: all(getattr(manner, name) == value for name, value in fields.items())


def _both(one: Holds, other: Holds) -> Holds:
    return lambda manner: one(manner) and other(manner)


def _many(manner: Manner) -> bool:
    return (manner.events or 0) >= 4


def _middling(manner: Manner) -> bool:
    return manner.size is None


DRY, HALL = _is(space=Space.DRY), _is(space=Space.HALL)
STILL = _is(motion=Motion.STILL)
KINDS = (
    Kind("001 - Dog bark", "Dog", times(1), times(6), _is(events=1), _many),
    Kind("006 - Person sneeze", "Sneeze", times(1), times(5), _is(events=1), _many),
    Kind("001 - Dog bark", "Dog", times(3), times(3, room_s=2.5), DRY, HALL),
    Kind("006 - Person sneeze", "Sneeze", times(1), times(1, room_s=2.5), DRY, HALL),
    Kind("001 - Dog bark", "Dog", as_it_is, in_room(1.2), _both(DRY, _many), _both(HALL, _many)),
    Kind("007 - Helicopter", "Helicopter", as_it_is, ramp(14), STILL, _is(motion=Motion.APPROACHING)),
    Kind("007 - Helicopter", "Helicopter", as_it_is, ramp(-14), STILL, _is(motion=Motion.LEAVING)),
    Kind("", "Police car (siren)", as_it_is, ramp(14, -14), STILL, _is(motion=Motion.PASSING)),
    Kind("001 - Dog bark", "Dog", as_it_is, at_pitch(2, 1), _middling, _is(size=Size.LARGE)),
    Kind("009 - Rooster", "Crowing, cock-a-doodle-doo", as_it_is, at_pitch(2, 3), _middling, _is(size=Size.SMALL)),
)


class Ear:
    """Hears samples as the engine does."""

    def __init__(self, pool: EarPool, budget: int) -> None:
        self._pool = pool
        self._budget = budget

    def hear(self, samples: Samples, label: str) -> tuple[Scene, Manner]:
        """What is seen in the sound, and how `label` sounded."""
        clip = Clip(samples)
        with self._pool.lent() as ears:
            listened = listen(clip, ears, ears.passes_for(clip, budget=self._budget))
        return compose_scene(listened.top), measure(listened.clip.samples, listened.windows, label)


def prompts_of(kind: Kind, recordings: Sequence[Samples], ear: Ear) -> tuple[Prompt, Prompt]:
    """The two prompts of the first pair that can be made; both tell of what was heard in the first half."""
    for recording in recordings:
        one, other = kind.one(recording), kind.other(recording)
        if one is None or other is None:
            continue
        (scene, plain), (_, changed) = ear.hear(one, kind.label), ear.hear(other, kind.label)
        if scene.subjects[0].label != kind.label or scene.uncertain:
            continue
        if kind.one_holds(plain) and kind.other_holds(changed) and not kind.other_holds(plain):
            return describe(with_manner(scene, plain)), describe(with_manner(scene, changed))
    raise SystemExit(f"no recording of {kind.folder or kind.label} makes this pair.")


async def paint(engine: Engine, prompt: Prompt) -> Image.Image:
    """The picture of `prompt` with SEED."""
    async with aclosing(engine.paint(prompt, ImagineOptions(seed=SEED))) as events:
        async for event in events:
            if isinstance(event, Painted):
                return event.picture.image
    raise AssertionError("a stream ends with a picture, or raises")


async def make_sheet(recordings: Path, target: Path) -> None:
    """Hear, paint and lay out all pairs."""
    settings = CoreSettings().model_copy(update={"download_models": False, "device": "cpu"})
    tile = SIDE + GAP
    rows = -(-len(KINDS) // PAIRS_A_ROW)
    sheet = Image.new("RGB", (PAIRS_A_ROW * (2 * tile + GAP), rows * (tile + CAPTION)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=11)
    async with Engine(settings) as engine:
        ear = Ear(await engine.ears(), settings.hearing_budget)
        for number, kind in enumerate(KINDS):
            sounds = (
                [load_clip(path).samples for path in sorted((recordings / kind.folder).iterdir())]
                if kind.folder
                else [siren()]
            )
            row, column = divmod(number, PAIRS_A_ROW)
            for half, prompt in enumerate(prompts_of(kind, sounds, ear)):
                print(f"{number + 1}.{half + 1} {prompt.text}", flush=True)
                at = (column * (2 * tile + GAP) + half * tile + GAP // 2, row * (tile + CAPTION) + GAP // 2)
                picture = (await paint(engine, prompt)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
                sheet.paste(picture, at)
                caption = _wrapped(prompt.text, font)
                pen.multiline_text((at[0], at[1] + SIDE + 4), caption, "black", font, spacing=2)
    sheet.save(target, quality=72, method=6)


def _wrapped(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont) -> str:
    """`text` in lines as wide as a picture."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= SIDE:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def main() -> None:
    """Make the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=Path, required=True, help="a folder with ESC-10's ten folders")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("acoustics.webp"))
    args = parser.parse_args()
    asyncio.run(make_sheet(args.recordings, args.out))


if __name__ == "__main__":
    main()

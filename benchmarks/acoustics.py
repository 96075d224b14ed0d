"""How often it is told rightly how something sounded: `python -m benchmarks.acoustics --recordings DIR`.

    YAMNET_MODEL=yamnet.tflite python -m benchmarks.acoustics --recordings ESC-10
    YAMNET_MODEL=yamnet.tflite python -m benchmarks.acoustics --recordings ESC-10 --sizes core/hearing/sizes.csv

DIR holds a folder a class, named as ESC-10's are. Pairs that differ in one thing are made of its recordings
(`acoustic_pairs.py`) and heard as the engine hears: classified, the main subject found, its manner measured. Unchanged
recordings show what is told where nothing was changed. Percentages are printed, JSON goes to benchmarks/results/.

`--sizes` makes the table of sizes instead. ESC-10 is CC BY and CC0; what goes into the table are quantiles, no sound.
"""

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from benchmarks.acoustic_pairs import in_a_room, ramped, repeated, single_event, unsteadiness_db
from core.hearing.acoustics import HALL_T60_S, Manner, Motion, Space, measure, windows_of
from core.hearing.audio import Clip, load_clip
from core.hearing.classifier import Category, Prediction
from core.hearing.ears import Ears
from core.hearing.listening import listen
from core.hearing.size import FEWEST_RECORDINGS, centroid_hz
from core.hearing.sound import Samples
from core.located import Origin
from core.models import ModelStore
from core.prompting.phrasebook import Telling, load_phrasebook
from core.prompting.prompt import describe
from core.prompting.scene import Scene, compose_scene, with_manner
from core.settings import CoreSettings

RESULTS = Path(__file__).parent / "results" / "acoustics.json"
BARKS_AND_SNEEZES = ("Dog bark", "Person sneeze")
MACHINES = ("Helicopter", "Chainsaw")
STEADY_MACHINES = 50
MOST_TIMES = 6
ROOMS_S = (0.0, 0.3, 1.2, 2.5)
RAMP_DB = 14.0
KINDS = {
    "Dog bark": "Dog|Bark|Bow-wow|Yip|Howl|Growling",
    "Clock tick": "Clock|Tick|Tick-tock",
    "Rooster": "Chicken, rooster|Crowing, cock-a-doodle-doo",
}
"""For the sizes: the labels that name what a class of ESC-10 is, where pitch may tell a size."""


@dataclass(frozen=True)
class Heard:
    """A sound as the engine hears it."""

    samples: Samples
    windows: Sequence[Prediction]
    scene: Scene
    manner: Manner


class Ear:
    """Hears samples as the engine does, and counts the processor time that measuring takes."""

    def __init__(self, ears: Ears, budget: int) -> None:
        self._ears = ears
        self._budget = budget
        self.milliseconds: list[float] = []

    def hear(self, samples: Samples) -> Heard:
        clip = Clip(samples)
        listened = listen(clip, self._ears, self._ears.passes_for(clip, budget=self._budget))
        scene = compose_scene(listened.top)
        began = time.thread_time()
        manner = measure(listened.clip.samples, listened.windows, scene.subjects[0].label)
        self.milliseconds.append((time.thread_time() - began) * 1000)
        return Heard(samples, listened.windows, scene, manner)


def _in_all_windows(sound: Heard) -> Manner:
    """The manner of a label that is heard in all windows: measuring by itself, whatever the classifier says."""
    windows = [replace(window, categories=(Category("it", 1.0),)) for window in sound.windows]
    return measure(sound.samples, windows, "it")


class Pairs:
    """How many phrases the two prompts of each pair differ in, told of the same scene."""

    def __init__(self) -> None:
        self.phrases: Counter[int] = Counter()

    def add(self, scene: Scene, one: Manner, other: Manner) -> None:
        texts = [describe(with_manner(scene, manner)).text.split(", ") for manner in (one, other)]
        changes = SequenceMatcher(None, *texts, autojunk=False).get_opcodes()
        self.phrases[sum(change[0] != "equal" for change in changes)] += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=Path, required=True, help="a folder with a folder a class, as ESC-10 has")
    parser.add_argument("--sizes", type=Path, help="write the table of sizes to this file, and nothing else")
    args = parser.parse_args()
    settings = CoreSettings()
    models = ModelStore(settings)
    with closing(Ears(models.ears())) as ears:
        run(Ear(ears, settings.hearing_budget), args.recordings, args.sizes, models.yamnet().origin)


def run(ear: Ear, recordings: Path, sizes: Path | None, origin: Origin) -> None:
    heard = {
        kind: [ear.hear(load_clip(path).samples) for path in sorted(folder.iterdir())]
        for folder in sorted(recordings.iterdir())
        if folder.is_dir() and (kind := re.sub(r"^\d+ - ", "", folder.name))
    }
    if sizes:
        sizes.write_text("\n".join(["label|low_hz|high_hz|recordings", *_sizes(heard)]) + "\n", encoding="utf-8")
        return
    pairs = Pairs()
    found = {
        "classifier": origin,
        "events": _events(ear, heard, pairs),
        "rooms": _rooms(ear, heard, pairs),
        "motion": _motion(ear, heard, pairs),
        "unchanged": {kind: _told(sounds) for kind, sounds in heard.items()},
    }
    found["phrases that two prompts of a pair differ in"] = dict(sorted(pairs.phrases.items()))
    found["milliseconds a sound"] = dict(
        zip(("median", "99 %"), map(float, np.quantile(ear.milliseconds, [0.5, 0.99]).round(2)), strict=True)
    )
    text = json.dumps(found, indent=2)
    print(text)
    RESULTS.write_text(text + "\n", encoding="utf-8")


def _percent(right: Sequence[bool]) -> dict[str, float]:
    return {"of": len(right), "percent": round(100 * sum(right) / len(right), 1)}


def _single_events(heard: dict[str, list[Heard]]) -> Iterator[np.ndarray]:
    for kind in BARKS_AND_SNEEZES:
        for sound in heard[kind]:
            event = single_event(sound.samples)
            if event is not None:
                yield event


def _class(events: int | None) -> str:
    """As it is told: once, twice or thrice, again and again."""
    return "none" if not events else "one" if events == 1 else "two or three" if events <= 3 else "many"


def _events(ear: Ear, heard: dict[str, list[Heard]], pairs: Pairs) -> dict[str, object]:
    """Single events, repeated one to six times."""
    random = np.random.default_rng(0)
    exact, right, alone, alone_right = [], [], [], []
    for event in _single_events(heard):
        once = ear.hear(repeated(event, 1, random))
        for times in range(1, MOST_TIMES + 1):
            sound = once if times == 1 else ear.hear(repeated(event, times, random))
            exact.append(sound.manner.events == times)
            right.append(_class(sound.manner.events) == _class(times))
            events = _in_all_windows(sound).events
            alone.append(events == times)
            alone_right.append(_class(events) == _class(times))
            if times > 1:
                pairs.add(once.scene, once.manner, sound.manner)
    return {
        "exact": _percent(alone),
        "class": _percent(alone_right),
        "exact, as it is classified": _percent(exact),
        "class, as it is classified": _percent(right),
    }


def _rooms(ear: Ear, heard: dict[str, list[Heard]], pairs: Pairs) -> dict[str, object]:
    """How often a hall is told of single events, three times, dry and in rooms; and of whole recordings there."""
    random = np.random.default_rng(1)
    said: dict[str, list[bool]] = {}
    made = [repeated(event, 3, random) for event in _single_events(heard)]
    whole = [sound.samples for kind in BARKS_AND_SNEEZES for sound in heard[kind]]
    for name, sounds in (("", made), ("whole recordings, ", whole)):
        for dry in sounds:
            base = ear.hear(dry)
            for t60_s in ROOMS_S:
                sound = ear.hear(in_a_room(dry, t60_s, random)) if t60_s else base
                room = f"{name}{t60_s:g} s"
                said.setdefault(room, []).append(_in_all_windows(sound).space is Space.HALL)
                said.setdefault(f"{room}, as it is classified", []).append(sound.manner.space is Space.HALL)
                if t60_s >= HALL_T60_S and name == "":
                    pairs.add(base.scene, base.manner, sound.manner)
    return {f"hall told, {room}": _percent(told) for room, told in said.items()}


def _motion(ear: Ear, heard: dict[str, list[Heard]], pairs: Pairs) -> dict[str, object]:
    """The steadiest machines, growing louder and fainter; and what is told of rain and fire as they are."""
    machines = sorted((sound for kind in MACHINES for sound in heard[kind]), key=lambda s: unsteadiness_db(s.samples))
    right, opposite = [], []
    for machine in machines[:STEADY_MACHINES]:
        for change_db, towards, away in (
            (RAMP_DB, Motion.APPROACHING, Motion.LEAVING),
            (-RAMP_DB, Motion.LEAVING, Motion.APPROACHING),
        ):
            sound = ear.hear(ramped(machine.samples, change_db))
            right.append(sound.manner.motion is towards)
            opposite.append(sound.manner.motion is away)
            pairs.add(machine.scene, machine.manner, sound.manner)
    still = [_moves(sound.manner) for kind in ("Rain", "Fire crackling") for sound in heard[kind]]
    return {"right": _percent(right), "opposite": _percent(opposite), "told of rain and fire": _percent(still)}


def _moves(manner: Manner) -> bool:
    return manner.motion not in (None, Motion.STILL)


def _told(sounds: Sequence[Heard]) -> dict[str, float]:
    """In how many of a hundred unchanged recordings each thing is told in the prompt, and how long the falls seemed."""
    phrases = [" ".join(with_manner(sound.scene, sound.manner).manner) for sound in sounds]
    return {
        "single": _share("single" in phrase for phrase in phrases),
        "again and again": _share(" after " in phrase or "frantically" in phrase for phrase in phrases),
        "hall": _share("hall" in phrase for phrase in phrases),
        "hall, measured": _share(sound.manner.space is Space.HALL for sound in sounds),
        "motion": _share(bool(re.search("closer|away|past", phrase)) for phrase in phrases),
        "motion, measured": _share(_moves(sound.manner) for sound in sounds),
        "size": _share(" one" in phrase for phrase in phrases),
    }


def _share(holds: Iterator[bool]) -> float:
    return float(_percent(list(holds))["percent"])


def _sizes(heard: dict[str, list[Heard]]) -> Iterator[str]:
    """A row for each label that at least FEWEST_RECORDINGS recordings of its class were heard as."""
    book = load_phrasebook()
    for kind, labels in KINDS.items():
        for label in labels.split("|"):
            found = [
                centroid
                for sound in heard[kind]
                if (centroid := centroid_hz(sound.samples, windows_of(label, sound.windows, len(sound.samples))))
            ]
            if len(found) >= FEWEST_RECORDINGS and Telling.SIZE in book[label].manners:
                low, high = np.quantile(found, [0.1, 0.9])
                yield f"{label}|{low:.0f}|{high:.0f}|{len(found)}"


if __name__ == "__main__":
    main()

"""How often hearing is right, on recordings that anybody can get: `python -m benchmarks.hearing --packages DIR`.

    apt-get download $(python -m benchmarks.hearing --list-packages)      # 3.7 GB; some of them will do
    python -m benchmarks.hearing --packages DIR [--recordings ESC10] [--half report]
    python -m benchmarks.hearing --packages DIR --against benchmarks/results/hearing-before.json
    python -m benchmarks.hearing --packages DIR --save FILE.json

Each recording goes the way that it goes in the bot, from its bytes to the scene. Printed are the scores with 95 %
intervals, with `--against` what they rose by, how right labels of each certainty are, the labels that are next to
never right, and the CPU time. It hears with the model that the settings name. docs/hearing.md says what is measured.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.hearing_results import (
    Cost,
    Run,
    as_json,
    calibration_table,
    costs_table,
    differences_table,
    load_heard,
    phantoms_table,
    scores_table,
)
from benchmarks.hearing_scores import Count, Heard, calibrate, phantoms
from benchmarks.hearing_sounds import Group, Sound, from_esc10, from_packages, load_table
from core.errors import RecordingError
from core.hearing.audio import AudioLimits, Clip, load_clip
from core.hearing.categories import GENERIC, SILENCE, get_top_categories
from core.hearing.classifier import SoundClassifier
from core.models import ModelStore
from core.prompting.phrasebook import Role, load_phrasebook
from core.prompting.scene import compose_scene
from core.settings import CoreSettings

JUDGED_ROLES = (Role.SUBJECT, Role.ACTION, Role.WEATHER)
"""What a file's name speaks of."""

Result = TypeVar("Result")


def main(arguments: Sequence[str] | None = None) -> None:
    """Hear, and print what came of it."""
    options = _options(arguments)
    if options.list_packages:
        print(*sorted({sound.source for sound in load_table()}))
        return
    settings = CoreSettings()
    clips, reading_s = read(_recordings(options), settings.audio_limits)
    if not clips:
        sys.exit("There is nothing to hear; --packages or --recordings names a folder with recordings.")
    model = ModelStore(settings).yamnet()
    heard = hear_all(clips, reading_s, model.path, model.name)
    _print(heard, load_heard(options.against) if options.against else {})
    if options.save:
        options.save.write_text(as_json(heard, calibration_of(heard), phantoms_of(heard), GENERIC), encoding="utf-8")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, help="folder with the packages, packed or unpacked")
    parser.add_argument("--recordings", type=Path, help="ESC-10, a folder for each class")
    parser.add_argument("--half", type=Group, choices=(Group.CHOOSE, Group.REPORT), help="only these packages")
    parser.add_argument("--against", type=Path, help="a saved run to compare with")
    parser.add_argument("--save", type=Path, help="where to save this run")
    parser.add_argument("--list-packages", action="store_true", help="print the packages' names, and do nothing else")
    return parser.parse_args(arguments)


def _recordings(options: argparse.Namespace) -> Iterator[tuple[Sound, bytes]]:
    if options.packages:
        yield from from_packages(options.packages, (s for s in load_table() if options.half in (None, s.group)))
    if options.recordings:
        from training.yamnet_mini.evaluate import ACCEPTED

        yield from from_esc10(options.recordings, ACCEPTED)


def _print(heard: Run, before: Mapping[str, Heard]) -> None:
    print(scores_table([heard], GENERIC), "", sep="\n")
    if before:
        print("Since then, in points:", differences_table([heard], before, GENERIC), "", sep="\n\n")
    print("Labels that are right, by certainty:", calibration_table(calibration_of(heard)), "", sep="\n\n")
    print("Next to never right:", phantoms_table(phantoms_of(heard)), "", sep="\n\n")
    print(costs_table([heard]))


def read(recordings: Iterable[tuple[Sound, bytes]], limits: AudioLimits) -> tuple[dict[Sound, Clip], float]:
    """The clips, and the CPU seconds that they took. What cannot be read is told and left out."""
    clips: dict[Sound, Clip] = {}
    total_s = 0.0
    for sound, content in recordings:
        try:
            clips[sound], seconds = timed(partial(load_clip, content, limits))
        except RecordingError as error:
            print(f"{sound.key}: {error}", file=sys.stderr)
        else:
            total_s += seconds
    return clips, total_s


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What `work` gives, and the CPU seconds that it took here and in the processes that it waited for."""
    before = os.times()
    result = work()
    return result, sum(os.times()[:4]) - sum(before[:4])


def hear_all(clips: Mapping[Sound, Clip], reading_s: float, model: Path, name: str) -> Run:
    """All clips with one model."""
    classifier = SoundClassifier(model)
    heard, hearing_s = timed(lambda: {sound: hear(clip, classifier) for sound, clip in clips.items()})
    classifier.close()
    seconds = sum(clip.duration_s for clip in clips.values())
    return Run(name, 1, heard, seconds, Cost(1000 * reading_s / seconds, 1000 * hearing_s / seconds))


def hear(clip: Clip, classifier: SoundClassifier) -> Heard:
    """One clip, as the engine hears it."""
    top = get_top_categories(classifier.classify(clip))
    if not clip.silent and all(category.name == SILENCE for category in top):
        top = get_top_categories(classifier.classify(clip.turned_up()))
    labels = tuple((category.name, category.prominence) for category in top)
    return Heard(labels, compose_scene(top).subjects[0].label)


def calibration_of(heard: Run) -> dict[Group, tuple[Count, ...]]:
    """By group, how right labels of each certainty are."""
    return {group: calibrate(heard.answers(group), judged_labels()) for group in heard.groups()}


def phantoms_of(heard: Run) -> dict[str, Count]:
    """The labels that are next to never right in the packages for choosing."""
    return phantoms(heard.answers(Group.CHOOSE), judged_labels())


def judged_labels() -> frozenset[str]:
    """The labels of which a file's name can say whether they are right."""
    return frozenset(label for label, entry in load_phrasebook().entries.items() if entry.role in JUDGED_ROLES)


if __name__ == "__main__":
    main()

"""How often hearing is right, on recordings that anybody can get: `python -m benchmarks.hearing --packages DIR`.

    apt-get download $(python -m benchmarks.hearing --list-packages)      # 3.7 GB; some of them will do
    python -m benchmarks.hearing --packages DIR [--recordings ESC10] [--half report]
    python -m benchmarks.hearing --packages DIR --against benchmarks/results/hearing-before.json
    python -m benchmarks.hearing --packages DIR --passes 1 2 4 8          # the price list
    python -m benchmarks.hearing --packages DIR --save FILE.json

Each recording goes the way that it goes in the bot, from its bytes to the scene. Printed are the scores with 95 %
intervals, with `--against` what they rose by, how right labels of each certainty are, the labels that are next to
never right, and the CPU time. It hears with the models and the budget that the settings name. docs/hearing.md says
what is measured.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.hearing_results import (
    Run,
    as_json,
    calibration_table,
    costs_table,
    differences_table,
    load_heard,
    phantoms_file,
    phantoms_table,
    scores_table,
)
from benchmarks.hearing_scores import Count, Heard, calibrate, phantoms
from benchmarks.hearing_sounds import Group, Sound, from_esc10, from_packages, load_table
from core.errors import RecordingError
from core.hearing.audio import AudioLimits, Clip, load_clip
from core.hearing.classifier import without_drawing
from core.hearing.ears import MOST_PASSES, Ears
from core.hearing.labels import Role, load_labels
from core.hearing.listening import listen
from core.hearing.voice import VOICE
from core.models import ModelStore
from core.prompting.phrasebook import Entry, load_phrasebook
from core.prompting.scene import Scene, compose_scene
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
    models = ModelStore(settings)
    name, ears = models.yamnet().name, Ears(models.ears())
    runs = []
    for passes in options.passes:
        heard, hearing_s = timed(partial(hear_all, clips, ears, passes, settings.hearing_budget))
        runs.append(Run(name, passes, heard, sum(clip.duration_s for clip in clips.values()), reading_s, hearing_s))
    ears.close()
    _print(runs, load_heard(options.against) if options.against else {})
    if options.save:
        document = as_json(runs[-1], calibration_of(runs[-1]), phantoms_of(runs[-1]), load_labels().generic)
        options.save.write_text(document, encoding="utf-8")
    if options.phantoms:
        options.phantoms.write_text(phantoms_file(phantoms_of(runs[-1])), encoding="utf-8")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, help="folder with the packages, packed or unpacked")
    parser.add_argument("--recordings", type=Path, help="ESC-10, a folder for each class")
    parser.add_argument("--half", type=Group, choices=(Group.CHOOSE, Group.REPORT), help="only these packages")
    parser.add_argument(
        "--passes", type=int, nargs="+", choices=range(1, MOST_PASSES + 1), default=[None], metavar="N",
        help="so many for each recording, whatever the budget; several for a price list",
    )  # fmt: skip
    parser.add_argument("--against", type=Path, help="a saved run to compare with")
    parser.add_argument("--save", type=Path, help="where to save this run, of several the last")
    parser.add_argument("--phantoms", type=Path, help="where to write the labels that are next to never right")
    parser.add_argument("--list-packages", action="store_true", help="print the packages' names, and do nothing else")
    return parser.parse_args(arguments)


def _recordings(options: argparse.Namespace) -> Iterator[tuple[Sound, bytes]]:
    if options.packages:
        yield from from_packages(options.packages, (s for s in load_table() if options.half in (None, s.group)))
    if options.recordings:
        with without_drawing():
            from training.yamnet_mini.evaluate import ACCEPTED

        yield from from_esc10(options.recordings, ACCEPTED)


def _print(runs: Sequence[Run], before: Mapping[str, Heard]) -> None:
    generic = load_labels().generic
    print(scores_table(runs, generic), "", sep="\n")
    if before:
        print("Since then, in points:", differences_table(runs, before, generic), "", sep="\n\n")
    print("Labels that are right, by certainty:", calibration_table(calibration_of(runs[-1])), "", sep="\n\n")
    print("Next to never right:", phantoms_table(phantoms_of(runs[-1])), "", sep="\n\n")
    print(costs_table(runs))


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


def hear_all(clips: Mapping[Sound, Clip], ears: Ears, passes: int | None, budget: int) -> dict[Sound, Heard]:
    """All clips, in so many passes, or in as many as the budget (in windows) allows each."""
    return {sound: hear(clip, ears, passes or ears.passes_for(clip, budget=budget)) for sound, clip in clips.items()}


def hear(clip: Clip, ears: Ears, passes: int) -> Heard:
    """One clip, as the engine hears it."""
    top = listen(clip, ears, passes).top
    labels = tuple((category.name, category.certainty) for category in top)
    return Heard(labels, painted_for(compose_scene(top)))


def painted_for(scene: Scene) -> tuple[str, ...]:
    """The labels that the main subject is painted for: its own, and that of what it does, where the words tell it."""
    subject, book = scene.subjects[0], load_phrasebook()

    def is_told(action: Entry) -> bool:
        return subject.phrase in (action.joined_to(book[subject.label]), action.by_itself())

    actions = (use.label for use in scene.uses if use.became == subject.label and use.role is Role.ACTION)
    return (subject.label, *(label for label in actions if label != subject.label and is_told(book[label])))


def calibration_of(run: Run) -> dict[Group, tuple[Count, ...]]:
    """By group, how right labels of each certainty are."""
    return {group: calibrate(run.answers(group), judged_labels()) for group in run.groups()}


def phantoms_of(run: Run) -> dict[str, Count]:
    """The labels that are next to never right in the packages for choosing. Voices are too rare there to tell."""
    return phantoms(run.answers(Group.CHOOSE), judged_labels() - VOICE)


def judged_labels() -> frozenset[str]:
    """The labels of which a file's name can say whether they are right."""
    return frozenset(name for name, label in load_labels().rows.items() if label.role in JUDGED_ROLES)


if __name__ == "__main__":
    main()

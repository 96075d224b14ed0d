"""Step 5: compare yamnet-mini with YamNet on the same files, through MediaPipe's AudioClassifier.

Windows are averaged over a recording, short recordings are repeated up to one window, and Silence counts only if it is
alone. Reports agreement with YamNet, and hits of the true label where the folder's name says one (as ESC-10's do).
What this module does not know: how the models were made.

    python -m training.yamnet_mini.evaluate yamnet.tflite yamnet-mini.tflite ESC10 --only 5-
    python -m training.yamnet_mini.evaluate yamnet.tflite yamnet-mini.tflite JUDGING --skip "_desc|music"
"""

import argparse
import random
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

import numpy as np
from mediapipe.tasks import python as tasks
from mediapipe.tasks.python import audio
from mediapipe.tasks.python.components import containers
from numpy.typing import NDArray

from .mixing import WINDOW
from .pool import audible, decode
from .synthesis import RATE
from .unpack import sound_files

SILENCE = 494
SURE = 0.3
# Classes of YamNet that are a right answer for a class of ESC-10, its own parents included
ACCEPTED = {
    "Dog bark": (
        "Dog",
        "Bark",
        "Yip",
        "Howl",
        "Bow-wow",
        "Growling",
        "Whimper (dog)",
        "Animal",
        "Domestic animals, pets",
    ),
    "Rain": ("Rain", "Raindrop", "Rain on surface", "Water"),
    "Sea waves": ("Ocean", "Waves, surf", "Water"),
    "Baby cry": ("Baby cry, infant cry", "Crying, sobbing"),
    "Clock tick": ("Clock", "Tick", "Tick-tock", "Mechanisms"),
    "Person sneeze": ("Sneeze",),
    "Helicopter": ("Helicopter", "Aircraft", "Vehicle"),
    "Chainsaw": ("Chainsaw", "Light engine (high frequency)", "Engine", "Vehicle", "Power tool", "Tools"),
    "Rooster": (
        "Chicken, rooster",
        "Crowing, cock-a-doodle-doo",
        "Fowl",
        "Animal",
        "Livestock, farm animals, working animals",
    ),
    "Fire crackling": ("Fire", "Crackle"),
}

COVERED, INSIDE, SAME = "YamNet's first in mini's three", "mini's first in YamNet's three", "same first"
SURE_COVERED = f"{COVERED}, where YamNet is sure"
COLUMNS = (COVERED, INSIDE, SAME, SURE_COVERED, "YamNet top-1", "YamNet top-3", "mini top-1", "mini top-3")

Scores = NDArray[np.float32]


class Ear:
    """A model in MediaPipe's AudioClassifier, set to return all scores."""

    def __init__(self, model: Path) -> None:
        options = audio.AudioClassifierOptions(
            base_options=tasks.BaseOptions(model_asset_path=str(model)), max_results=-1, score_threshold=-1.0
        )
        self.classifier: Any = audio.AudioClassifier.create_from_options(options)
        self.names: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.classifier.close()

    def hear(self, samples: NDArray[np.float32]) -> Scores:
        """Mean scores over the whole windows of a recording."""
        whole = np.tile(samples, WINDOW // len(samples) + 1)[:WINDOW] if len(samples) < WINDOW else samples
        clip = containers.AudioData.create_from_array(whole[: max(len(whole) // WINDOW, 1) * WINDOW], RATE)
        windows = []
        for result in self.classifier.classify(clip):
            scores = np.zeros(521, np.float32)
            for category in result.classifications[0].categories:
                scores[category.index] = category.score
                self.names[category.index] = category.category_name
            windows.append(scores)
        mean = np.mean(windows[: max(len(whole) // WINDOW, 1)], axis=0)
        mean[SILENCE] = min(mean[SILENCE], 1e-6)  # last of all, unless everything else is nothing
        return np.asarray(mean, np.float32)


@dataclass
class Tally:
    """What is counted for one group of recordings."""

    values: dict[str, list[bool]] = field(default_factory=lambda: {name: [] for name in COLUMNS})

    def row(self) -> str:
        return " | ".join(f"{100 * np.mean(v):.1f}" if v else "-" for v in self.values.values())


def compare(teacher: Scores, student: Scores, accepted: set[int], tally: Tally) -> None:
    ours, theirs = np.argsort(-student)[:3], np.argsort(-teacher)[:3]
    covered = bool(theirs[0] in ours)
    tally.values[COVERED].append(covered)
    tally.values[INSIDE].append(bool(ours[0] in theirs))
    tally.values[SAME].append(bool(ours[0] == theirs[0]))
    if teacher[theirs[0]] > SURE:
        tally.values[SURE_COVERED].append(covered)
    if accepted:
        for name, best in (("YamNet", theirs), ("mini", ours)):
            tally.values[f"{name} top-1"].append(int(best[0]) in accepted)
            tally.values[f"{name} top-3"].append(bool(accepted & set(best.tolist())))


def chosen(folder: Path, arguments: argparse.Namespace, scratch: Path) -> list[Path]:
    """The recordings of one folder that are asked for; of too many, a random but repeatable choice."""
    skip = re.compile(arguments.skip) if arguments.skip else None
    found = [p for p in sound_files(folder, scratch) if p.name.startswith(arguments.only)]
    found = [p for p in found if not (skip and skip.search(str(p)))]
    return sorted(random.Random(0).sample(found, arguments.most)) if len(found) > arguments.most else found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("yamnet", type=Path)
    parser.add_argument("mini", type=Path)
    parser.add_argument("sounds", type=Path, help="folder with one folder for each class or source")
    parser.add_argument("--only", default="", help="only files whose names start so")
    parser.add_argument("--skip", default="", help="no files whose path matches this regular expression")
    parser.add_argument("--most", type=int, default=200, help="at most so many recordings of a folder")
    parser.add_argument("--seconds", type=float, default=10.0, help="hear at most so much of a recording")
    arguments = parser.parse_args()
    tallies: dict[str, Tally] = defaultdict(Tally)
    certainty: list[tuple[float, float]] = []
    with Ear(arguments.yamnet) as teacher, Ear(arguments.mini) as student, TemporaryDirectory() as scratch:
        teacher.hear(np.zeros(WINDOW, np.float32))  # learns the names
        index = {name: i for i, name in teacher.names.items()}
        for folder in sorted(p for p in arguments.sounds.iterdir() if p.is_dir()):
            accepted = {index[name] for name in ACCEPTED.get(folder.name.split(" - ")[-1], ())}
            for path in chosen(folder, arguments, Path(scratch)):
                samples = decode(path, arguments.seconds)
                if not audible(samples):
                    continue
                clip = (samples / 32768).astype(np.float32)
                theirs, ours = teacher.hear(clip), student.hear(clip)
                certainty.append((float(theirs.max()), float(ours.max())))
                for name in (folder.name, "all"):
                    compare(theirs, ours, accepted, tallies[name])
    print("| recordings | number | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 2) + "|")
    for name, tally in sorted(tallies.items(), key=lambda item: item[0] == "all"):
        print(f"| {name} | {len(tally.values[COVERED])} | {tally.row()} |")
    means = np.mean(certainty, axis=0)
    print(f"mean score of the first class: YamNet {means[0]:.3f}, mini {means[1]:.3f}")


if __name__ == "__main__":
    main()

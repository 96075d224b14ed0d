"""What is painted for the evaluation: prompts with a known number of hands in view, and prompts without any. Pure."""

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

from core.errors import EvaluationError
from core.finetuning.data.text import NotText, read_text

PERSONS = (
    "a young woman",
    "an old man",
    "a child",
    "a woman with dark skin",
    "a man in a suit",
    "a nurse",
    "a musician",
    "a cook",
)
GESTURES: tuple[tuple[str, int], ...] = (
    ("waving with one hand, the other arm behind the back", 1),
    ("giving a thumbs up, portrait", 1),
    ("showing an open palm to the camera, close-up", 1),
    ("making a peace sign, portrait", 1),
    ("pointing at the camera with one finger", 1),
    ("holding a red apple in one hand, close-up", 1),
    ("writing with a pen, close-up of the hand", 1),
    ("holding a cup of tea with both hands", 2),
    ("clapping, both hands in view", 2),
    ("showing ten fingers, both palms open", 2),
    ("playing the piano, both hands on the keys", 2),
    ("folding both hands on a table", 2),
    ("typing on a keyboard, both hands seen from above", 2),
    ("holding a book open with both hands", 2),
    ("making a heart shape with both hands", 2),
    ("counting to five on one raised hand", 1),
    ("touching a leaf with the fingertips, close-up", 1),
    ("knocking on a door with one hand", 1),
    ("kneading dough with both hands, seen from above", 2),
    ("shuffling a deck of cards with both hands", 2),
    ("holding a phone in one hand, close-up", 1),
    ("raising one hand in class", 1),
    ("turning a key with one hand, close-up", 1),
    ("tying shoelaces with both hands, close-up", 2),
    ("holding both hands up in surprise", 2),
)
OTHER_SUBJECTS = (
    "a mountain lake at sunrise",
    "a red sports car on a coastal road",
    "a bowl of ramen, studio photograph",
    "a cat asleep on a sofa",
    "an empty library with tall shelves",
    "a field of sunflowers",
    "a steam train in the snow",
    "a lighthouse in a storm",
    "a glass of water on a table",
    "a city skyline at night",
)
OTHER_STYLES = ("photograph", "watercolour painting", "film still, soft light", "oil painting", "detailed illustration")


@dataclass(frozen=True)
class EvaluationPrompt:
    """A prompt and how many hands a good picture of it shows."""

    text: str
    hands: int


def hand_prompts(count: int) -> list[EvaluationPrompt]:
    """The first `count` of 200; every gesture comes once before any comes again."""
    everything = [
        EvaluationPrompt(f"{PERSONS[(turn + number) % len(PERSONS)]} {gesture}", hands)
        for turn in range(len(PERSONS))
        for number, (gesture, hands) in enumerate(GESTURES)
    ]
    return everything[:count]


def other_prompts(count: int) -> list[EvaluationPrompt]:
    """The first `count` of 50 prompts in which no hand belongs."""
    pairs = itertools.product(OTHER_STYLES, OTHER_SUBJECTS)
    return [EvaluationPrompt(f"{subject}, {style}", 0) for style, subject in pairs][:count]


def read_prompts(path: Path) -> list[EvaluationPrompt]:
    """A person's own: one JSON line each, `{"text": "...", "hands": 2}`. Raises EvaluationError."""
    try:
        text = read_text(path)
    except NotText as error:
        raise EvaluationError(f"{error}; save it as UTF-8.") from error
    except OSError as error:
        raise EvaluationError(f"{path} cannot be read: {error.strerror}.") from error
    prompts = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            prompts.append(EvaluationPrompt(str(row["text"]), int(row["hands"])))
        except (ValueError, KeyError, TypeError) as error:
            raise EvaluationError(
                f'Line {number} of {path.name} is not of the form {{"text": "a person waving", "hands": 1}}.'
            ) from error
    return prompts

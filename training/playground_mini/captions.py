"""Random recordings' labels, told by the product's own prompting code, with the composition that each text describes.

Calls `core.prompting`, so that the words agree with what the painter will be asked; decides from the
scene which icons the picture shows and which of the painted settings lies behind them. Knows no pixels.
A style gives the picture its finish. Moods and words somebody spoke are in the captions, but change nothing in the
picture (a few words that speak of night, stages and clubs choose the dark stage): the painter learns to pass over them.
"""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass

from core.hearing.categories import TopCategory
from core.prompting.phrasebook import Entry, Role, load_phrasebook
from core.prompting.prompt import build_prompt, describe
from core.prompting.scene import Scene, compose_scene
from core.prompting.styles import TEMPLATES, UNWANTED, Style

from .art import icon_of_label
from .compositions import Composition

PLACE_OF_PHRASE = {
    "room": "room",
    "hall": "hall",
    "street": "street",
    "countryside": "country",
    "stream": "water",
    "waterfall": "water",
    "sea": "sea",
}
PLACE_OF_LABEL = {
    "Stream": "water",
    "Waterfall": "water",
    "Ocean": "sea",
    "Waves, surf": "sea",
    "Traffic noise, roadway noise": "street",
    "Inside, small room": "room",
    "Inside, large room or hall": "hall",
    "Inside, public space": "hall",
    "Outside, urban or manmade": "street",
    "Outside, rural or natural": "country",
    "Reverberation": "hall",
    "Echo": "hall",
    "Rain": "country",
    "Raindrop": "country",
    "Thunderstorm": "country",
    "Thunder": "country",
    "Wind": "country",
    "Wind noise (microphone)": "country",
    "Silence": "country",
    "Environmental noise": "country",
}
DARK_WORDS = (
    "rock concert", "metal", "punk", "grunge", "psychedelic", "disco ball", "laser", "bass light", "club", "midnight",
    "moonlit", "scary", "hypnotic", "electronic light", "neon", "evening mood", "pulsing light",
)  # fmt: skip
"""Words of moods and styles that put the picture on the dark stage where no place is told."""

COUNTS = (2, 58, 27, 13)
"""How often no, one, two and three subjects are wanted, in a hundred captions."""
WEAK = frozenset(
    f"noto:{name}"
    for name in (
        "violin", "fork-and-knife-with-plate", "dove", "spouting-whale", "motorcycle", "bicycle", "gear", "wind-face",
        "dashing-away", "tornado", "studio-microphone", "optical-disk", "mirror-ball", "keyboard", "fireworks",
        "accordion",
    )
)  # fmt: skip
"""Icons that the first painter did not paint recognisably, alone or in pairs."""


@dataclass(frozen=True)
class Caption:
    text: str
    composition: Composition


def unconditional_texts() -> list[str]:
    """Texts for which the painter paints nothing in particular: the empty one and each style's negative prompt."""
    negatives = [", ".join(filter(None, (UNWANTED, template.unwanted))) for template in TEMPLATES.values()]
    others = ["blurry", "blurry, text, watermark", "low quality, worst quality, deformed, blurry", "text", "ugly"]
    return ["", UNWANTED, *negatives, *others]


def told_order(scene: Scene) -> list[str]:
    """The subjects' labels in the order in which `core.prompting.prompt.sentence` speaks of them."""
    main, *others = scene.subjects
    near = [other for other in others if not other.background and not other.follows]
    following = [other for other in others if not other.background and other.follows]
    far = [other for other in others if other.background]
    return [subject.label for subject in (main, *near, *following, *far)]


def composition_of(scene: Scene, style: Style = Style.NONE) -> Composition:
    """What the painter should paint for a scene."""
    icons = icon_of_label()
    shown: list[str] = []
    for label in told_order(scene):
        icon = icons.get(label)
        if icon is not None and icon not in shown:
            shown.append(icon)
    lead = scene.subjects[0].label
    place = next((place for word, place in PLACE_OF_PHRASE.items() if word in scene.place.split()), "")
    moods = f"{scene.mood} {scene.subjects[0].phrase} {TEMPLATES[style].words}"
    dark = any(word in moods for word in DARK_WORDS)
    place = place or PLACE_OF_LABEL.get(lead, "stage" if dark else "plain")
    sky = f"{scene.weather} {lead.lower() if lead in PLACE_OF_LABEL else ''}"
    weather = "clear"
    for word, kind in (("thunder", "storm"), ("lightning", "storm"), ("rain", "rain"), ("wind", "wind")):
        if word in sky:
            weather = kind
            break
    return Composition(place, weather, tuple(shown), style)


class CaptionSource:
    """Draws captions so that every icon, not every label, is equally frequent."""

    def __init__(self, seed: int, counts: tuple[int, int, int, int] = COUNTS, practice: int = 1) -> None:
        """`counts` are the weights of no, one, two and three subjects; weak icons come `practice` times as often."""
        self.chance = random.Random(seed)
        self.counts, self.practice = counts, practice
        self.book = load_phrasebook()
        self.labels_of_icon: defaultdict[str, list[str]] = defaultdict(list)
        for label, icon in icon_of_label().items():
            if label in self.book and self.book[label].role is not Role.IGNORE:
                self.labels_of_icon[icon].append(label)
        self.icons = sorted(self.labels_of_icon)
        entries = self.book.entries.values()
        self.places: defaultdict[str, list[str]] = defaultdict(list)
        for entry in entries:
            if entry.role in (Role.PLACE, Role.ACOUSTICS):
                self.places[PLACE_OF_LABEL[entry.label]].append(entry.label)
        self.weathers = [entry.label for entry in entries if entry.role is Role.WEATHER]
        self.moods = [entry.label for entry in entries if entry.role in (Role.MOOD, Role.GENRE, Role.TEXTURE)]
        self.words = sorted({word for entry in entries for word in entry.phrase.split() if word.isalpha()})
        self._queue: list[str] = []

    def next_icon(self) -> str:
        if not self._queue:
            lessons = self.icons + [icon for icon in self.icons if icon in WEAK] * (self.practice - 1)
            self._queue = self.chance.sample(lessons, len(lessons))
        return self._queue.pop()

    def _heard(self, label: str, low: float, high: float, late: float = 0.1) -> TopCategory:
        first = 4000 if self.chance.random() < late else 0
        return TopCategory(label, round(self.chance.uniform(low, high), 2), self.chance.uniform(0.6, 1), first)

    def _actions_for(self, entry: Entry) -> list[str]:
        kin = {entry.label} | self.book.ancestors(entry.label)
        entries = self.book.entries.values()
        return [one.label for one in entries if one.role is Role.ACTION and kin & set(one.joins)]

    def labels(self, subjects: int) -> list[TopCategory]:
        """A recording's labels with about so many subjects, and often a place, a weather or a mood."""
        chance = self.chance
        categories: list[TopCategory] = []
        for number in range(subjects):
            label = chance.choice(self.labels_of_icon[self.next_icon()])
            categories.append(self._heard(label, 0.6 if number == 0 else 0.35, 0.95, late=0.15 if number else 0))
            if chance.random() < 0.3 and (actions := self._actions_for(self.book[label])):
                categories.append(self._heard(chance.choice(actions), 0.3, 0.8, late=0))
        if subjects == 0 or chance.random() < 0.7:
            place = chance.choice(sorted(self.places))
            categories.append(self._heard(chance.choice(self.places[place]), 0.15, 0.6, late=0))
        if chance.random() < 0.25:
            categories.append(self._heard(chance.choice(self.weathers), 0.15, 0.6, late=0.3))
        if chance.random() < 0.12:
            categories.append(self._heard(chance.choice(self.moods), 0.15, 0.6, late=0))
        chance.shuffle(categories)
        return sorted({one.name: one for one in categories}.values(), key=lambda one: -one.prominence)

    def draw(self) -> Caption:
        """A caption and what it shows."""
        chance = self.chance
        while True:
            wanted = chance.choices((0, 1, 2, 3), self.counts)[0]
            style = Style.NONE if chance.random() < 0.65 else chance.choice(list(Style))
            scene = compose_scene(self.labels(wanted))
            text = describe(scene, style=style).text
            composition = composition_of(scene, style)
            if len(composition.icons) == wanted or chance.random() < 0.3:
                return Caption(text, composition)


def product_prompt(labels: dict[str, float], style: Style = Style.NONE) -> str:
    """The product's prompt for labels with these scores, as a contact sheet needs it."""
    return build_prompt([TopCategory(name, score, 1.0, 0) for name, score in labels.items()], style=style).text

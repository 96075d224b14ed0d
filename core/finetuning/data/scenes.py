"""Prompts as the product makes them, of random recordings: for training that needs no pictures. Knows no model.

A recording's labels are drawn from the phrasebook; scene grammar and styles are the product's own, so that the words,
and what the painter is told not to show, are those that it will meet.
"""

import random

from core.hearing.categories import TopCategory
from core.prompting.phrasebook import Entry, Phrasebook, Role, load_phrasebook
from core.prompting.prompt import Prompt, build_prompt
from core.prompting.styles import Style

SUBJECTS = (1, 1, 2, 3)
"""How many things are heard, one of these as likely as another."""
ACTION, PLACE, WEATHER, MOOD = 0.4, 0.5, 0.25, 0.25
"""How often these are heard beside."""
PLAIN = 0.5
"""How often there is no style."""
PATIENCE = 50
"""Draws for each prompt that is wanted, before it is said that there are not so many."""


HELD_OUT = 64
"""Prompts that nothing is ever learnt from."""
SEED = 0


def held_out_prompts() -> tuple[Prompt, ...]:
    """Those that nothing is learnt from; the same for every run."""
    return scene_prompts(HELD_OUT, SEED)


def training_prompts(count: int) -> tuple[Prompt, ...]:
    """`count` prompts to learn from, none of them held out."""
    return scene_prompts(HELD_OUT + count, SEED)[HELD_OUT:]


def scene_prompts(count: int, seed: int) -> tuple[Prompt, ...]:
    """`count` different prompts, each with the negative prompt that the product gives it; the same for one seed.

    Raises ValueError if there are not so many.
    """
    draw, book = random.Random(seed), load_phrasebook()
    by_role: dict[Role, list[Entry]] = {}
    for entry in book.entries.values():
        by_role.setdefault(entry.role, []).append(entry)
    found: dict[str, Prompt] = {}
    for _ in range(PATIENCE * count):
        if len(found) == count:
            break
        style = Style.NONE if draw.random() < PLAIN else draw.choice(list(Style))
        prompt = build_prompt(_labels(draw, book, by_role), style=style)
        found.setdefault(prompt.text, prompt)
    if len(found) < count:
        raise ValueError(f"the phrasebook does not give {count} different prompts")
    return tuple(found.values())


def _labels(draw: random.Random, book: Phrasebook, by_role: dict[Role, list[Entry]]) -> list[TopCategory]:
    """What a recording might hold, the most prominent first."""
    heard: dict[str, TopCategory] = {}

    def hear(entry: Entry, low: float, high: float) -> None:
        heard.setdefault(entry.label, TopCategory(entry.label, draw.uniform(low, high), draw.uniform(0.6, 1.0), 0))

    for number in range(draw.choice(SUBJECTS)):
        subject = draw.choice(by_role[Role.SUBJECT])
        hear(subject, 0.6 if number == 0 else 0.35, 0.95)
        kin = {subject.label} | book.ancestors(subject.label)
        actions = [entry for entry in by_role[Role.ACTION] if kin & set(entry.joins)]
        if actions and draw.random() < ACTION:
            hear(draw.choice(actions), 0.3, 0.8)
    for share, roles in (
        (PLACE, (Role.PLACE, Role.ACOUSTICS)),
        (WEATHER, (Role.WEATHER,)),
        (MOOD, (Role.MOOD, Role.GENRE)),
    ):
        if draw.random() < share:
            hear(draw.choice([entry for role in roles for entry in by_role.get(role, [])]), 0.15, 0.6)
    return sorted(heard.values(), key=lambda one: -one.prominence)

"""A painter who knows few words is told a said scene in those."""

import pytest

from core.generation.miniature import MINIATURE_WORDS, STAND_INS
from core.hearing.categories import TopCategory
from core.prompting.merging import Subject
from core.prompting.narrowing import narrowed
from core.prompting.phrasebook import load_phrasebook
from core.prompting.prompt import sentence
from core.prompting.scene import SAID, Scene, compose_scene
from core.prompting.vocabulary import found_in, phrasebook_words, settings, things

RAIN = compose_scene([TopCategory("Dog", 0.9, 1.0, 0), TopCategory("Rain", 0.9, 1.0, 0)]).uses


def said(*phrases: str, heard: str = "", place: str = "", weather: str = "", light: str = "", mood: str = "") -> Scene:
    subjects = [Subject(phrase, SAID, 1.0, 1.0, 0) for phrase in phrases]
    beside = [Subject(heard, "Church bell", 0.5, 0.5, 0, background=True)] if heard else []
    return Scene((*subjects, *beside), place=place, weather=weather, light=light, mood=mood)


@pytest.mark.parametrize(
    ("scene", "told", "lost"),
    [
        # a thing is told as the painter has learnt it
        (said("a cat"), "a cat", ()),
        (said("my cat"), "a cat", ()),
        (said("two cats"), "a cat", ("two cats",)),
        (said("kittens"), "a cat", ("kittens",)),
        (said("a barking dog"), "a barking dog", ()),
        (said("a woman playing a violin"), "a violin", ("a woman playing a violin",)),
        (said("five wolves howling at the moon"), "a wolf", ("five wolves howling at the moon",)),
        (said("an old fire engine"), "a fire engine with a flashing siren", ("an old fire engine",)),
        (said("autumn leaves"), "rustling leaves", ("autumn leaves",)),
        (said("a black cat", "a white cat"), "a cat", ("a black cat", "a white cat")),
        # what is painted badly is not known
        (said("a man on a bicycle"), "a bicycle", ("a man on a bicycle",)),
        (said("a drum machine"), "a drum", ("a drum machine",)),
        # places, weather and light
        (said("a dog running into the sea"), "a dog by the sea", ("a dog running into the sea",)),
        (said("a dog", place="at the sea"), "a dog by the sea", ()),
        (said("a dog", place="on the beach", weather="in heavy rain"), "a dog by the sea in the rain",
         ("on the beach", "in heavy rain")),
        (said("a dog", place="on the moon", weather="in the snow", light="at sunset"), "a dog",
         ("on the moon", "in the snow", "at sunset")),
        (said("a dog", place="in a car"), "a dog", ("in a car",)),
        (said("a dog", mood="in a hushed mood"), "a dog, in a hushed mood", ()),
        # what is left leads
        (said("a red fox", "an owl"), "an owl", ("a red fox",)),
        (said("a red fox", heard="a church bell"), "a church bell", ("a red fox",)),
        (said("a red fox", heard="a church bell", place="in the forest"), "a church bell in the countryside",
         ("a red fox", "in the forest")),
        (said("a red fox", place="in the forest"), "a green country landscape", ("a red fox", "in the forest")),
        (said("an old castle in a storm"), "a thunderstorm over dark hills", ("an old castle in a storm",)),
        (said("the sea"), "the open sea under a wide sky", ()),
    ],
)  # fmt: skip
def test_the_miniature_is_told_what_it_has_learnt(scene: Scene, told: str, lost: tuple[str, ...]) -> None:
    narrow, left_out = narrowed(scene, MINIATURE_WORDS)
    assert narrow is not None
    assert (sentence(narrow), left_out) == (told, lost)


@pytest.mark.parametrize("phrase", ["a red fox", "an elephant", "a spaceship", "a cannon", "Paris"])
def test_where_nothing_is_left_of_what_was_said_there_is_no_scene(phrase: str) -> None:
    assert narrowed(said(phrase), MINIATURE_WORDS) == (None, (phrase,))


def test_what_was_heard_is_not_lost_and_leads_no_picture_of_its_own() -> None:
    rainy = Scene(said("a red fox").subjects, weather="in the rain", uses=RAIN)
    assert narrowed(rainy, MINIATURE_WORDS) == (None, ("a red fox",))


def test_a_painter_who_knows_all_words_is_told_all_of_them() -> None:
    scene = said("two red foxes", place="on the moon", light="at dawn")
    assert narrowed(scene, None) == (scene, ())


def test_a_painter_has_words_of_its_own() -> None:
    narrow, left_out = narrowed(
        said("two red foxes", place="on the beach", light="at dawn"), frozenset({"fox", "dawn"})
    )
    assert narrow is not None
    assert (sentence(narrow), left_out) == ("a fox at dawn", ("two red foxes", "on the beach"))


@pytest.mark.parametrize("label", ["Dog", "Rain", "Thunder", "Inside, small room", "Piano", "Silence", "Jazz"])
def test_a_heard_scene_stays_as_it_is(label: str) -> None:
    scene = compose_scene([TopCategory(label, 0.9, 1.0, 0), TopCategory("Bird", 0.6, 0.5, 0)])
    assert narrowed(scene, MINIATURE_WORDS) == (scene, ())


def test_each_noun_of_the_phrasebook_is_found_in_its_plural_and_told_by_a_phrase_of_the_book() -> None:
    assert frozenset(things()) > STAND_INS
    for noun, thing in things().items():
        assert found_in(f"some {noun}s", phrasebook_words()) or noun.endswith("s"), noun
        assert thing.phrase in thing.tellings
    assert {entry.label for entry in settings().values()} < load_phrasebook().entries.keys()

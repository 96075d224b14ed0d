"""How something sounded, told in words: only what the phrasebook allows, of the main subject, and in one phrase."""

import re
from difflib import SequenceMatcher

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.hearing.acoustics import NOTHING_TOLD, Manner, Motion, Space
from core.hearing.categories import TopCategory
from core.hearing.size import Size
from core.prompting.phrasebook import Telling, load_phrasebook
from core.prompting.prompt import CLIP_TOKENS, describe, estimate_tokens, sentence
from core.prompting.scene import Scene, compose_scene, with_manner

BOOK = load_phrasebook()
ONCE, OFTEN, FRANTIC = Manner(events=1), Manner(events=7, rate=2.0), Manner(events=12, rate=5.5)
HALL, SMALL, LARGE = Manner(space=Space.HALL), Manner(size=Size.SMALL), Manner(size=Size.LARGE)
COMING, GOING, PASSING = (Manner(motion=motion) for motion in (Motion.APPROACHING, Motion.LEAVING, Motion.PASSING))


def scene(**scores: float) -> Scene:
    return compose_scene([TopCategory(name.replace("_", " "), score, 1.0, 0) for name, score in scores.items()])


DOG = scene(Dog=0.9, Bark=0.8)


@pytest.mark.parametrize(
    ("heard", "manner", "told"),
    [
        (DOG, NOTHING_TOLD, "a barking dog"),
        (DOG, ONCE, "a barking dog, a single bark"),
        (DOG, Manner(events=3, rate=2.0), "a barking dog"),
        (DOG, OFTEN, "a barking dog, bark after bark"),
        (DOG, FRANTIC, "a barking dog, frantically"),
        (DOG, HALL, "a barking dog, in a vast hall"),
        (DOG, Manner(space=Space.DRY), "a barking dog"),
        (DOG, SMALL, "a barking dog, a tiny one"),
        (DOG, LARGE, "a barking dog, a huge one"),
        (DOG, COMING, "a barking dog"),
        (
            DOG,
            Manner(9, 2.0, Space.HALL, None, Size.LARGE),
            "a barking dog, a huge one, bark after bark, in a vast hall",
        ),
        (scene(Owl=0.9), LARGE, "an owl, a huge one"),
        (scene(Truck=0.9), COMING, "a truck, coming closer"),
        (scene(Truck=0.9), GOING, "a truck, moving away"),
        (scene(Truck=0.9), PASSING, "a truck, rushing past"),
        (scene(Truck=0.9), Manner(motion=Motion.STILL), "a truck"),
        (scene(Truck=0.9, Idling=0.8), COMING, "a truck standing with its engine on"),
        (scene(Car=0.9, Car_passing_by=0.8), PASSING, "a car driving past"),
        (scene(Rain=0.9), HALL, "rain falling from a grey cloud, in a vast hall"),
        (scene(Rain=0.9), Manner(9, 2.0, None, Motion.PASSING, Size.LARGE), "rain falling from a grey cloud"),
        (scene(Silence=1.0), Manner(1, None, Space.HALL, Motion.PASSING, None), "a quiet empty landscape at dawn"),
    ],
)
def test_the_manner_is_told(heard: Scene, manner: Manner, told: str) -> None:
    assert sentence(with_manner(heard, manner)) == told


@pytest.mark.parametrize(
    ("label", "events", "told"),
    [
        ("Knock", 1, "a hand knocking on a door, a single knock"),
        ("Knock", 3, "a hand knocking on a door, three knocks"),
        ("Knock", 6, "a hand knocking on a door, six knocks"),
        ("Knock", 7, "a hand knocking on a door, knock after knock"),
        ("Fireworks", 2, "fireworks in the night sky, two bursts"),
        ("Clapping", 4, "clapping hands, four claps"),
        ("Church bell", 3, "a church bell, three strokes"),
    ],
)
def test_things_are_numbered_only_where_each_event_is_one(label: str, events: int, told: str) -> None:
    heard = compose_scene([TopCategory(label, 0.9, 1.0, 0)])
    assert sentence(with_manner(heard, Manner(events=events, rate=2.0))) == told


@pytest.mark.parametrize("events", range(2, 41))
def test_ten_barks_are_one_dog(events: int) -> None:
    told = sentence(with_manner(DOG, Manner(events=events, rate=2.0)))
    assert told in ("a barking dog", "a barking dog, bark after bark")


def test_a_hall_is_told_only_where_nothing_says_another_place() -> None:
    assert sentence(with_manner(scene(Dog=0.9, Rain=0.5), HALL)) == "a dog in the rain"
    assert "vast hall" not in sentence(with_manner(scene(Dog=0.9, Ocean=0.5), HALL))


def test_what_is_only_dimly_seen_has_no_manner() -> None:
    dim = scene(Dog=0.15)
    assert with_manner(dim, OFTEN) == dim


def test_the_manner_is_the_main_subjects() -> None:
    assert (
        sentence(with_manner(scene(Dog=0.9, Bark=0.9, Car=0.8), OFTEN)) == "a barking dog, bark after bark, and a car"
    )
    three = scene(Dog=0.9, Bark=0.9, Car=0.8, Piano=0.7)
    assert sentence(with_manner(three, OFTEN)) == "a barking dog, bark after bark, a car and a piano"


def test_the_manner_goes_first_when_the_sentence_is_too_long() -> None:
    heard = compose_scene([TopCategory("Dog", 0.9, 1.0, 0), TopCategory("Bark", 0.9, 1.0, 0)])
    told = with_manner(heard, OFTEN)
    whole = describe(told).text
    assert whole == "a barking dog, bark after bark"
    assert describe(told, max_tokens=estimate_tokens(whole) - 1).text == "a barking dog"


EVENTS = st.one_of(st.none(), st.integers(0, 60))
MANNERS = st.builds(
    Manner,
    events=EVENTS,
    rate=st.one_of(st.none(), st.floats(0.1, 6.6)),
    space=st.sampled_from([None, *Space]),
    motion=st.sampled_from([None, *Motion]),
    size=st.sampled_from([None, *Size]),
)
CATEGORIES = st.lists(
    st.builds(TopCategory, st.sampled_from(sorted(BOOK.entries)), st.floats(0.2, 1), st.floats(0.2, 1), st.just(0)),
    min_size=1,
    max_size=6,
    unique_by=lambda category: category.name,
)


@given(CATEGORIES, MANNERS)
@settings(max_examples=200, deadline=None)
def test_any_manner_makes_plain_words(heard: list[TopCategory], manner: Manner) -> None:
    text = describe(with_manner(compose_scene(heard), manner)).text
    assert estimate_tokens(text) <= CLIP_TOKENS
    assert not re.search(r"[{}|;]|  | ,|,,", text), text


@given(CATEGORIES, st.sampled_from([ONCE, OFTEN, FRANTIC, HALL, COMING, GOING, PASSING, SMALL, LARGE]))
@settings(max_examples=200, deadline=None)
def test_two_prompts_of_a_pair_differ_in_one_phrase(heard: list[TopCategory], manner: Manner) -> None:
    plain = compose_scene(heard)
    one, two = describe(plain).text, describe(with_manner(plain, manner)).text
    changes = [
        change for change in SequenceMatcher(None, one.split(), two.split()).get_opcodes() if change[0] != "equal"
    ]
    assert len(changes) <= 1, (one, two)


PERSONS = re.compile(
    r"\b(person|people|child|children|baby|man|couple|crowd|audience|singers?|runner|walker|eater|sleeper|storyteller|"
    r"yodeler|monk|choir|feet|hands?|heart|worker|dentist|musicians?|jockey|beatboxer|cowboy|fist)\b"
)


def test_nothing_is_told_of_a_persons_size() -> None:
    persons = [entry for entry in BOOK.entries.values() if PERSONS.search(f"{entry.phrase} {entry.noun}")]
    assert len(persons) > 70
    assert not [entry.label for entry in persons if Telling.SIZE in entry.manners]
    before_animals = list(BOOK.entries)[: list(BOOK.entries).index("Animal")]
    assert not [label for label in before_animals if Telling.SIZE in BOOK[label].manners], "AudioSet's human sounds"


@given(st.sampled_from(sorted(BOOK.entries)), st.sampled_from(sorted(BOOK.entries)))
@settings(max_examples=300, deadline=None)
def test_a_person_beside_anything_has_no_size(one: str, other: str) -> None:
    heard = [TopCategory(name, 0.9, 1.0, 0) for name in dict.fromkeys((one, other))]
    told = with_manner(compose_scene(heard), LARGE)
    if PERSONS.search(told.subjects[0].phrase):
        assert "a huge one" not in told.manner


def test_rain_has_no_manner_but_its_hall() -> None:
    for label in ("Rain", "Raindrop", "Rain on surface"):
        assert BOOK[label].manners == {Telling.HALL}

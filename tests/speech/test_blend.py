"""What is painted of a voice note: what was said leads, what was heard fills what was not said."""

import re
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.hearing.categories import TopCategory
from core.hearing.voice import VOICE
from core.prompting.phrasebook import load_phrasebook
from core.prompting.prompt import CLIP_TOKENS, describe, estimate_tokens, sentence, title_of
from core.prompting.scene import MOST_SUBJECTS, SAID, Scene, compose_scene
from core.prompting.styles import Style
from core.speech.blend import blend
from core.speech.spoken import Mood, SaidScene
from core.speech.tone import Tone


def heard(labels: str) -> Scene:
    """The heard scene of `labels`, separated by `;`, each with its score behind it."""
    pairs = (label.strip().rpartition(" ") for label in labels.split(";"))
    return compose_scene([TopCategory(name, float(score), 1.0, 0) for name, _, score in pairs])


def story(*subjects: str, place: str = "", weather: str = "", light: str = "", mood: Mood = "") -> SaidScene:
    return SaidScene(subjects, place, weather, light, mood, kind="story")


def request(*subjects: str, place: str = "", light: str = "") -> SaidScene:
    return SaidScene(subjects, place, light=light, kind="request")


DOG = story("a dog running into the water")
VOICE_NOTE = "Speech .9; Inside, small room .3"


@pytest.mark.parametrize(
    ("said", "labels", "tone", "told"),
    [
        # what was said leads; whoever says it is not in the picture
        (DOG, VOICE_NOTE, Tone.NONE, "a dog running into the water"),
        (DOG, "Speech .9; Rain .3", Tone.NONE, "a dog running into the water in the rain"),
        (story("a cat", "a mouse"), "Speech .9; Shout .5", Tone.NONE, "a cat and a mouse"),
        (story("a cat"), "Speech .9; Cough .5", Tone.NONE, "a cat"),
        (story("a cat"), "Choir .9; Song .5", Tone.NONE, "a cat"),
        (
            story("a cat", place="on a roof", weather="in the fog", light="at sunset", mood="eerie"),
            "Speech .9; Church bell .4; Rain .5; Inside, small room .5; Sad music .4",
            Tone.JOYFUL,
            "a cat on a roof in the fog at sunset, with a church bell in the distance, in an eerie mood",
        ),
        # the heard place fills what was not said
        (story("a cat"), VOICE_NOTE, Tone.NONE, "a cat in a small room"),
        (story("a cat"), "Speech .9; Traffic noise, roadway noise .4", Tone.NONE, "a cat on a busy street"),
        (story("a cat", place="on the beach"), VOICE_NOTE, Tone.NONE, "a cat on the beach"),
        (story("a cat", place="in the kitchen"), "Speech .9; Ocean .4", Tone.NONE, "a cat in the kitchen"),
        (story("a cat", light="at sunset"), VOICE_NOTE, Tone.NONE, "a cat at sunset"),
        (story("a mountain"), VOICE_NOTE, Tone.NONE, "a mountain"),
        (story("two horses"), "Speech .9; Echo .3", Tone.NONE, "two horses"),
        (story("two horses"), "Speech .9; Outside, rural or natural .3", Tone.NONE, "two horses in the countryside"),
        # heard weather, unless other weather was said, or a room
        (story("a cat", place="in the garden"), "Speech .9; Rain .3", Tone.NONE, "a cat in the garden in the rain"),
        (story("a cat", place="in the kitchen"), "Speech .9; Rain .3", Tone.NONE, "a cat in the kitchen"),
        (story("snow on a village"), "Speech .9; Rain .5", Tone.NONE, "snow on a village"),
        (story("a snowman"), "Speech .9; Rain .5", Tone.NONE, "a snowman"),
        (story("a sunny meadow"), "Speech .9; Thunderstorm .5", Tone.NONE, "a sunny meadow"),
        (story("a cat", weather="in the snow"), "Speech .9; Rain .5", Tone.NONE, "a cat in the snow"),
        (story("a cat"), "Rain .9; Speech .2", Tone.NONE, "a cat in the rain"),
        # other things that were heard stand in the background, unless they were said
        (DOG, "Speech .9; Dog .6; Bark .5", Tone.NONE, "a dog running into the water"),
        (DOG, "Speech .9; Bark .5", Tone.NONE, "a dog running into the water"),
        (DOG, "Speech .9; Animal .9", Tone.NONE, "a dog running into the water"),
        (story("three geese"), "Speech .9; Goose .5; Honk .4", Tone.NONE, "three geese"),
        (story("a kitten"), "Speech .9; Cat .5", Tone.NONE, "a kitten"),
        (story("an owl"), "Speech .9; Bird .6", Tone.NONE, "an owl"),
        (story("birds"), "Speech .9; Owl .6; Hoot .5", Tone.NONE, "birds"),
        (story("a child", place="in a car"), "Speech .9; Car .6", Tone.NONE, "a child in a car"),
        (DOG, "Speech .9; Car .6", Tone.NONE, "a dog running into the water, with a car in the distance"),
        (story("a cat"), "Speech .9; Dog .6; Bark .5", Tone.NONE, "a cat, with a barking dog in the distance"),
        (story("a fire"), "Speech .9; Siren .6", Tone.NONE, "a fire, with a flashing siren light in the distance"),
        # a request takes the weather alone
        (request("a dog"), "Speech .9; Car .6; Inside, small room .4", Tone.NONE, "a dog"),
        (request("a dog"), "Speech .9; Rain .3; Sad music .4", Tone.NONE, "a dog in the rain"),
        (request(place="on the beach", light="at sunset"), "Speech .9; Dog .6", Tone.NONE, "the beach at sunset"),
        # without a said thing, what was heard is there, or the place itself is painted
        (story(place="on the beach"), "Speech .9; Dog .6", Tone.NONE, "a dog on the beach"),
        (story(place="in front of the house"), "Speech .9", Tone.NONE, "the house"),
        (story(weather="in the snow"), "Speech .9", Tone.NONE, "the snow"),
        (story(light="by moonlight"), "Speech .9", Tone.NONE, "moonlight"),
        # the tone of the voice is the mood where none was said
        (DOG, VOICE_NOTE, Tone.HUSHED, "a dog running into the water, in a hushed mood"),
        (DOG, VOICE_NOTE, Tone.DRAMATIC, "a dog running into the water, in a dramatic mood"),
        (DOG, VOICE_NOTE, Tone.JOYFUL, "a dog running into the water, in a joyful mood"),
        (DOG, VOICE_NOTE, Tone.MELANCHOLY, "a dog running into the water, in a melancholy mood"),
        (DOG, VOICE_NOTE, Tone.CHILD, "a dog running into the water"),
        (DOG, VOICE_NOTE, Tone.SINGING, "a dog running into the water"),
        (story("a cat", mood="peaceful"), "Speech .9", Tone.DRAMATIC, "a cat, in a peaceful mood"),
        (story("a cat"), "Speech .9; Sad music .4", Tone.NONE, "a cat, in a sad mood"),
        (story("a cat"), "Speech .9; Sad music .4", Tone.JOYFUL, "a cat, in a joyful mood"),
        # where nothing visible was said, what was heard is painted
        (SaidScene(), "Speech .9; Rain .4", Tone.NONE, "a person talking in the rain"),
        (SaidScene(), "Speech .9; Whispering .5", Tone.HUSHED, "a whispering person, in a hushed mood"),
        (SaidScene(), "Speech .9; Sad music .4", Tone.JOYFUL, "a person talking, in a sad mood"),
        (SaidScene(("a dog",), kind="nothing"), "Speech .9", Tone.NONE, "a person talking"),
        (story(mood="romantic"), "Speech .9", Tone.NONE, "a person talking, in a romantic mood"),
        (story(" ", place=" "), "Speech .9", Tone.NONE, "a person talking"),
        (story("a cat"), "Silence 1", Tone.NONE, "a cat"),
    ],
)
def test_what_was_said_leads_and_what_was_heard_fills_it(said: SaidScene, labels: str, tone: Tone, told: str) -> None:
    assert sentence(blend(said, heard(labels), tone)) == told


@pytest.mark.parametrize(
    ("said", "labels", "became"),
    [
        (DOG, "Speech .9; Rain .3; Car .6", {"Speech": "", "Rain": "Rain", "Car": "Car"}),
        (DOG, "Speech .9; Dog .5; Bark .4", {"Speech": "", "Dog": "", "Bark": ""}),
        (story("a cat"), "Speech .9; Dog .5; Bark .4", {"Speech": "", "Dog": "Dog", "Bark": "Dog"}),
        (story("a snowman"), "Speech .9; Rain .4", {"Speech": "", "Rain": ""}),
        (SaidScene(), "Speech .9; Rain .4", {"Speech": "Speech", "Rain": "Rain"}),
    ],
)
def test_the_account_says_which_labels_are_still_told(said: SaidScene, labels: str, became: dict[str, str]) -> None:
    assert {use.label: use.became for use in blend(said, heard(labels), Tone.NONE).uses} == became


@pytest.mark.parametrize(
    ("said", "labels", "title"),
    [
        (DOG, VOICE_NOTE, "Dog running into the water"),
        (DOG, "Speech .9; Rain .3; Car .6", "Dog running into the water, rain"),
        (story("two cats", "a mouse"), VOICE_NOTE, "Two cats, mouse"),
        (request(place="on the beach"), "Speech .9", "Beach"),
    ],
)
def test_a_said_scene_is_called_by_what_was_said(said: SaidScene, labels: str, title: str) -> None:
    assert title_of(blend(said, heard(labels), Tone.NONE)) == title


def test_light_goes_together_with_the_weather_where_words_are_few() -> None:
    said = story("a cat", place="on a roof", weather="in the fog", light="at sunset", mood="eerie")
    scene = blend(said, heard("Speech .9"), Tone.NONE)

    def told(most: int) -> str:
        return describe(scene, count_tokens=lambda text: len(text.split()), max_tokens=most).text

    assert told(10) == "a cat on a roof in the fog at sunset"
    assert told(9) == "a cat on a roof"
    assert told(4) == "a cat"


phrases = st.one_of(
    st.sampled_from(["a dog", "two owls", "the sea", "on the beach", "in the rain", "at sunset", "a man in a car"]),
    st.text(max_size=400),
)
sayings = st.builds(
    SaidScene,
    subjects=st.lists(phrases, max_size=5).map(tuple),
    place=phrases,
    weather=phrases,
    light=phrases,
    mood=st.sampled_from(get_args(Mood)),
    kind=st.sampled_from(["request", "story", "nothing"]),
)
sounds = st.lists(
    st.builds(
        TopCategory,
        name=st.sampled_from(sorted(load_phrasebook().entries)) | st.sampled_from(sorted(VOICE)),
        score=st.floats(0.0, 1.0),
        coverage=st.floats(0.01, 1.0),
        first_ms=st.integers(0, 60).map(lambda window: window * 975),
    ),
    max_size=8,
    unique_by=lambda category: category.name,
)


@given(sayings, sounds, st.sampled_from(Tone), st.sampled_from(Style))
@settings(max_examples=300, deadline=None)
def test_anything_said_over_any_sounds_makes_a_scene_that_can_be_painted(
    said: SaidScene, labels: list[TopCategory], tone: Tone, style: Style
) -> None:
    scene = blend(said, compose_scene(labels), tone)
    shown = [subject.label for subject in scene.subjects]
    assert 1 <= len(shown) <= MOST_SUBJECTS
    assert SAID not in shown or not VOICE & set(shown)
    assert [use.label for use in scene.uses] == [category.name for category in labels]
    assert all(use.became in {"", *(other.label for other in scene.uses)} for use in scene.uses)
    text = describe(scene, style=style).text
    assert text.strip()
    assert estimate_tokens(text) <= CLIP_TOKENS


@given(sounds, st.sampled_from(Tone))
@settings(max_examples=100, deadline=None)
def test_where_nothing_was_said_only_the_mood_may_be_new(labels: list[TopCategory], tone: Tone) -> None:
    sound = compose_scene(labels)
    scene = blend(SaidScene(), sound, tone)
    assert replace(scene, mood=sound.mood) == sound
    assert scene.mood == sound.mood or (not sound.mood and re.fullmatch(r"in an? \w+ mood", scene.mood))

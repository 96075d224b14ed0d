"""The scene in what somebody said, found by rules: what can be seen, and nothing where there is nothing."""

import csv
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.cli import demo
from core.errors import ModelUnusable
from core.speech.clauses import gerund
from core.speech.nouns import load_nouns
from core.speech.said import Rules, load_rules

with Path(__file__).with_name("said.csv").open(encoding="utf-8", newline="") as file:
    SAID = list(csv.DictReader(file, delimiter="|", quoting=csv.QUOTE_NONE))


@pytest.mark.parametrize("row", SAID, ids=lambda row: str(row["words"])[:50])
def test_what_is_said_is_seen(row: dict[str, str], rules: Rules) -> None:
    scene = rules.write(row["words"])
    assert "; ".join(scene.subjects) == row["subjects"]
    assert (scene.place, scene.weather, scene.light, scene.mood) == (
        row["place"],
        row["weather"],
        row["light"],
        row["mood"],
    )
    assert (scene.kind == "nothing") is (row["subjects"] == "")


def test_the_demo_shows_what_the_rules_see(rules: Rules) -> None:
    assert rules.write(demo.SAID) == demo.SEEN


def test_requests_are_told_from_stories(rules: Rules) -> None:
    assert rules.write("Could you paint a fox?").kind == "request"
    assert rules.write("painter red fox").subjects == ("a red fox",)
    assert rules.write("A fox ran past us.").kind == "story"


@pytest.mark.parametrize(
    "word",
    ["coon", "cripple", "goy", "gypsy", "heathen", "mulatto", "octoroon", "quadroon", "retard", "savage", "spastic"],
)
def test_what_people_are_insulted_with_is_nothing_to_see(word: str, rules: Rules) -> None:
    assert load_nouns().kind(word) == load_nouns().kind(f"{word}s") == ""
    assert rules.write(f"Paint a {word} dancing on the table.").subjects == ()


def test_the_table_of_words_holds_words_that_can_be_met() -> None:
    """The pipeline takes a word with a hyphen apart."""
    table = (Path("core") / "speech" / "words.csv").read_text(encoding="utf-8")
    assert [word for word in table.split() if "-" in word] == []


@pytest.mark.parametrize("name", ["John", "Sarah", "Barack Obama"])
def test_people_are_not_painted_by_their_names(name: str, rules: Rules) -> None:
    told = " ".join(rules.write(f"{name} is dancing on the table.").subjects)
    assert "a person" in told
    assert name.split()[0].lower() not in told.lower()


@pytest.mark.parametrize(
    "words",
    [
        "We don't have a dog.",
        "There is no horse here.",
        "I have never seen a whale.",
        "It was a piece of cake.",
        "Let the cat out of the bag.",
        "The server and the channel are down after the update.",
        "",
        "...",
        "Mi agua perro grande casa.",
        "If I had a boat.",
    ],
)
def test_what_is_not_there_or_not_meant_is_not_seen(words: str, rules: Rules) -> None:
    assert rules.write(words).subjects == ()


@given(st.text(max_size=200) | st.lists(st.sampled_from(sorted(load_nouns().common)), max_size=30).map(" ".join))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_said_gives_a_few_plain_words(rules: Rules, words: str) -> None:
    scene = rules.write(words)
    assert len(scene.subjects) <= 2
    for phrase in scene.phrases:
        assert re.fullmatch(r"[A-Za-z' -]+", phrase), phrase
        assert len(phrase.split()) <= 8


def test_ten_thousand_words_take_no_longer_than_four_hundred(rules: Rules) -> None:
    """The pipeline takes time for each; nobody's picture needs more."""
    assert rules.write("a dog ran and " * 2500) == rules.write("a dog ran and " * 100)


@pytest.mark.parametrize(
    ("lemma", "told"),
    [("run", "running"), ("ride", "riding"), ("lie", "lying"), ("play", "playing"), ("sit", "sitting"),
     ("see", "seeing"), ("sleep", "sleeping"), ("bake", "baking"), ("dig", "digging"), ("row", "rowing")],
)  # fmt: skip
def test_verbs_are_told_as_going_on(lemma: str, told: str) -> None:
    assert gerund(lemma) == told


@pytest.mark.parametrize("fault", ["empty", "no config", "truncated"])
def test_a_pipeline_that_cannot_be_loaded_is_told_with_what_to_do(
    fault: str, language_pipeline: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "pipeline"
    if fault == "empty":
        broken.mkdir()
    else:
        shutil.copytree(language_pipeline, broken)
        if fault == "no config":
            (broken / "config.cfg").unlink()
        else:
            model = next(broken.rglob("parser/model"))
            model.chmod(0o644)
            model.write_bytes(model.read_bytes()[:100])
    with pytest.raises(ModelUnusable, match="models pull speech"):
        load_rules(broken)

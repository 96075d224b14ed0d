"""The labels' table: YamNet's own labels in its order, a family tree, and names for people."""

import re
import zipfile

import pytest

from core.hearing.labels import ENGLISH, Role, load_labels, name_in
from core.models import ModelStore
from core.settings import CoreSettings
from tests.same_words import SAME_WORD

LABELS = load_labels()
LANGUAGES = tuple(next(iter(LABELS.rows.values())).names)
"""Those that there are columns of."""
LONGEST = 40


def test_the_rows_are_yamnet_s_labels_in_its_order() -> None:
    with zipfile.ZipFile(ModelStore(CoreSettings()).yamnet().path) as file:
        labels = file.read("yamnet_label_list.txt").decode().split("\n")
    assert [label for label in labels if label] == list(LABELS.rows)


def test_every_parent_is_a_label_and_no_label_is_its_own_ancestor() -> None:
    for name, label in LABELS.rows.items():
        assert set(label.parents) <= LABELS.rows.keys(), name
        assert name not in LABELS.ancestors(name)


def test_the_tree_is_the_same_from_above_and_from_below() -> None:
    for name in LABELS.rows:
        assert all(name in LABELS[child].parents for child in LABELS.children(name))
        assert LABELS.descendants(name) == {other for other in LABELS.rows if name in LABELS.ancestors(other)}
    assert "Bark" in LABELS.descendants("Animal")
    assert LABELS.is_kind_of("Meow", "Cat")


def test_what_names_no_thing_is_marked() -> None:
    assert {"Animal", "Music", "Musical instrument", "Vehicle"} <= LABELS.generic
    assert not {"Dog", "Speech", "Bird", "Rain"} & LABELS.generic
    assert LABELS["Rain"].role is Role.WEATHER


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_label_has_a_short_name_of_its_own_in_every_language(language: str) -> None:
    names = {label: row.names[language] for label, row in LABELS.rows.items()}
    assert {label: name for label, name in names.items() if not 1 <= len(name) <= LONGEST} == {}
    folded = [name.casefold() for name in names.values()]
    assert {name for name in folded if folded.count(name) > 1} == set()
    assert all(name == " ".join(name.split()) for name in names.values())
    assert all(name[0].isupper() for name in names.values()) or language == "ja"


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_no_name_is_english_but_for_words_that_are_the_same_there(language: str) -> None:
    same = {
        label
        for label, row in LABELS.rows.items()
        if row.names[language].casefold() == row.names[ENGLISH].casefold()
        or re.search(rf"(?<!\w){re.escape(label)}(?!\w)", row.names[language], re.IGNORECASE)
    }
    assert same == SAME_WORD[language]


@pytest.mark.parametrize(
    ("locale", "name"),
    [
        ("de", "Vogelgesang"), ("fr", "Chant d'oiseaux"), ("es-ES", "Canto de pájaros"), ("es-419", "Canto de pájaros"),
        ("pt-BR", "Canto de pássaros"), ("ja", "鳥のさえずり"), ("en-US", "Birdsong"), ("en-GB", "Birdsong"),
        ("tlh", "Birdsong"), ("", "Birdsong"),
    ],
)  # fmt: skip
def test_a_label_is_called_what_it_is_called_in_the_readers_language(locale: str, name: str) -> None:
    assert name_in("Bird vocalization, bird call, bird song", locale) == name


def test_a_label_of_another_classifier_is_its_own_name() -> None:
    assert name_in("Dragon", "de") == "Dragon"

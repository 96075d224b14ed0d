"""The labels' table: YamNet's own labels in its order, and a family tree."""

import zipfile

from core.hearing.labels import Role, load_labels
from core.models import ModelStore
from core.settings import CoreSettings

LABELS = load_labels()


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

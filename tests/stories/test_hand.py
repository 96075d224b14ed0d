"""The scenes of a story share a place, and whoever comes again is told by the same words."""

from core.hearing.categories import TopCategory
from core.prompting.scene import Scene, compose_scene
from core.stories.hand import in_one_hand


def scene(**scores: float) -> Scene:
    return compose_scene([TopCategory(name.replace("_", " "), score, 1.0, 0) for name, score in scores.items()])


def outside(**scores: float) -> Scene:
    place = TopCategory("Outside, rural or natural", 0.5, 1.0, 0)
    return compose_scene([*(TopCategory(name, score, 1.0, 0) for name, score in scores.items()), place])


def test_a_scene_without_a_place_is_where_the_others_are() -> None:
    first, second = in_one_hand([outside(Dog=0.8), scene(Train=0.8)], [5, 5])
    assert first.place
    assert second.place == first.place


def test_of_several_places_that_of_most_of_the_time_counts_and_none_is_changed() -> None:
    city = compose_scene([TopCategory("Dog", 0.8, 1.0, 0), TopCategory("Outside, urban or manmade", 0.5, 1.0, 0)])
    first, second, third = in_one_hand([outside(Dog=0.8), city, scene(Train=0.8)], [5, 20, 5])
    assert third.place == second.place == city.place != first.place


def test_rain_and_the_sea_keep_their_own_place() -> None:
    told = in_one_hand([outside(Dog=0.8), scene(Ocean=0.8), scene(Dog=0.8, Rain=0.7)], [5, 5, 5])
    assert [one.place for one in told[1:]] == ["", ""]


def test_without_any_place_nothing_is_invented() -> None:
    scenes = [scene(Dog=0.8), scene(Train=0.8)]
    assert in_one_hand(scenes, [5, 5]) == tuple(scenes)


def test_the_dog_of_the_fourth_scene_is_the_dog_of_the_first() -> None:
    scenes = [scene(Dog=0.8, Bark=0.8), scene(Train=0.8), scene(Rain=0.8), scene(Dog=0.6, Bark=0.6)]
    first, *_, last = in_one_hand(scenes, [5, 5, 5, 5])
    assert first.subjects[0].phrase == last.subjects[0].phrase


def test_what_somebody_does_stays_his_own() -> None:
    scenes = [scene(Dog=0.8, Bark=0.8), scene(Dog=0.6)]
    first, last = in_one_hand(scenes, [5, 5])
    assert first.subjects[0].phrase == scenes[0].subjects[0].phrase
    assert last.subjects[0].phrase == scenes[1].subjects[0].phrase

"""What a story's message shows: its scenes by name and time, the film, and how far both are. Pure functions."""

from collections.abc import Sequence
from dataclasses import replace

from bot.discord_api.markdown import Markdown, inert, joined, shortened, stripped
from bot.storage.story import Story, ToldScene
from bot.views.layouts import Screen, ShownPicture, picture_name
from bot.views.naming import BETWEEN, listed, title_of
from bot.views.texts import Translation
from bot.views.wording import LONGEST_ALT_TEXT, LONGEST_SCENE, alt_text_of, heard_notes
from core.events import HeardSummary
from core.generation.protocol import Note
from core.hearing.timeline import clock
from core.pictures import PictureFile
from core.prompting.styles import Style

FILM = "film.mp4"


def scene_lines(t: Translation, story: Story) -> tuple[Markdown, ...]:
    """The scenes, one a line, with when each begins; none where there is but one, which the message names anyway."""
    if len(story.scenes) < 2:
        return ()
    return tuple(Markdown(f"{clock(scene.begins_s)} {inert(_name_of(t, scene))}") for scene in story.scenes)


def scene_line(t: Translation, number: int, count: int, doing: Markdown) -> Markdown:
    """Which scene is worked on, and what is done about it."""
    return joined(BETWEEN, t("status.scene", number=number + 1, count=count), doing)


def story_notes(heard: HeardSummary, story: Story) -> tuple[Note, ...]:
    """What a person should know of a story."""
    notes = list(heard_notes(heard))
    if len(story.scenes) == 1:
        notes.append(Note("one_scene", {}))
    if story.lost:
        notes.append(Note("scenes_lost", {"numbers": ", ".join(str(number + 1) for number in story.lost)}))
    return tuple(notes)


def with_film(
    screen: Screen,
    t: Translation,
    story: Story,
    pictures: Sequence[tuple[int, PictureFile]],
    style: Style | None,
    *,
    is_covered: bool,
) -> tuple[Screen, dict[str, bytes]]:
    """`screen` with the film and the `pictures` of its scenes, by their numbers; and the pictures' files by name."""
    named = [
        (picture_name(file.ending, index, len(pictures)), number, file) for index, (number, file) in enumerate(pictures)
    ]
    shown = tuple(
        ShownPicture(name, _alt_text(t, story.scenes[number], style), is_covered) for name, number, _ in named
    )
    film = ShownPicture(FILM, _film_alt_text(t, story), is_covered)
    return replace(screen, film=film, pictures=shown), {name: file.data for name, _, file in named}


def _alt_text(t: Translation, scene: ToldScene, style: Style | None) -> str:
    labels = shortened(scene.title, LONGEST_SCENE) if scene.is_said else listed(t, scene.top)
    return stripped(f"{clock(scene.begins_s)} {alt_text_of(t, labels, style)}", LONGEST_ALT_TEXT)


def _film_alt_text(t: Translation, story: Story) -> str:
    scenes = t.plain("list.between").join(f"{clock(scene.begins_s)} {_name_of(t, scene)}" for scene in story.scenes)
    seconds = f"{story.scenes[-1].ends_s:.0f}"
    return stripped(t.plain("alt.film", seconds=seconds, scenes=scenes), LONGEST_ALT_TEXT)


def _name_of(t: Translation, scene: ToldScene) -> str:
    return shortened(scene.title, LONGEST_SCENE) if scene.is_said else title_of(t, scene.top)

"""From what was heard and said to the words that are painted, as somebody chose them.

It joins what `prompting` and `speech` know, and asks a painter's description for its words and their number. Pure.
"""

from collections.abc import Callable, Sequence

from core.errors import WordsRefused
from core.events import HeardSummary
from core.generation.protocol import GeneratorInfo
from core.hearing.categories import TopCategory
from core.options import ImagineOptions
from core.prompting.narrowing import narrowed
from core.prompting.prompt import Prompt, describe, in_style
from core.prompting.scene import Scene, compose_scene, with_manner
from core.prompting.styles import Style
from core.speech.blend import blend
from core.speech.spoken import SaidScene
from core.speech.tone import tone_of

LABELS_IN_RECIPE = 5


def scene_of(
    heard: HeardSummary, options: ImagineOptions, painter: GeneratorInfo | None
) -> tuple[Scene, tuple[str, ...]]:
    """The scene of what was heard and said, in words that the painter knows; and what of it he does not.

    None for a `painter` who is not known yet, and is taken to know all words.
    """
    sounds = with_manner(compose_scene(heard.top), heard.manner)
    said = _said(heard, options)
    if said is None:
        return sounds, ()
    scene, left_out = narrowed(blend(said, sounds, tone_of(heard.windows)), painter.words if painter else None)
    return scene or sounds, left_out


def told(scene: Scene, style: Style, options: ImagineOptions, painter: GeneratorInfo | None) -> Prompt:
    """`scene` in a style, no longer than the painter reads."""
    if painter is not None and painter.count_tokens is not None:
        made = describe(scene, style=style, count_tokens=painter.count_tokens, max_tokens=painter.most_tokens)
    else:  # the model is not loaded yet, and nobody shall wait for it to see what was heard
        made = describe(scene, style=style)
    return chosen(made, style, options)


def chosen(prompt: Prompt, style: Style, options: ImagineOptions) -> Prompt:
    """`prompt` with the words that somebody chose in their places."""
    return Prompt(
        prompt.text if options.prompt is None else in_style(options.prompt, style),
        prompt.negative_text if options.negative_prompt is None else options.negative_prompt.strip(),
    )


def is_told_in(heard: HeardSummary, style: Style, options: ImagineOptions) -> bool:
    """Whether the prompt of `heard` is what is wanted: in its style, and with what was said unless that is unwanted."""
    return options.prompt is None and style is heard.style and (heard.spoken is None or options.spoken_words)


def labels_in_recipe(heard: Sequence[TopCategory]) -> tuple[str, ...]:
    """The first labels that were heard, and how surely, as a picture's recipe has them."""
    return tuple(f"{category.name} ({category.certainty:.2f})" for category in heard[:LABELS_IN_RECIPE])


def can_be_painted(heard: HeardSummary, options: ImagineOptions) -> bool:
    """Whether there is anything to be painted: silence alone is not, unless somebody wants it."""
    said = _said(heard, options)
    is_seen = said is not None and bool(said.subjects)
    return not heard.only_silence or options.prompt is not None or options.silence or is_seen


def check_words(refuses: Callable[[str], bool], *texts: str | None) -> None:
    """Raises WordsRefused."""
    if any(refuses(text) for text in texts if text):
        raise WordsRefused


def _said(heard: HeardSummary, options: ImagineOptions) -> SaidScene | None:
    return heard.spoken.said if heard.spoken is not None and options.spoken_words else None

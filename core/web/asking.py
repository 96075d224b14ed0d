"""From the fields of a form or an address to what is to be painted, each with its limits. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from core.errors import InvalidOptions
from core.events import HeardSummary
from core.generation.protocol import MAX_SEED
from core.options import ImagineOptions
from core.prompting.styles import Style
from core.web.wording import own_words

LONGEST_PROMPT, LONGEST_SAID = 300, 600
"""Characters, as the fields on the page have them."""


def asked_for(fields: Mapping[str, str]) -> ImagineOptions:
    """What `fields` choose for a new recording. Raises InvalidOptions."""
    return ImagineOptions(
        style=_style(fields.get("style", "")),
        prompt=_words(fields.get("prompt", ""), LONGEST_PROMPT) or None,
        seed=_seed(fields.get("seed", "")),
        silence=fields.get("silence") == "1",
    )


def asked_again(fields: Mapping[str, str], before: ImagineOptions, heard: HeardSummary) -> ImagineOptions:
    """The same for a sound that was heard `before`: what is not among the fields stays, but for the seed.

    Words that are as they were shown are not somebody's own. Raises InvalidOptions.
    """
    silence = before.silence or fields.get("silence") == "1"
    options = replace(before, seed=_seed(fields.get("seed", "")), silence=silence)
    if "style" in fields:
        options = replace(options, style=_style(fields["style"]))
    if (prompt := _words(fields.get("prompt", ""), LONGEST_PROMPT)) and prompt != shown_words(heard, before):
        options = replace(options, prompt=prompt)
    if fields.get("sounds") == "1":
        options = replace(options, said=None, prompt=None, spoken_words=False)
    elif said := _words(fields.get("said", ""), LONGEST_SAID):
        options = replace(options, said=said, prompt=None, spoken_words=True)
    return options


def shown_words(heard: HeardSummary, options: ImagineOptions) -> str:
    """The words that are painted, without those of a style."""
    return options.prompt or " ".join(own_words(heard.prompt.text, heard.style).split())


def _style(name: str) -> Style | None:
    try:
        return Style(name) if name else None
    except ValueError as error:
        raise InvalidOptions(f"There is no such style; the styles are {', '.join(Style)}.") from error


def _seed(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= MAX_SEED):
        raise InvalidOptions(f"The seed has to be a whole number from 0 to {MAX_SEED}.")
    return int(text)


def _words(text: str, most: int) -> str:
    """`text` in one line, with nothing in it that cannot be seen."""
    words = " ".join("".join(char for char in text if char.isprintable() or char.isspace()).split())
    if len(words) > most:
        raise InvalidOptions(f"These are more than {most} characters; please use fewer words.")
    return words

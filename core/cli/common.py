"""What the commands share: the settings, and what is to be said of a recording and a picture in English."""

import sys
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from core.errors import WrongSetting
from core.events import HeardSummary
from core.generation.protocol import Note
from core.log_lines import one_line
from core.prompting.styles import Style
from core.settings import CoreSettings, read_settings

NOTES = MappingProxyType({"prompt_cut": "The prompt was too long for the model and ends at “{end}”."})
"""What a picture's notes say, by their keys."""


def load_settings() -> CoreSettings:
    """The settings from the environment and `.env`. Raises WrongSetting."""
    try:
        return read_settings(CoreSettings)
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise WrongSetting(f"the setting {name} is wrong: {first['msg']}; see .env.example.") from error


def read_style(name: str | None) -> Style | None:
    """The style called `name`. Raises WrongSetting for an unknown one."""
    try:
        return None if name is None else Style(name)
    except ValueError as error:
        raise WrongSetting(f"there is no style {name}; the styles are: {', '.join(Style)}.") from error


def note_text(note: Note) -> str:
    """`note` as an English sentence."""
    return NOTES[note.key].format(**note.values)


def remarks(heard: HeardSummary) -> list[str]:
    """What a person should know of the recording, as English sentences."""
    said = []
    if heard.shortened:
        minutes, seconds = divmod(int(heard.begins_s), 60)
        where = f"I listened from {minutes}:{seconds:02d}" if heard.begins_s else "I listened to its beginning"
        said.append(f"The recording is longer; {where}, {heard.duration_s:g} seconds.")
    if heard.damaged:
        said.append("The recording is damaged; what could be read of it was heard.")
    return [*said, *(mending.says for mending in heard.mendings)]


def shown_path(path: Path) -> str:
    """`path` as it is for a program that reads it; for a terminal without what a terminal obeys."""
    return one_line(str(path)) if sys.stdout.isatty() else str(path)


def show_progress() -> bool:
    """Whether a person watches: progress goes to the terminal's error output only."""
    return sys.stderr.isatty()

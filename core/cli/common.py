"""What the commands share: the settings, what was heard as JSON, and the notes of a picture in English."""

import sys
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from core.engine import Heard
from core.errors import ImagineSoundError
from core.generation.protocol import Note
from core.prompting.styles import Style
from core.settings import CoreSettings

NOTES = MappingProxyType({"prompt_cut": "The prompt was too long for the model and ends at “{end}”."})
"""What a picture's notes say, by their keys."""


class WrongSetting(ImagineSoundError):
    """A setting in the environment, in `.env` or on the command line has no valid value."""


def load_settings() -> CoreSettings:
    """The settings from the environment and `.env`. Raises WrongSetting."""
    try:
        return CoreSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "_".join(str(part) for part in first["loc"]).upper()
        raise WrongSetting(f"the setting {name} is wrong: {first['msg']}; see .env.example.") from error
    except UnicodeDecodeError as error:
        raise WrongSetting("the file .env is not UTF-8 text; save it as UTF-8.") from error


def read_style(name: str | None) -> Style | None:
    """The style called `name`. Raises WrongSetting for an unknown one."""
    try:
        return None if name is None else Style(name)
    except ValueError as error:
        raise WrongSetting(f"there is no style {name}; the styles are: {', '.join(Style)}.") from error


def heard_as_json(file: str, heard: Heard) -> dict[str, Any]:
    """What `hear --json` prints of one file; scores are rounded to four places, seconds to three."""
    return {
        "file": file,
        "duration_s": round(heard.clip.duration_s, 3),
        "shortened": heard.clip.shortened,
        "damaged": heard.clip.damaged,
        "predictions": [
            {
                "timestamp_ms": prediction.timestamp_ms,
                "categories": [
                    {"name": category.name, "score": round(category.score, 4)} for category in prediction.categories
                ],
            }
            for prediction in heard.predictions
        ],
        "top": [
            {
                "name": category.name,
                "score": round(category.score, 4),
                "coverage": round(category.coverage, 4),
                "first_ms": category.first_ms,
            }
            for category in heard.top
        ],
        "spoken": heard.spoken,
        "prompt": {"text": heard.prompt.text, "negative_text": heard.prompt.negative_text},
    }


def note_text(note: Note) -> str:
    """`note` as an English sentence."""
    return NOTES[note.key].format(**note.values)


def show_progress() -> bool:
    """Whether a person watches: progress goes to the terminal's error output only."""
    return sys.stderr.isatty()

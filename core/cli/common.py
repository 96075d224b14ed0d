"""What the commands share: the settings, and what is to be said of a recording and a picture in English."""

import sys
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from core.env_file import complaints
from core.errors import WrongSetting
from core.events import HeardSummary, Understood
from core.generation.protocol import Note
from core.log_lines import one_line
from core.prompting.styles import Style
from core.reading_settings import problems_in, read_settings
from core.settings import CoreSettings
from core.speech.spoken import Outcome

UNHEARD = MappingProxyType(
    {
        Outcome.TOO_LATE: "they came too late; SPEECH_PATIENCE_S says how long to wait",
        Outcome.FAILED: "they could not be recognised; the log says why",
    }
)
UNSEEN = MappingProxyType(
    {
        Outcome.NOTHING_TO_SEE: "there is nothing to see in the words",
        Outcome.NO_ENGLISH: "this recogniser does not put the language into English; SPEECH_MODEL=small does",
    }
)
BY = MappingProxyType({"rules": "rules", "model": "the language model"})

NOTES = MappingProxyType({"prompt_cut": "The prompt was too long for the model and ends at “{end}”."})
"""What a picture's notes say, by their keys."""


def load_settings() -> CoreSettings:
    """The settings from the environment and `.env`; says which names there no setting has. Raises WrongSetting."""
    for complaint in complaints():
        print(f"imagine-sound: {complaint}", file=sys.stderr)
    try:
        return read_settings(CoreSettings)
    except ValidationError as error:
        said = "; ".join(f"the setting {problem}" for problem in problems_in(error))
        raise WrongSetting(f"{said}; see .env.example.") from error


def require_file(path: Path) -> None:
    """Raises WrongSetting if there is no file at `path`, or it cannot be read."""
    if not path.is_file():
        raise WrongSetting(f"there is no file {path}.")
    try:
        path.open("rb").close()
    except OSError as error:
        raise WrongSetting(f"{path} cannot be read: {error.strerror}; let this user read it.") from error


def read_style(name: str | None) -> Style | None:
    """The style called `name`. Raises WrongSetting for an unknown one."""
    try:
        return None if name is None else Style(name)
    except ValueError as error:
        raise WrongSetting(f"there is no style {name}; the styles are: {', '.join(Style)}.") from error


def note_text(note: Note) -> str:
    """`note` as an English sentence."""
    return NOTES[note.key].format(**note.values)


def spoken_lines(understood: Understood) -> list[str]:
    """What was said, whether that is believed, and what is seen in it, a line each."""
    spoken = understood.spoken
    lines = [f"Words:  {spoken.words}"] if spoken.words else []
    if spoken.language:
        lines.append(f"Language: {spoken.language} ({spoken.language_probability:.2f})")
    if spoken.outcome is Outcome.DOUBTED:
        lines.append(f"Believed: no; spoken, but I did not understand it: {spoken.doubt}")
    elif spoken.outcome in UNHEARD:
        lines.append(f"Words:  none, {UNHEARD[spoken.outcome]}")
    elif spoken.language:
        lines.append("Believed: yes" if spoken.complete else "Believed: yes; there was more than the time allowed")
    if spoken.said is not None and spoken.said.subjects:
        lines.append(f"Scene:  {', '.join(spoken.said.phrases)} (by {BY[spoken.said.by]})")
    elif spoken.words and not spoken.doubt:
        lines.append(f"Scene:  none, {UNSEEN.get(spoken.outcome, UNSEEN[Outcome.NOTHING_TO_SEE])}")
    if understood.left_out:
        lines.append(f"Left out, since this painter does not know it: {', '.join(understood.left_out)}")
    return lines


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

"""`.env.example` names every setting but those that are only read for old times' sake, describes it, and parses."""

from pathlib import Path

from dotenv import dotenv_values

from bot.settings import BotSettings
from core.env_file import known_names
from core.settings import FORMER, CoreSettings
from docs.env_example import render

FILE = Path(__file__).parents[1] / ".env.example"


def test_it_is_what_the_settings_say() -> None:
    assert FILE.read_text() == render(), "run: python -m docs.env_example > .env.example"


def test_every_line_switched_on_it_parses_to_the_defaults(tmp_path: Path) -> None:
    lines = (line[1:] if line.startswith("#") and line[1:2].isupper() and "=" in line.split(" ")[0] else line for line in FILE.read_text().splitlines())  # fmt: skip  # noqa: E501
    path = tmp_path / ".env"
    path.write_text("\n".join(lines))
    names = {
        name.upper()
        for settings in (CoreSettings, BotSettings)
        for name, field in settings.model_fields.items()
        if field.json_schema_extra != FORMER
    }
    assert set(dotenv_values(path)) == names
    core = CoreSettings(_env_file=path, device="auto", download_models=True)
    for name, field in CoreSettings.model_fields.items():
        if field.default_factory is None:
            assert getattr(core, name) == field.default, name
    assert BotSettings(_env_file=path).discord_token is None


def test_every_setting_may_stand_in_the_file_and_nothing_else_but_what_compose_reads() -> None:
    settings = {name.upper() for kind in (CoreSettings, BotSettings) for name in kind.model_fields}
    assert known_names() == settings | {"COMPOSE_PROFILES"}


def test_every_setting_is_described() -> None:
    for settings in (CoreSettings, BotSettings):
        for name, field in settings.model_fields.items():
            assert field.description, name
            assert field.description.endswith("."), name

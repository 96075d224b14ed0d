"""Reads settings of any kind, leaves no secret in the environment, and tells all that is wrong with them at once.

It knows no setting.
"""

import os
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsError

from core.errors import WrongSetting

SECRETS = Path("/run/secrets")
"""Where Docker, Podman and Kubernetes put a secret as a file, named as its variable is."""
OTHER_NAMES = ("HUGGING_FACE_HUB_TOKEN",)
"""What libraries call a secret of ours besides."""

AnySettings = TypeVar("AnySettings", bound=BaseSettings)
OtherSettings = TypeVar("OtherSettings", bound=BaseSettings)


def read_settings(kind: type[AnySettings], secrets: Path = SECRETS) -> AnySettings:
    """The settings from the environment, `.env`, and files in `secrets` where it exists; the first of them wins.

    The secrets leave the environment, so that no child and no library finds them there. Raises ValidationError, and
    WrongSetting for a file that cannot be read.
    """
    # the library warns of a directory that is not there
    sources: dict[str, Any] = {"_secrets_dir": secrets} if secrets.is_dir() else {}
    try:
        return kind(**sources)
    except (SettingsError, UnicodeDecodeError, OSError) as error:
        raise WrongSetting(_unreadable(error.__cause__ or error, secrets)) from error
    finally:
        secret = {*map(str.upper, secret_names(kind)), *OTHER_NAMES}
        for name in [name for name in os.environ if name.upper() in secret]:  # in whatever case it was written
            del os.environ[name]


def read_together(
    first: type[AnySettings], second: type[OtherSettings], secrets: Path = SECRETS
) -> tuple[AnySettings, OtherSettings]:
    """Both kinds as `read_settings` reads them. Raises WrongSetting, which tells the problems of both, a line each."""
    problems: dict[str, None] = {}
    found: list[Any] = []
    for kind in (first, second):
        try:
            found.append(read_settings(kind, secrets))
        except ValidationError as error:
            problems |= dict.fromkeys(problems_in(error))
        except WrongSetting as error:
            problems[str(error)] = None
    if problems:
        raise WrongSetting("\n".join(problems))
    return found[0], found[1]


def problems_in(error: ValidationError) -> list[str]:
    """Each setting that is wrong, and why."""
    return [f"{'_'.join(map(str, problem['loc'])).upper()} is wrong: {problem['msg']}" for problem in error.errors()]


def _unreadable(error: BaseException, secrets: Path) -> str:
    if isinstance(error, OSError):
        return f"{error.filename} cannot be read ({error.strerror}); let this user read it."
    if isinstance(error, UnicodeDecodeError):
        return f"The file .env or a file in {secrets} is not UTF-8 text; save it as UTF-8."
    return "A setting in the environment, in .env or in a file cannot be read; see .env.example."


def settings_that_are_set(settings: BaseSettings) -> dict[str, str]:
    """Those that are not at their defaults by themselves, by their names in the environment; no secret among them."""
    secret = secret_names(type(settings))
    found = settings.model_dump(mode="json", include=settings.model_fields_set - set(secret), exclude_none=True)
    return {name.upper(): _as_variable(value) for name, value in found.items()}


def _as_variable(value: object) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case list():
            return ",".join(map(str, value))
    return str(value)


def secret_names(kind: type[BaseSettings]) -> list[str]:
    """The fields of `kind` that are secrets."""
    return [name for name, field in kind.model_fields.items() if field.annotation == SecretStr | None]

"""What a run was asked for, kept beside it: `--resume` needs no more than the place. Later settings are recorded.

The file is `settings.json` in the run's folder. Which of the settings may change is known by `Hyperparameters`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from core.errors import CannotResume
from core.files import written_whole
from core.finetuning.hyperparameters import Hyperparameters
from core.finetuning.model.claim import ObjectiveName

SETTINGS_NAME = "settings.json"


@dataclass(frozen=True)
class RunSettings:
    """One run's; paths are absolute. `changes` are the values that a field had before it was resumed with others."""

    images: str
    base: str
    hyperparameters: Hyperparameters
    base_revision: str | None = None
    caption: str | None = None
    cache: str | None = None
    prompts: tuple[str, ...] = ()
    objective: ObjectiveName | None = None
    kohya: bool = False
    changes: tuple[Mapping[str, object], ...] = field(default=())

    def after(self, before: Self | None) -> Self:
        """With what was changed since `before` recorded."""
        if before is None:
            return self
        mine, theirs = self.hyperparameters.as_dict(), before.hyperparameters.as_dict()
        changed = {name: value for name, value in theirs.items() if mine[name] != value}
        return replace(self, changes=(*before.changes, changed) if changed else before.changes)


def write_settings(settings: RunSettings, folder: Path) -> None:
    """Write the file. Raises WrongSetting if it cannot be written."""
    document = {
        "images": settings.images,
        "base": settings.base,
        "base_revision": settings.base_revision,
        "caption": settings.caption,
        "cache": settings.cache,
        "prompts": list(settings.prompts),
        "objective": settings.objective,
        "kohya": settings.kohya,
        "hyperparameters": settings.hyperparameters.as_dict(),
        "changes": [dict(change) for change in settings.changes],
    }
    with written_whole(folder / SETTINGS_NAME) as temporary:
        temporary.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")


def read_settings(folder: Path) -> RunSettings | None:
    """None if there is no such file. Raises CannotResume if it cannot be understood."""
    path = folder / SETTINGS_NAME
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return RunSettings(
            images=str(document["images"]),
            base=str(document["base"]),
            hyperparameters=Hyperparameters.from_dict(document["hyperparameters"]),
            base_revision=document["base_revision"],
            caption=document["caption"],
            cache=document["cache"],
            prompts=tuple(document["prompts"]),
            objective=document.get("objective"),
            kohya=bool(document["kohya"]),
            changes=tuple(document["changes"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CannotResume(f"{path} cannot be understood; give all settings, or begin anew with --restart.") from error

"""`imagine-sound verify`: whether pictures were painted here, by their metadata and the mark in their noise."""

import argparse
import asyncio
import json
from pathlib import Path

from core.attribution import Inspector
from core.cli.common import load_settings, shown_path
from core.engine import Engine
from core.errors import ExitCode, InvalidOptions


def run(options: argparse.Namespace) -> int:
    """Print a line for each file. Raises WrongSetting, ModelError."""
    return asyncio.run(_verify(options.files, options.passes, as_json=options.json))


async def _verify(files: list[Path], passes: int, *, as_json: bool) -> int:
    code, settings = ExitCode.DONE, load_settings()
    async with Engine(settings) as engine:
        inspector = Inspector(engine, settings.data_dir)
        for path in files:
            try:
                found = await inspector.inspect(path, passes=passes)
            except InvalidOptions as error:
                code = ExitCode.BAD_INPUT
                _tell(path, str(error), {"error": str(error)}, as_json=as_json)
            else:
                _tell(path, found.sentence, found.plain(), as_json=as_json)
    return code


def _tell(path: Path, sentence: str, plain: dict[str, object], *, as_json: bool) -> None:
    print(json.dumps({"path": str(path), **plain}) if as_json else f"{shown_path(path)}: {sentence}")

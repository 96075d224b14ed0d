"""`imagine-sound hear`: what is in each recording, window by window, and how it becomes a prompt; or as a chart."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from core.cli.common import load_settings, read_style, remarks, spoken_lines
from core.cli.figure import draw_heard
from core.cli.output import check_output
from core.engine import Engine
from core.errors import ExitCode, ModelError, RecordingError, WrongSetting
from core.events import Heard, HeardSummary, Understood
from core.files import written_whole
from core.log_lines import one_line
from core.options import ImagineOptions
from core.speech.spoken import Spoken

AS_JSON = TypeAdapter(HeardSummary)

SHOWN = 8
"""Categories in the tables."""


def run(options: argparse.Namespace) -> int:
    """Hear every file; 0 if all could be heard, else 2. Raises ModelError, WrongSetting and WouldOverwrite."""
    if not options.files and options.said is None:
        raise WrongSetting("Name a recording, or words with --said.")
    if options.figure is not None:
        if len(options.files) != 1:
            raise WrongSetting("A figure shows one recording; name only one FILE with --figure.")
        check_output(options.figure, options.files, [".png"], replace=options.force)
    return asyncio.run(_hear_all(options))


async def _hear_all(options: argparse.Namespace) -> int:
    chosen = ImagineOptions(style=read_style(options.style), said=options.said)
    failed = False
    async with Engine(load_settings()) as engine:
        if not options.files:
            await _read(engine, chosen, as_json=options.json)
        for path in options.files:
            try:
                heard = await engine.hear(path, chosen)
                understood = await engine.understand(heard, chosen)
            except ModelError:
                raise
            except (RecordingError, OSError) as error:
                failed = True
                why = str(error) if isinstance(error, RecordingError) else f"{path} cannot be read: {error.strerror}."
                if options.json:
                    print(json.dumps({"file": str(path), "error": why}, ensure_ascii=False), flush=True)
                else:
                    print(one_line(f"{path}: {why}"), file=sys.stderr)
                continue
            if options.figure is not None:
                with written_whole(options.figure) as temporary:
                    temporary.write_bytes(draw_heard(heard.clip, heard.summary.windows, heard.summary.top))
            if options.json:
                summary = heard.summary if understood is None else heard.summary.understood(understood)
                plain = {"file": str(path), **AS_JSON.dump_python(summary, mode="json")}
                print(json.dumps(plain, ensure_ascii=False), flush=True)
            else:
                print_heard(path, heard, understood, title=len(options.files) > 1)
    return ExitCode.BAD_INPUT if failed else ExitCode.DONE


async def _read(engine: Engine, options: ImagineOptions, *, as_json: bool) -> None:
    """What is seen in words alone."""
    understood = await engine.understand(None, options)
    assert understood is not None  # there are words
    if as_json:
        spoken = TypeAdapter(Spoken).dump_python(understood.spoken, mode="json")
        print(json.dumps({"spoken": spoken, "prompt": understood.prompt.text}, ensure_ascii=False))
    else:
        _print_understood(Console(highlight=False, soft_wrap=True), understood)


def _print_understood(console: Console, understood: Understood) -> None:
    for line in (*spoken_lines(understood), f"Prompt: {understood.prompt.text}"):
        console.print(line, markup=False)


def print_heard(path: Path, heard: Heard, understood: Understood | None, *, title: bool) -> None:
    """The windows, the top categories and the way from label to prompt, for people."""
    console = Console(highlight=False, soft_wrap=True)
    if title:
        console.rule(one_line(str(path)), align="left")
    summary = heard.summary
    for window in summary.windows:
        best = ", ".join(f"{category.name} ({category.score:.2f})" for category in window.categories[:3])
        console.print(f"Timestamp {window.timestamp_ms / 1000:g}: {best}", markup=False)
    for remark in remarks(summary):
        console.print(remark)
    console.print(explanation(heard))
    if understood is not None:
        _print_understood(console, understood)
    else:
        console.print(f"Prompt: {summary.prompt.text}", markup=False)


def explanation(heard: Heard) -> Table:
    """Label, how sure, when, its role, its phrase, and what became of it."""
    table = Table("label", "sure", "score", "share", "first", "role", "phrase", "became", title="What was heard")
    became = {row.label: row for row in heard.scene.uses}
    for category in heard.summary.top[:SHOWN]:
        row = became.get(category.name)
        into = "" if row is None else row.became
        table.add_row(
            category.name,
            f"{category.certainty:.2f}",
            f"{category.score:.2f}",
            f"{category.coverage:.0%}",
            f"{category.first_ms / 1000:g} s",
            row.role if row else "",
            row.phrase if row else "",
            "in the prompt" if into == category.name else f"part of {into}" if into else "left out",
        )
    return table

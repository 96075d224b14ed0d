"""Makes docs/speech.png: what everybody is shown of a spoken note, what its speaker is, and how it is corrected.

    MODEL_CACHE=DIR python -m docs.render_speech

As `render_conversation.py`: a real conversation in a simulated Discord, drawn by a browser. A recogniser is stood in
for by one that knows the words; the rules that find the scene are real, and their pipeline lies in MODEL_CACHE
(`imagine-sound models pull speech`).
"""

import asyncio
import html
import tempfile
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Any

import simcord

from bot.client import ImagineBot
from bot.settings import BotSettings
from core.settings import CoreSettings
from docs.render_conversation import HERE, STYLE, VOICE, WatchedEngine, draw, photograph, shot_of
from tests.speech.babble import babble
from tests.speech.scripted import Scripted

WORDS = "Yesterday we went to the beach and my dog just ran into the water."
WIDTH = 1500
EDITOR = """
.editor { background: var(--box); border: 1px solid var(--edge); border-radius: 8px; padding: 18px }
.editor h3 { margin-bottom: 10px }
.editor label { display: block; font-size: 13px; font-weight: bold; margin-top: 10px }
.editor p { background: var(--wall); border: 1px solid var(--edge); border-radius: 6px; padding: 7px 10px;
  margin-top: 4px; min-height: 36px }
.editor p.long { min-height: 70px }
"""


async def converse(data_dir: Path) -> tuple[dict[str, Any], dict[str, Any], Mapping[str, Any]]:
    """The answer that everybody sees, what its speaker is shown, and the editor."""
    engine = WatchedEngine(CoreSettings(preview_every=0), make_recogniser=lambda *_: Scripted(WORDS))

    def read_file(url: str) -> Awaitable[bytes]:
        return bot.http.get_from_cdn(url)

    settings = BotSettings(data_dir=data_dir, shard_count=1, edit_interval_s=0, drain_seconds=0)
    bot = ImagineBot(settings, engine, read_file=read_file)
    await asyncio.gather(engine.ears(), engine.info())
    async with simcord.run(bot, settle_timeout=60) as env:
        engine.env = env
        channel = env.create_guild("Soundscape").create_text_channel("general")
        alice = channel.guild.add_member(env.create_user("alice"))
        attachments = env.backend.store_attachments(channel.id, [("voice-message.ogg", babble(4.0))])
        attachments[0] |= {"duration_secs": 4.0, "waveform": "AAAA", "content_type": "audio/ogg"}
        env.backend.create_message(channel.id, alice.id, "", attachments=attachments, flags=VOICE)
        painted = None
        while painted is None:
            await env.settle()
            await asyncio.sleep(0.02)
            for thread in channel.threads:
                last = thread.history()[-1]
                painted = last if last.attachments and last.attachments[0].filename == "picture.png" else None
        public = shot_of(env.backend.get_message(painted.channel.id, painted.id), env)
        menu = (await alice.click(painted, label="⋯")).followups[0]
        told = await alice.click(menu, label="👂 What I understood")
        shown = told.response or told.followups[-1]
        understood = shot_of(env.backend.get_message(shown.channel_id, shown.id), env)
        editor = (await alice.click(painted, label="Change")).modal
        assert editor is not None
    await bot.close()
    return public, understood, editor


def editor_as_html(editor: Mapping[str, Any]) -> str:
    """The fields of an editor, as Discord lays them out."""
    fields = []
    for label in editor["components"]:
        field = label["component"]
        chosen = next((one["label"] for one in field.get("options", []) if one.get("default")), field.get("value"))
        kind = "long" if field.get("style") == 2 else ""
        hint = f"<br><small>{html.escape(label['description'])}</small>" if label.get("description") else ""
        fields.append(
            f"<label>{html.escape(label['label'])}{hint}</label><p class='{kind}'>{html.escape(chosen or '')}</p>"
        )
    return f'<div class="editor"><h3>{html.escape(editor["title"])}</h3>{"".join(fields)}</div>'


def page(stages: Sequence[tuple[str, str]]) -> str:
    """All three, side by side."""
    drawn = "".join(
        f'<div class="stage"><p class="caption">{caption}</p><div class="message"><div>{inside}</div></div></div>'
        for caption, inside in stages
    )
    return f'<!doctype html><meta charset=utf-8><style>{STYLE}{EDITOR}</style><div class="row">{drawn}</div>'


def main() -> None:
    """Play, draw, save."""

    def inside(shot: Mapping[str, Any]) -> str:
        return "".join(draw(component, shot["files"]) for component in shot["components"])

    with tempfile.TemporaryDirectory() as folder:
        public, understood, editor = asyncio.run(converse(Path(folder)))
        source = Path(folder) / "speech.html"
        stages = [
            ("What everybody sees", inside(public)),
            ("What I understood, for the speaker alone", inside(understood)),
            ("Change, for the speaker", editor_as_html(editor)),
        ]
        source.write_text(page(stages), encoding="utf-8")
        photograph(source, HERE / "speech.png", WIDTH)


if __name__ == "__main__":
    main()

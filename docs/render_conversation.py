"""Makes docs/conversation.png: a real conversation with the bot, played in a simulated Discord, drawn by a browser.

    python docs/render_conversation.py [RECORDING] [--language de] [--theme light] [--width phone] [--out PNG]

Everything in the picture is what the bot sent: the components of its messages and the files attached to them. The
pictures are painted by the model that the settings choose (without a GPU: the bundled miniature). Needs the
development extras and Chromium.
"""

import argparse
import asyncio
import base64
import html
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import simcord
from PIL import Image, ImageChops
from simcord.actors import MemberActor

from bot.client import ImagineBot
from bot.settings import BotSettings
from core.engine import DEFAULTS, Engine, Event, ImagineOptions
from core.hearing.audio import load_clip
from core.hearing.samples import birdsong, write_wav
from core.prompting.prompt import Prompt
from core.settings import CoreSettings

HERE = Path(__file__).parent
VOICE = 1 << 13

STYLE = """
* { box-sizing: border-box; margin: 0 }
:root { --wall: #1a1a1e; --box: #242429; --edge: #3f4147; --ink: #f2f3f5; --quiet: #949ba4; --button: #3f4147;
  --mention: #3c4270; --named: #c9cdfb }
:root.light { --wall: #ffffff; --box: #f7f7f8; --edge: #dcdde0; --ink: #1f2023; --quiet: #5c5e66; --button: #e3e5e8;
  --mention: #dfe1fb; --named: #3c44b0 }
body { background: var(--wall); color: var(--ink); padding: 26px;
  font: 15px/1.4 "DejaVu Sans", "IPAGothic", sans-serif }
.row { display: flex; gap: 22px; align-items: flex-start }
:root.phone .row { display: grid; grid-template-columns: 1fr; gap: 30px }
.stage { flex: 1; min-width: 0 }
.quote { display: inline-block; border-left: 4px solid var(--edge); padding-left: 10px; margin: 4px 0 }
.caption { color: var(--quiet); font-size: 14px; margin: 0 0 8px 4px }
.message { display: flex; gap: 12px }
.message > div:last-child { flex: 1; min-width: 0 }
.avatar { width: 40px; height: 40px; border-radius: 50%; flex: none; display: grid; place-items: center;
  font-weight: bold; color: white }
.name { font-weight: bold }
.app { background: #5865f2; color: white; font-size: 10px; border-radius: 4px; padding: 1px 5px; margin-left: 5px }
.voice { display: inline-flex; align-items: center; gap: 10px; background: var(--box); border: 1px solid var(--edge);
  border-radius: 22px; padding: 8px 16px; margin-top: 4px }
.play { width: 26px; height: 26px; border-radius: 50%; background: #5865f2; display: grid; place-items: center;
  color: white; font-size: 11px }
.wave { display: flex; align-items: center; gap: 2px; height: 26px }
.wave i { width: 3px; background: var(--quiet); border-radius: 2px }
.thread { display: inline-block; background: var(--box); border-radius: 6px; padding: 8px 14px; margin: 8px 0 22px 0;
  font-weight: bold }
.thread span { color: var(--quiet); font-weight: normal; margin-left: 8px }
.box { background: var(--box); border: 1px solid var(--edge); border-left: 4px solid; border-radius: 8px; padding: 14px;
  display: flex; flex-direction: column; gap: 9px; margin-top: 4px }
.box img { width: 100%; border-radius: 6px; display: block; image-rendering: auto }
.gallery { display: grid; grid-template-columns: 1fr 1fr; gap: 6px }
small { color: var(--quiet); font-size: 12.5px }
.mention { background: var(--mention); color: var(--named); border-radius: 3px; padding: 0 3px }
.buttons { display: flex; flex-wrap: wrap; gap: 7px }
.button { border-radius: 7px; padding: 6px 12px; font-size: 13.5px; background: var(--button) }
.button.s4 { background: #da373c; color: white }
"""
WIDTHS = {"desk": 2100, "phone": 400}
LOCALES = {"en": "en-US", "de": "de", "ja": "ja"}


class WatchedEngine(Engine):
    """The real engine; waiting for the painter is declared to the simulator as waiting for the outside."""

    env: simcord.Env

    async def paint(
        self, prompt: Prompt, options: ImagineOptions = DEFAULTS, *, heard: tuple[str, ...] = (), user: str = ""
    ) -> AsyncGenerator[Event, None]:
        """As Engine.paint."""
        await self.env.external_wait(asyncio.sleep(2), reason="painter")  # what was heard is to be seen first
        async with aclosing(super().paint(prompt, options, heard=heard, user=user)) as events:
            while True:
                try:
                    yield await self.env.external_wait(anext(events), reason="painter")
                except StopAsyncIteration:
                    return


def shot_of(message: Any, env: simcord.Env) -> dict[str, Any]:
    """A message as it is now: its components, and its files by their addresses."""
    return {
        "components": [dict(component) for component in message.components],
        "files": {item["url"]: env.backend.cdn.get(item["url"]) for item in message.attachments},
    }


def speaks(env: simcord.Env, locale: str) -> None:
    """From now on everybody's Discord is in that language."""
    emit = env.backend.emit
    env.backend.emit = lambda event, payload: emit(  # type: ignore[method-assign]
        event, {**payload, "locale": locale} if event == "INTERACTION_CREATE" else payload
    )


async def converse(recording: bytes, data_dir: Path, locale: str) -> tuple[str, list[dict[str, Any]]]:
    """Post `recording` as Alice's voice note; the thread's name, and the reply at each stage."""
    engine = WatchedEngine(CoreSettings(preview_every=4))

    def read_file(url: str) -> Awaitable[bytes]:
        return bot.http.get_from_cdn(url)

    settings = BotSettings(data_dir=data_dir, shard_count=1, edit_interval_s=0, drain_seconds=0)
    bot = ImagineBot(settings, engine, read_file=read_file)
    await asyncio.gather(engine.ears(), engine.info())  # models load before the simulator counts seconds
    async with simcord.run(bot, settle_timeout=60) as env:
        engine.env = env
        speaks(env, locale)
        guild = env.create_guild("Soundscape", preferred_locale=locale)
        channel = guild.create_text_channel("general")
        alice = guild.add_member(env.create_user("alice"))
        attachments = env.backend.store_attachments(channel.id, [("voice-message.ogg", recording)])
        attachments[0] |= {"duration_secs": 5.0, "waveform": "AAAA", "content_type": "audio/ogg"}
        env.backend.create_message(channel.id, alice.id, "", attachments=attachments, flags=VOICE)
        stages: dict[str, dict[str, Any]] = {}
        while "painted" not in stages:
            await env.settle()
            await asyncio.sleep(0.02)
            for thread in channel.threads:
                for message in env.backend.messages[thread.id].values():
                    shot = shot_of(message, env)
                    names = " ".join(item["filename"] for item in message.attachments)
                    if "picture" in names:
                        stages["painted"] = shot
                    elif "preview" in names:
                        stages.setdefault("painting", shot)
                    elif not stages or ("painting" not in stages and not _has_begun(shot)):
                        stages["heard"] = shot
        thread = channel.threads[0]
        painted = thread.history()[-1]
        menu = (await alice.click(painted, label="⋯")).followups[0]
        stages["menu"] = shot_of(env.backend.get_message(menu.channel_id, menu.id), env)
        stages["several"] = await four_more(env, alice, painted)
        env.backend.create_message(channel.id, alice.id, "", attachments=attachments, flags=VOICE)
        while len(channel.threads) < 2:
            await env.settle()
        second = channel.threads[1].history()[-1]
        cancel = next(item["custom_id"] for item in _buttons(env.backend.get_message(second.channel.id, second.id)))
        await alice.click(second, custom_id=cancel)
        stages["failed"] = shot_of(env.backend.get_message(second.channel.id, second.id), env)
        name = thread.name or ""
    await bot.close()
    return name, [stages[stage] for stage in CAPTIONS]


async def four_more(env: simcord.Env, alice: MemberActor, painted: Any) -> dict[str, Any]:
    """The message with four more pictures, once they are painted."""
    buttons = _buttons(env.backend.get_message(painted.channel.id, painted.id))
    four = next(item["custom_id"] for item in buttons if ":four:" in item["custom_id"])
    told = await alice.click(painted, custom_id=four)
    assert told.response is not None
    await alice.click(told.response, custom_id=four.replace("four", "four_told"))
    while True:
        await env.advance_time(1)
        await asyncio.sleep(0.02)
        latest = env.backend.get_message(painted.channel.id, max(env.backend.messages[painted.channel.id]))
        if len(latest.attachments) == 4 and latest.attachments[0]["filename"].startswith("picture"):
            return shot_of(latest, env)


def _buttons(message: Any) -> list[dict[str, Any]]:
    (container,) = message.components
    return [item for row in container["components"] if row["type"] == 1 for item in row["components"]]


def _has_begun(shot: Mapping[str, Any]) -> bool:
    """Whether a step of the picture is done."""
    texts = [part["content"] for part in shot["components"][0]["components"] if part["type"] == 10]
    return any("12" in text for text in texts)


def markdown(text: str) -> str:
    """The little of Discord's markdown that the bot uses, as HTML; characters no font here has are left out."""
    text = re.sub("[\U0001f000-\U0001ffff\u2300-\u23ff\u2600-\u27bf\ufe0f] ?", "", text)
    lines = []
    for line in html.escape(text, quote=False).splitlines():
        line = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", line)
        line = re.sub(r"&lt;@\d+&gt;", '<span class="mention">@alice</span>', line)
        line = re.sub(r"\[(.+?)\]\((.+?)\)", r'<span class="mention">\1</span>', line)
        line = re.sub(r"^-# (.*)", r"<small>\1</small>", line)
        line = re.sub(r"^### (.*)", r"<b>\1</b>", line)
        line = re.sub(r"^&gt; (.*)", r'<span class="quote">\1</span>', line)
        lines.append(line)
    return "<br>".join(lines)


def draw(component: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    """A component, and those in it, as HTML."""

    def image(media: Mapping[str, Any]) -> str:
        return f'<img src="data:image;base64,{base64.b64encode(files[media["url"]]).decode()}">'

    def inside() -> str:
        return "".join(draw(child, files) for child in component.get("components") or [])

    match component["type"]:
        case 17:
            edge = component.get("accent_color")
            colour = "var(--edge)" if edge is None else f"#{edge:06x}"
            return f'<div class="box" style="border-left-color: {colour}">{inside()}</div>'
        case 10:
            return f"<div>{markdown(component['content'])}</div>"
        case 12:
            images = "".join(image(item["media"]) for item in component["items"])
            return f'<div class="gallery">{images}</div>' if len(component["items"]) > 1 else images
        case 1:
            return f'<div class="buttons">{inside()}</div>'
        case 2:
            return f'<div class="button s{component["style"]}">{html.escape(component["label"])}</div>'
    return ""


CAPTIONS = {
    "heard": "At once: what was heard",
    "painting": "In the same message: it is painted",
    "painted": "The picture",
    "menu": "⋯, for whoever asks, in their language",
    "several": "4 more",
    "failed": "Where nothing came of it",
}


def page(thread: str, shots: Sequence[Mapping[str, Any]], recording: Path, look: str) -> str:
    """The whole conversation as HTML; `look` is "light", "phone", both, or empty."""
    stages = "".join(
        f'<div class="stage"><p class="caption">{caption}</p><div class="message">'
        f'<div class="avatar" style="background:#5865f2">is</div><div style="flex:1">'
        f'<span class="name">imagine-sound</span><span class="app">APP</span>'
        f"{''.join(draw(component, shot['files']) for component in shot['components'])}</div></div></div>"
        for caption, shot in zip(CAPTIONS.values(), shots, strict=True)
    )
    loudness = [float(np.abs(part).max()) for part in np.array_split(load_clip(recording).samples, 42)]
    wave = "".join(f'<i style="height:{4 + 22 * level / max(loudness):.0f}px"></i>' for level in loudness)
    return (
        f'<!doctype html><html class="{look}"><meta charset=utf-8><style>{STYLE}</style>'
        '<div class="message"><div class="avatar" style="background:#eb459e">A</div><div>'
        '<span class="name">alice</span><br><div class="voice"><div class="play">&#9654;</div>'
        f'<div class="wave">{wave}</div>0:05</div><br>'
        f'<div class="thread">{html.escape(thread)}<span>1 message</span></div></div></div>'
        f'<div class="row">{stages}</div>'
    )


def photograph(source: Path, target: Path, width: int) -> None:
    """Let Chromium draw the page, and cut off what is empty below it."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("Chromium is needed to draw the conversation; please install it.")
    size = f"--window-size={width},3600"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", size, f"--screenshot={target}"]
    subprocess.run([chromium, *flags, source.as_uri()], check=True, capture_output=True, timeout=120)
    with Image.open(target) as picture:
        shot = picture.convert("RGB")
    background = Image.new("RGB", shot.size, shot.getpixel((0, 0)))
    box = ImageChops.difference(shot, background).getbbox()
    assert box is not None
    shot.crop((0, 0, shot.width, min(shot.height, box[3] + 26))).save(target, optimize=True)


def main() -> None:
    """Play, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recording", type=Path, nargs="?", help="what Alice posts; empty: a sample made in code")
    parser.add_argument("--keep-html", action="store_true")
    parser.add_argument("--language", choices=LOCALES, default="en")
    parser.add_argument("--theme", choices=("dark", "light"), default="dark")
    parser.add_argument("--width", choices=WIDTHS, default="desk")
    parser.add_argument("--out", type=Path, default=HERE / "conversation.png")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recording = arguments.recording
        if recording is None:
            recording = write_wav(Path(folder) / "sample.wav", birdsong())
        thread, shots = asyncio.run(converse(recording.read_bytes(), Path(folder), LOCALES[arguments.language]))
        source = (HERE if arguments.keep_html else Path(folder)) / "conversation.html"
        look = f"{arguments.theme} {arguments.width}"
        source.write_text(page(thread, shots, recording, look), encoding="utf-8")
        photograph(source, arguments.out, WIDTHS[arguments.width])


if __name__ == "__main__":
    main()

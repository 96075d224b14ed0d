"""Once with everything real: the bundled models hear and paint, the bot answers."""

import asyncio

import simcord

from bot.client import ImagineBot
from bot.settings import BotSettings
from core.hearing.samples import birdsong
from core.settings import CoreSettings
from tests.bot.conftest import ParkedEngine
from tests.bot.painter import ScriptedPainter
from tests.bot.sounds import wav
from tests.bot.world import World, names_of, text_of


async def test_birdsong_becomes_a_picture_of_a_bird(bot_settings: BotSettings, core_settings: CoreSettings) -> None:
    engine = ParkedEngine(core_settings.model_copy(update={"device": "cpu", "image_model": "auto", "preview_every": 4}))
    await asyncio.gather(engine.ears(), engine.info())  # before the simulator counts seconds
    bot = ImagineBot(bot_settings, engine, read_file=lambda url: bot.http.get_from_cdn(url))
    async with simcord.run(bot, settle_timeout=60) as env:
        world = World(env, ScriptedPainter(), lambda: bot)
        await world.post_voice_note(world.alice, world.channel, wav(birdsong(3)))
        async with asyncio.timeout(120):
            while "picture.png" not in names_of(world.reply(world.channel)):
                await asyncio.sleep(0.05)
                await env.settle()
        message = world.reply(world.channel)
    await bot.close()
    await engine.close()

    assert world.thread_of(world.channel).name in {"Bird", "Birdsong", "Chirping"}
    assert text_of(message).startswith(f"**{world.thread_of(world.channel).name}")
    assert "practice model" in text_of(message)

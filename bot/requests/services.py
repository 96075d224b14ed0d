"""What every feature works with, and the client as features know it.

Features take `Services`, or `interaction.client.services`; only `client.py` knows all features.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import discord
from discord.ext import commands

from bot.discord_api.recent_tokens import RecentTokens
from bot.jobs.gallery import Gallery
from bot.jobs.places import Places
from bot.jobs.recordings import Recordings
from bot.jobs.runner import JobRunner
from bot.jobs.speakers import Speakers
from bot.requests.intake import Intake
from bot.settings import BotSettings
from bot.storage.store import Store
from bot.views.texts import Texts
from core.attribution import Inspector
from core.engine import Engine


@dataclass(frozen=True)
class Services:
    """The parts of the bot; what they do is their own business."""

    settings: BotSettings
    engine: Engine
    store: Store
    texts: Texts
    intake: Intake
    jobs: JobRunner
    gallery: Gallery
    recordings: Recordings
    places: Places
    tokens: RecentTokens
    speakers: Speakers
    inspector: Inspector
    now: Callable[[], datetime]


class ServiceClient(commands.AutoShardedBot):
    """A client that has the services. `client.py` makes one."""

    services: Services


Interaction = discord.Interaction[ServiceClient]

LONGEST_CHOICE = 100
"""Discord's limit for what a choice is called, in a select as in a command."""


async def choosable_adapters(services: Services) -> tuple[str, ...]:
    """The adapters that lie in ADAPTERS_DIR now and whose names Discord takes for a choice; one longer name, and it
    would show none at all."""
    names = await asyncio.to_thread(services.engine.adapters)
    return tuple(name for name in names if len(name) <= LONGEST_CHOICE)

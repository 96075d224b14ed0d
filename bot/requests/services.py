"""What every feature works with, and the client as features know it.

Features take `Services`, or `interaction.client.services`; only `client.py` knows all features.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import discord
from discord.ext import commands

from bot.jobs.places import Places
from bot.jobs.runner import JobRunner
from bot.requests.intake import Intake
from bot.settings import BotSettings
from bot.storage.store import Store
from bot.views.texts import Texts
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
    places: Places
    now: Callable[[], datetime]


class ServiceClient(commands.AutoShardedBot):
    """A client that has the services. `client.py` makes one."""

    services: Services


Interaction = discord.Interaction[ServiceClient]

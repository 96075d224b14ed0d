"""Every button, select and editor; also after a restart."""

import json

import discord
import pytest
from discord import ui
from simcord.backend.errors import SetupError

from bot.requests import again, controls
from bot.views.buttons import WHATS, job_button
from tests.bot.world import World, buttons_of, filled, in_menu, menu_of, names_of, text_of


@pytest.fixture(params=[False, True], ids=["at once", "after a restart"])
async def painted(world: World, request: pytest.FixtureRequest) -> World:
    """Alice's voice note has been painted."""
    await world.post_voice_note(world.alice, world.channel)
    if request.param:
        await world.restart()
    return world


async def test_paint_again_makes_a_new_message_with_a_new_seed_for_anyone(painted: World) -> None:
    await painted.bob.click(painted.reply(painted.channel), label="Again")

    old, new = painted.said(painted.thread_of(painted.channel))
    assert "picture.png" in names_of(new)
    assert painted.alice.mention in text_of(old)
    assert painted.bob.mention in text_of(new)
    first, second = painted.painter.orders
    assert first.request.prompt == second.request.prompt
    assert first.request.seed != second.request.seed


async def test_edit_prompt_shows_the_prompt_and_paints_the_changed_one(painted: World) -> None:
    shown = await painted.alice.click(painted.reply(painted.channel), label="Change")
    assert shown.modal is not None
    assert painted.painter.orders[0].request.prompt.text in json.dumps(shown.modal)

    await painted.alice.submit_modal(shown, filled(shown, prompt="a waterfall of stars", style="comic", shape="wide"))

    order = painted.painter.orders[1]
    assert order.request.prompt.text == "a waterfall of stars, comic book panel, bold ink lines, flat colours"
    assert order.request.size == (80, 48)
    new = painted.said(painted.thread_of(painted.channel))[1]
    assert "picture.png" in names_of(new)
    assert "“a waterfall of stars” · Comic · changed from [↗](" in text_of(new)


async def test_two_people_may_edit_the_prompt_of_one_picture_at_once(painted: World) -> None:
    reply = painted.reply(painted.channel)
    first = await painted.alice.click(reply, label="Change")
    second = await painted.bob.click(reply, label="Change")

    await painted.bob.submit_modal(second, filled(second, prompt="a blue moon"))
    await painted.alice.submit_modal(first, filled(first, prompt="a red moon"))

    assert [order.request.prompt.text for order in painted.painter.orders[1:]] == ["a blue moon", "a red moon"]


async def test_prompt_editor_that_was_open_during_a_restart_loses_no_words(painted: World) -> None:
    shown = await painted.alice.click(painted.reply(painted.channel), label="Change")
    await painted.restart()

    await painted.alice.submit_modal(shown, filled(shown, prompt="a waterfall of stars"))

    assert painted.painter.orders[1].request.prompt.text == "a waterfall of stars"


async def test_change_paints_what_was_heard_in_another_style(painted: World) -> None:
    """Words that nobody touched are not the asker's own."""
    shown = await painted.alice.click(painted.reply(painted.channel), label="Change")
    await painted.alice.submit_modal(shown, filled(shown, style="watercolour"))

    order = painted.painter.orders[1]
    assert painted.painter.orders[0].request.prompt.text in order.request.prompt.text
    assert "watercolour" in order.request.prompt.text
    assert "“" not in text_of(painted.said(painted.thread_of(painted.channel))[1])


async def test_change_can_keep_the_seed(painted: World) -> None:
    seed = painted.painter.orders[0].request.seed
    shown = await painted.alice.click(painted.reply(painted.channel), label="Change")
    await painted.alice.submit_modal(shown, filled(shown, style="comic", seed=str(seed)))

    assert painted.painter.orders[1].request.seed == seed


@pytest.mark.parametrize("seed", ["seven", "-1", str(2**32), "1.5"])
async def test_seed_that_is_none_is_told(painted: World, seed: str) -> None:
    shown = await painted.alice.click(painted.reply(painted.channel), label="Change")
    result = await painted.alice.submit_modal(shown, filled(shown, seed=seed))

    assert result.ephemeral
    assert result.response is not None
    assert "whole number from 0 to 4294967295" in text_of(result.response)
    assert len(painted.painter.orders) == 1


async def test_menu_shows_strip_and_times_to_the_one_who_asks(painted: World) -> None:
    menu = await menu_of(painted.bob, painted.reply(painted.channel))

    assert menu.ephemeral
    best = (await painted.heard()).top[0]
    assert f"0:00 · **{best.name}** · " in text_of(menu)
    assert names_of(menu) == ["strip.png"]
    assert list(buttons_of(menu)) == ["Recipe", "Report"]
    mine = await menu_of(painted.alice, painted.reply(painted.channel))
    assert list(buttons_of(mine)) == ["Recipe", "Report", "Delete", "Make a film"]


async def test_menu_is_closed_when_its_picture_is_deleted(painted: World) -> None:
    shown = await painted.alice.click(painted.reply(painted.channel), label="⋯")

    await painted.alice.click(shown.followups[0], label="Delete")

    assert shown.followups == []
    assert painted.said(painted.thread_of(painted.channel)) == []


async def test_recipe_tells_all_that_is_needed_to_paint_it_again(painted: World) -> None:
    result = await in_menu(painted.bob, painted.reply(painted.channel), "Recipe")

    assert result.ephemeral
    assert result.response is not None
    assert str(painted.painter.orders[0].request.seed) in text_of(result.response)
    assert "scripted" in text_of(result.response)
    assert names_of(result.response) == ["recipe.json"]


async def test_asker_deletes_the_picture_and_its_recipe(painted: World) -> None:
    await in_menu(painted.alice, painted.reply(painted.channel), "Delete")

    assert painted.said(painted.thread_of(painted.channel)) == []
    job = await painted.bot.services.store.job(1)
    assert job is not None
    assert (job.heard, job.outcome) == (None, None)


async def test_moderator_deletes_somebody_elses_picture(painted: World) -> None:
    await in_menu(painted.moderator(manage_messages=True), painted.reply(painted.channel), "Delete")

    assert painted.said(painted.thread_of(painted.channel)) == []


async def test_others_may_not_delete(painted: World) -> None:
    old = painted.reply(painted.channel)
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.ActionRow(job_button("delete", 1, painted.bot.services.texts.translation("en-US"))))
    place = painted.bot.get_partial_messageable(old.channel.id).get_partial_message(old.id)
    await place.edit(view=view)  # as messages of older versions have it
    result = await painted.bob.click(painted.reply(painted.channel), label="Delete")

    assert result.ephemeral
    assert result.response is not None
    assert "Only the one who asked" in text_of(result.response)
    assert len(painted.said(painted.thread_of(painted.channel))) == 1


@pytest.mark.parametrize("started", [False, True], ids=["waiting", "painting"])
async def test_asker_cancels_while_waiting_or_painting(world: World, started: bool) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    if started:
        world.painter.step(world.painter.orders[0], 1)
        await world.env.settle()

    await world.alice.click(world.reply(world.channel), label="Cancel")

    assert world.painter.cancelled == [0]
    message = world.reply(world.channel)
    assert f"Cancelled by {world.alice.mention}" in text_of(message)
    assert list(buttons_of(message)) == ["Again"]
    assert len(world.bot.services.jobs) == 0


async def test_moderator_cancels_and_others_may_not(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)

    refused = await world.bob.click(world.reply(world.channel), label="Cancel")
    assert refused.response is not None
    assert "Only the one who asked" in text_of(refused.response)
    assert world.painter.cancelled == []

    await world.moderator(manage_messages=True).click(world.reply(world.channel), label="Cancel")
    assert world.painter.cancelled == [0]


async def test_cancelled_picture_can_be_painted_after_all(world: World) -> None:
    world.painter.held = True
    await world.post_voice_note(world.alice, world.channel)
    await world.alice.click(world.reply(world.channel), label="Cancel")
    world.painter.held = False

    await world.alice.click(world.reply(world.channel), label="Again")

    assert "picture.png" in names_of(world.said(world.thread_of(world.channel))[1])


async def test_button_of_a_forgotten_picture_says_so(painted: World) -> None:
    await painted.bot.services.jobs.forget_user(painted.alice.id)

    for label in ("Again", "Change", "⋯"):
        result = await painted.bob.click(painted.reply(painted.channel), label=label)
        assert result.response is not None
        assert "no longer know" in text_of(result.response)


@pytest.mark.parametrize("where", ["another server", "another channel", "another message"])
@pytest.mark.parametrize("what", WHATS)
async def test_control_counts_only_on_the_jobs_own_message(world: World, where: str, what: str) -> None:
    """Whoever runs another server can make a message with any custom id, and knows that job numbers count up."""
    await world.post_voice_note(world.alice, world.channel)
    mallory = world.env.create_user("mallory")
    guild = world.env.create_guild("Elsewhere") if where == "another server" else world.guild
    clicker = guild.add_member(mallory, roles=[guild.create_role("Mods", permissions=discord.Permissions.all())])
    place = world.thread_of(world.channel) if where == "another message" else guild.create_text_channel("lair")
    view = ui.LayoutView(timeout=None)
    t = world.bot.services.texts.translation("en-US")
    view.add_item(ui.ActionRow(job_button(what, 1, t)))
    channel = world.bot.get_partial_messageable(place.id)
    forged = await channel.send(view=view)

    result = await clicker.click(forged, custom_id=f"job:{what}:1")

    assert result.response is not None
    assert "no longer know" in text_of(result.response)
    job = await world.bot.services.store.job(1)
    assert job is not None
    assert job.outcome is not None
    assert len(world.painter.orders) == 1


async def test_controls_work_on_the_message_that_took_an_old_ones_place(world: World) -> None:
    new = await world.answered_in_a_new_message()

    await world.alice.click(new, label="Again")

    assert len(world.painter.orders) == 2


async def test_controls_work_on_a_late_result(world: World) -> None:
    await world.answered_after_the_interaction_expired()

    (message,) = world.said(world.alice.user.dm_channel)
    await in_menu(world.alice.user, message, "Delete")

    assert world.said(world.alice.user.dm_channel) == []


async def test_blocked_person_cannot_use_buttons(painted: World) -> None:
    await painted.bot.services.store.servers.block(painted.guild.id, [painted.bob.id])

    result = await painted.bob.click(painted.reply(painted.channel), label="Again")

    assert result.response is None
    assert len(painted.painter.orders) == 1


async def test_late_click_is_survived(painted: World) -> None:
    """10062: the three seconds were over. Nobody can be told, and nothing breaks."""
    painted.env.inject_error("POST", "/interactions/*/*/callback", status=404, code=10062)

    await painted.bob.click(painted.reply(painted.channel), label="Again")

    assert len(painted.painter.orders) == 1
    await painted.bob.click(painted.reply(painted.channel), label="Again")
    assert len(painted.painter.orders) == 2


async def test_buttons_work_in_direct_messages(world: World) -> None:
    channel = world.alice.user.dm_channel
    await world.post_voice_note(world.alice.user, channel)

    await world.alice.user.click(world.said(channel)[0], label="Again")
    await in_menu(world.alice.user, world.said(channel)[0], "Delete")

    (message,) = world.said(channel)
    assert "picture.png" in names_of(message)


async def test_fault_of_a_control_is_told_to_the_one_who_used_it_and_logged(
    painted: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise AssertionError("a secret path")

    monkeypatch.setattr(controls, "show_recipe", fail)

    result = await in_menu(painted.bob, painted.reply(painted.channel), "Recipe")

    assert result.ephemeral
    assert result.response is not None
    assert "Something went wrong on my side" in text_of(result.response)
    assert any(record.exc_info for record in caplog.records if record.name == "bot.requests.answering")


async def test_fault_of_the_prompt_editor_is_told_to_the_one_who_submitted_it(
    painted: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise AssertionError("a secret path")

    monkeypatch.setattr(again, "answer_request", fail)
    shown = await painted.alice.click(painted.reply(painted.channel), label="Change")
    assert shown.modal is not None

    result = await painted.alice.submit_modal(shown, filled(shown, prompt="a waterfall of stars"))

    assert result.response is not None
    assert "Something went wrong on my side" in text_of(result.response)


async def test_finished_picture_has_no_cancel_button(painted: World) -> None:
    with pytest.raises(SetupError):
        await painted.alice.click(painted.reply(painted.channel), label="Cancel")

"""Others share a picture with so many stars as the settings say, if its asker lets them."""

import pytest

from tests.bot.gallery import Server
from tests.bot.world import buttons_of, in_menu, menu_of


async def test_so_many_stars_as_the_settings_say_share_a_picture_if_its_asker_lets_them(server: Server) -> None:
    one, two = server.passers_by(2)
    await server.let_star()

    await server.star(one)
    assert server.copies == []
    await server.world.pass_time(1)
    await server.star(two)
    await server.world.pass_time(1)

    assert len(server.copies) == 1


async def test_stars_share_nothing_of_somebody_who_did_not_allow_it(server: Server) -> None:
    before = server.requests()
    await server.star(*server.passers_by(3))
    await server.world.pass_time(1)
    assert server.copies == []
    assert server.requests() == before, "and nothing was asked of Discord"


@pytest.mark.parametrize("taken_back", ["in the menu", "by the command", "by Forget me"])
async def test_asker_may_take_it_back(server: Server, taken_back: str) -> None:
    await server.let_star()
    match taken_back:
        case "in the menu":
            await in_menu(server.world.alice, server.picture, "No sharing by ⭐")
        case "by the command":
            shown = await server.world.alice.slash(server.world.channel, "imagine-sound gallery")
            assert shown.response is not None
            await server.world.alice.click(shown.response, label="No sharing by ⭐")
        case _:
            await server.world.bot.services.jobs.forget_user(server.world.alice.id)
    assert not await server.world.bot.services.store.galleries.may_be_starred(server.world.alice.id)
    await server.star(*server.passers_by(3))
    await server.world.pass_time(1)
    assert server.copies == []


async def test_asker_bots_and_the_blocked_do_not_count(server: Server) -> None:
    fan, blocked, late = server.passers_by(3)
    await server.let_star()
    await server.world.bot.services.store.servers.block(server.world.guild.id, [blocked.id])
    channel = server.world.bot.get_partial_messageable(server.picture.channel.id)
    await channel.get_partial_message(server.picture.id).add_reaction("⭐")

    await server.star(server.world.alice, blocked, fan)
    await server.world.pass_time(1)
    assert server.copies == []

    await server.star(late)
    await server.world.pass_time(1)
    assert len(server.copies) == 1


async def test_picture_of_somebody_blocked_is_not_shared(server: Server) -> None:
    await server.let_star()
    await server.world.bot.services.store.servers.block(server.world.guild.id, [server.world.alice.id])
    await server.star(*server.passers_by(3))
    await server.world.pass_time(1)
    assert server.copies == []


async def test_no_stars_share_anything_where_the_settings_say_none(server: Server) -> None:
    await server.let_star()
    await server.choose(gallery_stars=0)
    await server.star(*server.passers_by(3))
    await server.world.pass_time(1)
    assert server.copies == []
    assert "Share" in buttons_of(await menu_of(server.world.alice, server.picture))
    assert "No sharing by ⭐" not in buttons_of(await menu_of(server.world.alice, server.picture))


async def test_stars_of_before_a_restart_count(server: Server) -> None:
    one, two = server.passers_by(2)
    await server.let_star()
    await server.star(one)
    await server.world.restart()
    await server.star(two)
    await server.world.pass_time(1)
    assert len(server.copies) == 1


async def test_flood_of_stars_makes_one_copy_and_few_requests(server: Server) -> None:
    await server.let_star()
    await server.choose(gallery_stars=20)
    fans = server.passers_by(30)
    before = server.requests()
    for _ in range(5):
        for fan in fans[:15]:
            await fan.react(server.picture, "⭐")
            await fan.unreact(server.picture, "⭐")
    asked = server.requests() - before
    await server.star(*fans)
    await server.world.pass_time(1)

    assert asked <= 2
    assert len(server.copies) == 1
    assert server.requests() - before < 12


async def test_nobody_is_counted_again_before_there_may_be_enough(server: Server) -> None:
    await server.let_star()
    await server.choose(gallery_stars=5)
    before = server.requests()
    for fan in server.passers_by(4):
        await server.star(fan)
        await server.world.pass_time(1)
    assert server.requests() - before == 1


async def test_other_reactions_and_other_messages_cost_nothing(server: Server) -> None:
    await server.let_star()
    fan, *_ = server.passers_by(1)
    message = await server.world.bob.send(server.world.channel, "look")
    before = server.requests()
    await fan.react(message, "⭐")
    await fan.react(server.picture, "🎉")
    await server.world.pass_time(1)
    assert server.requests() == before

"""Discord errs, or the process ends, while a picture is shared: one copy, or one sentence."""

import asyncio
from typing import Any

import pytest
import stamina

from bot.discord_api import calls
from tests.bot.flaky import Flaky
from tests.bot.gallery import Server
from tests.bot.world import in_menu, menu_of, text_of


async def test_missing_permission_is_named_to_the_one_who_shares(server: Server) -> None:
    server.gallery = server.world.channel_without("send_messages", "attach_files")
    await server.choose(gallery=server.gallery.id)

    told = await server.share()

    assert "Send Messages" in told
    assert f"<#{server.gallery.id}>" in told
    assert await server.rows() == 0
    await server.let_star()
    await server.star(*server.passers_by(3))
    await server.world.pass_time(1)
    assert server.copies == []


@pytest.mark.parametrize(
    ("status", "code", "sentence"), [(403, 50013, "check what I may do"), (413, 40005, "too large"), (404, 10003, "")]
)
async def test_refusal_is_told_and_it_may_be_shared_again(
    server: Server, status: int, code: int, sentence: str
) -> None:
    server.world.env.inject_error("POST", f"/channels/{server.gallery.id}/messages", status=status, code=code, times=1)
    assert sentence in await server.share()
    assert server.copies == []
    assert "It is in the gallery" in await server.share()
    assert len(server.copies) == 1


async def test_picture_that_is_gone_is_told(server: Server) -> None:
    menu = await menu_of(server.world.alice, server.picture)
    del server.world.env.backend.messages[server.picture.channel.id][server.picture.id]
    result = await server.world.alice.click(menu, label="Share")
    assert result.response is not None
    assert "no longer know" in text_of(result.response)
    assert server.copies == []
    assert await server.rows() == 0


@pytest.mark.parametrize("failure", ["503", "connection lost", "answer lost"])
async def test_bad_moment_of_discords_makes_neither_none_nor_two(server: Server, flaky: Flaky, failure: str) -> None:
    flaky.fail_once("POST", f"/channels/{server.gallery.id}/messages", failure)
    await server.share()
    await server.world.pass_time(2)
    assert len(server.copies) == 1


async def test_copy_is_posted_when_discord_can_be_reached_again(server: Server) -> None:
    with stamina.set_testing(True, attempts=1):
        server.world.env.inject_error("POST", f"/channels/{server.gallery.id}/messages", status=503, times=1)
        told = await server.share()
    assert "on its way" in told
    assert server.copies == []
    await server.world.pass_time(2)
    assert len(server.copies) == 1


@pytest.mark.parametrize("was_posted", [False, True])
async def test_process_that_ends_in_the_middle_leaves_one_copy(
    server: Server, was_posted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the copy was written down, and before or after it was posted."""
    galleries, send = server.world.bot.services.store.galleries, calls.send

    async def killed(*_: Any, **__: Any) -> Any:
        raise asyncio.CancelledError

    if was_posted:
        monkeypatch.setattr(galleries, "note_posted", killed)
    else:
        monkeypatch.setattr(calls, "send", killed)
    with pytest.raises(asyncio.CancelledError):
        await server.world.bot.services.gallery.share(await server.job())
    monkeypatch.setattr(calls, "send", send)
    assert len(server.copies) == was_posted

    await server.world.restart()
    await server.world.pass_time(2)

    (copy,) = server.copies
    kept = await server.world.bot.services.store.galleries.find(server.picture.id)
    assert kept is not None
    assert kept.copy_id == copy.id


async def test_copy_on_its_way_goes_with_the_original_even_if_it_was_posted(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*_: Any) -> Any:
        raise asyncio.CancelledError

    monkeypatch.setattr(server.world.bot.services.store.galleries, "note_posted", killed)
    with pytest.raises(asyncio.CancelledError):
        await server.world.bot.services.gallery.share(await server.job())
    assert len(server.copies) == 1

    await in_menu(server.world.alice, server.picture, "Delete")
    await server.world.pass_time(4)

    assert server.copies == []
    assert await server.world.bot.services.store.erasures.waiting() == []

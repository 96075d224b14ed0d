"""Rows about people: what they delete while something is under way, what they post meanwhile, what they press twice."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial

from tests.loopback.bench import Cell, Outcome, World
from tests.loopback.painter import TAKES_LONG
from tests.loopback.people import Person, Request
from tests.loopback.state import Lifetimes, Message
from tests.loopback.verdict import Verdict, is_unfinished, messages_of

NO_FAULT = "no fault"
DELETED = "deleted meanwhile"
PEOPLE = "people"
Moment = Callable[[World, Request], Awaitable[None]]


def cells() -> Iterator[Cell]:
    """All of them."""
    for way in ("post", "command", "command with a prompt", "direct message"):
        yield Cell(NO_FAULT, way, "", partial(_asks, way=way), shares=True)
    yield Cell(NO_FAULT, "Again, and a changed prompt", "", _again_and_edited, shares=True)
    for what in ("recording", "thread", "reply"):
        for name, moment in MOMENTS.items():
            if (what, name) not in {("thread", "at once"), ("reply", "at once")}:
                yield Cell(DELETED, what, name, partial(_deleted, what=what, moment=moment), shares="down" not in name)
    for count in (1, 5):
        yield Cell(PEOPLE, f"{count} posted while the bot is down", "", partial(_posted_while_down, count=count))
    yield Cell(PEOPLE, "double click on Again", "", _double_click, shares=True)
    yield Cell(PEOPLE, "two prompt editors open", "", _two_editors, shares=True)
    yield Cell(PEOPLE, "prompt editor across a restart", "", _editor_across_restart)
    yield Cell(PEOPLE, "Again after a restart", "", _again_after_restart)
    yield Cell(PEOPLE, "token ends while it is painted", "", _token_ends, lifetimes=Lifetimes(token=4))
    yield Cell(PEOPLE, "sixty recordings at once", "", partial(_crowd, count=60), quick=False)


async def _asks(world: World, way: str) -> Outcome:
    person = world.person(way)
    match way:
        case "post":
            request = person.post()
        case "command":
            request = person.command()
        case "command with a prompt":
            request = person.command("a dog")
        case _:
            request = person.post(world.state.dm_with(person.user.id))
    outcome = await world.settle([request])
    return Outcome([*outcome.verdicts, *world.strays_of(person)], notes=outcome.notes)


async def _again_and_edited(world: World) -> Outcome:
    person, request, message = await _finished(world)
    editor = person.press(message, "change")
    await world.wait_for(lambda: editor.modal is not None)
    requests = [request, person.click(message, "again"), person.submit(editor, "a blue horse")]
    return await world.settle(requests)


def _message(world: World, request: Request) -> Message | None:
    found = [message for message in messages_of(world.state, request) if not message.deleted]
    return found[-1] if found else None


async def _at_once(world: World, request: Request) -> None:
    pass


async def _while_fetching(world: World, request: Request) -> None:
    await asyncio.sleep(0.2)


async def _first_message(world: World, request: Request) -> None:
    await world.wait_for(lambda: _message(world, request) is not None)


async def _painting(world: World, request: Request) -> None:
    def edited() -> bool:
        message = _message(world, request)
        return message is not None and message.edited is not None

    await world.wait_for(edited)


async def _answered(world: World, request: Request) -> None:
    await world.settle([request])


async def _down_painting(world: World, request: Request) -> None:
    """Killed once the first message is there; what is deleted then is deleted while nobody looks."""
    world.hold_down()
    await _first_message(world, request)
    await asyncio.sleep(0.3)  # the bot has written down where it is
    world.bot.kill()
    await world.wait_for(lambda: not world.bot.is_running)


async def _down_answered(world: World, request: Request) -> None:
    await world.settle([request])
    world.hold_down()
    world.bot.kill()
    await world.wait_for(lambda: not world.bot.is_running)


MOMENTS: dict[str, Moment] = {
    "at once": _at_once,
    "while it is fetched": _while_fetching,
    "once the first message is there": _first_message,
    "while it is painted": _painting,
    "after the answer": _answered,
    "while the bot is down, in the making": _down_painting,
    "while the bot is down, after the answer": _down_answered,
}


async def _deleted(world: World, what: str, moment: Moment) -> Outcome:
    person = world.person(f"deletes {what}")
    request = person.post()
    assert request.source is not None
    await moment(world, request)
    if what == "recording":
        person.take_back(request)
    else:
        await _first_message(world, request)
        request.may_vanish = request.has_no_thread = True
        message = _message(world, request)
        if message is not None and what == "reply":
            world.state.delete(message)
        thread = world.state.channels.get(request.source.id)
        if thread is not None and what == "thread":
            world.state.delete_channel(thread)
    world.let_up()
    await asyncio.sleep(2)
    outcome = await world.settle([request])
    return Outcome([*outcome.verdicts, *world.strays_of(person)], notes=outcome.notes)


async def _posted_while_down(world: World, count: int) -> Outcome:
    world.hold_down()
    world.bot.kill()
    await world.wait_for(lambda: not world.bot.is_running)
    requests = [world.person("missed").post() for _ in range(count)]
    world.let_up()
    return await world.settle(requests)


async def _finished(world: World) -> tuple[Person, Request, Message]:
    person = world.person("has a picture")
    request = person.command()
    await world.settle([request], patience=30)
    message = _message(world, request)
    assert message is not None
    assert not is_unfinished(message)
    return person, request, message


async def _double_click(world: World) -> Outcome:
    """The same button, twice within a moment: one picture, and word that it is under way."""
    person, _, message = await _finished(world)
    clicks = [person.click(message, "again"), person.click(message, "again")]
    for click in clicks:
        click.may_be_told = True  # whichever the bot takes for the second
    outcome = await world.settle(clicks)
    wrong = {0: [Verdict.LOST], 1: [], 2: [Verdict.DOUBLED]}[list(outcome.verdicts).count(Verdict.ANSWERED)]
    return Outcome([*outcome.verdicts, *wrong], notes=outcome.notes)


async def _two_editors(world: World) -> Outcome:
    person, _, message = await _finished(world)
    other = Person(world.discord, world.state.new_user("another"), person.channel)
    editors = [one.press(message, "change") for one in (person, other)]
    await world.wait_for(lambda: all(editor.modal is not None for editor in editors))
    first = person.submit(editors[0], "a blue horse")
    await asyncio.sleep(2)
    return await world.settle([first, other.submit(editors[1], "a red horse")])


async def _editor_across_restart(world: World) -> Outcome:
    person, _, message = await _finished(world)
    editor = person.press(message, "change")
    await world.wait_for(lambda: editor.modal is not None)
    await _restart(world)
    return await world.settle([person.submit(editor, "a blue horse")])


async def _again_after_restart(world: World) -> Outcome:
    person, request, message = await _finished(world)
    await _restart(world)
    return await world.settle([request, person.click(message, "again")])


async def _token_ends(world: World) -> Outcome:
    """The interaction's token ends before the picture is there; the message stays in reach of the bot's own."""
    return await world.settle([world.person("slow").command(TAKES_LONG)])


async def _crowd(world: World, count: int) -> Outcome:
    return await world.settle([world.person("crowd").post() for _ in range(count)], patience=45, limit=300)


async def _restart(world: World) -> None:
    await world.kill()
    await world.wait_for(lambda: world.bot.is_ready, 60)

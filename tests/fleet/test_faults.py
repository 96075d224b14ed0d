"""Painters go away at any moment, refuse, and talk nonsense; every request still ends once, with its picture."""

import asyncio
import threading
import time
from collections.abc import Callable

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler

from core.errors import PaintingError
from core.fleet.fleet import Fleet
from core.fleet.remote import Refused
from core.fleet.wire import VERSION
from core.generation.protocol import GeneratorInfo, Loading, Painted
from tests.fleet.conftest import Serve
from tests.fleet.served import IMPATIENT, Loop, answering, fleet_of
from tests.generation.scripted import Asker, ScriptedModel, wait_until

STREAMS = 24

MOMENTS: dict[str, Callable[[bytes], bool]] = {
    "before it answers": lambda came: b"text/event-stream" in came,
    "once it has accepted": lambda came: b"event: " in came,
    "at the third step": lambda came: b'"step": 3' in came,
    "at the last step": lambda came: b'"step": 4' in came,
    "in the middle of the picture": lambda came: (
        b"event: painted" in came and len(came.split(b"event: painted")[1]) > 80
    ),
}


def slow() -> ScriptedModel:
    return ScriptedModel(on_step=lambda: time.sleep(0.003))


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_painter_that_goes_away_for_good_loses_nobody(moment: str, served: Serve) -> None:
    line = served(slow()).behind(MOMENTS[moment])
    with fleet_of(line.url, served(slow()).url) as fleet:
        askers = [Asker(fleet, f"dog {number}") for number in range(STREAMS)]
        assert all(isinstance(asker.end(), Painted) for asker in askers)
        assert line.cuts == 1
        wait_until(lambda: fleet.queue_length() == 0)
        assert all(asker.events.empty() for asker in askers), "each once"


@pytest.mark.parametrize("moment", ["in the middle of the picture", "at the last step"])
def test_a_picture_whose_line_was_torn_is_fetched_and_not_painted_again(moment: str, served: Serve) -> None:
    service = served()
    torn: list[bool] = []

    def once(came: bytes) -> bool:
        tears = not torn and MOMENTS[moment](came)
        torn.extend([True] * tears)
        return tears

    line = service.behind(once, returns=1)
    with fleet_of(line.url) as fleet:
        assert isinstance(Asker(fleet, "a dog").end(), Painted)
    assert line.cuts == 1
    assert service.model.log.count(("decode", ("a dog",))) == 1


def test_without_a_painter_requests_wait_are_told_so_and_are_painted_when_one_returns(
    served: Serve, loop: Loop
) -> None:
    service = served(slow())
    with fleet_of(service.url) as fleet:
        Asker(fleet, "before").end()
        port = service.port
        service.stop()
        wait_until(lambda: bool(fleet.painters()[0].says))
        asker = Asker(fleet, "a dog")
        assert asker.next() == Loading()
        assert "does not paint now" in fleet.painters()[0].says
        served(slow(), port=port)
        assert isinstance(asker.end(), Painted)


def test_those_who_waited_longest_come_first_after_a_painter_has_gone(served: Serve) -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    line = served(model).behind(lambda came: False)
    with fleet_of(line.url) as fleet:
        first = Asker(fleet, "first", user="anna")
        wait_until(lambda: bool(model.log))
        later = [Asker(fleet, f"later {number}", user="bert") for number in range(4)]
        line.loop.run(line.cut())
        wait_until(lambda: bool(fleet.painters()[0].says))
        assert model.gate is not None
        model.gate.release(1000)
        line.loop.run(line.open())
        assert isinstance(first.end(), Painted)
        assert all(isinstance(asker.end(), Painted) for asker in later)


def test_a_request_with_which_every_painter_goes_away_is_given_up_and_the_others_are_painted(served: Serve) -> None:
    line = served().behind(lambda came: b"poison" in came, returns=1000)
    with fleet_of(line.url) as fleet:
        assert isinstance(Asker(fleet, "poison").error(), PaintingError)
        assert line.cuts == 6, "each of three times once more, since it may be the line"
        assert isinstance(Asker(fleet, "a dog").end(), Painted)


def test_a_wrong_token_is_said(served: Serve) -> None:
    with pytest.raises(Refused, match="PAINTER_TOKEN"):
        Fleet([served(token="right").url], token="wrong", max_waiting=1, patience=IMPATIENT)
    with fleet_of(served(token="right").url, token="right") as fleet:
        assert isinstance(Asker(fleet, "a dog").end(), Painted)


class Other(ScriptedModel):
    def info(self) -> GeneratorInfo:
        return GeneratorInfo("another", "2", steps=4, guidance=3.0, size=(8, 8))


def test_a_painter_with_another_model_gets_nothing(served: Serve) -> None:
    service, other = served(), served(Other())
    with fleet_of(service.url) as first:
        first.info()
    with fleet_of(service.url, other.url) as fleet:
        wait_until(lambda: any("the same IMAGE_MODEL" in painter.says for painter in fleet.painters()))
        askers = [Asker(fleet, "a dog") for _ in range(8)]
        models = {asker.end().picture.recipe.model for asker in askers}  # type: ignore[union-attr]
    assert len(models) == 1


def test_the_same_painter_by_two_names_is_one(served: Serve) -> None:
    service = served()
    with fleet_of(service.url, service.url.replace("127.0.0.1", "localhost")) as fleet:
        wait_until(lambda: any("name it once" in painter.says for painter in fleet.painters()))
        assert isinstance(Asker(fleet, "a dog").end(), Painted)


INFO = {
    "version": VERSION,
    "name": "x",
    "places": 100,
    "generator": {"model": "scripted", "revision": "1", "steps": 4, "guidance": 3, "size": [8, 8], "most_tokens": 77},
}


async def says_nothing(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await asyncio.sleep(60)
    return response


async def says_nonsense(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b'event: painted\ndata: {"picture": "###"}\n\n', content_type="text/event-stream")


async def ends_at_once(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b'event: queued\ndata: {"position": 1}\n\n', content_type="text/event-stream")


async def is_broken(request: web.Request) -> web.StreamResponse:
    raise web.HTTPInternalServerError


def info_of(said: object) -> web.RouteDef:
    async def info(_: web.Request) -> web.Response:
        return web.json_response(said)

    return web.get("/v1/info", info)


@pytest.mark.parametrize("answer", [says_nothing, says_nonsense, ends_at_once, is_broken])
def test_a_painter_that_does_not_paint_is_left_for_another(answer: Handler, served: Serve, loop: Loop) -> None:
    with (
        answering(loop, info_of(INFO), web.post("/v1/pictures", answer)) as url,
        fleet_of(url, served().url) as fleet,
    ):
        wait_until(lambda: all(not painter.says for painter in fleet.painters()))
        assert isinstance(Asker(fleet, "a dog").end(), Painted)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"version": 99}, "install the same version"),
        ({"version": VERSION, "places": "many"}, "not understood"),
        ([], "not understood"),
        ("hello", "not understood"),
    ],
)
def test_a_painter_of_another_version_or_none_is_told_and_gets_nothing(
    said: object, sentence: str, served: Serve, loop: Loop
) -> None:
    with answering(loop, info_of(said)) as url, fleet_of(url, served().url) as fleet:
        wait_until(lambda: sentence in fleet.painters()[0].says)
        assert isinstance(Asker(fleet, "a dog").end(), Painted)

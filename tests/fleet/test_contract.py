"""Whoever asks notices no difference: the same holds of a painter here, of one elsewhere, and of a fleet."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress

import numpy as np
import pytest
from PIL import Image

from core.errors import Cancelled, InvalidOptions, PaintingError, ShuttingDown
from core.generation.batcher import Batcher
from core.generation.protocol import (
    GenerationEvent,
    ImageGenerator,
    Inspected,
    InspectionRequest,
    Loading,
    Painted,
    Painting,
    Queued,
)
from core.prompting.prompt import Prompt
from tests.fleet.conftest import Serve
from tests.fleet.served import fleet_of
from tests.generation.scripted import Asker, ScriptedModel, wait_until

Paints = Callable[[ScriptedModel], AbstractContextManager[ImageGenerator]]


@pytest.fixture(params=["here", "elsewhere", "fleet"])
def paints(request: pytest.FixtureRequest, served: Serve) -> Paints:
    """Paints as the model says, wherever that is; in a fleet, each painter's model is the same one."""

    @contextmanager
    def painting(model: ScriptedModel) -> Iterator[ImageGenerator]:
        if request.param == "here":
            batcher = Batcher(lambda: model, max_batch=4, max_waiting=3)
            yield batcher
            batcher.close()
            return
        urls = [served(model).url for _ in range(3 if request.param == "fleet" else 1)]
        with fleet_of(*urls, max_waiting=3) as fleet:
            yield fleet

    return painting


def test_a_picture_comes_after_its_steps(paints: Paints) -> None:
    with paints(ScriptedModel()) as generator:
        asker = Asker(generator, "a dog", steps=3, size=(64, 32), adapter="ink", heard=("Dog (0.9)",), near=7)
        painted = asker.end()
    assert isinstance(painted, Painted)
    recipe = painted.picture.recipe
    assert (recipe.prompt.text, recipe.steps, recipe.adapter, recipe.heard) == ("a dog", 3, "ink", ("Dog (0.9)",))
    assert np.array_equal(np.asarray(painted.picture.image), np.asarray(Image.new("RGB", (8, 8), "blue")))
    assert isinstance(asker.seen[0], Loading | Queued)
    assert Painting(3, 3) in asker.seen


def test_what_is_wrong_is_said_and_harms_nobody(paints: Paints) -> None:
    with paints(ScriptedModel()) as generator:
        bad, broken, fine = (Asker(generator, text) for text in ("bad", "explode", "a dog"))
        error = bad.error()
        assert (type(error), str(error)) == (InvalidOptions, "The prompt is bad.")
        assert type(broken.error()) is PaintingError
        assert isinstance(fine.end(), Painted)


def test_a_cancelled_picture_is_not_painted_to_its_end(paints: Paints) -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    with paints(model) as generator:
        asker = Asker(generator, "a dog")
        wait_until(lambda: ("step", ("a dog",)) in model.log or model.log[-1:] == [("prepare", ("a dog",))])
        assert model.gate is not None
        generator.cancel(asker.number)
        time.sleep(0.1)  # it takes a moment until the painter knows
        model.gate.release(100)
        assert isinstance(asker.error(), Cancelled)
        wait_until(lambda: generator.queue_length() == 0)
        assert isinstance(Asker(generator, "a cat").end(), Painted)
    assert ("decode", ("a dog",)) not in model.log


def test_whoever_waits_hears_the_position_and_too_many_are_refused(paints: Paints) -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    with paints(model) as generator:
        begun: list[Asker] = []
        with suppress(PaintingError):
            while True:
                begun.append(Asker(generator, "a dog"))
                wait_until(lambda: not begun[-1].events.empty())
        assert len(begun) < 30
        assert any(event == Queued(1) for event in begun[-3].events.queue)
        assert model.gate is not None
        model.gate.release(1000)
        assert all(isinstance(asker.end(), Painted) for asker in begun)


def test_closing_tells_everyone(paints: Paints) -> None:
    model = ScriptedModel(gate=threading.Semaphore(0))
    with paints(model) as generator:
        asker = Asker(generator, "a dog")
        wait_until(lambda: bool(model.log))
        assert model.gate is not None
        threading.Timer(0.1, model.gate.release, (1000,)).start()
        generator.close()
        assert isinstance(asker.error(), ShuttingDown)
        with pytest.raises(ShuttingDown):
            Asker(generator, "late")


def test_a_picture_is_inspected(paints: Paints) -> None:
    with paints(ScriptedModel()) as generator:
        events: queue.Queue[GenerationEvent] = queue.Queue()
        generator.inspect(InspectionRequest(Image.new("RGB", (9, 9)), Prompt("a", "b"), passes=5), events.put)
        while not isinstance(event := events.get(timeout=10), Inspected):
            pass
    assert np.array_equal(event.noise, np.full((1, 2, 2), 5, np.float32))


def test_the_model_is_told(paints: Paints) -> None:
    with paints(ScriptedModel()) as generator:
        info = generator.info()
        assert (info.model, info.revision, info.steps, info.size) == ("scripted", "1", 4, (8, 8))
        Asker(generator, "a dog").end()
        wait_until(lambda: bool(generator.figures().steps))

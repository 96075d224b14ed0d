"""One whole pipeline, one request after the other: what fails, fails alone, and closing frees the model."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from PIL import Image

from core.errors import Cancelled, InvalidOptions, ModelUnusable, PaintingError, ShuttingDown
from core.generation.limits import Limits
from core.generation.protocol import Figures, GeneratorInfo, Painted, Painting
from core.generation.stock import StockGenerator, StockModel
from core.prompting.prompt import Prompt
from core.recipe import Recipe
from tests.generation.scripted import Asker


class ScriptedModel(StockModel):
    """Prompts act: "explode" fails after two steps. `gate` lets one step through at a time."""

    def __init__(self) -> None:
        self.limits = Limits(guidance=(0.0, 20.0), no_adapters="There are no adapters.")
        self.gate = threading.Semaphore(1000)
        self.closed = False

    def info(self) -> GeneratorInfo:
        return GeneratorInfo("scripted", "1", steps=4, guidance=0.0, size=(8, 8))

    def paint(self, recipe: Recipe, on_step: Callable[[int], None]) -> Image.Image:
        for step in range(recipe.steps):
            assert self.gate.acquire(timeout=10)
            if recipe.prompt.text == "explode" and step == 2:
                raise RuntimeError("boom")
            on_step(step + 1)
        return Image.new("RGB", recipe.size)

    def close(self) -> None:
        self.closed = True


@contextmanager
def painting(model: ScriptedModel) -> Iterator[StockGenerator]:
    generator = StockGenerator(lambda: model, max_waiting=10)
    try:
        yield generator
    finally:
        model.gate.release(1000)
        generator.close()
        assert model.closed


def test_a_picture_comes_after_all_its_steps() -> None:
    with painting(ScriptedModel()) as generator:
        asker = Asker(generator, "a dog", steps=3, heard=("Dog (0.90)",))
        event = asker.end()
    assert isinstance(event, Painted)
    assert event.picture.recipe == Recipe(
        Prompt("a dog", ""), 0, 3, 0.0, (8, 8), "scripted", "1", None, ("Dog (0.90)",)
    )
    assert [event for event in asker.seen if isinstance(event, Painting)] == [Painting(n, 3) for n in range(4)]
    assert generator.figures() == Figures({1: 3})


@pytest.mark.parametrize("options", [{"guidance": 21.0}, {"adapter": "hands"}, {"steps": 0}])
def test_what_is_beyond_the_limits_is_refused_and_disturbs_nobody(options: dict[str, object]) -> None:
    with painting(ScriptedModel()) as generator:
        bad, good = Asker(generator, "a cat", **options), Asker(generator, "a dog")
        assert isinstance(bad.error(), InvalidOptions)
        assert isinstance(good.end(), Painted)


def test_a_fault_of_the_program_ends_only_the_request_that_has_it() -> None:
    with painting(ScriptedModel()) as generator:
        bad, good = Asker(generator, "explode"), Asker(generator, "a dog")
        error = bad.error()
        assert type(error) is PaintingError
        assert "try again" in str(error)
        assert isinstance(good.end(), Painted)


def test_a_cancelled_one_ends_at_the_next_step() -> None:
    model = ScriptedModel()
    model.gate = threading.Semaphore(0)
    with painting(model) as generator:
        asker, other = Asker(generator, "unwanted", steps=100), Asker(generator, "wanted")
        model.gate.release(1)
        while not isinstance(asker.next(), Painting):
            pass
        generator.cancel(asker.number)
        model.gate.release(1000)
        assert isinstance(asker.error(), Cancelled)
        assert isinstance(other.end(), Painted)
    assert sum(isinstance(event, Painting) for event in asker.seen) <= 2


def test_one_that_tells_no_steps_paints_to_the_end_whom_it_has_begun_and_spares_who_was_cancelled_before() -> None:
    painted: list[str] = []

    class Silent(ScriptedModel):
        tells_steps = False

        def paint(self, recipe: Recipe, on_step: Callable[[int], None]) -> Image.Image:
            assert self.gate.acquire(timeout=10)
            painted.append(recipe.prompt.text)
            return Image.new("RGB", recipe.size)

    model = Silent()
    model.gate = threading.Semaphore(0)
    with painting(model) as generator:
        begun, waiting = Asker(generator, "begun"), Asker(generator, "waiting")
        while not isinstance(begun.next(), Painting):
            pass
        generator.cancel(begun.number)
        generator.cancel(waiting.number)
        model.gate.release(1000)
        assert isinstance(begun.end(), Painted)
        assert isinstance(waiting.error(), Cancelled)
        assert generator.figures() == Figures({1: 1})
    assert painted == ["begun"]


def test_closing_tells_everyone() -> None:
    model = ScriptedModel()
    model.gate = threading.Semaphore(0)
    with painting(model) as generator:
        active, waiting = Asker(generator, "active", steps=50), Asker(generator, "waiting")
        model.gate.release(1)
        while not isinstance(active.next(), Painting):
            pass
    assert isinstance(active.error(), ShuttingDown)
    assert isinstance(waiting.error(), ShuttingDown)
    assert generator.queue_length() == 0


def test_a_model_that_cannot_be_loaded_is_said_when_the_generator_is_made() -> None:
    def load() -> StockModel:
        raise ModelUnusable("This is no model.")

    with pytest.raises(ModelUnusable, match="no model"):
        StockGenerator(load, max_waiting=1)

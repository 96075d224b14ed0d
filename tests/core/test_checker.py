"""What should not be shown is not: with a classifier that the test injects, and with the real loading of a tiny one.

The weights that the program fetches are not here: how well they judge was not measured.
"""

import io
import json
import threading
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest
from PIL import Image

from core.checker import COVERED
from core.engine import Engine
from core.errors import ModelMissing, ModelUnusable, PictureBlocked, PictureUnchecked
from core.events import Event
from core.generation.picture_check import load_picture_check
from core.generation.protocol import Painted, Painting
from core.models import ModelStore
from core.official import PICTURE_CHECK
from core.options import ImagineOptions, PictureCheck
from core.prompting.prompt import Prompt
from core.settings import CoreSettings
from tests.bot.painter import ScriptedPainter
from tests.bot.picture_check import takes_red_for_unfit

RED, TEAL = Image.new("RGB", (64, 64), "red"), Image.new("RGB", (64, 64), "teal")
Choose = Callable[..., CoreSettings]


@pytest.fixture
def choose(tmp_path: Path) -> Choose:
    """Settings with a cache of their own."""
    return lambda **chosen: CoreSettings(_env_file=None, model_cache=tmp_path, data_dir=tmp_path, **chosen)


@pytest.fixture
def injected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A classifier in the place of the fetched one."""
    monkeypatch.setattr("core.engine.picture_check_of", lambda *_: takes_red_for_unfit)


def fetched(cache: Path, labels: tuple[str, ...] = ("normal", "nsfw")) -> Path:
    """A tiny classifier of random weights where the fetched one would be, as its makers publish it."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = ViTConfig(**sizes, image_size=16, patch_size=8, id2label=dict(enumerate(labels)))
    place = cache / PICTURE_CHECK.address.rpartition("/")[2]
    ViTForImageClassification(config).save_pretrained(place)
    scaled = {"do_normalize": True, "do_rescale": True, "do_resize": True, "resample": 2, "rescale_factor": 1 / 255}
    means = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": 16, "width": 16}}
    (place / "preprocessor_config.json").write_text(
        json.dumps({"image_processor_type": "ViTImageProcessor", **scaled, **means})
    )
    return place


async def painted(engine: Engine, check: PictureCheck | None = None, count: int = 1) -> list[Event]:
    async with aclosing(engine.paint(Prompt("a dog", ""), ImagineOptions(count=count), check=check)) as events:
        return [event async for event in events]


def engine_of(settings: CoreSettings, image: Image.Image) -> Engine:
    painter = ScriptedPainter()
    painter.image = lambda: image
    return Engine(settings, make_generator=lambda *_: painter)


@pytest.mark.usefixtures("injected")
@pytest.mark.parametrize("setting", [PictureCheck.SPOILER, PictureCheck.BLOCK])
async def test_what_should_not_be_shown_is_covered_or_blocked_and_all_else_left_alone(
    setting: PictureCheck, choose: Choose
) -> None:
    async with engine_of(choose(picture_check=setting), TEAL) as engine:
        assert [event.picture.notes for event in await painted(engine) if isinstance(event, Painted)] == [()]
    async with engine_of(choose(picture_check=setting), RED) as engine:
        if setting is PictureCheck.BLOCK:
            with pytest.raises(PictureBlocked):
                await painted(engine)
        events = await painted(engine, PictureCheck.SPOILER, count=2)
        assert [event.picture.notes for event in events if isinstance(event, Painted)] == [(COVERED,), (COVERED,)]
        assert isinstance((await painted(engine, PictureCheck.OFF))[-1], Painted)


async def test_without_a_model_nothing_is_checked_unless_a_setting_wants_it(choose: Choose) -> None:
    async with engine_of(choose(), RED) as engine:
        assert isinstance((await painted(engine))[-1], Painted)
        assert isinstance((await painted(engine, PictureCheck.BLOCK))[-1], Painted), "there is nothing to check with"
    settings = choose(picture_check="block")
    async with Engine(settings, make_generator=lambda *_: ScriptedPainter()) as engine:
        with pytest.raises(ModelMissing, match="models pull picture-check"):
            await painted(engine)


@pytest.mark.usefixtures("injected")
async def test_preview_that_should_not_be_shown_is_left_out(choose: Choose) -> None:
    jpeg = io.BytesIO()
    RED.save(jpeg, "JPEG")
    painter = ScriptedPainter()
    painter.held = True
    engine = Engine(choose(picture_check="block"), make_generator=lambda *_: painter)
    async with engine, aclosing(engine.paint(Prompt("a dog", ""))) as events:
        await anext(events)
        await anext(events)
        painter.step(painter.orders[0], 2, jpeg.getvalue())
        event = await anext(events)
        assert isinstance(event, Painting)
        assert (event.step, event.preview) == (2, None)
        painter.finish_all()
        assert isinstance(await anext(events), Painted)


async def test_what_cannot_be_looked_at_in_time_is_not_shown(choose: Choose, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()
    monkeypatch.setattr("core.checker.LONGEST_LOOK_S", 0.05)
    monkeypatch.setattr("core.engine.picture_check_of", lambda *_: lambda _: float(hangs.wait(20)))
    engine = Engine(choose(picture_check="spoiler"), make_generator=lambda *_: ScriptedPainter())
    async with engine:
        with pytest.raises(PictureUnchecked):
            await painted(engine)
    hangs.set()


async def test_fetched_model_is_loaded_by_the_real_code_and_then_blocks(
    choose: Choose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = fetched(tmp_path)
    look = load_picture_check(place)
    chances = [look(image) for image in (RED, TEAL, Image.new("L", (30, 900)))]
    assert all(0 < chance < 1 for chance in chances)
    assert len(set(chances)) == 3
    assert ModelStore(choose()).picture_check().path == place
    for threshold, is_blocked in ((min(chances) - 0.01, True), (1.0, False)):
        monkeypatch.setattr("core.checker.UNFIT_FROM", threshold)
        async with Engine(choose(), make_generator=lambda *_: ScriptedPainter()) as engine:
            if is_blocked:
                with pytest.raises(PictureBlocked):
                    await painted(engine)
            else:
                assert isinstance((await painted(engine))[-1], Painted)


def test_unusable_model_is_told_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelUnusable, match="no label for pictures that should not be shown; remove it and run"):
        load_picture_check(fetched(tmp_path, ("cat", "dog")))
    place = fetched(tmp_path)
    (place / "model.safetensors").write_bytes(b"cut off")
    with pytest.raises(ModelUnusable, match="cannot be loaded; remove it and run"):
        load_picture_check(place)

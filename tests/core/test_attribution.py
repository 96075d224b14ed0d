"""What can be said of a picture: painted here, or not known; whatever its metadata claim, and however it was spoilt."""

import asyncio
import io
import os
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from core.attribution import UNFINISHED_A_PERSON, Attribution, Inspector, Verdict
from core.engine import Engine
from core.errors import InvalidOptions, NotInspectedInTime, TooManyInspections
from core.generation.protocol import Painted, Picture
from core.options import ImagineOptions
from core.pictures import KEY, to_file, to_png
from core.prompting.prompt import Prompt
from core.provenance.key_file import KEY_FILE, former_name
from core.provenance.watermark import Evidence, MarkingKey
from core.provenance.xmp import MADE_BY_A_MODEL, PNG_KEY
from core.recipe import Mark, Recipe, to_json
from core.settings import CoreSettings
from tests.bot.painter import ScriptedPainter

PROMPT = Prompt("a barking dog", "")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """With the bundled miniature, and a key of its own, always the same."""
    data = tmp_path / "data"
    data.mkdir()
    (data / KEY_FILE).write_bytes(bytes(range(32)))
    async with Engine(CoreSettings(data_dir=data)) as made:
        yield made


async def painted(engine: Engine, **chosen: object) -> Picture:
    options = ImagineOptions(**{"seed": 7, **chosen})  # type: ignore[arg-type]
    async with aclosing(engine.paint(PROMPT, options)) as events:
        [picture] = [event.picture async for event in events if isinstance(event, Painted)]
    return picture


async def told(engine: Engine, content: bytes, tmp_path: Path) -> Attribution:
    """By as many passes as the miniature's small pictures need (`python -m benchmarks.marking`)."""
    path = tmp_path / "some picture"
    path.write_bytes(content)
    return await Inspector(engine, engine.settings.data_dir).inspect(path, passes=8)


def stripped(picture: Picture, kind: str = "PNG", **how: object) -> bytes:
    out = io.BytesIO()
    picture.image.save(out, kind, **how)
    return out.getvalue()


def grey(mark: Mark | None = None) -> bytes:
    """A picture without anything in it; with `mark`, a recipe that claims it."""
    image, out = Image.new("RGB", (512, 512), "gray"), io.BytesIO()
    if mark is not None:
        recipe = Recipe(PROMPT, 7, 4, 3.0, (512, 512), "some model", "1", None, (), mark=mark)
        return to_png(Picture(image, recipe, 1.0, False))
    image.save(out, "PNG")
    return out.getvalue()


async def test_a_picture_is_known_again_with_and_without_its_metadata_and_another_is_not(
    engine: Engine, tmp_path: Path
) -> None:
    picture = await painted(engine)
    for file in (to_png(picture), to_file(picture, ".webp"), to_file(picture, ".jpg")):
        found = await told(engine, file, tmp_path)
        assert (found.verdict, found.recipe, found.says_model) == (Verdict.PAINTED_HERE, picture.recipe, True)
        assert found.evidence is not None
        assert found.evidence.mark == picture.recipe.mark
        assert "painted here" in found.sentence
    for file in (stripped(picture), stripped(picture, "JPEG", quality=85), stripped(picture, "WEBP", quality=80)):
        found = await told(engine, file, tmp_path)
        assert (found.verdict, found.recipe, found.says_model) == (Verdict.PAINTED_HERE, None, False)
    unmarked = await painted(engine, marked=False)
    assert unmarked.recipe.mark is None
    found = await told(engine, stripped(unmarked), tmp_path)
    assert found.verdict is Verdict.NOTHING
    assert "proves nothing" in found.sentence
    assert (await told(engine, to_png(unmarked), tmp_path)).verdict is Verdict.NOT_MARKED


async def test_a_forged_recipe_is_not_believed(engine: Engine, tmp_path: Path) -> None:
    picture = await painted(engine)
    strange = replace(picture, image=Image.linear_gradient("L").convert("RGB").resize((512, 512)))
    assert (await told(engine, to_png(strange), tmp_path)).verdict is Verdict.PIXELS_DIFFER
    other = replace(picture.recipe, mark=Mark("01234567", 3))
    assert (await told(engine, to_png(replace(strange, recipe=other)), tmp_path)).verdict is Verdict.OTHER_KEY
    claimed = to_png(replace(picture, recipe=replace(picture.recipe, mark=Mark("01234567", 3))))
    assert (await told(engine, claimed, tmp_path)).verdict is Verdict.PAINTED_HERE, "the pixels know better"


async def test_odd_metadata_harm_nothing(engine: Engine, tmp_path: Path) -> None:
    picture = await painted(engine)
    for texts in (
        [(KEY, "{"), (PNG_KEY, MADE_BY_A_MODEL)],
        [(KEY, to_json(picture.recipe).replace('"pattern": ', '"pattern": 9'))],
        [(PNG_KEY, "<x"), (PNG_KEY, MADE_BY_A_MODEL)],
    ):
        info = PngInfo()
        for key, text in texts:
            info.add_itxt(key, text)
        assert (await told(engine, stripped(picture, pnginfo=info), tmp_path)).verdict is Verdict.PAINTED_HERE
    info = PngInfo()
    info.add_itxt(PNG_KEY, MADE_BY_A_MODEL)
    grey = replace(picture, image=Image.new("RGB", (300, 200), "gray"))
    assert (await told(engine, stripped(grey, pnginfo=info), tmp_path)).verdict is Verdict.A_MODEL


async def test_whatever_is_no_picture_is_refused_with_a_sentence(engine: Engine, tmp_path: Path) -> None:
    picture = await painted(engine)
    wide = io.BytesIO()
    Image.new("1", (40_000, 4000)).save(wide, "PNG")
    for content in (
        b"",
        b"no picture",
        os.urandom(1000),
        to_png(picture)[:2000],
        wide.getvalue(),
        b"\0\0\0\x18ftypmp42",
    ):
        with pytest.raises(InvalidOptions):
            await told(engine, content, tmp_path)
    with pytest.raises(InvalidOptions):
        await Inspector(engine, tmp_path).inspect(tmp_path)
    moving = io.BytesIO()
    picture.image.save(moving, "WEBP", save_all=True, append_images=[Image.new("RGB", (512, 512))], lossless=True)
    assert (await told(engine, moving.getvalue(), tmp_path)).verdict is Verdict.PAINTED_HERE, "the first picture of it"
    line = io.BytesIO()
    Image.new("RGB", (20_000, 1)).save(line, "PNG")
    assert (await told(engine, line.getvalue(), tmp_path)).verdict is Verdict.NOTHING


async def test_patterns_are_not_compared_on_the_event_loop(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large picture has 65,536 sites, and there are 256 patterns."""
    compared_in: list[threading.Thread] = []
    evidence = MarkingKey.evidence

    def compare(*values: Any) -> Evidence:
        compared_in.append(threading.current_thread())
        return evidence(*values)

    monkeypatch.setattr(MarkingKey, "evidence", compare)
    await told(engine, stripped(await painted(engine)), tmp_path)
    assert compared_in
    assert threading.main_thread() not in compared_in


async def test_after_the_key_is_lost_painting_goes_on_and_old_pictures_are_not_known(
    engine: Engine, tmp_path: Path
) -> None:
    picture = await painted(engine)
    (tmp_path / "data" / KEY_FILE).unlink()
    assert (await told(engine, to_png(picture), tmp_path)).verdict is Verdict.OTHER_KEY
    async with Engine(engine.settings) as later:
        new = await painted(later)
        assert new.recipe.mark is not None
        assert picture.recipe.mark is not None
        assert new.recipe.mark.key != picture.recipe.mark.key
        assert (await told(later, to_png(new), tmp_path)).verdict is Verdict.PAINTED_HERE


async def test_key_that_marked_before_another_came_still_knows_its_pictures(tmp_path: Path) -> None:
    """With noise that is as clear as can be; reading it out of pixels is shown above."""
    painter, then = ScriptedPainter(), MarkingKey(bytes(range(32)))
    pattern = then.pattern(3)
    (tmp_path / KEY_FILE).write_bytes(bytes(32))
    path = tmp_path / "picture.png"
    path.write_bytes(grey())
    async with Engine(CoreSettings(data_dir=tmp_path), make_generator=lambda *_: painter) as engine:
        inspector = Inspector(engine, tmp_path)
        painter.noise = pattern.signs((4, 64, 64))
        assert (await inspector.inspect(path)).verdict is Verdict.NOTHING
        (tmp_path / former_name(then)).write_bytes(bytes(range(32)))
        found = await inspector.inspect(path)
        assert found.verdict is Verdict.PAINTED_HERE
        assert found.evidence is not None
        assert found.evidence.mark == pattern.mark
        path.write_bytes(grey(Mark(then.name, 4)))
        assert (await inspector.inspect(path)).verdict is Verdict.PIXELS_DIFFER, "only what the recipe names is tried"


async def test_looking_has_its_limits_of_time_and_number_and_is_fair_to_people(tmp_path: Path) -> None:
    painter = ScriptedPainter()
    painter.noise = np.zeros((4, 8, 8), np.float32)
    (tmp_path / KEY_FILE).write_bytes(bytes(32))
    async with Engine(CoreSettings(data_dir=tmp_path), make_generator=lambda *_: painter) as engine:
        inspector = Inspector(engine, tmp_path)
        painter.held = True
        waiting = [
            asyncio.create_task(inspector.inspect(grey(), user="alice", within_s=1)) for _ in range(UNFINISHED_A_PERSON)
        ]
        while len(painter.inspected) < UNFINISHED_A_PERSON:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
        with pytest.raises(TooManyInspections):
            await inspector.inspect(grey(), user="alice")
        painter.held = False
        assert (await inspector.inspect(grey(), user="bob")).verdict is Verdict.NOTHING
        with pytest.raises(NotInspectedInTime, match="within 1 seconds"):
            await waiting[0]
        await asyncio.wait(waiting)
        assert (await inspector.inspect(grey(), user="alice")).verdict is Verdict.NOTHING
        assert {request.user for request in painter.inspected} == {"alice", "bob"}


async def test_without_marks_nothing_is_claimed_and_nothing_written(tmp_path: Path) -> None:
    async with Engine(CoreSettings(data_dir=tmp_path / "data", watermark=False)) as engine:
        picture = await painted(engine)
    assert picture.recipe.mark is None
    assert not (tmp_path / "data").exists()


async def test_near_pictures_carry_the_mark_of_the_one_that_they_are_near(engine: Engine) -> None:
    first, near = await painted(engine), await painted(engine, seed=8, near=7)
    assert first.recipe.mark == near.recipe.mark
    assert (await painted(engine, seed=8)).recipe.mark != first.recipe.mark

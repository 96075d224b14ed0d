"""What the guard does with a run: what it keeps, what it goes back to, and when it says that nothing is learnt."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file

from core.cli.progress import ProgressBars
from core.errors import AdapterRefused, NoLearning, UnusableData
from core.finetuning.data.cache import read_entry, write_entry
from core.finetuning.data.prepare import prepare
from core.finetuning.data.sources import list_examples
from core.finetuning.model.adapter_file import save_adapter
from core.finetuning.model.network import adapter_parameters, load_base
from core.finetuning.run import FinetuneOptions, finetune
from core.finetuning.training.guard import Reading, ruin
from core.finetuning.training.session import RunFiles, Session
from core.finetuning.training.trainer import Ending
from tests.finetuning.conftest import edm_objective, quick_hyperparameters
from tests.finetuning.drawings import write_imagefolder
from tests.finetuning.same_end import losses

MakeOptions = Callable[..., FinetuneOptions]
EIGHT = quick_hyperparameters(steps=8, check_every=4, learning_rate=1e-3)


def stopping_at(step: int) -> Callable[[], bool]:
    """Asked before each step, as Ctrl-C or --stop-after is."""
    asked = iter(range(100))
    return lambda: next(asked) == step


def alarming_at(steps: set[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the guard find ruin at some looks, by their number."""
    looks = iter(range(1, 100))

    def judge(reading: Reading, *rest: object) -> tuple[str, ...]:
        return ("ruined on purpose",) if next(looks) in steps else ruin(reading, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("core.finetuning.training.trainer.ruin", judge)


def test_a_stop_leaves_what_was_judged_as_it_is(make_options: MakeOptions, bars: ProgressBars) -> None:
    """It used to rewrite the checkpoint of that look as one that the guard had not found well."""
    options = make_options(hyperparameters=EIGHT)
    judged = options.out / "training" / "judged" / "attempt-0-step-000004"
    written: list[bytes] = []

    def stop() -> bool:
        if judged.is_dir() and not written:
            written.append((judged / "state.json").read_bytes())
        return bool(written)

    assert finetune(options, bars, stop).ending is Ending.STOPPED
    assert (judged / "state.json").read_bytes() == written[0]
    assert [path.name for path in (options.out / "training" / "stopped").iterdir()] == ["a"]


def test_stops_take_two_slots_in_turn(make_options: MakeOptions, bars: ProgressBars) -> None:
    options = make_options(hyperparameters=EIGHT)
    steps = []
    for number in range(3):
        finetune(FinetuneOptions(**{**vars(options), "resume": number > 0}), bars, stopping_at(1))
        folder = options.out / "training" / "stopped"
        documents = {path.name: json.loads((path / "state.json").read_text()) for path in folder.iterdir()}
        steps.append({name: document["state"]["step"] for name, document in documents.items()})
    assert steps == [{"a": 1}, {"a": 1, "b": 2}, {"a": 3, "b": 2}]


def test_an_alarm_after_a_stop_during_the_first_look_rolls_back(
    make_options: MakeOptions, bars: ProgressBars, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It used to be an AssertionError: the only checkpoint had been rewritten."""
    options = make_options(hyperparameters=EIGHT)
    finetune(options, bars, stopping_at(0))
    alarming_at({1}, monkeypatch)
    result = finetune(FinetuneOptions(**{**vars(options), "resume": True}), bars)
    assert result.ending is Ending.FINISHED
    assert result.state.alarms == ("ruined on purpose",)


def test_a_roll_back_goes_on_from_the_average_that_was_judged(
    tiny_base: Path, drawings: Path, shared_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hyperparameters = quick_hyperparameters(steps=8, check_every=4, learning_rate=1e-2, ema_decay=0.9)
    base = load_base(str(tiny_base), None, "fp32")
    data = prepare(list_examples(drawings), base, hyperparameters, shared_cache, (), ProgressBars())
    session = Session(base, data, edm_objective(base.pipeline), hyperparameters, Accelerator(cpu=True))
    files = RunFiles.in_folder(tmp_path, hyperparameters, data.key)
    seen: list[dict[str, torch.Tensor]] = []

    def watch(text: str) -> None:
        if "Back to step" in text:
            seen.append({k: v.detach().clone() for k, v in adapter_parameters(base.pipeline.unet).items()})

    run = session.trainer(hyperparameters, files, on_event=watch)
    alarming_at({3}, monkeypatch)
    try:
        assert run.run(lambda: False) is Ending.FINISHED
    finally:
        session.close()
    judged = tmp_path / "judged" / "attempt-0-step-000004"
    average, raw = (load_file(judged / f"{name}.safetensors") for name in ("average", "adapter"))
    assert all(torch.equal(seen[0][name], average[name]) for name in average)
    assert any(not torch.equal(average[name], raw[name]) for name in average)
    slot = torch.load(tmp_path / "stopped" / "a" / "optimizer.pt", weights_only=True)
    assert slot["optimizer"]["state"] == {}, "the moments are cleared"
    assert run.state.rate_scale == 0.5


def test_after_three_alarms_the_run_ends_with_what_was_judged_before(
    make_options: MakeOptions, bars: ProgressBars, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarming_at({3, 4, 5}, monkeypatch)
    result = finetune(make_options(hyperparameters=EIGHT), bars)
    assert result.ending is Ending.DIVERGED
    assert result.kept is not None
    assert result.kept.step <= 4
    assert len(result.state.alarms) == 3


class TestPictures:
    """Some latents in the cache are not finite, as fp16 encoders make them."""

    def spoil(self, options: FinetuneOptions, bars: ProgressBars, count: int) -> None:
        base = load_base(options.base, None, "fp32")
        assert options.cache is not None
        data = prepare(list_examples(options.images), base, options.hyperparameters, options.cache, (), bars)
        for image in data.training[:count]:
            entry = read_entry(image.latents)
            write_entry({name: torch.full_like(value, float("nan")) for name, value in entry.items()}, image.latents)

    def test_one_of_many_is_set_aside_by_name_and_a_stop_changes_nothing_in_that(
        self, make_options: MakeOptions, bars: ProgressBars, tmp_path: Path
    ) -> None:
        images = write_imagefolder(tmp_path / "images", count=30)
        hyperparameters = quick_hyperparameters(steps=13, check_every=1000, held_out=0.1)
        options = make_options(images=images, cache=tmp_path / "cache", hyperparameters=hyperparameters)
        self.spoil(options, bars, 1)
        stopped = FinetuneOptions(**{**vars(options), "out": tmp_path / "stopped"})
        found = {}
        for where, stop_at in ((options, 99), (stopped, 5)):
            result = finetune(where, bars, stopping_at(stop_at))
            if result.ending is Ending.STOPPED:
                result = finetune(FinetuneOptions(**{**vars(where), "resume": True}), bars)
            assert result.ending is Ending.FINISHED
            assert result.adapter is not None
            assert [number for number, _ in result.state.set_aside] == [0]
            assert (where.out / "training" / "journal.jsonl").read_text().count("set aside: ") == 1
            found[where.out] = str(losses(where)), load_file(result.adapter)
        (figures, adapter), (others, other) = found.values()
        assert figures == others
        assert figures.count("nan") >= 2, "a loss and a norm"
        assert all(torch.equal(adapter[name], other[name]) for name in adapter)

    def test_more_than_one_in_twenty_are_an_error_with_their_names(
        self, make_options: MakeOptions, bars: ProgressBars, tmp_path: Path
    ) -> None:
        options = make_options(
            cache=tmp_path / "cache", hyperparameters=quick_hyperparameters(steps=14, check_every=14)
        )
        self.spoil(options, bars, 4)
        with pytest.raises(UnusableData, match=r"of 9 training images have no finite loss \(\d\d.png"):
            finetune(options, bars)


def test_gradients_that_are_never_finite_are_told_with_the_images(
    make_options: MakeOptions, bars: ProgressBars, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Accelerator, "clip_grad_norm_", lambda *_: torch.tensor(float("nan")))
    options = make_options(hyperparameters=quick_hyperparameters(steps=30, check_every=400))
    with pytest.raises(
        NoLearning, match=r"20 steps in a row .* the last were of \d\d.png.* a tenth of the learning rate"
    ):
        finetune(options, bars)
    assert not (options.out / "pytorch_lora_weights.safetensors").exists()


class TestPublishing:
    def test_an_adapter_that_paints_something_else_is_not_published(
        self, make_options: MakeOptions, bars: ProgressBars, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*arguments: object) -> Path:
            path = save_adapter(*arguments)  # type: ignore[arg-type]
            save_file({name: 30 * value + 0.3 for name, value in load_file(path).items()}, path)
            return path

        monkeypatch.setattr("core.finetuning.training.publishing.save_adapter", broken)
        options = make_options(hyperparameters=EIGHT)
        with pytest.raises(AdapterRefused, match="does not paint what was judged"):
            finetune(options, bars)
        assert sorted(path.name for path in options.out.iterdir()) == ["index.html", "training"]
        page = (options.out / "index.html").read_text(encoding="utf-8")
        assert "No adapter was saved.</strong> The adapter was not saved: loaded anew" in page
        assert "http-equiv" not in page, "it is not read again any more"
        monkeypatch.undo()
        again = finetune(FinetuneOptions(**{**vars(options), "resume": True}), bars)
        assert again.adapter is not None, "--resume tries again"
        assert sorted(path.name for path in options.out.iterdir()) == [
            *("before-after.png", "index.html", again.adapter.name, "training")
        ]

    @pytest.mark.parametrize("precision", ["fp32", "bf16"])
    def test_what_is_loaded_anew_is_what_was_judged_in_any_precision(
        self, precision: str, make_options: MakeOptions, bars: ProgressBars
    ) -> None:
        hyperparameters = quick_hyperparameters(steps=4, check_every=4, learning_rate=1e-2, precision=precision)
        adapter = finetune(make_options(hyperparameters=hyperparameters), bars).adapter
        assert adapter is not None
        assert {value.dtype for value in load_file(adapter).values()} == {torch.float32}, "whatever the base is in"

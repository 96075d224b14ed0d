"""A quantised base takes less, in the backward pass too, and still paints and learns."""

import math
from pathlib import Path

import pytest
import torch

from core.errors import InvalidHyperparameters
from core.finetuning.hyperparameters import BaseWeights, Hyperparameters
from core.finetuning.model.network import adapter_parameters, adapter_strength, add_adapter, load_base
from core.finetuning.model.quantised import Codec, Int8Rows, Nf4Blocks, QuantisedLinear, best_quantising, quantise
from tests.finetuning.model.saved_tensors import counting

KINDS: tuple[BaseWeights, ...] = ("int8", "nf4")
ERRORS = {"int8": 0.012, "nf4": 0.12}
"""Relative, of a weight of normally distributed numbers."""


def codec_of(kind: BaseWeights) -> Codec:
    if kind == "nf4":
        pytest.importorskip("bitsandbytes")
        return Nf4Blocks()
    return Int8Rows()


def layer(width: int = 256) -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(width, width // 2).requires_grad_(False)


@pytest.mark.parametrize("kind", KINDS)
class TestLayer:
    def test_its_weight_is_nearly_the_true_one(self, kind: BaseWeights) -> None:
        true = layer()
        true.weight.normal_()
        near = QuantisedLinear(true, codec_of(kind)).weight
        assert (near - true.weight).norm() / true.weight.norm() < ERRORS[kind]

    def test_output_and_gradient_are_those_of_its_weight(self, kind: BaseWeights) -> None:
        true = layer()
        near = QuantisedLinear(true, codec_of(kind))
        given = torch.randn(3, 5, 256, requires_grad=True)
        output = near(given)
        torch.testing.assert_close(output, torch.nn.functional.linear(given, near.weight, true.bias))
        (gradient,) = torch.autograd.grad(output.square().sum(), given)
        same = given.detach().requires_grad_()
        (wanted,) = torch.autograd.grad(torch.nn.functional.linear(same, near.weight, true.bias).square().sum(), same)
        torch.testing.assert_close(gradient, wanted)

    def test_it_keeps_no_de_quantised_weight_for_the_backward_pass(self, kind: BaseWeights) -> None:
        """Keeping it would take more than a base in half precision."""
        near = QuantisedLinear(layer(), codec_of(kind))
        given = torch.randn(1, 4, 256, requires_grad=True)
        with counting(near) as kept:
            output = near(given)
        assert sum(kept) == 0
        with counting(near) as naive:
            torch.nn.functional.linear(given, near.weight, near.bias)
        assert sum(naive) >= 256 * 128 * 4, "so it is seen by what counts"
        output.sum().backward()
        assert given.grad is not None

    def test_it_takes_as_little_as_it_should(self, kind: BaseWeights) -> None:
        near = QuantisedLinear(layer(1024), codec_of(kind))
        bits = 8 * sum(buffer.nbytes for buffer in near.buffers()) / (1024 * 512)
        assert bits <= {"int8": 8.1, "nf4": 4.51}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_quantised_network_learns_by_its_adapter(kind: BaseWeights, tiny_base: Path) -> None:
    codec_of(kind)
    unet = load_base(str(tiny_base), None, "fp32").pipeline.unet
    pooled = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
    arguments = {
        "sample": torch.randn(2, 4, 16, 16),
        "timestep": torch.tensor([1.0, 2.0]),
        "encoder_hidden_states": torch.randn(2, 77, unet.config.cross_attention_dim),
        "added_cond_kwargs": {"text_embeds": torch.randn(2, pooled), "time_ids": torch.zeros(2, 6)},
    }
    with torch.no_grad():
        whole = unet(**arguments).sample
    linears = sum(type(module) is torch.nn.Linear for module in unet.modules())
    quantise(unet, kind)
    assert sum(isinstance(module, QuantisedLinear) for module in unet.modules()) == linears
    assert not any(type(module) is torch.nn.Linear for module in unet.modules())
    with torch.no_grad():
        near = unet(**arguments).sample
    assert (near - whole).norm() / whole.norm() < 5 * ERRORS[kind]

    add_adapter(unet, Hyperparameters(rank=4, targets="attention+ff"))
    parameters = adapter_parameters(unet)
    optimizer = torch.optim.AdamW(parameters.values(), lr=1e-2)
    losses = []
    for _ in range(8):
        loss = unet(**arguments).sample.square().mean()
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[-1] < 0.9 * losses[0]
    assert 0 < adapter_strength(unet) < math.inf


def test_without_its_library_nf4_is_refused_and_8_bits_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "bitsandbytes", None)
    with pytest.raises(InvalidHyperparameters, match=r"pip install 'imagine-sound\[adam8bit\]'"):
        quantise(torch.nn.Sequential(layer()), "nf4")
    assert best_quantising() == "int8"

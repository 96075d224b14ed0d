"""Each model is trained with its own objective, and the two cannot be mixed up."""

import pytest
import torch
from diffusers import EDMDPMSolverMultistepScheduler, EulerDiscreteScheduler
from torch import Tensor

from core.errors import ObjectiveMismatch, UnusableBase
from core.finetuning.model.latents import RawLatents
from core.finetuning.model.objective import (
    Config,
    DiscreteObjective,
    EdmObjective,
    Objective,
    objective_for,
)

PLAYGROUND_VAE: Config = {
    "scaling_factor": 0.5,
    "latents_mean": [-1.6574, 1.886, -1.383, 2.5155],
    "latents_std": [8.4927, 5.9022, 6.5498, 5.2299],
}
SDXL_VAE: Config = {"scaling_factor": 0.13025, "latents_mean": None, "latents_std": None}


def edm_config(**changes: object) -> Config:
    return {**EDMDPMSolverMultistepScheduler().config, "_class_name": "EDMDPMSolverMultistepScheduler", **changes}


def sdxl_config(**changes: object) -> Config:
    scheduler = EulerDiscreteScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    return {**scheduler.config, "_class_name": "EulerDiscreteScheduler", **changes}


def choose(scheduler: Config, vae: Config) -> Objective:
    return objective_for(scheduler, vae, log_sigma_mean=-0.4, log_sigma_std=1.2)


def edm(**changes: object) -> EdmObjective:
    objective = choose(edm_config(**changes), PLAYGROUND_VAE)
    assert isinstance(objective, EdmObjective)
    return objective


def sdxl(**changes: object) -> DiscreteObjective:
    objective = choose(sdxl_config(**changes), SDXL_VAE)
    assert isinstance(objective, DiscreteObjective)
    return objective


def input_of_network(objective: Objective, encoded: RawLatents, level: float, noise: Tensor) -> Tensor:
    """What the objective shows its network at one noise level."""
    seen: list[Tensor] = []

    def network(sample: Tensor, timestep: Tensor) -> Tensor:
        seen.append(sample)
        return torch.zeros_like(sample)

    objective.loss(network, encoded, torch.full((len(encoded),), level), noise)
    return seen[0]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestChoosing:
    def test_the_schedulers_configuration_decides(self) -> None:
        assert isinstance(choose(edm_config(), PLAYGROUND_VAE), EdmObjective)
        assert isinstance(choose(sdxl_config(), SDXL_VAE), DiscreteObjective)
        assert choose(sdxl_config(prediction_type="v_prediction"), SDXL_VAE).name == "SDXL, v_prediction"

    def test_neither_objective_can_be_built_for_the_other_model(self) -> None:
        with pytest.raises(ObjectiveMismatch, match="into noise"):
            EdmObjective.from_configs(sdxl_config(), PLAYGROUND_VAE, log_sigma_mean=0, log_sigma_std=1)
        with pytest.raises(ObjectiveMismatch, match="into noise"):
            DiscreteObjective.from_configs(edm_config(), PLAYGROUND_VAE)

    def test_each_objective_brings_the_same_latents_into_its_own_networks_space(self) -> None:
        encoded, no_noise = RawLatents(6 * torch.randn(2, 4, 8, 8, generator=generator())), torch.zeros(2, 4, 8, 8)
        mean = torch.tensor(PLAYGROUND_VAE["latents_mean"]).view(1, 4, 1, 1)
        std = torch.tensor(PLAYGROUND_VAE["latents_std"]).view(1, 4, 1, 1)
        torch.testing.assert_close(
            input_of_network(edm(), encoded, 1.0, no_noise) * (1.0 + 0.25) ** 0.5, (encoded - mean) * 0.5 / std
        )
        discrete = sdxl()
        torch.testing.assert_close(
            input_of_network(discrete, encoded, 400.0, no_noise) / discrete.scheduler.alphas_cumprod[400].sqrt(),
            encoded * 0.13025,
        )

    def test_an_edm_model_without_latent_statistics_is_refused(self) -> None:
        with pytest.raises(ObjectiveMismatch, match="latents_mean"):
            choose(edm_config(), SDXL_VAE)

    @pytest.mark.parametrize(
        "config",
        [{"_class_name": "FlowMatchEulerDiscreteScheduler"}, sdxl_config(prediction_type="sample")],
    )
    def test_other_kinds_of_model_are_refused(self, config: Config) -> None:
        with pytest.raises(UnusableBase, match="does not know"):
            choose(config, SDXL_VAE)


class TestEdm:
    def test_latents_are_normalised_as_the_stock_pipeline_reverses_it(self) -> None:
        """What its sampler ends with becomes what its VAE decodes, and comes back to the network unchanged."""
        samples = torch.randn(2, 4, 8, 8, generator=generator()) * 0.5
        encoded = edm().raw_from_samples(samples)
        mean = torch.tensor(PLAYGROUND_VAE["latents_mean"]).view(1, 4, 1, 1)
        std = torch.tensor(PLAYGROUND_VAE["latents_std"]).view(1, 4, 1, 1)
        torch.testing.assert_close(encoded, RawLatents(samples * std / 0.5 + mean))
        seen = input_of_network(edm(), encoded, 1.0, torch.zeros_like(samples))
        torch.testing.assert_close(seen * (1.0 + 0.25) ** 0.5, samples, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
    @pytest.mark.parametrize("sigma", [0.002, 0.05, 1.0, 80.0])
    def test_a_network_without_loss_is_a_perfect_denoiser_for_the_stock_scheduler(
        self, prediction: str, sigma: float
    ) -> None:
        """Whatever output has no loss, diffusers' own preconditioning must turn into the clean latents."""
        objective = edm(prediction_type=prediction)
        scheduler = EDMDPMSolverMultistepScheduler(prediction_type=prediction)
        clean = torch.randn(1, 4, 8, 8, generator=generator(1)) * 0.5
        noise = torch.randn(1, 4, 8, 8, generator=generator(2))
        seen: dict[str, Tensor] = {}

        def network(sample: Tensor, timestep: Tensor) -> Tensor:
            seen.update(sample=sample, timestep=timestep)
            noisy = clean.double() + sigma * noise.double()
            scale = (sigma**2 + 0.25) ** 0.5
            c_skip, c_out = 0.25 / scale**2, 0.5 * sigma / scale
            sign = 1 if prediction == "epsilon" else -1
            perfect: Tensor = sign * (clean - c_skip * noisy) / c_out
            torch.testing.assert_close(
                scheduler.precondition_outputs(noisy, perfect, sigma).float(), clean, rtol=1e-4, atol=1e-5
            )
            return perfect.float()

        loss = objective.loss(network, objective.raw_from_samples(clean), torch.tensor([sigma]), noise)
        assert float(loss) < 1e-7
        noisy = clean + sigma * noise
        torch.testing.assert_close(seen["sample"], scheduler.precondition_inputs(noisy, sigma), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(seen["timestep"], scheduler.precondition_noise(sigma), rtol=1e-5, atol=1e-6)

    def test_the_loss_is_computed_in_full_precision_even_inside_autocast(self) -> None:
        """fp16 would overflow where λ(0.002) = 250,004; bf16 would round the target."""
        objective = edm()
        encoded = objective.raw_from_samples(torch.randn(1, 4, 8, 8, generator=generator(1)) * 0.5)
        noise, level = torch.randn(1, 4, 8, 8, generator=generator(2)), torch.tensor([0.002])
        seen: list[torch.dtype] = []

        def network(sample: Tensor, timestep: Tensor) -> Tensor:
            seen.extend((sample.dtype, timestep.dtype))
            return torch.zeros_like(sample).bfloat16()

        plain = objective.loss(network, encoded, level, noise)
        with torch.autocast("cpu", torch.bfloat16):
            under_autocast = objective.loss(network, encoded, level, noise)
        assert plain.dtype == under_autocast.dtype == torch.float32
        assert torch.equal(plain, under_autocast)
        assert set(seen) == {torch.float32}

    def test_noise_levels_are_log_normal_stratified_and_within_the_schedule(self) -> None:
        levels = edm().draw_levels(4000, generator())
        assert levels.log().mean() == pytest.approx(-0.4, abs=0.01)
        assert levels.log().std() == pytest.approx(1.2, abs=0.01)
        wide = EdmObjective.from_configs(edm_config(), PLAYGROUND_VAE, log_sigma_mean=0, log_sigma_std=9.0)
        extremes = wide.draw_levels(1000, generator())
        assert extremes.min() == pytest.approx(0.002)
        assert extremes.max() == pytest.approx(80.0)

    def test_even_a_small_batch_covers_little_and_much_noise(self) -> None:
        """Stratified: one of four levels is from each quarter of the distribution, always."""
        quarters = torch.tensor([-0.4 + 1.2 * q for q in (-0.6745, 0.0, 0.6745)])
        for seed in range(20):
            found = torch.bucketize(edm().draw_levels(4, generator(seed)).log(), quarters)
            assert sorted(found.tolist()) == [0, 1, 2, 3]


class TestSdxl:
    @pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
    def test_a_perfect_network_has_no_loss(self, prediction: str) -> None:
        objective = sdxl(prediction_type=prediction)
        clean = torch.randn(2, 4, 8, 8, generator=generator(1))
        noise, levels = torch.randn(2, 4, 8, 8, generator=generator(2)), torch.tensor([10.0, 900.0])
        alpha = objective.scheduler.alphas_cumprod[levels.long()].view(-1, 1, 1, 1)

        def network(sample: Tensor, timestep: Tensor) -> Tensor:
            torch.testing.assert_close(sample, alpha.sqrt() * clean + (1 - alpha).sqrt() * noise)
            assert timestep.dtype == torch.int64
            return noise if prediction == "epsilon" else alpha.sqrt() * noise - (1 - alpha).sqrt() * clean

        assert float(objective.loss(network, objective.raw_from_samples(clean), levels, noise).max()) < 1e-9

    def test_it_uses_the_models_own_betas_and_scaling(self) -> None:
        objective = sdxl()
        torch.testing.assert_close(
            objective.scheduler.alphas_cumprod,
            EulerDiscreteScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012).alphas_cumprod,
        )
        assert objective.raw_from_samples(torch.full((1, 4, 2, 2), 0.13025)).max() == pytest.approx(1.0)

    def test_timesteps_are_uniform_whole_numbers(self) -> None:
        levels = sdxl().draw_levels(1000, generator())
        assert torch.equal(levels, levels.round())
        assert levels.min() >= 0
        assert levels.max() <= 999
        assert levels.mean() == pytest.approx(499.5, abs=2)

"""Fine-tuning speed and memory: this trainer, which caches, against the straightforward loop, which does not.

    python -m benchmarks.finetuning --miniature                 on a CPU, about a minute
    python -m benchmarks.finetuning --batch-size 4              the true architecture with random weights, on a GPU

The straightforward loop does at each step what the well-known example scripts do: open and scale the images, encode
them with the VAE in fp32, encode the captions with both text encoders, and step. Same network, adapter, optimiser,
batch and precision. Each loop runs in a process of its own, so that peaks of memory do not mix. Ratios of one run go
to `benchmarks/results/`.
"""

import argparse
import json
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]

MINIATURE = REPOSITORY / "core" / "miniatures" / "playground-mini"
WARM_UP = 3
IMAGES = 16
RANK = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--miniature", action="store_true", help="the bundled miniature on the CPU")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20, help="timed steps")
    parser.add_argument("--precision", choices=["fp32", "bf16", "fp16"], default=None)
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--only", choices=["cached", "straightforward"], help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    args.precision = args.precision or ("fp32" if args.miniature else "bf16")
    if args.only:
        print(json.dumps(measure(args)))
        return
    with tempfile.TemporaryDirectory() as work:
        size = write_images(Path(work) / "images", 320 if args.miniature else 1280)
        found = {kind: run_alone(kind, Path(work)) for kind in ("straightforward", "cached")}
    slow, fast = found["straightforward"], found["cached"]
    result = {
        "what": "LoRA fine-tuning, " + ("playground-mini" if args.miniature else "SDXL architecture, random weights"),
        "batch_size": args.batch_size,
        "precision": args.precision,
        "gradient_checkpointing": args.gradient_checkpointing,
        "image_side": size,
        "device": fast["device"],
        "clock": "CPU time of the process" if args.miniature else "wall time",
        "straightforward": slow,
        "cached": fast,
        "speed_ratio": fast["samples_per_second"] / slow["samples_per_second"],
        "memory_ratio": fast["peak_bytes"] / slow["peak_bytes"],
    }
    name = f"finetuning-{'miniature' if args.miniature else 'sdxl'}-{'cpu' if args.miniature else 'gpu'}.json"
    path = REPOSITORY / "benchmarks" / "results" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(
        f"{slow['samples_per_second']:.2f} → {fast['samples_per_second']:.2f} samples/s "
        f"({result['speed_ratio']:.2f} ×), peak memory "
        f"{slow['peak_bytes'] / 1e9:.2f} → {fast['peak_bytes'] / 1e9:.2f} GB"
    )
    print(path)


def run_alone(kind: str, work: Path) -> dict:
    """One loop in its own process."""
    command = [sys.executable, "-m", "benchmarks.finetuning", *sys.argv[1:], "--only", kind, "--work", str(work)]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(finished.stdout.splitlines()[-1])


def write_images(folder: Path, side: int) -> int:
    """Photograph-sized JPEGs of blurred noise, each with its own caption."""
    from PIL import Image

    folder.mkdir(parents=True)
    draw = random.Random(0)
    for number in range(IMAGES):
        coarse = Image.frombytes("RGB", (16, 16), draw.randbytes(16 * 16 * 3))
        coarse.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{number:02d}.jpg", quality=90)
        (folder / f"{number:02d}.txt").write_text(f"a field of colours, number {number}, soft light, photograph")
    return side


def measure(args: argparse.Namespace) -> dict:
    import torch

    torch.set_num_threads(args.threads)
    cuda = not args.miniature
    if cuda and not torch.cuda.is_available():
        sys.exit("There is no GPU here; use --miniature.")
    base = load(args)
    seconds = (cached if args.only == "cached" else straightforward)(args, base)
    peak = torch.cuda.max_memory_allocated() if cuda else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "samples_per_second": args.batch_size / statistics.median(seconds),
        "seconds_per_step_median": statistics.median(seconds),
        "seconds_per_step": [round(value, 4) for value in seconds],
        "peak_bytes": peak,
        "device": torch.cuda.get_device_name() if cuda else f"{platform.processor() or 'CPU'}, {args.threads} threads",
    }


def load(args: argparse.Namespace):
    from core.finetuning.model.network import load_base

    if args.miniature:
        return load_base(str(MINIATURE), None, args.precision)
    return true_architecture(args)


def clock(args: argparse.Namespace) -> float:
    """Wall time on a GPU. On a CPU the process's own time, which other work on the machine disturbs less."""
    return time.process_time() if args.miniature else time.perf_counter()


def cached(args: argparse.Namespace, base) -> list[float]:
    """This project's own trainer; the guard validates once before the first step, outside the timing."""
    import torch
    from accelerate import Accelerator

    from core.cli.progress import ProgressBars
    from core.finetuning.data.prepare import prepare
    from core.finetuning.data.sources import list_examples
    from core.finetuning.hyperparameters import Hyperparameters
    from core.finetuning.model.objective import objective_for
    from core.finetuning.training.session import RunFiles, Session

    steps = WARM_UP + args.steps
    hyperparameters = Hyperparameters(
        steps=steps + 1,
        rank=RANK,
        alpha=RANK,
        batch_size=args.batch_size,
        precision=args.precision,
        gradient_checkpointing=args.gradient_checkpointing,
        check_every=steps * 100,
        prior_share=0.0,
        sample_steps=1,
    )
    precision = "no" if args.precision == "fp32" else args.precision
    accelerator = Accelerator(cpu=args.miniature, mixed_precision=precision)
    listing, device = list_examples(args.work / "images"), accelerator.device
    data = prepare(listing, base, hyperparameters, args.work / "cache", (), ProgressBars(), device)
    objective = objective_for(
        base.pipeline.scheduler.config, base.pipeline.vae.config, log_sigma_mean=-0.4, log_sigma_std=1.2
    )
    session = Session(base, data, objective, hyperparameters, accelerator)
    base.pipeline.vae.to("cpu")
    moments: list[float] = []

    def stop() -> bool:
        """Asked before each step. Only the first and the last timed one wait for the GPU, as the trainer would."""
        if not args.miniature and len(moments) in (WARM_UP, steps):
            torch.cuda.synchronize()
        moments.append(clock(args))
        return len(moments) > steps

    trainer = session.trainer(hyperparameters, RunFiles.in_folder(args.work, hyperparameters, data.key))
    base.pipeline.vae.to(accelerator.device)
    if not args.miniature:
        # Validation paints pictures; what is compared is the memory of training.
        trainer.run(lambda: trainer.state.base is not None)
        torch.cuda.reset_peak_memory_stats()
    trainer.run(stop)
    session.close()
    if args.miniature:
        return [after - before for before, after in pairwise(moments)][WARM_UP:]
    return [(moments[-1] - moments[WARM_UP]) / args.steps]


def straightforward(args: argparse.Namespace, base) -> list[float]:
    """Nothing is kept: every step opens, scales and encodes its images and captions. The loss is on x0, unweighted."""
    import numpy as np
    import torch
    from PIL import Image

    from core.finetuning.hyperparameters import Hyperparameters
    from core.finetuning.model.network import add_adapter, full_precision_vae

    device = torch.device("cpu" if args.miniature else "cuda")
    pipeline = base.pipeline.to(device)
    dtype, side = pipeline.unet.dtype, base.native_resolution
    vae = full_precision_vae(base)
    if args.gradient_checkpointing:
        pipeline.unet.enable_gradient_checkpointing()
    add_adapter(pipeline.unet, Hyperparameters(rank=RANK, alpha=RANK))
    parameters = [parameter for parameter in pipeline.unet.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=1e-2)
    config = pipeline.vae.config
    mean = torch.tensor(config.latents_mean, device=device).view(1, -1, 1, 1)
    std = torch.tensor(config.latents_std, device=device).view(1, -1, 1, 1)
    size_ids = torch.tensor([[side, side, 0, 0, side, side]] * args.batch_size, device=device, dtype=dtype)
    paths = sorted((args.work / "images").glob("*.jpg"))
    if not args.miniature:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for step in range(WARM_UP + args.steps):
        started = clock(args)
        chosen = [paths[(step * args.batch_size + number) % len(paths)] for number in range(args.batch_size)]
        pictures = [np.asarray(Image.open(path).convert("RGB").resize((side, side))) for path in chosen]
        pixels = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().to(device) / 127.5 - 1
        with torch.no_grad():
            encoded = vae.encode(pixels).latent_dist.sample()
            text, _, pooled, _ = pipeline.encode_prompt(
                [path.with_suffix(".txt").read_text() for path in chosen],
                device=device,
                do_classifier_free_guidance=False,
            )
        clean = (encoded - mean) * 0.5 / std
        sigma = torch.exp(1.2 * torch.randn(args.batch_size, 1, 1, 1, device=device) - 0.4)
        noisy = clean + sigma * torch.randn_like(clean)
        root = (sigma**2 + 0.25).sqrt()
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            output = pipeline.unet(
                (noisy / root).to(dtype),
                sigma.flatten().log() / 4,
                text,
                added_cond_kwargs={"text_embeds": pooled, "time_ids": size_ids},
            ).sample
        denoised = 0.25 / root**2 * noisy + 0.5 * sigma / root * output.float()
        loss = (denoised - clean).square().mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if not args.miniature:
            torch.cuda.synchronize()
        seconds.append(clock(args) - started)
    return seconds[WARM_UP:]


def true_architecture(args: argparse.Namespace):
    """Playground's networks with random weights, made on the GPU; only the VAE is written to disk."""
    import torch
    from diffusers import (
        AutoencoderKL,
        EDMDPMSolverMultistepScheduler,
        StableDiffusionXLPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    from benchmarks.architecture import CLIP_BIG_G, CLIP_L, PLAYGROUND_UNET, PLAYGROUND_VAE
    from core.finetuning.model.network import DTYPES, Base
    from tests.tiny_pipeline import build_tiny_tokenizer

    tokenizer = build_tiny_tokenizer(args.work / "tokenizer")
    numbers = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1, "vocab_size": 49408}
    torch.set_default_dtype(DTYPES[args.precision])
    with torch.device("cuda"):
        unet = UNet2DConditionModel(**PLAYGROUND_UNET)
        text_encoder = CLIPTextModel(CLIPTextConfig(**CLIP_L, **numbers))
        text_encoder_2 = CLIPTextModelWithProjection(CLIPTextConfig(**CLIP_BIG_G, **numbers))
        vae = AutoencoderKL(**PLAYGROUND_VAE)
    torch.set_default_dtype(torch.float32)
    vae.save_pretrained(args.work / "model" / "vae")
    pipeline = StableDiffusionXLPipeline(
        vae=vae,
        text_encoder=text_encoder,
        text_encoder_2=text_encoder_2,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=unet,
        scheduler=EDMDPMSolverMultistepScheduler(),
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    for module in (vae, text_encoder, text_encoder_2, unet):
        module.requires_grad_(False).eval()
    return Base("random weights", args.work / "model", pipeline, "random")


if __name__ == "__main__":
    main()

"""Puts the trained parts together as a StableDiffusionXLPipeline folder: fp16, safetensors, no code.

Writes to a folder beside the target and swaps the two, so that a complete model is there at every moment.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, EDMDPMSolverMultistepScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from transformers import CLIPTokenizer

from .text_encoders import load_encoders

DEFAULTS: dict[str, object] = {
    "default_size": [256, 256],
    "show_size": [512, 512],
    "name": "playground-mini",
    "revision": "3",
    "max_prompt_tokens": 77,
}
KEPT = (
    "MODEL_CARD.md",
    "contact_sheet.webp",
    "contact_sheet_seeds.webp",
    "contact_sheet_styles.webp",
    "contact_sheet_subjects.webp",
)
MOST_BYTES = 25_000_000


def build(autoencoder: Path, tokenizer_folder: Path, encoders_file: Path, unet: Path) -> StableDiffusionXLPipeline:
    tokenizer = CLIPTokenizer.from_pretrained(tokenizer_folder)
    encoders = load_encoders(encoders_file, tokenizer)
    scheduler = EDMDPMSolverMultistepScheduler(
        sigma_min=0.002, sigma_max=80.0, sigma_data=0.5, sigma_schedule="karras", rho=7.0, solver_order=2
    )
    return StableDiffusionXLPipeline(
        vae=AutoencoderKL.from_pretrained(autoencoder, torch_dtype=torch.float32),
        text_encoder=encoders.first,
        text_encoder_2=encoders.second,
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        unet=UNet2DConditionModel.from_pretrained(unet, torch_dtype=torch.float32),
        scheduler=scheduler,
        force_zeros_for_empty_prompt=True,
        add_watermarker=False,
    )


def forget_paths(folder: Path) -> None:
    """Removes the training machine's paths from the configurations."""
    for path in folder.rglob("*.json"):
        content = json.loads(path.read_text("utf-8"))
        if isinstance(content, dict) and content.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--autoencoder", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--encoders", type=Path, required=True)
    parser.add_argument("--unet", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=1.5)
    arguments = parser.parse_args()

    fresh = arguments.out.with_name(arguments.out.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    pipeline = build(arguments.autoencoder, arguments.tokenizer, arguments.encoders, arguments.unet)
    pipeline.to(torch.float16).save_pretrained(fresh)
    forget_paths(fresh)
    defaults = {"default_steps": arguments.steps, "default_guidance": arguments.guidance, **DEFAULTS}
    (fresh / "imagine_sound.json").write_text(json.dumps(defaults, indent=2) + "\n", encoding="utf-8")
    for name in KEPT:
        if (arguments.out / name).exists():
            shutil.copy2(arguments.out / name, fresh / name)
    for path in fresh.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    size = sum(path.stat().st_size for path in fresh.rglob("*") if path.is_file())
    if size > MOST_BYTES:
        raise SystemExit(f"{size} bytes are more than {MOST_BYTES}")

    old = arguments.out.with_name(arguments.out.name + ".old")
    if arguments.out.exists():
        arguments.out.rename(old)
    fresh.rename(arguments.out)
    shutil.rmtree(old, ignore_errors=True)
    print(f"{arguments.out}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()

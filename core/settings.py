"""The core's settings, from the environment and `.env`; every field says what it does.

The names in the environment are the fields' names in capitals (`IMAGE_MODEL=...`). `.env.example` lists them all.
What only Discord needs is in `bot/settings.py`.
"""

from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import platformdirs
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.hearing.audio import AudioLimits
from core.prompting.styles import Style

PLAYGROUND = "playgroundai/playground-v2.5-1024px-aesthetic"


class Speed(StrEnum):
    """How far quality may be traded for speed; see `core/generation/presets.py` for what each changes."""

    EXACT = "exact"
    BALANCED = "balanced"
    FAST = "fast"


class CoreSettings(BaseSettings):
    """Hearing, painting and where their models come from."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True)

    yamnet_model: Path | None = Field(
        None, description="A YamNet .tflite with MediaPipe metadata; empty: cache, then download, then the bundled one."
    )
    image_model: str = Field(
        "auto",
        description="A diffusers model: a hub name or a directory. auto: Playground v2.5 on a CUDA GPU, else the "
        "bundled miniature.",
    )
    image_model_revision: str | None = Field(None, description="The hub revision of IMAGE_MODEL; empty: the newest.")
    allow_miniatures: bool = Field(
        True, description="Whether the small bundled models may stand in where the real ones are missing."
    )
    download_models: bool = Field(True, description="Whether a missing model may be fetched from its official place.")
    model_cache: Path = Field(
        default_factory=lambda: platformdirs.user_cache_path("imagine-sound"),
        description="Where fetched models are kept; empty: the user's cache directory.",
    )
    adapters_dir: Path = Field(Path("adapters"), description="Where LoRA adapters (.safetensors) lie, one file each.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="What paints; auto: CUDA where there is one.")

    max_file_mb: Annotated[float, Field(gt=0, le=500)] = Field(25, description="Larger recordings are refused, in MB.")
    max_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        60, description="Of longer recordings the liveliest stretch of this many seconds is heard."
    )
    decode_timeout_s: Annotated[float, Field(gt=0, le=600)] = Field(
        30, description="How many seconds ffmpeg may take for one recording."
    )
    hearing_threads: Annotated[int, Field(ge=1, le=32)] = Field(2, description="How many recordings are heard at once.")

    style: Style = Field(Style.NONE, description="The style of pictures for which nobody chose one.")
    transcribe: bool = Field(
        False, description="Whether spoken words are recognised and become part of the prompt (pip extra: transcribe)."
    )

    speed: Speed = Field(
        Speed.EXACT,
        description="exact: nothing is traded for speed; balanced: fewer steps; fast: fewer steps, guidance in the "
        "middle only, and FP8 where the GPU has it.",
    )
    max_batch: Annotated[int, Field(ge=1, le=32)] = Field(
        8, description="How many pictures are painted at once at most."
    )
    preview_every: Annotated[int, Field(ge=0, le=100)] = Field(
        5, description="A preview is made every this many steps; 0: none."
    )
    compile_model: bool = Field(
        True, description="Whether the model is compiled on CUDA: minutes once, then faster pictures."
    )
    max_waiting: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1000, description="How many requests may wait for painting before new ones are refused."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="How much the log says.")

    @cached_property
    def audio_limits(self) -> AudioLimits:
        """The limits for one recording."""
        return AudioLimits(int(self.max_file_mb * 1_000_000), self.max_seconds, self.decode_timeout_s)

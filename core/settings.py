"""The core's settings, from the environment and `.env`; every field says what it does.

The names in the environment are the fields' names in capitals (`IMAGE_MODEL=...`). `.env.example` lists them all.
What only Discord needs is in `bot/settings.py`. Programs read both with `read_settings`, which leaves no secret in the
environment.
"""

import os
import re
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import platformdirs
from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from core.errors import WrongSetting
from core.hearing.audio import AudioLimits
from core.prompting.styles import Style

PLAYGROUND = "playgroundai/playground-v2.5-1024px-aesthetic"

SECRETS = Path("/run/secrets")
"""Where Docker, Podman and Kubernetes put a secret as a file, named as its variable is."""
OTHER_NAMES = ("HUGGING_FACE_HUB_TOKEN",)
"""What libraries call a secret of ours besides."""

AnySettings = TypeVar("AnySettings", bound=BaseSettings)


class Speed(StrEnum):
    """How far quality may be traded for speed; see `core/generation/presets.py` for what each changes."""

    EXACT = "exact"
    BALANCED = "balanced"
    FAST = "fast"


class Memory(StrEnum):
    """How much of a GPU's memory painting may take; see `core/generation/residence.py`."""

    AUTO = "auto"
    SMALL = "small"


class Speech(StrEnum):
    """Whether speech is recognised."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


class CoreSettings(BaseSettings):
    """Hearing, painting and where their models come from."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True)

    yamnet_model: Path | None = Field(
        None, description="A YamNet .tflite with MediaPipe metadata; empty: cache, then download, then the bundled one."
    )
    image_model: str = Field(
        "auto",
        description="A diffusers model: a hub name, a directory, or a single .safetensors file of Playground's kind. "
        "auto: Playground v2.5 on a CUDA GPU, else the bundled miniature.",
    )
    image_model_revision: str | None = Field(
        None,
        description="The hub revision of IMAGE_MODEL; empty: for Playground v2.5 the commit that this version was made "
        "for, for others the newest.",
    )
    upscale_model: Path | None = Field(
        None,
        description="A super-resolution network (.safetensors or .pth) that makes pictures larger (pip extra: "
        "upscale); empty: the fetched one (`imagine-sound models pull upscaler`), for the bundled painter the bundled "
        "one, else none.",
    )
    hf_token: SecretStr | None = Field(
        None, description="A token for the Hugging Face hub; only for an IMAGE_MODEL that is not public."
    )
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
    hearing_threads: Annotated[int, Field(ge=1, le=32)] = Field(
        default_factory=lambda: min(4, os.cpu_count() or 1),
        description="How many recordings are heard at once; empty: as many as there are cores, four at most.",
    )
    hearing_budget: Annotated[int, Field(ge=0, le=512)] = Field(
        64,
        description="How many windows of 0.975 s are heard for one recording: as often as that allows it is looked at "
        "anew, up to eight times, and the average counts; 0: one look.",
    )

    style: Style = Field(Style.NONE, description="The style of pictures for which nobody chose one.")
    speech: Speech = Field(
        Speech.AUTO,
        description="Whether what is said in a recording is recognised and painted (pip extra: speech). auto: if the "
        "extra and a recogniser are here (`imagine-sound models pull speech`); on: the same, and what is missing is "
        "an error for `imagine-sound doctor`; off: never. No recording fails because of it.",
    )
    speech_model: str = Field(
        "auto",
        description="A Whisper model for CTranslate2: its size (tiny, base, small, ...), or a directory. auto: small "
        "with four processor cores or more, else base. Base understands little but English.",
    )
    speech_language: str | None = Field(
        None,
        pattern="^[a-z]{2,3}$",
        description="What is spoken, as a code (en, de, ...); empty: it is detected in each recording.",
    )
    speech_patience_s: Annotated[float, Field(ge=1, le=60)] = Field(
        10, description="How many seconds painting waits for what is said; then the sounds are painted."
    )
    scene_url: str | None = Field(
        None,
        description="A language model that finds the scene in what is said: an OpenAI-compatible address such as "
        "http://127.0.0.1:11434/v1; empty: rules find it. Words leave this computer if the model is elsewhere.",
    )
    scene_model: str | None = Field(
        None,
        validate_default=True,
        description="What SCENE_URL calls the model: an instruct model, kept loaded (OLLAMA_KEEP_ALIVE=-1).",
    )
    scene_key: SecretStr | None = Field(None, description="The key for SCENE_URL, if it needs one.")
    transcribe: bool | None = Field(None, description="What SPEECH was called before; still read.")

    speed: Speed = Field(
        Speed.EXACT,
        description="exact: nothing is traded for speed; balanced: the whole network runs at every second step only; "
        "fast: at every third, guidance in the middle only, and FP8 where the GPU has it.",
    )
    max_batch: Annotated[int, Field(ge=1, le=32)] = Field(
        8, description="How many pictures are painted at once at most."
    )
    memory: Memory = Field(
        Memory.AUTO,
        description="auto: as much of the GPU's memory as is free and useful; small: as little as can be, for whoever "
        "shares the card (6 GB for Playground v2.5): its UNet is stored in FP8, pictures are decoded in tiles.",
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

    @model_validator(mode="after")
    def _heed_the_former_name(self) -> Self:
        """TRANSCRIBE counts where SPEECH was not set."""
        if self.transcribe is not None and "speech" not in self.model_fields_set:
            self.speech = Speech.ON if self.transcribe else Speech.OFF
        return self

    @field_validator("scene_url")
    @classmethod
    def _is_an_address(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"https?://[^/\s]\S*", url):
            raise PydanticCustomError("address", "it has to be an address that begins with http:// or https://")
        return url

    @field_validator("scene_model")
    @classmethod
    def _is_named_with_its_address(cls, name: str | None, others: ValidationInfo) -> str | None:
        if name is None and others.data.get("scene_url") is not None:
            raise PydanticCustomError("missing", "SCENE_URL is set, so the model that it is to use has to be named")
        return name

    @cached_property
    def audio_limits(self) -> AudioLimits:
        """The limits for one recording."""
        return AudioLimits(int(self.max_file_mb * 1_000_000), self.max_seconds, self.decode_timeout_s)

    @property
    def hub_token(self) -> str | None:
        """`hf_token` as the hub's client takes it."""
        return self.hf_token.get_secret_value() if self.hf_token else None


def read_settings(kind: type[AnySettings], secrets: Path = SECRETS) -> AnySettings:
    """The settings from the environment, `.env`, and files in `secrets` where it exists; the first of them wins.

    The secrets leave the environment, so that no child and no library finds them there. Raises ValidationError, and
    WrongSetting for a file that cannot be read.
    """
    # the library warns of a directory that is not there
    sources: dict[str, Any] = {"_secrets_dir": secrets} if secrets.is_dir() else {}
    try:
        return kind(**sources)
    except (SettingsError, UnicodeDecodeError, OSError) as error:
        raise WrongSetting(_unreadable(error.__cause__ or error, secrets)) from error
    finally:
        secret = {*map(str.upper, secret_names(kind)), *OTHER_NAMES}
        for name in [name for name in os.environ if name.upper() in secret]:  # in whatever case it was written
            del os.environ[name]


def _unreadable(error: BaseException, secrets: Path) -> str:
    if isinstance(error, OSError):
        return f"{error.filename} cannot be read ({error.strerror}); let this user read it."
    if isinstance(error, UnicodeDecodeError):
        return f"The file .env or a file in {secrets} is not UTF-8 text; save it as UTF-8."
    return "A setting in the environment, in .env or in a file cannot be read; see .env.example."


def secret_names(kind: type[BaseSettings]) -> list[str]:
    """The fields of `kind` that are secrets."""
    return [name for name, field in kind.model_fields.items() if field.annotation == SecretStr | None]

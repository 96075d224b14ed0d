"""The core's settings, from the environment and `.env`; every field says what it does.

The names in the environment are the fields' names in capitals (`IMAGE_MODEL=...`). `.env.example` lists them all.
What only Discord needs is in `bot/settings.py`; what it shares with the page is ServiceSettings, which both extend.
Programs read both with `reading_settings.py`, which leaves no secret in the environment.
"""

import os
import re
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

import platformdirs
from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core.hearing.audio import AudioLimits
from core.options import Compiling, Memory, PictureCheck, Speed
from core.prompting.styles import Style

RAY_ADDRESS = "http://127.0.0.1:8000"
"""Where a cluster of this machine answers."""
FORMERLY = {"on": "auto", "true": "auto", "yes": "auto", "1": "auto", "false": "off", "no": "off", "0": "off"}
"""What COMPILE_MODEL was before, and what that is called by now."""


class Speech(StrEnum):
    """Whether speech is recognised."""

    AUTO = "auto"
    ON = "on"
    OFF = "off"


FORMER: JsonDict = {"former": True}
"""Marks a setting that is only read where it was set before: nobody is asked for it."""


class ServiceSettings(BaseSettings):
    """What whoever answers many people needs, in Discord or on the page: where things are kept, and who may ask for how
    much. A browser has a person's limits, all browsers together have a server's."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True)

    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("imagine-sound"),
        description="Where the bot keeps its database (accepted requests, recipes, server settings, block lists) and "
        "the page its pictures; empty: the user's data directory.",
    )
    keep_days: Annotated[float, Field(gt=0)] = Field(
        90.0, description="How many days the bot keeps a picture's recipe; its buttons work as long."
    )
    pictures_per_user_hour: Annotated[int, Field(ge=1)] = Field(
        20,
        description="How many pictures one person, or one browser, may ask for in an hour; a server may allow fewer.",
    )
    pictures_per_server_hour: Annotated[int, Field(ge=1)] = Field(
        300, description="How many pictures one server, or all browsers together, may ask for in an hour."
    )
    pictures_per_hour: Annotated[int, Field(ge=1)] | None = Field(
        None, description="How many pictures all servers together may ask for in an hour; empty: as many as they like."
    )
    waiting_per_user: Annotated[int, Field(ge=1)] = Field(
        5, description="How many requests of one person, or one browser, may be unfinished at once."
    )
    waiting_per_server: Annotated[int, Field(ge=1)] = Field(
        100, description="How many requests of one server, or of all browsers together, may be unfinished at once."
    )


class CoreSettings(ServiceSettings):
    """Hearing, painting and where their models come from; and the page."""

    yamnet_model: Path | None = Field(
        None, description="A YamNet .tflite with MediaPipe metadata; empty: cache, then download, then the bundled one."
    )
    image_model: str = Field(
        "auto",
        description="A diffusers model: a hub name, one of the short names that `imagine-sound models pull` knows, a "
        "directory, or a single .safetensors file of Playground's kind. auto: Playground v2.5 on a CUDA GPU; without "
        "one SD-Turbo if `imagine-sound models pull sd-turbo` has fetched it, else the bundled miniature.",
    )
    image_model_revision: str | None = Field(
        None,
        description="The hub revision of IMAGE_MODEL; empty: for Playground v2.5 and others that are known the commit "
        "that this version was made for, else the newest.",
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
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda|all|(cpu|cuda:\d+)(,(cpu|cuda:\d+))*)$")] = Field(
        "auto",
        description="What paints; auto: CUDA where there is one. all, or names such as cuda:0,cuda:1: several cards, "
        "with a process for each.",
    )

    max_file_mb: Annotated[float, Field(gt=0, le=500)] = Field(
        25, description="Larger recordings are refused, in MB; so are larger pictures that are to be verified."
    )
    max_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        60, description="Of longer recordings the liveliest stretch of this many seconds is heard."
    )
    story_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        180, description="A sound story is at most so many seconds long: that much of a longer recording is filmed."
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
    transcribe: bool | None = Field(
        None,
        description="What SPEECH was called before; still read, since whoever switched it off meant it.",
        json_schema_extra=FORMER,
    )

    watermark: bool = Field(
        True,
        description="Whether the noise that a picture starts from carries a mark, which cannot be seen and by which "
        "`imagine-sound verify` knows the picture again. Its key is DATA_DIR/watermark.key: keep a copy, and a secret.",
    )
    c2pa: bool = Field(
        True,
        description="Whether pictures carry a signed C2PA manifest that says that a model made them (pip extra: c2pa; "
        "without it, none do). It is signed with the key and certificate in DATA_DIR/c2pa.pem: what is made there, or "
        "what you put there.",
    )
    picture_check: PictureCheck = Field(
        PictureCheck.AUTO,
        description="Whether a classifier looks at each picture before it is shown in Discord or on the page: off; "
        "spoiler: what it takes for sexual is covered; block: that is not shown, and costs nothing. auto: block once "
        "`imagine-sound models pull picture-check` has fetched the classifier, else off. In age-restricted channels "
        "of Discord off, unless a server's settings say otherwise.",
    )
    speed: Speed = Field(
        Speed.EXACT,
        description="exact: nothing is traded for speed; balanced: one evaluation a step instead of two, where "
        "`imagine-sound distil` made an adapter for that, else the whole network runs at every second step only; "
        "fast: that adapter and the whole network at every third step only, without it also guidance in the middle "
        "only, and FP8 where the GPU has it.",
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
    compile_model: Compiling = Field(
        Compiling.AUTO,
        description="auto: on a GPU, the model is compiled part by part while nobody waits; until then pictures are "
        "painted somewhat slower. off: never. whole: all of it, tuned for this GPU; that takes minutes for each "
        "number of pictures at once, and whoever asks meanwhile waits.",
    )
    max_waiting: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1000, description="How many requests may wait for painting before new ones are refused."
    )
    painters: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Where pictures are painted. local: in this process; else the addresses of painters, separated by "
        "commas, on each of which `imagine-sound paint-server` runs: http://gpu1:8090,http://gpu2:8090. ray: the "
        "cluster that `imagine-sound cluster start` began on this machine.",
    )
    painter_token: SecretStr | None = Field(
        None,
        description="What those who paint for others are asked with, the same on both ends; a painter that is reached "
        "from elsewhere needs one.",
    )
    web_bind: str | None = Field(
        None,
        description="Where the page listens, as host:port; empty: the bot has no page, and `imagine-sound serve` "
        "listens on 127.0.0.1:8080.",
    )
    web_token: SecretStr | None = Field(
        None,
        description="The page's password; empty: none on 127.0.0.1, elsewhere one is made, told once and kept in "
        "DATA_DIR.",
    )
    web_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="The names under which the page is reached, separated by commas: pictures.example.org, say. This "
        "machine's own name and any IP address are served without being listed.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="How much the log says.")

    @model_validator(mode="after")
    def _heed_the_former_name(self) -> Self:
        """TRANSCRIBE counts where SPEECH was not set."""
        if self.transcribe is not None and "speech" not in self.model_fields_set:
            self.speech = Speech.ON if self.transcribe else Speech.OFF
        return self

    @field_validator("compile_model", mode="before")
    @classmethod
    def _heed_former_values(cls, how: object) -> object:
        if isinstance(how, bool):
            return Compiling.AUTO if how else Compiling.OFF
        return FORMERLY.get(how.lower(), how) if isinstance(how, str) else how

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

    @field_validator("web_bind")
    @classmethod
    def _is_host_and_port(cls, bind: str | None) -> str | None:
        if bind is not None:
            host, _, port = bind.rpartition(":")
            if not host or not port.isdecimal() or int(port) > 65535:
                raise PydanticCustomError("address", "it has to be host:port, such as 127.0.0.1:8080")
        return bind

    @property
    def has_process_a_device(self) -> bool:
        """Whether DEVICE asks for painting processes, one a card."""
        return self.device == "all" or ":" in self.device or "," in self.device

    @field_validator("painters", mode="before")
    @classmethod
    def _split_painters(cls, value: object) -> object:
        addresses = tuple(value.replace(",", " ").split()) if isinstance(value, str) else value
        if addresses == ("ray",):
            return (RAY_ADDRESS,)
        return () if addresses == ("local",) else addresses

    @field_validator("painters")
    @classmethod
    def _are_addresses(cls, addresses: tuple[str, ...]) -> tuple[str, ...]:
        for address in addresses:
            if not re.fullmatch(r"https?://[^/\s]+/?", address):
                raise PydanticCustomError(
                    "address", "it has to be local, or addresses such as http://gpu1:8090, separated by commas"
                )
        return tuple(dict.fromkeys(address.rstrip("/") for address in addresses))

    @field_validator("web_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @cached_property
    def audio_limits(self) -> AudioLimits:
        """The limits for one recording."""
        return AudioLimits(int(self.max_file_mb * 1_000_000), self.max_seconds, self.decode_timeout_s)

    @property
    def compile_cache(self) -> Path:
        """Below it lies what was compiled."""
        return self.model_cache / "compiled"

    @property
    def painter_secret(self) -> str | None:
        """`painter_token` as text."""
        return self.painter_token.get_secret_value() if self.painter_token else None

    @property
    def hub_token(self) -> str | None:
        """`hf_token` as the hub's client takes it."""
        return self.hf_token.get_secret_value() if self.hf_token else None

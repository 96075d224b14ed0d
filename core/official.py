"""The models that can be fetched, as their makers publish them: where, which version, how large, under which licence.

Values only; how they are fetched is the business of `fetching.py` and `hub.py`, which is wanted that of `models.py`.
Other painters than Playground stand in `catalogue.toml`.
"""

from core import catalogue
from core.fetching import ModelFile, OfficialModel

PLAYGROUND = "playgroundai/playground-v2.5-1024px-aesthetic"

YAMNET = OfficialModel(
    name="YamNet",
    address="https://storage.googleapis.com/mediapipe-models/audio_classifier/yamnet/float32/1/yamnet.tflite",
    sha256="10c95ea3eb9a7bb4cb8bddf6feb023250381008177ac162ce169694d05c317de",
    about_bytes=4_000_000,
    licence="Apache-2.0",
)
PLAYGROUND_FILES = tuple(
    ModelFile(name, size)
    for name, size in (
        ("model_index.json", None),
        ("scheduler/scheduler_config.json", None),
        ("text_encoder/config.json", None),
        ("text_encoder/model.fp16.safetensors", None),
        ("text_encoder_2/config.json", None),
        ("text_encoder_2/model.fp16.safetensors", None),
        ("tokenizer/merges.txt", None),
        ("tokenizer/special_tokens_map.json", None),
        ("tokenizer/tokenizer_config.json", None),
        ("tokenizer/vocab.json", None),
        ("tokenizer_2/merges.txt", None),
        ("tokenizer_2/special_tokens_map.json", None),
        ("tokenizer_2/tokenizer_config.json", None),
        ("tokenizer_2/vocab.json", None),
        ("unet/config.json", None),
        ("unet/diffusion_pytorch_model.fp16.safetensors", 5_135_149_760),
        ("vae/config.json", None),
        ("vae/diffusion_pytorch_model.fp16.safetensors", None),
    )
)
"""The pipeline with its half-precision weights; the same weights lie in the repository's root again, as one file."""
PLAYGROUND_MODEL = OfficialModel(
    name="Playground v2.5",
    address=PLAYGROUND,
    commit="1e032f13f2fe6db2dc49947dbdbd196e753de573",
    about_bytes=6_900_000_000,
    licence="Playground v2.5 Community License",
    files=PLAYGROUND_FILES,
)
TAESDXL = OfficialModel(
    name="TAESDXL",
    address="madebyollin/taesdxl",
    commit="b20258aaef75ef61e659c1e0f14f251cf0ad153e",
    about_bytes=10_000_000,
    licence="MIT",
    files=(ModelFile("config.json"), ModelFile("diffusion_pytorch_model.safetensors")),
)
"""A small decoder for previews; without it they are simpler."""
TAESD = OfficialModel(
    name="TAESD",
    address="madebyollin/taesd",
    commit="614f76814bbe30edbe2e627ace1c2234c81a2c0e",
    about_bytes=9_800_000,
    licence="MIT",
    files=(ModelFile("config.json"), ModelFile("diffusion_pytorch_model.safetensors", 9_793_292)),
)
"""The same for Stable Diffusion's latents, which it decodes on a processor."""
TINY_DECODERS = {"taesd": TAESD, "taesdxl": TAESDXL}
"""By what the catalogue calls them."""
UPSCALER = OfficialModel(
    name="realesr-general-x4v3",
    address="https://github.com/xinntao/Real-ESRGAN/releases/download/v0.2.5.0/realesr-general-x4v3.pth",
    sha256="8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
    about_bytes=4_900_000,
    licence="BSD-3-Clause",
)
"""A super-resolution network that makes pictures larger; fetched only where somebody asks for it."""
PICTURE_CHECK = OfficialModel(
    name="NSFW image detection",
    address="Falconsai/nsfw_image_detection",
    about_bytes=343_000_000,
    licence="Apache-2.0",
    files=tuple(map(ModelFile, ("config.json", "preprocessor_config.json", "model.safetensors"))),
)
"""A vision transformer with the labels normal and nsfw. No commit is pinned: the newest is taken."""
WHISPER_FILES = tuple(map(ModelFile, ("config.json", "model.bin", "tokenizer.json", "vocabulary.*")))
WHISPER = {
    size: OfficialModel(
        name=f"Whisper {size}",
        address=f"Systran/faster-whisper-{size}",
        commit=commit,
        about_bytes=about,
        licence="MIT",
        files=(*WHISPER_FILES, ModelFile("preprocessor_config.json")) if size == "large-v3" else WHISPER_FILES,
    )
    for size, commit, about in (
        ("tiny", "d90ca5fe260221311c53c58e660288d3deb8d356", 78_000_000),
        ("base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66", 148_000_000),
        ("small", "536b0662742c02347bc0e980a01041f333bce120", 487_000_000),
        ("medium", None, 1_530_000_000),
        ("large-v3", None, 3_090_000_000),
    )
}
"""What recognises speech; of those without a commit the newest is taken. Large-v3 looks at 128 mel bands instead of 80,
which only its preprocessor's file says; without it every recognition fails."""
CORES_FOR_SMALL = 4
"""So many processor cores recognise with small about as quickly as people talk."""
ENGLISH = OfficialModel(
    name="en_core_web_sm",
    address="https://github.com/explosion/spacy-models/releases/download/en_core_web_sm-3.8.0/"
    "en_core_web_sm-3.8.0-py3-none-any.whl",
    sha256="1932429db727d4bff3deed6b34cfc05df17794f4a52eeb26cf8928f7c1a0fb85",
    about_bytes=12_800_000,
    licence="MIT",
)
"""spaCy's small English pipeline, by which rules find the scene in what is said."""
ENGLISH_INSIDE = "en_core_web_sm/en_core_web_sm-3.8.0"
ENGLISH_MARK = "config.cfg"
"""What a pipeline's directory holds, and nothing else does."""
PINNED = {official.address: official.commit for official in (PLAYGROUND_MODEL, TAESDXL)}


def pinned(name: str) -> str | None:
    """The commit at which the hub model `name` is taken where no setting says otherwise; None: the newest."""
    known = catalogue.named(name)
    return known.official.commit if known else PINNED.get(name)

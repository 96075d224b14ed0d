"""Which LoRA adapters lie in a directory, by their files' names; none is opened."""

from pathlib import Path


def find_adapters(directory: Path) -> dict[str, Path]:
    """The LoRA adapters in `directory` by name: `name.safetensors`, or `name/pytorch_lora_weights.safetensors`."""
    if not directory.is_dir():
        return {}
    files = {path.stem: path for path in sorted(directory.glob("*.safetensors"))}
    folders = {path.parent.name: path for path in sorted(directory.glob("*/pytorch_lora_weights.safetensors"))}
    return folders | files

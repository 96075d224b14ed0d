"""Tensors kept on disk, each entry whole or not at all, and with a checksum: what is damaged is made anew.

Several runs may share a folder: each writes under a temporary name of its own. WrongSetting is raised where an entry
cannot be written, on a full disk, say.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from core.files import written_whole

CHECKSUM = "sha256"
"""What an entry calls the hash of its other tensors; 32 bytes."""


def write_entry(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write one; another run's of the same name is replaced, for it holds the same."""
    content = save({**tensors, CHECKSUM: _checksum(tensors)})
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def read_entry(path: Path) -> dict[str, Tensor]:
    """An entry's tensors. Not mapped into memory, where a file that somebody cuts off would end the program."""
    tensors = load(path.read_bytes())
    tensors.pop(CHECKSUM, None)
    return tensors


class KeptInMemory:
    """Reads entries, and keeps those that were read while there is room for them."""

    def __init__(self, room: int) -> None:
        """`room` in bytes."""
        self._left = room
        self._kept: dict[Path, dict[str, Tensor]] = {}

    def read(self, path: Path) -> dict[str, Tensor]:
        """An entry's tensors, which nobody may change."""
        if (kept := self._kept.get(path)) is not None:
            return kept
        entry = read_entry(path)
        if (size := sum(tensor.nbytes for tensor in entry.values())) <= self._left:
            self._kept[path], self._left = entry, self._left - size
        return entry


def is_whole(path: Path) -> bool:
    """Whether an entry's tensors are those that were written. Raises FileNotFoundError if there is none."""
    try:
        tensors = load(path.read_bytes())
    except SafetensorError:
        return False
    told = tensors.pop(CHECKSUM, None)
    return told is not None and torch.equal(told, _checksum(tensors))


def entry_name(*parts: str) -> str:
    """A name for what depends on these and nothing else."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40] + ".safetensors"


def _checksum(tensors: Mapping[str, Tensor]) -> Tensor:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)

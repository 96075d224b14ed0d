"""Where compiled code is kept from one start to the next: a directory for each PyTorch, GPU and architecture.

Inductor and Triton look there by themselves. It knows nothing of what is compiled.
"""

import atexit
import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

log = logging.getLogger(__name__)


class CompileCache:
    """The directory below `root` for this PyTorch, `device` and the architecture `config`; used from now on.

    A directory that cannot be made is done without: then all is compiled anew at each start.
    """

    def __init__(self, root: Path, device: torch.device, config: Mapping[str, object]) -> None:
        self.place = root / name_of(device, config)
        self._mark = self.place.with_name(self.place.name + ".in-use")
        self._holds_earlier = self.place.is_dir() and any(self.place.iterdir())
        try:
            root.mkdir(parents=True, exist_ok=True)
            if self._mark.exists():
                log.warning(
                    "the program ended while it compiled, perhaps because of what it had compiled before, which is "
                    "thrown away; if that happens again, set COMPILE_MODEL=off"
                )
                self.discard()
                self._mark.unlink(missing_ok=True)
            self.place.mkdir(exist_ok=True)
        except OSError:
            log.warning("no place for what is compiled: %s; it is compiled anew at each start", root, exc_info=True)
            return
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(self.place)
        os.environ["TRITON_CACHE_DIR"] = str(self.place / "triton")

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """While something is compiled. A process that dies meanwhile, and does not end in order, leaves a mark."""
        try:
            self._mark.touch()
        except OSError:
            yield
            return
        atexit.register(self._unmark)
        try:
            yield
        finally:
            self._unmark()
            atexit.unregister(self._unmark)

    def discard(self) -> bool:
        """Throw away what was there at the start. Returns whether there was anything; only the first time there is."""
        from torch._inductor.utils import clear_caches

        if not self._holds_earlier:
            return False
        self._holds_earlier = False
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(exist_ok=True)
        clear_caches()
        return True

    def _unmark(self) -> None:
        self._mark.unlink(missing_ok=True)


def name_of(device: torch.device, config: Mapping[str, object]) -> str:
    """By what compiled code differs."""
    kind = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    plain = {key: value for key, value in config.items() if not key.startswith("_")}  # no place in it
    model = hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()[:12]
    return re.sub(r"[^\w.+-]+", "-", f"{torch.__version__}-{kind}-{model}")


def held(root: Path) -> int:
    """How many bytes of compiled code lie below `root`."""
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())

"""Imports spandrel where torchvision is not installed, as in `make test`'s environment (pyproject.toml says why).

Of torchvision, spandrel takes three names for two networks, LaMa and RestoreFormer, that enlarge nothing. As a program
it runs another one with that: `python -m tests.spandrel_alone core imagine siren.wav --larger 2`.
"""

import sys
from importlib.util import find_spec
from runpy import run_module
from types import ModuleType

MODULES = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
NAMES = ("InterpolationMode", "normalize", "rotate")


def import_spandrel() -> None:
    """Import it; whoever imports it afterwards finds it."""
    if "spandrel" in sys.modules or find_spec("torchvision") is not None:
        return
    stand_ins = {name: ModuleType(name) for name in MODULES}
    for name in NAMES:
        setattr(stand_ins[MODULES[-1]], name, None)
    sys.modules.update(stand_ins)
    try:
        import spandrel  # noqa: F401
    finally:
        for name in MODULES:  # transformers and diffusers look for torchvision, and are to find none
            del sys.modules[name]


if __name__ == "__main__":
    import_spandrel()
    del sys.argv[0]
    run_module(sys.argv[0], run_name="__main__", alter_sys=True)

"""What a first picture costs from a cold start: `python -m benchmarks.starting`, with the bundled miniatures.

`imagine-sound imagine`, and a bare import of what diffusers needs to paint with SDXL, are run in turns, each as a
process of its own, and the processor time of the cheapest run of each is compared: whatever else the machine does only
adds to it.
`imagine-sound --help` is run likewise.
"""

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from core.hearing.samples import siren, write_wav

BARE = "from diffusers import StableDiffusionXLPipeline"


def cpu_seconds(command: Sequence[str]) -> float:
    """The processor time, user's and system's, of `command` and what it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *command], check=True, capture_output=True, env=os.environ | {"DEVICE": "cpu"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main() -> None:
    """Measure in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    turns = parser.parse_args().turns
    with TemporaryDirectory() as place:
        sound = str(write_wav(Path(place) / "siren.wav", siren(seconds=5)))
        painting = ["-m", "core", "imagine", sound, "--seed", "7", "--force", "--out", str(Path(place) / "siren.png")]
        commands = {"picture": painting, "import": ["-c", BARE], "help": ["-m", "core", "--help"]}
        rounds = [{name: cpu_seconds(command) for name, command in commands.items()} for _ in range(turns)]
    best = {name: min(seconds[name] for seconds in rounds) for name in commands}
    print(
        f"a picture {best['picture']:.2f} s of processor time, a bare import {best['import']:.2f} s: "
        f"{best['picture'] / best['import']:.2f} times as much; --help {best['help']:.2f} s"
    )


if __name__ == "__main__":
    main()

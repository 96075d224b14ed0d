"""Every attack and any number of mutants against the decoder, with what each costs: `python -m tests.hostile`.

Prints a table, and whatever broke a limit; ends with 1 if anything did. `make hostile` runs it.
"""

import argparse
import asyncio
import logging
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from core.hearing.samples import siren, write_wav
from core.settings import CoreSettings
from tests.hostile.builders import HEARD, attacks
from tests.hostile.cancelling import cancel_at_random, close_under_way, next_after_two_cancelled
from tests.hostile.formats import encode, mutate
from tests.hostile.range import Range

HEAD = (
    f"{'attack':42} {'size':>11} {'outcome':24} {'child MB':>8} {'grown':>6} {'CPU s':>6} {'wall s':>6} {'said kB':>9}"
)


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--mutants", type=int, default=500, metavar="N", help="how many mutants of 20 formats")
    parser.add_argument("--first", type=int, default=0, metavar="N", help="the first mutant's seed")
    parser.add_argument("--only", default="", metavar="TEXT", help="only attacks whose names hold this")
    parser.add_argument("--cancel", type=int, default=50, metavar="N", help="how many jobs are cancelled at random")
    options = parser.parse_args()
    broken: list[str] = []
    with tempfile.TemporaryDirectory(prefix="range-") as folder, Range(Path(folder)) as shooting:
        print(HEAD)
        chosen = {name: build for name, build in attacks(shooting.canary).items() if options.only in name}
        for name, build in chosen.items():
            data = build()
            shot = shooting.shoot(data)
            faults = shot.faults()
            if name in HEARD and not shot.cost.outcome.endswith((" s", "silent")):
                faults.append("its sound was not heard")
            print(shot.line(name))
            broken += [f"{name}: {fault}" for fault in faults]
        if options.mutants:
            broken += list(_mutants(shooting, Path(folder), options.first, options.mutants))
    if options.cancel:
        broken += _cancelling(options.cancel)
    print(f"{len(chosen)} attacks, {options.mutants} mutants, {len(broken)} limits broken", *broken, sep="\n")
    return 1 if broken else 0


def _mutants(shooting: Range, folder: Path, first: int, number: int) -> Iterator[str]:
    """Shoot mutants, print what they cost at most by format, and give the limits that they broke."""
    originals = encode(folder)
    names = list(originals)
    shots: dict[str, list[tuple[int, str, float, float, float, float, int]]] = {name: [] for name in names}
    for seed in range(first, first + number):
        name = names[seed % len(names)]
        mutant = mutate(originals[name], seed)
        shot = shooting.shoot(mutant)
        yield from (f"mutant {seed} of {name}: {fault}" for fault in shot.faults())
        cost = shot.cost
        shots[name].append(
            (len(mutant), cost.outcome, cost.child_mb, cost.grown_mb, cost.cpu_s, cost.wall_s, cost.complaints)
        )
    for name, costs in shots.items():
        if costs:
            sizes, outcomes, *numbers = zip(*costs, strict=True)
            heard = sum(outcome.endswith((" s", "silent")) for outcome in outcomes)
            child, grown, cpu, wall, complaints = (max(column) for column in numbers)
            outcome = f"{heard} of {len(costs)} heard"
            print(
                f"{f'mutants of {name}':42} {max(sizes):11,} {outcome:24} {child:8.0f} {grown:6.0f} {cpu:6.2f} "
                f"{wall:6.2f} {complaints / 1000:9.1f}"
            )


def _cancelling(tries: int) -> list[str]:
    """What is left of a job that nobody wants any more, and for how long."""
    logging.disable(logging.WARNING)
    settings = CoreSettings(download_models=False)
    with tempfile.TemporaryDirectory(prefix="range-") as folder:
        wav = write_wav(Path(folder) / "siren.wav", siren())
        mp3 = wav.with_suffix(".mp3")
        subprocess.run([get_ffmpeg_exe(), "-loglevel", "error", "-i", str(wav), str(mp3)], check=True, timeout=60)
        outlived = asyncio.run(cancel_at_random(settings, tries))
        took, ended, left = asyncio.run(close_under_way(settings, bombs=8))
        waited = asyncio.run(next_after_two_cancelled(settings, mp3))
    in_time = sum(seconds <= 0.5 for seconds in outlived)
    print(f"cancelled at random: child gone in 0.5 s in {in_time} of {tries}, after {max(outlived):.2f} s at most")
    print(f"closed with 8 under way: {took:.2f} s, {Counter(type(end).__name__ for end in ended)}, {len(left)} left")
    print(f"an mp3 after two were cancelled: heard after {waited:.2f} s")
    checks = {
        "a child outlived its cancelled job": in_time == tries,
        "closing took too long": took <= 2 and not left,
        "the next person waited": waited <= 1,
    }
    return [fault for fault, kept in checks.items() if not kept]


if __name__ == "__main__":
    sys.exit(main())

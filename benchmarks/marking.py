"""How surely marked pictures are known again, and unmarked ones are not: `python -m benchmarks.marking`.

With the bundled miniature, pictures are painted with and without a mark, spoilt as people and programs spoil them, and
inspected as `imagine-sound verify` does: without any metadata, so that all 256 patterns are tried, and with the recipe.
For each way: how many of the marked ones are found, how many of the unmarked ones are taken for marked, with exact 95 %
intervals (Clopper and Pearson 1934). A line for each picture goes into --out, where what is there is not done again.

Then the same by arithmetic for Playground's 65,536 sites: what a share of right signs as found here comes to.
"""

import argparse
import io
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table
from scipy.stats import beta

from benchmarks.gpu.bench import MINIATURE, PROMPTS, Bench
from core.attribution import CERTAIN_OF_MINIATURE
from core.generation.loading import quiet_libraries
from core.generation.playground import PlaygroundModel
from core.generation.protocol import GenerationRequest, InspectionRequest
from core.prompting.prompt import Prompt
from core.provenance.watermark import PATTERNS, RADEMACHER, MarkingKey
from core.recipe import Mark

MANY = 8
"""Passes where one is not enough."""

Spoil = Callable[[Image.Image], Image.Image]


def _saved(kind: str, quality: int) -> Spoil:
    def spoil(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, kind, quality=quality)
        return Image.open(file).convert("RGB")

    return spoil


def _half(image: Image.Image) -> Image.Image:
    return _saved("JPEG", 75)(image.reduce(2))


def _cropped(image: Image.Image) -> Image.Image:
    """A tenth of each side is lost, five hundredths at each end."""
    width, height = image.size
    return image.crop((round(0.05 * width), round(0.05 * height), round(0.95 * width), round(0.95 * height)))


def _padded(image: Image.Image) -> Image.Image:
    """The same put back where it was, on grey."""
    whole = Image.new("RGB", image.size, "gray")
    whole.paste(_cropped(image), (round(0.05 * image.width), round(0.05 * image.height)))
    return whole


def _on_screen(image: Image.Image) -> Image.Image:
    """Shown somewhat smaller by a browser and captured."""
    return image.resize((round(0.83 * image.width), round(0.83 * image.height)), Image.Resampling.BILINEAR)


SPOILT: dict[str, Spoil] = {
    "as painted": lambda image: image,
    "JPEG 85": _saved("JPEG", 85),
    "JPEG 60": _saved("JPEG", 60),
    "WebP 80": _saved("WEBP", 80),
    "half the size, JPEG 75": _half,
    "a screenshot": _on_screen,
    "cropped by a tenth": _cropped,
    "cropped, padded again": _padded,
}


def evidence(model: PlaygroundModel, key: MarkingKey, number: int, mark: Mark | None) -> dict[str, list[float]]:
    """Of one picture, for each way of spoiling it: p by one pass, by MANY, and by one pass with its recipe."""
    prompt = Prompt(PROMPTS[number % len(PROMPTS)], "")
    pattern = None if mark is None else key.pattern(mark.pattern)
    state = model.prepare(GenerationRequest(prompt, seed=number, pattern=pattern))
    while not model.is_finished(state):
        [state] = model.step([state])
    [image] = model.decode([state], tiled=False)
    shown = model.picture(state, image, 0.0).image
    found = {}
    for name, spoil in SPOILT.items():
        asked = InspectionRequest(spoil(shown))
        found[name] = [
            key.evidence(model.inspect(replace(asked, prompt=words, passes=passes)).noise, claimed).p
            for words, claimed, passes in (
                (None, None, 1),
                (None, None, MANY),
                (prompt, key.pattern_for(number).mark, 1),
            )
        ]
    return found


def results(out: Path, pictures: int) -> Iterator[tuple[bool, dict[str, list[float]]]]:
    """For each picture whether it was marked and what was found; `out` keeps it."""
    done = {(line["marked"], line["number"]): line["p"] for line in map(json.loads, out.read_text().splitlines())}
    bench = Bench("", Path(), MINIATURE, "cpu")
    model, key = bench.engine(*bench.placed()), MarkingKey(bytes(range(32)))
    with out.open("a") as file:
        for number in range(pictures):
            for marked in (True, False):
                if (marked, number) not in done:
                    mark = key.pattern_for(number).mark if marked else None
                    done[marked, number] = evidence(model, key, number, mark)
                    file.write(json.dumps({"marked": marked, "number": number, "p": done[marked, number]}) + "\n")
                    file.flush()
                yield marked, done[marked, number]


def interval(hits: int, of: int) -> tuple[float, float]:
    """Where the rate lies at 95 % confidence (Clopper and Pearson 1934)."""
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, of - hits + 1))
    return low, 1.0 if hits == of else float(beta.ppf(0.975, hits + 1, of - hits))


def _rate(hits: int, of: int) -> str:
    low, high = interval(hits, of)
    return f"{100 * hits / of:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def deviations_needed(p: float, tried: int) -> float:
    """How many standard deviations `MarkingKey.evidence` wants for `p`, by bisection."""
    low, high = 0.0, 40.0
    for _ in range(60):
        middle = (low + high) / 2
        if tried * RADEMACHER * math.erfc(middle / math.sqrt(2)) / 2 > p:
            low = middle
        else:
            high = middle
    return high


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=200, help="of each, marked and not (%(default)s)")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/marking-miniature.jsonl"))
    options = parser.parse_args()
    quiet_libraries()
    options.out.touch()
    found = list(results(options.out, options.pictures))
    console = Console(width=140)
    for title, threshold in (("p < 1e-3, as for the miniature", CERTAIN_OF_MINIATURE), ("p < 1e-6", 1e-6)):
        table = Table(title=f"{title}: marked pictures that are found / unmarked ones that are taken for marked")
        for heading in ("", "one pass", f"{MANY} passes", "one pass, with the recipe"):
            table.add_column(heading, no_wrap=True)
        for name in SPOILT:
            cells = []
            for way in range(3):
                kinds = ([p[name][way] < threshold for marked, p in found if marked is kind] for kind in (True, False))
                cells.append(" / ".join(_rate(sum(hits), len(hits)) for hits in kinds))
            table.add_row(name, *cells)
        console.print(table)
    for sites in (1024, 65_536):
        wanted = deviations_needed(1e-6, PATTERNS)
        console.print(f"{sites} sites: p < 1e-6 takes {0.5 + wanted / (2 * math.sqrt(sites)):.3f} of the signs right")


if __name__ == "__main__":
    main()

"""What the evaluation found, to look at: a contact sheet, and one self-contained HTML page."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image, ImageDraw, ImageOps

from core.finetuning.hands.comparison import Comparison
from core.finetuning.hands.landmarks import Hand
from core.finetuning.report import inline_picture

TILE = 256
MAX_ROWS = 24
LIMITS = (
    "MediaPipe always fits a skeleton of 21 points: it cannot see a sixth finger, nor that one is missing or fused.",
    "It likes plausible blobs: a detection says that something looks like a hand to it, not that a person would.",
    "Its confidence is the score for left or right, the only one it gives out; it is no measure of beauty.",
    "Bone ratios and angles come from its own guess of depth; they are good for comparing, not for measuring a hand.",
    "Small hands, gloves, drawings and hands that hold something are often missed, with and without the adapter.",
    "Intervals and p-values are of these prompts and seeds. A difference is clear only where both agree; p-values are "
    "corrected (Holm) for looking at several measures.",
)
NAMES = {
    "detected_0.3": "a hand is found (threshold 0.3)",
    "detected_0.5": "a hand is found (threshold 0.5)",
    "detected_0.7": "a hand is found (threshold 0.7)",
    "count_is_right": "the number of hands is as the prompt says",
    "hands": "hands per picture",
    "confidence": "confidence of the best hand (0 if none)",
    "bone_distance": "bone ratios: distance from real hands (real ≈ 1)",
    "angle_distance": "joint angles: distance from real hands (real ≈ 1)",
    "found_again": "found again when flipped, turned, made smaller",
    "jitter": "how far the points jump then (share of the hand's size)",
}
LOWER_IS_BETTER = frozenset({"bone_distance", "angle_distance", "jitter"})
FALSE_HANDS = frozenset({"detected_0.3", "detected_0.5", "detected_0.7", "confidence"})
"""Lower is better where no hand belongs."""


def contact_sheet(rows: Sequence[tuple[Path, list[Hand], Path, list[Hand]]]) -> Image.Image:
    """Pairs side by side, base left, with the landmarks that were found drawn in; at most 24 pairs, two in a row."""
    rows = rows[:MAX_ROWS]
    columns = 2 if len(rows) > 1 else 1
    lines = -(-len(rows) // columns)
    sheet = Image.new("RGB", (columns * (2 * TILE + 12), max(1, lines) * (TILE + 8)), "white")
    for number, (before, before_hands, after, after_hands) in enumerate(rows):
        left, top = (number % columns) * (2 * TILE + 12), (number // columns) * (TILE + 8)
        sheet.paste(_tile(before, before_hands), (left, top))
        sheet.paste(_tile(after, after_hands), (left + TILE + 2, top))
    return sheet


def write_page(
    path: Path,
    *,
    title: str,
    facts: Sequence[tuple[str, str]],
    on_hands: Sequence[Comparison],
    on_others: Sequence[Comparison],
    sheet: Path,
    anatomy_note: str | None,
) -> None:
    """Write the page."""
    environment = Environment(
        loader=PackageLoader("core.finetuning.hands", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    page = environment.get_template("page.html.jinja").render(
        title=title,
        facts=facts,
        tables=[
            ("Prompts with hands", [_row(comparison, LOWER_IS_BETTER) for comparison in on_hands]),
            (
                "Prompts without hands: nothing should change here",
                [_row(comparison, LOWER_IS_BETTER | FALSE_HANDS) for comparison in on_others],
            ),
        ],
        sheet=inline_picture(sheet, 2 * (2 * TILE + 12)),
        anatomy_note=anatomy_note,
        limits=LIMITS,
    )
    path.write_text(page, encoding="utf-8")


def _row(comparison: Comparison, lower_is_better: frozenset[str]) -> dict[str, object]:
    better = comparison.difference < 0 if comparison.name in lower_is_better else comparison.difference > 0
    verdict = "no clear difference"
    if comparison.is_clear:
        verdict = (
            ("more" if comparison.difference > 0 else "fewer")
            if comparison.name == "hands"
            else ("better" if better else "worse")
        )
    return {
        "name": NAMES.get(comparison.name, comparison.name),
        "base": f"{comparison.base:.3f}",
        "adapter": f"{comparison.adapter:.3f}",
        "difference": f"{comparison.difference:+.3f}",
        "interval": "–" if comparison.interval is None else "{:+.3f} … {:+.3f}".format(*comparison.interval),
        "p": f"{comparison.adjusted:.3g}",
        "pairs": comparison.pairs,
        "verdict": verdict,
    }


def _tile(path: Path, hands: Sequence[Hand]) -> Image.Image:
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    scale = TILE / max(image.size)
    tile = ImageOps.pad(image, (TILE, TILE))
    offset = ((TILE - image.width * scale) / 2, (TILE - image.height * scale) / 2)
    pen = ImageDraw.Draw(tile)
    for hand in hands:
        for x, y in hand.points * scale:
            x, y = x + offset[0], y + offset[1]
            pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(255, 60, 60))
    return tile

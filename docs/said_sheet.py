"""Makes docs/said.webp: twelve things that people say in voice notes, as the bundled miniature paints them.

    python -m docs.said_sheet            the sheet
    python -m docs.said_sheet --table    the table of docs/speech.md: forty utterances, their scenes and their prompts

The words stand in for a recogniser, as `imagine-sound imagine --said` does; the scenes are the rules'. The miniature
knows few things: what it leaves out stands below its picture.
"""

import argparse
import asyncio
import csv
import textwrap
from contextlib import aclosing
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from core.engine import Engine
from core.events import HeardSummary, Understood
from core.generation.protocol import Painted
from core.options import ImagineOptions
from core.settings import CoreSettings

SEED = 7
SIDE, GAP, CAPTION, A_ROW = 224, 12, 96, 4
UTTERANCES = Path("tests/speech/unseen.csv")
NOTES = (
    "Yesterday we went to the beach and my dog just ran into the water.",
    "Um, could you paint me a cat on a sofa, please?",
    "There was this huge ship right next to our ferry, in the fog.",
    "I'm sitting on the train and a baby is crying.",
    "The neighbour's rooster woke us up at sunrise again.",
    "We don't have a dog, we have two cats.",
    "A horse was standing in the middle of the road.",
    "You should have seen the fireworks over the river.",
    "My sister is playing the violin in the kitchen.",
    "A helicopter landed in the field behind the school, in the rain.",
    "Paint an owl in a forest at night.",
    "Nobody restarted the server, so I'm dying here.",
)


async def understood(engine: Engine, words: str) -> Understood:
    """What is seen in `words`."""
    found = await engine.understand(None, ImagineOptions(said=words))
    assert found is not None  # there are words
    return found


async def make_sheet(engine: Engine, target: Path) -> None:
    """Paint and lay out all notes; where nothing is seen, the sounds would be painted, and nothing is here."""
    tile, rows = SIDE + GAP, -(-len(NOTES) // A_ROW)
    sheet = Image.new("RGB", (A_ROW * tile + GAP, rows * (tile + CAPTION) + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=12)
    await engine.generator()
    for number, words in enumerate(NOTES):
        at = (GAP + number % A_ROW * tile, GAP + number // A_ROW * (tile + CAPTION))
        seen = await understood(engine, words)
        said = seen.spoken.said
        if said is not None and said.subjects:
            options = ImagineOptions(seed=SEED, said=words)
            async with aclosing(engine.imagine(HeardSummary.of_nothing(), options)) as events:
                async for event in events:
                    if isinstance(event, Painted):
                        sheet.paste(event.picture.image.convert("RGB").resize((SIDE, SIDE)), at)
        else:
            pen.rectangle((*at, at[0] + SIDE, at[1] + SIDE), outline="#bbbbbb")
            pen.text((at[0] + 12, at[1] + SIDE // 2), "nothing to see: the sounds are painted", "#777777", font)
        lines = textwrap.wrap(f"“{words}”", 36)
        lines += textwrap.wrap(", ".join(said.phrases) if said else "", 36)
        lines += textwrap.wrap(f"left out: {', '.join(seen.left_out)}" if seen.left_out else "", 36)
        pen.text((at[0], at[1] + SIDE + 6), "\n".join(lines[:6]), "black", font)
    sheet.save(target, quality=82)


async def print_table(engine: Engine, utterances: list[str]) -> None:
    """Every utterance that the rules' author had not seen, as they tell it."""
    print("| said | scene | prompt |\n|---|---|---|")
    for words in utterances:
        seen = await understood(engine, words)
        said = seen.spoken.said
        scene = ", ".join(said.phrases) if said is not None and said.subjects else "–"
        print(f"| {words} | {scene} | {seen.prompt.text if scene != '–' else '–'} |")


def main() -> None:
    """Make the sheet, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/said.webp"))
    chosen = parser.parse_args()
    settings = CoreSettings().model_copy(update={"download_models": False, "device": "cpu"})
    with UTTERANCES.open(encoding="utf-8", newline="") as file:
        utterances = [row["words"] for row in csv.DictReader(file, delimiter="|")]

    async def make() -> None:
        async with Engine(settings) as engine:
            await (print_table(engine, utterances) if chosen.table else make_sheet(engine, chosen.out))

    asyncio.run(make())


if __name__ == "__main__":
    main()

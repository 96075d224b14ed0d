"""What a recogniser makes of sounds and of speech, and what of that is believed.

    python -m benchmarks.speech MODEL --without ESC-10 [--every 4] [--speech DIR]

MODEL is a directory with a Whisper model for faster-whisper (`pip install 'imagine-sound[transcribe]'`). In ESC-10
next to nobody speaks: whatever is believed there was invented. In DIR lie recordings, with `transcription.txt` beside
them: a line of words and, in brackets, the name of their file. Printed: how often words were found and believed, and
how many words were wrong.
"""

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from faster_whisper import WhisperModel

from core.hearing.audio import load_clip
from core.speech.recognise import Recognised
from core.speech.trust import doubt
from core.speech.whisper import Whisper


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--without", type=Path, required=True, help="recordings in which nobody speaks")
    parser.add_argument("--every", type=int, default=4, help="so many of them are left out for each that is heard")
    parser.add_argument("--speech", type=Path, help="recordings with their words")
    chosen = parser.parse_args()
    whisper = Whisper(WhisperModel(str(chosen.model), compute_type="int8", cpu_threads=1))
    found, believed = 0, []
    paths = sorted(path for path in chosen.without.rglob("*") if path.suffix in (".ogg", ".wav"))[:: chosen.every]
    for path in paths:
        recognised = whisper.recognise(load_clip(path))
        found += bool(recognised.words)
        if recognised.words and not doubt(recognised):
            believed.append((path.name, recognised))
    print(f"{len(paths)} recordings without speech: words found in {found}, believed in {len(believed)}")
    for name, recognised in believed:
        print(f"  {name}: {_told(recognised)}")
    if chosen.speech is not None:
        wrong, words, kept = 0, 0, 0
        said = list(_spoken(chosen.speech))
        for path, text in said:
            recognised = whisper.recognise(load_clip(path))
            kept += not doubt(recognised)
            wrong += errors(_plain(recognised.words), _plain(text))
            words += len(_plain(text))
        print(f"{len(said)} spoken recordings: {kept} believed, {100 * wrong / words:.1f} % word errors")


def errors(found: Sequence[str], said: Sequence[str]) -> int:
    """How many words have to be changed, left out or put in to make one of the other (Levenshtein 1966)."""
    row = list(range(len(said) + 1))
    for i, word in enumerate(found, start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(said, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def _told(recognised: Recognised) -> str:
    first = recognised.segments[0]
    return (
        f"{recognised.language} {recognised.language_probability:.2f}, {first.log_probability:.2f}, {recognised.words}"
    )


def _plain(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def _spoken(directory: Path) -> Iterator[tuple[Path, str]]:
    for line in (directory / "transcription.txt").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"(?:<s> )?(.+?)(?: </s>)? \((\S+)\)", line.strip()):
            yield directory / f"{match[2]}.wav", match[1]


if __name__ == "__main__":
    main()

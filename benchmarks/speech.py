"""What a recogniser makes of sounds and of speech, what of that is believed, and what it costs.

    python -m benchmarks.speech MODEL --without ESC-10 [--every 4] [--speech DIR] [--numbers DIR]

MODEL is a directory with a Whisper model for faster-whisper (`make speech`). In ESC-10 next to nobody speaks: whatever
is believed there was invented; it is heard whole, and only where the labels say that somebody speaks. In `--speech DIR`
lie recordings, with `transcription.txt` beside them: a line of words and, in brackets, the name of their file. In
`--numbers DIR` lie Asterisk's prompts, a folder a language (`en_US_f_Allison/digits/30.wav`, Debian's asterisk-core-
sounds-*-wav): single words, hard to recognise. Printed: how often words were found and believed, how many were wrong,
and how much dearer it is than the library's own call.
"""

import argparse
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faster_whisper import WhisperModel

from core.hearing.audio import Clip, Samples, load_clip
from core.hearing.ears import Ears
from core.hearing.listening import listen
from core.models import ModelStore
from core.settings import CoreSettings
from core.speech.recognise import Recognised, Task, recognise
from core.speech.trust import doubt
from core.speech.voice import only_voice, voice_in
from core.speech.whisper import BEAMS, TEMPERATURES, Whisper

NUMBERS = {
    "en": "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety",
    "fr": "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept "
    "dix-huit dix-neuf vingt trente quarante cinquante soixante soixante-dix quatre-vingts quatre-vingt-dix",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis "
    "diecisiete dieciocho diecinueve veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa",
}


@dataclass(frozen=True)
class Tools:
    """What recognises, and what hears where somebody speaks."""

    whisper: Whisper
    library: WhisperModel
    ears: Ears


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--without", type=Path, help="recordings in which nobody speaks")
    parser.add_argument("--every", type=int, default=4, help="one in so many of them is heard")
    parser.add_argument("--speech", type=Path, help="recordings with their words")
    parser.add_argument("--numbers", type=Path, help="folders of spoken numbers, by language")
    chosen = parser.parse_args()
    library = WhisperModel(str(chosen.model), device="cpu", compute_type="int8", cpu_threads=1)
    tools = Tools(Whisper(library, translates=True), library, Ears(ModelStore(CoreSettings()).ears()))
    try:
        _measure(tools, chosen)
    finally:
        tools.ears.close()


def _measure(tools: Tools, chosen: argparse.Namespace) -> None:
    if chosen.without is not None:
        without_speech(tools, chosen.without, chosen.every)
    if chosen.numbers is not None:
        spoken_numbers(tools, chosen.numbers)
    if chosen.speech is not None:
        read_aloud(tools, chosen.speech)


def without_speech(tools: Tools, directory: Path, every: int) -> None:
    """Whatever is believed was invented."""
    paths = sorted(path for path in directory.rglob("*") if path.suffix in (".ogg", ".wav"))[::every]
    for how, samples_of in (("whole", _whole), ("where somebody is heard to speak", _voiced(tools.ears))):
        found, believed = 0, []
        for path in paths:
            recognised = _recognised(tools.whisper, samples_of(load_clip(path)))
            found += bool(recognised.words)
            if recognised.words and not doubt(recognised):
                believed.append((path.name, recognised))
        print(f"{len(paths)} recordings without speech, {how}: words found in {found}, believed in {len(believed)}")
        for name, recognised in believed:
            print(f"  {name}: {_told(recognised)}")


def spoken_numbers(tools: Tools, directory: Path) -> None:
    """Single words in three languages: how many are believed, and how many of these are others than were said."""
    heard, believed, wrong = 0, 0, []
    for folder in sorted(directory.iterdir()):
        names = NUMBERS.get(folder.name[:2], "").split()
        for value, name in zip((*range(21), *range(30, 100, 10)), names, strict=False):
            path = next(
                (path for path in folder.glob(f"digits/{value}*.wav") if path.stem in (f"{value}", f"{value}M")), None
            )
            if path is None:
                continue
            heard += 1
            recognised = _recognised(tools.whisper, _voiced(tools.ears)(load_clip(path)))
            if not recognised.words or doubt(recognised):
                continue
            believed += 1
            if _bare(recognised.words) not in (_bare(name), str(value)):
                wrong.append(f"{path.relative_to(directory)}: {_told(recognised)}")
    print(f"{heard} spoken numbers: {believed} believed, {len(wrong)} of them wrong")
    for line in wrong:
        print(f"  {line}")


def read_aloud(tools: Tools, directory: Path) -> None:
    """Whole sentences: word errors, and what it costs beside the library's own call."""
    said = [(load_clip(path), text) for path, text in _spoken(directory)]
    wrong, words, kept = 0, 0, 0
    for clip, text in said:
        recognised = _recognised(tools.whisper, _voiced(tools.ears)(clip))
        kept += not doubt(recognised)
        wrong += errors(_plain(recognised.words), _plain(text))
        words += len(_plain(text))
    print(f"{len(said)} spoken recordings: {kept} believed, {100 * wrong / words:.1f} % word errors")
    ours, bare = [], []
    for _ in range(3):  # in turns, since a machine's pace changes
        ours.append(_seconds(lambda: [_recognised(tools.whisper, clip.samples) for clip, _ in said]))
        bare.append(_seconds(lambda: [_by_library(tools.library, clip.samples) for clip, _ in said]))
    print(f"costs {min(ours) / min(bare):.2f} times the library's own call on one thread ({min(bare):.1f} s)")


def errors(found: Sequence[str], said: Sequence[str]) -> int:
    """How many words have to be changed, left out or put in to make one of the other (Levenshtein 1966)."""
    row = list(range(len(said) + 1))
    for i, word in enumerate(found, start=1):
        before, row[0] = row[0], i
        for j, other in enumerate(said, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (word != other))
    return row[-1]


def _recognised(whisper: Whisper, samples: Samples) -> Recognised:
    *_, last = recognise(whisper, samples, "", Task.TRANSCRIBE)
    return last


def _by_library(model: WhisperModel, samples: Samples) -> str:
    segments, _ = model.transcribe(
        samples, vad_filter=True, condition_on_previous_text=False, beam_size=BEAMS, temperature=TEMPERATURES
    )
    return " ".join(segment.text for segment in segments)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _whole(clip: Clip) -> Samples:
    return clip.samples


def _voiced(ears: Ears) -> Callable[[Clip], Samples]:
    def samples_of(clip: Clip) -> Samples:
        listened = listen(clip, ears, ears.passes_for(clip, budget=CoreSettings().hearing_budget))
        voice = voice_in(listened.windows)
        return only_voice(listened.clip.samples, voice) if voice is not None else listened.clip.samples[:0]

    return samples_of


def _told(recognised: Recognised) -> str:
    first = recognised.segments[0]
    return (
        f"{recognised.language} {recognised.language_probability:.2f}, {first.log_probability:.2f}, {recognised.words}"
    )


def _plain(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def _bare(text: str) -> str:
    return re.sub(r"[^\w]", "", text.lower())


def _spoken(directory: Path) -> Iterator[tuple[Path, str]]:
    for line in (directory / "transcription.txt").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"(?:<s> )?(.+?)(?: </s>)? \((\S+)\)", line.strip()):
            yield directory / f"{match[2]}.wav", match[1]


if __name__ == "__main__":
    main()

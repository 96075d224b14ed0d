"""Sentences for the speech synthesiser espeak-ng, in many languages, voices, speeds and pitches.

What this module does not know: anything about recorded voices; those come from the recordings in pool.py.
"""

import random
import subprocess
from pathlib import Path

SENTENCES = (
    ("en-us", "The quick brown fox jumps over the lazy dog, and then it went home to have a cup of tea."),
    ("en-gb", "Hello! Could you please tell me where the station is? Thank you very much indeed."),
    ("en-us", "Tomorrow it will be cloudy at first, with sunny spells and some showers in the evening."),
    ("en-gb-scotland", "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve."),
    ("en-us", "Ha ha ha ha! Oh no! Wow! Hey! Stop it! Yes yes yes! Aaaaaah! Ooooooh! Hmmmm."),
    ("de", "Guten Tag, wie geht es Ihnen heute? Das Wetter ist schön und wir gehen in den Park."),
    ("fr", "Bonjour à tous, je voudrais un café et un croissant, s'il vous plaît. Merci beaucoup!"),
    ("es", "Buenos días, amigos. Mañana vamos a la playa con toda la familia para nadar y comer."),
    ("it", "Buongiorno a tutti, questa mattina sono andato al mercato a comprare la frutta."),
    ("ru", "Добрый день, сегодня очень хорошая погода, и мы идем гулять в парк."),
    ("cmn", "你好,今天天气很好,我们一起去公园散步吧。"),
    ("hi", "नमस्ते, आज मौसम बहुत अच्छा है और हम पार्क में जा रहे हैं।"),
    ("pt", "Bom dia, hoje vamos visitar a cidade e comer num restaurante muito bom."),
    ("ar", "مرحبا، كيف حالك اليوم؟ الطقس جميل جدا."),
    ("pl", "Dzień dobry, dzisiaj jest bardzo ładna pogoda i idziemy na spacer."),
    ("tr", "Günaydın, bugün hava çok güzel, birlikte parka gidelim mi?"),
    ("vi", "Xin chào, hôm nay trời rất đẹp, chúng ta đi dạo nhé."),
    ("sv", "God morgon, idag skiner solen och vi ska gå ut och promenera."),
)
VARIANTS = ("", "+f2", "+f4", "+m3", "+m7", "+croak", "+whisper", "+klatt2")


def speak(folder: Path, seed: int) -> list[Path]:
    """One WAV file for each sentence and voice variant, with a random speed and pitch."""
    rng = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    spoken = []
    for i, (voice, sentence) in enumerate(SENTENCES):
        for j, variant in enumerate(VARIANTS):
            path = folder / f"speech-{i:02}-{j}.wav"
            speed, pitch = rng.randint(100, 220), rng.randint(20, 90)
            command = [
                "espeak-ng",
                "-v",
                voice + variant,
                "-s",
                str(speed),
                "-p",
                str(pitch),
                "-w",
                str(path),
                sentence,
            ]
            subprocess.run(command, check=True, capture_output=True)
            spoken.append(path)
    return spoken

"""Labels whose name in another language is, or holds, the English word: it is the same word there."""

from collections.abc import Mapping

EVERYWHERE = frozenset({
    "Afrobeat", "Banjo", "Bluegrass", "Blues", "Boing", "Didgeridoo", "Disco", "Drum and bass", "Dubstep",
    "Flamenco", "Funk", "Glockenspiel", "Grunge", "Heavy metal", "Jazz", "Mantra", "Pizzicato", "Reggae",
    "Rhythm and blues", "Sitar", "Ska", "Sonar", "Tabla", "Techno",
})  # fmt: skip
"""In German, French, Spanish and Portuguese."""

SAME_WORD: Mapping[str, frozenset[str]] = {
    "de": EVERYWHERE | {
        "A capella", "Alarm", "Bus", "Buzzer", "Cello", "Echo", "Electronica", "Explosion", "Gong", "Gospel music",
        "Hammer", "Hi-hat", "Progressive rock", "Propeller, airscrew", "Psychedelic rock", "Radio", "Rimshot",
        "Sampler", "Skateboard", "Synthesizer", "Theremin", "Ukulele", "Vibration", "Wind", "Zither",
    },
    "fr": EVERYWHERE | {
        "A capella", "Animal", "Buzzer", "Conversation", "Country", "Electronica", "Explosion", "Fusillade", "Gong",
        "Gospel music", "Harmonica", "Maraca", "Marimba, xylophone", "Piano", "Pigeon, dove", "Punk rock", "Radio",
        "Rimshot", "Saxophone", "Silence", "Skateboard", "Train", "Trombone", "Vibraphone", "Vibration",
    },
    "es": EVERYWHERE | {
        "Animal", "Country", "Gong", "Hi-hat", "Hip hop music", "Maraca", "Mosquito", "Piano", "Punk rock", "Radio",
        "Rock and roll", "Sampler", "Shofar",
    },
    "pt-BR": EVERYWHERE | {
        "Animal", "Country", "Gospel music", "Hip hop music", "Maraca", "Mosquito", "Piano", "Punk rock",
        "Rock and roll", "Sampler", "Shofar", "Trombone", "Ukulele",
    },
    "ja": frozenset({"Rhythm and blues"}),
}  # fmt: skip
"""By language."""

"""What people say and what they mean by it: the rules' tables. Which noun names what: `nouns.py`."""

import re
from importlib import resources

from core.speech.spoken import Mood

MOST_WORDS = 400
"""Two minutes of quick talk; nobody's picture needs more, and the pipeline takes time for each."""
MOST_SUBJECTS, MOST_IN_PHRASE = 2, 8


def _words(words: str) -> frozenset[str]:
    return frozenset(words.split())


IDIOMS = tuple(
    (re.compile(rf"\b{said}\b", re.IGNORECASE), meant)
    for said, _, meant in (
        line.partition("\t")
        for line in resources.files("core.speech").joinpath("idioms.txt").read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    )
)
"""What is said, and what is meant by it; empty for nothing that could be seen."""

ASKED_FOR = re.compile(
    r"\b(?:what time|when (?:is|are|does|do|will|did)|how (?:long|much|often|far)) [^.!?]*", re.IGNORECASE
)
"""What is asked for there, nobody can see."""
FILLERS = re.compile(
    r"\b(?:um+|uh+|er+|hm+|mhm|you know|i mean|like,|kind of|sort of|basically|literally|actually|honestly|okay so|"
    r"well,|anyway|please|just|really|so yeah|right\?)(?=[\s,.!?]|$)[,]?",
    re.IGNORECASE,
)
_PICTURE = r"(?:picture|painting|drawing|image|portrait|photo|sketch)"
REQUEST = re.compile(
    rf"""
    (?: ^ | [.!?,]\s* | \b(?:can|could|would|will)\ you\s+ (?:do\s+(?=an?\ ))?
      | \b(?:i\ want|i'd\ like|i\ would\ like)\ (?:you\ )?(?:to\s+)? | \band\s+ )
    (?: (?:paint|draw|imagine|sketch|show|make|generate|create|picture|give) (?:\s+(?:me|us))? (?:\s+up)? \s+
        (?:a|an|the|another|some)?\s* (?:\w+\s+)? {_PICTURE}\ (?:of|with|showing)\s+
      | (?:paint|draw|imagine|sketch)(?:\s+(?:me|us))?\s+
      | (?:show|make)\ (?:me|us)\s+
      | (?:how|what)\ about\ (?=an?\ )
      | (?:something|one|anything)\ (?:with|like)\s+
      | (?:i\ want|i'd\ like|i\ would\ like|i'd\ love|give\ me|can\ i\ (?:get|have|see)|could\ i\ (?:get|have|see))
        \ (?=(?:an?|some|the|two|three)\ )
      | (?:a|an|the)\ (?:\w+\s+)? (?:picture|painting|drawing|image)\ of\s+ )
    (?P<what>[^.!?]+)
    """,
    re.IGNORECASE | re.VERBOSE,
)
MISHEARD = (
    (re.compile(r"^\W*(?:painter|pain to|paint or|pant a|pain a)\s+(?=\w)", re.IGNORECASE), "paint a "),
    (re.compile(r"^\W*(?:drawer|draw her|drawl)\s+(?=(?:an?|the|some)?\s*\w)", re.IGNORECASE), "draw "),
    (re.compile(r"^\W*(?:show mean|shoming|show mia)\s+", re.IGNORECASE), "show me "),
)
NEGATIONS = frozenset({"no", "not", "n't", "never", "without", "none", "nobody", "nothing", "neither", "nor"})
PEOPLE = {
    "i": "a person",
    "me": "a person",
    "we": "people",
    "us": "people",
    "they": "people",
    "them": "people",
    "he": "a man",
    "him": "a man",
    "she": "a woman",
    "her": "a woman",
    "you": "a person",
    "everyone": "people",
    "everybody": "people",
    "someone": "a person",
    "somebody": "a person",
}
NUMBERS = {"two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "many", "some", "several", "both"}
COLOURS = _words(
    "red blue green yellow orange purple pink black white brown grey gray golden silver wooden metal stone glass "
    "paper leather big huge giant tiny small little large long tall old young new ancient fluffy hairy furry wet "
    "muddy snowy beautiful cute fat thin baby wild striped spotted colourful colorful shiny dark bright round "
    "broken empty full burning flying talking dancing sleeping crying laughing angry happy sad scary rusty frozen "
    "sunny stormy chubby enormous massive gigantic lonely"
)
"""What is kept of what is said of a thing: how it looks."""
NAMES = ("PERSON", "ORG", "GPE", "PRODUCT", "WORK_OF_ART")
"""What the pipeline calls names of people, companies, places, wares and works."""
NOMINAL = ("NOUN", "PROPN", "X")
"""X is what the pipeline does not know: sushi, say."""
KIN = {
    "mom": "a woman",
    "mum": "a woman",
    "mother": "a woman",
    "mommy": "a woman",
    "mummy": "a woman",
    "sister": "a woman",
    "aunt": "a woman",
    "auntie": "a woman",
    "wife": "a woman",
    "girlfriend": "a woman",
    "dad": "a man",
    "daddy": "a man",
    "father": "a man",
    "brother": "a man",
    "uncle": "a man",
    "husband": "a man",
    "boyfriend": "a man",
    "daughter": "a girl",
    "son": "a boy",
    "grandma": "an old woman",
    "granny": "an old woman",
    "nana": "an old woman",
    "grandmother": "an old woman",
    "grandpa": "an old man",
    "grandfather": "an old man",
    "boss": "a person",
    "friend": "a person",
    "neighbour": "a person",
    "neighbor": "a person",
    "cousin": "a person",
    "roommate": "a person",
    "colleague": "a person",
    "mate": "a man",
    "guy": "a man",
    "dude": "a man",
    "lad": "a man",
    "bloke": "a man",
    "lady": "a woman",
    "someone": "a person",
    "somebody": "a person",
}
"""Whom people are to somebody cannot be seen."""
LANDMARKS = _words(
    "lighthouse castle tower bridge church cathedral temple mosque mountain mountains volcano waterfall island "
    "palace pyramid garden lake river ocean sea desert forest canyon cliff glacier moon stars sky valley windmill "
    "harbour harbor road street path city town village park hills farm"
)
"""Places that are looked at."""
QUANTITIES = _words(
    "bunch pair group herd flock couple lot lots pile row glass cup bowl bottle piece box bag plate slice bucket "
    "basket pack"
)
TOLD = _words("dream story song movie film book picture photo video painting")
"""What they are about is seen."""
MOVING = frozenset(
    {"into", "onto", "through", "across", "along", "around", "over", "up", "down", "out", "off", "toward", "towards"}
)
AT = frozenset(
    {
        "in",
        "on",
        "at",
        "by",
        "near",
        "beside",
        "under",
        "behind",
        "inside",
        "outside",
        "above",
        "below",
        "next",
        "between",
        "among",
    }
)
LEADS = frozenset({"animal", "vehicle", "fantasy", "food", "plant", "sight", "clothing", "thing", "person"})
OF_ITSELF = frozenset({"animal", "vehicle", "fantasy", "sight"})
"""What is in the picture by being mentioned."""
STANDS_OUT = OF_ITSELF | {"plant", "food", "clothing"}
"""What is in it by being dealt with."""
WEATHERS = (
    (r"thunderstorm|thunder\w*|lightning", "in a thunderstorm"),
    (r"snow\w*|blizzard", "in the snow"),
    (r"rain\w*|pouring|drizzl\w+|downpour", "in the rain"),
    (r"fog\w*|mist\w*", "in the fog"),
    (r"storm\w*", "in a storm"),
    (r"windy|wind", "in the wind"),
    (r"sunny|sunshine", "in the sunshine"),
)
LIGHTS = (
    (r"at night|tonight|midnight|in the dark|by moonlight|moonlight|under the stars", "at night"),
    (r"(?:at|during|by|the) sunset|at dusk", "at sunset"),
    (r"(?:at|during|by|the) sunrise|at dawn", "at sunrise"),
)
MOODS: tuple[tuple[str, Mood], ...] = (
    (r"peaceful|calm|serene|quiet|relaxing", "peaceful"),
    (r"spooky|creepy|eerie|scary|haunted", "eerie"),
    (r"romantic", "romantic"),
    (r"mysterious|magical|enchanted", "mysterious"),
    (r"epic|dramatic", "dramatic"),
)
DEVICES = _words(
    "phone smartphone laptop computer keyboard printer router monitor tablet console controller headset "
    "headphones tv television screen mouse pc charger machine ticket tickets card pass bill bills receipt invoice "
    "form forms contract paper papers"
)
"""What people talk of, complain of mostly, and would not have painted."""
HAVING = _words("have get want like love adore own receive look leave")
TECHNICAL = _words(
    "mouse mice bug bugs window windows cloud clouds python snake tree trees port bus root branch cookie cookies"
)
TECHNICAL_TALK = (
    r"keyboards?|computers?|laptops?|pc|updat\w+|click\w*|drivers?|usb|servers?|code|app|apps|browser|deploy\w*|"
    r"merge\w*|file|files|website|install\w*"
)
"""Beside such words these nouns mean something else."""
WEATHER_SEEN = {
    "rain": "falling rain",
    "snow": "falling snow",
    "fog": "thick fog",
    "mist": "mist",
    "hail": "falling hail",
    "lightning": "lightning",
    "thunderstorm": "a thunderstorm",
    "storm": "a storm",
    "blizzard": "a blizzard",
    "hurricane": "a hurricane",
    "tornado": "a tornado",
    "snowstorm": "a snowstorm",
    "sandstorm": "a sandstorm",
}
"""Weather that is the whole picture."""


def plain(words: str) -> str:
    """`words` without what is not meant: idioms, fillers, and what nobody says."""
    text = " ".join(words.replace("’", "'").split()[:MOST_WORDS])
    text = re.sub(r"\blet's\b", "we", text, flags=re.IGNORECASE)  # which the pipeline reads wrongly
    for pattern, instead in MISHEARD:
        text = pattern.sub(instead, text)
    for pattern, meant in IDIOMS:
        text = pattern.sub(meant, text)
    return " ".join(ASKED_FOR.sub(" ", FILLERS.sub(" ", text)).split()).strip(" ,")


def found(pattern: str, text: str) -> bool:
    """Whether whole words of `text` are of the pattern."""
    return re.search(rf"\b(?:{pattern})\b", text, re.IGNORECASE) is not None


def is_weather(phrase: str) -> bool:
    """Whether it tells of weather."""
    return any(found(pattern, phrase) for pattern, _ in WEATHERS)

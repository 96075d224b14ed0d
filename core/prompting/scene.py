"""The scene grammar: from the labels that were heard to who is in the picture, where, and in what mood.

Pure functions over TopCategory and the phrasebook. It decides *what* is painted; the sentence, its style and its
length are `prompt.py`'s business.

  1. Children absorb parents (Dog, not Animal); a child that is weaker than the surest of its line yields to it
     (`families.py`). What is next to never right where it is doubtful is left out (`phantoms.py`).
  2. An action joins its subject (Dog + Bark: "a barking dog"), or stands for one of its own (both: `merging.py`).
     Of animals only the surer are left where they could be one throat.
  3. A genre or ensemble far surer than every instrument is who plays. Subjects are ranked by score x coverage; at most
     three are kept, near kin only when both are certain.
  4. Place, weather and mood come from the labels of these roles.
  5. What is uncertain, quiet or rare goes to the background; what comes later follows.
  6. How the main subject sounded is added last (`with_manner`), where it is certain enough.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from core.hearing.acoustics import Manner
from core.hearing.categories import CERTAIN, GENERIC_WEIGHT, LIKELY, NOTEWORTHY, SILENCE, TopCategory, walk
from core.prompting.manner import tell
from core.prompting.merging import Candidate, Subject, absorb, join
from core.prompting.phrasebook import Entry, Phrasebook, Role, load_phrasebook

MOST_SUBJECTS = 3
BESIDE = 0.25
"""A subject less certain than CERTAIN needs this share of the main subject's prominence."""
QUIET_DB = -15.0
"""A subject this much quieter than the loudest moment is far away."""
RARE = 0.3
"""Below this share of the main subject's prominence a subject stands in the background."""
ENSEMBLES = frozenset({"Orchestra", "String section", "Choir"})
ENSEMBLE_LEADS = 2.0
"""A genre or an ensemble so many times as prominent as every instrument is who plays."""
OUTWEIGHED = 1.25
"""A place or weather so many times as prominent as all subjects, which are doubtful, is the event itself."""
LATER_MS = 1900
"""Two windows later: the two did not sound together."""
SAID = "said"
"""The label of a subject that was not heard, but said."""


@dataclass(frozen=True)
class LabelUse:
    """What became of one label: its role, its phrase, and the label it went into (itself if it was used as is)."""

    label: str
    score: float
    role: Role
    phrase: str
    became: str


@dataclass(frozen=True)
class Scene:
    """The picture in parts. `subjects` holds one to three, the main one first; the other parts may be empty.

    `manner` holds the phrases for how the main subject sounded. A subject that was said has the label SAID, and only
    what is said has a `light`: "at sunset".
    """

    subjects: tuple[Subject, ...]
    place: str = ""
    weather: str = ""
    weather_follows: bool = False
    mood: str = ""
    uncertain: bool = False
    uses: tuple[LabelUse, ...] = ()
    manner: tuple[str, ...] = ()
    light: str = ""


def compose_scene(categories: Sequence[TopCategory], phrasebook: Phrasebook | None = None) -> Scene:
    """The scene of a recording from its labels (the most prominent first, as get_top_categories gives them).

    Labels that the phrasebook does not have are left out. Always returns at least one subject: silence and
    "nothing certain" have pictures of their own.
    """
    book = phrasebook or load_phrasebook()
    known = [category for category in categories if category.name in book]
    if not any(category.name != SILENCE for category in known):
        return _quiet(known, book)
    clear = [category for category in known if category.score >= NOTEWORTHY] or known[:1]
    absorbed_into = {category.name: "" for category in known}

    stands_for = walk({category.name: category.certainty for category in known})
    remaining = absorb(clear, stands_for, book, absorbed_into)
    subjects = join(remaining, book, absorbed_into)
    settings = _Settings.among(remaining, book)
    subjects, settings = _led_by_ensemble(subjects, settings, book, absorbed_into)
    if not subjects or _outweighed_by_setting(subjects, settings):
        lead, settings = settings.take_lead(known, book)
        subjects = [lead, *subjects]
    absorbed_into.update({name: _end_of(name, absorbed_into) for name in absorbed_into})
    chosen = _arrange(_choose(subjects, book))
    for subject in chosen:
        absorbed_into[subject.label] = subject.label
    for part in settings.used():
        absorbed_into[part.name] = part.name
    weather, mood = settings.weather, settings.mood
    follows = weather is not None and weather.first_ms >= chosen[0].first_ms + LATER_MS
    return Scene(
        subjects=chosen,
        place=book[settings.place.name].phrase if settings.place else "",
        weather=_weather_words(book[weather.name], follows) if weather else "",
        weather_follows=follows,
        mood=book[mood.name].phrase if mood else "",
        uncertain=_surest(chosen[0].label, known, absorbed_into, book) < LIKELY,
        uses=tuple(_account(category, book, absorbed_into) for category in known),
    )


def _end_of(name: str, absorbed_into: dict[str, str]) -> str:
    """Into what a label went in the end, "" while it stands for itself."""
    end, passed = absorbed_into[name], {name}
    while end not in passed and absorbed_into.get(end):
        passed.add(end)
        end = absorbed_into[end]
    return end


def _led_by_ensemble(
    subjects: list[Candidate], settings: "_Settings", book: Phrasebook, absorbed_into: dict[str, str]
) -> tuple[list[Candidate], "_Settings"]:
    """A genre or an ensemble that is far surer than every instrument leads, and takes in the doubtful ones of them."""
    instruments = [one for one in subjects if _is_instrument(one.category.name, book)]
    groups = [one for one in subjects if one.category.name in ENSEMBLES]
    genre = next((part for part in settings.moods if book[part.name].role is Role.GENRE), None)
    if genre is not None:
        groups.append(Candidate(genre, book[genre.name]))
    lead = max(groups, key=lambda one: (one.category.prominence, one.category.name), default=None)
    best = max((one.category.prominence for one in instruments), default=0.0)
    if lead is None or not instruments or lead.category.prominence < ENSEMBLE_LEADS * best:
        return subjects, settings
    doubtful = {one.category.name for one in instruments if one.category.score < CERTAIN}
    absorbed_into.update(dict.fromkeys(doubtful, lead.category.name))
    others = [one for one in subjects if one.category.name not in doubtful | {lead.category.name}]
    return [lead, *others], settings.without(lead.category, book)


def _is_instrument(name: str, book: Phrasebook) -> bool:
    return book.is_kind_of(name, "Musical instrument") and name not in ENSEMBLES


def with_manner(scene: Scene, manner: Manner, phrasebook: Phrasebook | None = None) -> Scene:
    """`scene` with how its main subject sounded; what is only dimly seen has no manner."""
    if scene.uncertain:
        return scene
    indoors = not scene.place and not scene.weather
    return replace(scene, manner=tell(manner, scene.subjects[0], phrasebook or load_phrasebook(), indoors=indoors))


def _choose(candidates: Sequence[Candidate], book: Phrasebook) -> list[Subject]:
    """Step 3: the main subject and what may stand beside it; a person speaking never crowds out the rest."""
    ranked = sorted(candidates, key=lambda candidate: (-_weight(candidate), candidate.category.name))
    main = ranked[0]
    chosen: list[Candidate] = [main]
    phrases = {main.phrase}
    floor = BESIDE * main.category.prominence
    if book.is_kind_of(main.category.name, "Speech"):
        floor = 0.0  # in a voice note the voice is everywhere; whatever else is heard makes the picture
    for candidate in ranked[1:]:
        category = candidate.category
        present = category.score >= CERTAIN or (category.score >= LIKELY and category.prominence >= floor)
        sibling = any(_near_kin(category.name, other.category.name, book) for other in chosen)
        doubtful_kin = sibling and not (category.score >= CERTAIN and category.prominence >= 0.5 * floor / BESIDE)
        if present and not doubtful_kin and candidate.phrase not in phrases:
            chosen.append(candidate)
            phrases.add(candidate.phrase)
    return [candidate.as_subject() for candidate in chosen[:MOST_SUBJECTS]]


def _weight(candidate: Candidate) -> float:
    """Prominence, with what names no thing one could point at counting half."""
    return candidate.category.prominence * (GENERIC_WEIGHT if candidate.entry.generic else 1.0)


def _arrange(subjects: Sequence[Subject]) -> tuple[Subject, ...]:
    """Step 5: foreground and background by certainty, coverage and loudness, and order in time."""
    main, *others = subjects
    return (
        main,
        *(
            replace(
                other,
                background=other.confidence < CERTAIN
                or other.prominence < RARE * main.prominence
                or other.level_db < main.level_db + QUIET_DB,
                follows=other.first_ms >= main.first_ms + LATER_MS,
            )
            for other in others
        ),
    )


def _near_kin(one: str, other: str, book: Phrasebook) -> bool:
    """Whether two labels share a direct parent, or one of them names the other as the same sound."""
    a, b = book[one], book[other]
    return bool(set(a.parents) & set(b.parents)) or one in b.joins or other in a.joins


def _surest(label: str, known: Sequence[TopCategory], absorbed_into: dict[str, str], book: Phrasebook) -> float:
    """How sure it is that something of the kind was heard: a certain siren makes a doubtful police car certain enough,
    a certain "vehicle" makes nothing certain."""
    family = [category for category in known if category.name == label or absorbed_into[category.name] == label]
    return max(category.score for category in family if category.name == label or not book[category.name].generic)


def _weather_words(entry: Entry, follows: bool) -> str:
    return entry.later if follows and entry.later else entry.phrase


@dataclass(frozen=True)
class _Settings:
    """Step 4: the labels around the subjects, the most prominent of each role first."""

    places: tuple[TopCategory, ...]
    weathers: tuple[TopCategory, ...]
    moods: tuple[TopCategory, ...]

    @classmethod
    def among(cls, categories: Sequence[TopCategory], book: Phrasebook) -> "_Settings":
        def of(*roles: Role) -> tuple[TopCategory, ...]:
            found = [c for c in categories if book[c.name].role in roles and not _mere_colour(c, book)]
            return tuple(sorted(found, key=lambda c: (roles.index(book[c.name].role), -c.prominence, c.name)))

        return cls(
            places=of(Role.PLACE, Role.ACOUSTICS),
            weathers=of(Role.WEATHER),
            moods=of(Role.MOOD, Role.GENRE, Role.TEXTURE),
        )

    @property
    def place(self) -> TopCategory | None:
        return next(iter(self.places), None)

    @property
    def weather(self) -> TopCategory | None:
        return next(iter(self.weathers), None)

    @property
    def mood(self) -> TopCategory | None:
        return next(iter(self.moods), None)

    def used(self) -> Iterator[TopCategory]:
        """The labels that the scene shows: the first of each kind."""
        return (part for part in (self.place, self.weather, self.mood) if part is not None)

    def take_lead(self, known: Sequence[TopCategory], book: Phrasebook) -> tuple[Candidate, "_Settings"]:
        """The part that is the picture when no subject was heard, and what remains around it.

        Where there is no such part either, the first known label stands for itself.
        """
        parts = [*self.places, *self.weathers, *self.moods]
        if not parts:
            category = next((c for c in known if book[c.name].alone), known[0])
            return Candidate(category, book[category.name]), self
        lead = max(parts, key=lambda part: (part.prominence, part.name))
        return Candidate(lead, book[lead.name]), self.without(lead, book)

    def without(self, lead: TopCategory, book: Phrasebook) -> "_Settings":
        """What remains around a part that has become the picture."""
        rest = (tuple(c for c in kind if not _akin(lead, c, book)) for kind in (self.places, self.weathers, self.moods))
        return _Settings(*rest)


def _akin(lead: TopCategory, other: TopCategory, book: Phrasebook) -> bool:
    """Whether a setting says again what the leading one says (drops beside rain)."""
    return lead.name == other.name or _near_kin(lead.name, other.name, book)


def _mere_colour(category: TopCategory, book: Phrasebook) -> bool:
    """Hiss and hum lie under every recording; they tinge the picture only when they are certain."""
    return book[category.name].role is Role.TEXTURE and category.score < CERTAIN


def _outweighed_by_setting(subjects: Sequence[Candidate], settings: _Settings) -> bool:
    """Whether rain or the sea was the event itself and what else was heard only doubtful."""
    best = max(_weight(subject) for subject in subjects)
    sure = any(subject.category.score >= CERTAIN for subject in subjects)
    around = max((part.prominence for part in (*settings.places, *settings.weathers)), default=0.0)
    return not sure and around > OUTWEIGHED * best


def _quiet(known: Sequence[TopCategory], book: Phrasebook) -> Scene:
    """Nothing but silence, or no labels at all."""
    silence = known[0] if known else TopCategory(SILENCE, 1.0, 1.0, 0)
    subject = Candidate(silence, book[SILENCE]).as_subject()
    uses = tuple(_account(category, book, {category.name: category.name}) for category in known)
    return Scene(subjects=(subject,), uses=uses)


def _account(category: TopCategory, book: Phrasebook, absorbed_into: dict[str, str]) -> LabelUse:
    entry = book[category.name]
    phrase = entry.phrase if entry.role is not Role.ACTION else entry.by_itself()
    return LabelUse(
        category.name, category.score, entry.role, phrase or entry.alone, absorbed_into.get(category.name, "")
    )

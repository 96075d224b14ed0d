"""The scene grammar: from the labels that were heard to who is in the picture, where, and in what mood.

Pure functions over TopCategory and the phrasebook. It decides *what* is painted; the sentence, its style and its
length are `prompt.py`'s business.

  1. Children absorb parents (Dog, not Animal); a child that is much weaker than its parent yields to it.
  2. An action joins its subject (Dog + Bark: "a barking dog"), or stands for one of its own.
  3. Subjects are ranked by score x coverage; at most three are kept, near kin only when both are certain.
  4. Place, weather and mood come from the labels of these roles.
  5. What is uncertain, quiet or rare goes to the background; what comes later follows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from core.hearing.categories import GENERIC, SILENCE, TopCategory
from core.prompting.phrasebook import Entry, Phrasebook, Role, load_phrasebook, with_articles

MOST_SUBJECTS = 3
CERTAIN = 0.4
"""From this score on 81 % of YamNet's answers were right: enough to be shown however briefly it was heard."""
LIKELY = 0.2
"""Below this score about two of three answers were wrong: such a thing is painted only indistinctly."""
NOTEWORTHY = 0.1
"""Below this score a label takes no part, unless nothing better was heard."""
BESIDE = 0.25
"""A subject less certain than CERTAIN needs this share of the main subject's prominence."""
CHILD_YIELDS = 0.2
"""A child below this share of its parent's prominence is taken for a slip of the classifier."""
GENERIC_CHILD_YIELDS = 0.04
"""The same for a generic parent ("Vehicle"), which is hardly a picture."""
WORTH_A_VERB = 0.5
"""An action replaces the verb of a subject that has one from this share of its prominence on."""
QUIET_DB = -15.0
"""A subject this much quieter than the loudest moment is far away."""
RARE = 0.3
"""Below this share of the main subject's prominence a subject stands in the background."""
LATER_MS = 1900
"""Two windows later: the two did not sound together."""


@dataclass(frozen=True)
class Subject:
    """Something to be painted, with the label that it comes from and those it absorbed."""

    phrase: str
    label: str
    confidence: float
    prominence: float
    first_ms: int
    background: bool = False
    follows: bool = False
    level_db: float = 0.0


@dataclass(frozen=True)
class Heard:
    """What became of one label: its role, its phrase, and the label it went into (itself if it was used as is)."""

    label: str
    score: float
    role: Role
    phrase: str
    became: str


@dataclass(frozen=True)
class Scene:
    """The picture in parts. `subjects` holds one to three, the main one first; the other parts may be empty."""

    subjects: tuple[Subject, ...]
    place: str = ""
    weather: str = ""
    weather_follows: bool = False
    mood: str = ""
    uncertain: bool = False
    heard: tuple[Heard, ...] = ()


@dataclass(frozen=True)
class _Candidate:
    """A subject in the making: the category it stands for, its entry, and the action that joined it."""

    category: TopCategory
    entry: Entry
    action: Entry | None = None

    @property
    def phrase(self) -> str:
        if self.entry.role is not Role.SUBJECT:
            return self.entry.by_itself()
        if self.action is None:
            return self.entry.phrase
        if self.entry.label in GENERIC and self.entry.label in self.action.parents:
            return self.action.by_itself()  # "a car starting its engine" rather than "an engine starting its engine"
        if self.action.noun == "water" and self.entry.label not in ("Water", "Liquid"):
            return self.entry.phrase  # the water drips, not the tap
        return self.action.joined_to(self.entry)

    def as_subject(self) -> Subject:
        category = self.category
        return Subject(
            phrase=self.phrase,
            label=category.name,
            confidence=category.score,
            prominence=category.prominence,
            first_ms=category.first_ms,
            level_db=category.level_db,
        )


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
    ledger = {category.name: "" for category in known}

    remaining = _absorb(clear, book, ledger)
    subjects = _join(remaining, book, ledger)
    settings = _Settings.among(remaining, book)
    if not subjects or _outweighed_by_setting(subjects, settings):
        lead, settings = settings.take_lead(known, book)
        subjects = [lead, *subjects]
    chosen = _arrange(_choose(subjects, book))
    for subject in chosen:
        ledger[subject.label] = subject.label
    for part in settings.used():
        ledger[part.name] = part.name
    weather, mood = settings.weather, settings.mood
    follows = weather is not None and weather.first_ms >= chosen[0].first_ms + LATER_MS
    return Scene(
        subjects=chosen,
        place=book[settings.place.name].phrase if settings.place else "",
        weather=_weather_words(book[weather.name], follows) if weather else "",
        weather_follows=follows,
        mood=book[mood.name].phrase if mood else "",
        uncertain=_surest(chosen[0].label, known, ledger) < LIKELY,
        heard=tuple(_account(category, book, ledger) for category in known),
    )


def _absorb(clear: Sequence[TopCategory], book: Phrasebook, ledger: dict[str, str]) -> list[TopCategory]:
    """Step 1: of each line of descent one label stays; `ledger` notes into which one the others went.

    First the slips go (children far weaker than a parent that was heard), then what remains absorbs its parents.
    An action leaves the subjects above it to `_join`: Bark does not replace Dog, it joins it.
    """
    strong: list[TopCategory] = []
    for category in clear:
        parents = [other for other in clear if other.name in book.ancestors(category.name)]
        over = next((parent for parent in parents if category.prominence < _yields_below(parent)), None)
        if over is None:
            strong.append(category)
        else:
            ledger[category.name] = over.name
    kept: list[TopCategory] = []
    for category in strong:
        heirs = [other for other in strong if _replaces(other, category, book)]
        if heirs:
            ledger[category.name] = max(heirs, key=lambda heir: heir.prominence).name
        else:
            kept.append(category)
    return kept


def _yields_below(parent: TopCategory) -> float:
    """The prominence under which a child of `parent` is a slip; nobody can paint "a vehicle", so any kind will do."""
    return (GENERIC_CHILD_YIELDS if parent.name in GENERIC else CHILD_YIELDS) * parent.prominence


def _replaces(other: TopCategory, category: TopCategory, book: Phrasebook) -> bool:
    """Whether `other` takes the place of `category`: as its child, or as the same sound under another name."""
    one, two = book[other.name], book[category.name]
    if one.label == two.label or Role.IGNORE in (one.role, two.role):
        return False
    if two.label in book.ancestors(one.label):
        return not (one.role in (Role.ACTION, Role.MOOD) and two.role is Role.SUBJECT)
    if one.role is Role.SUBJECT and two.role is Role.SUBJECT:
        return two.label in one.joins and (other.prominence >= category.prominence or category.score < CERTAIN)
    return False


def _join(remaining: Sequence[TopCategory], book: Phrasebook, ledger: dict[str, str]) -> list[_Candidate]:
    """Step 2: actions join the most prominent subject they can belong to, the strongest action first."""
    subjects = {c.name: _Candidate(c, book[c.name]) for c in remaining if book[c.name].role is Role.SUBJECT}
    alone: dict[str, _Candidate] = {}
    actions = [c for c in remaining if book[c.name].role is Role.ACTION]
    for category in sorted(actions, key=lambda action: -action.prominence):
        entry = book[category.name]
        partner = next(
            (
                candidate
                for candidate in sorted(subjects.values(), key=lambda candidate: -candidate.category.prominence)
                if any(book.is_kind_of(candidate.category.name, kind) for kind in entry.joins or entry.parents)
            ),
            None,
        )
        if partner is None:
            key = entry.noun or entry.label
            ledger[category.name] = alone.setdefault(key, _Candidate(category, entry)).category.name
            _drop_generic_parents(category, subjects, book, ledger)
            continue
        ledger[category.name] = partner.category.name
        if partner.action is None and _says_more(category, partner, book):
            stronger = max(partner.category, category, key=lambda either: either.prominence)
            merged = replace(partner.category, score=max(partner.category.score, category.score))
            merged = replace(merged, coverage=min(1.0, stronger.prominence / merged.score) if merged.score else 0.0)
            subjects[partner.category.name] = _Candidate(merged, partner.entry, entry)
        for parent in book.ancestors(category.name) & subjects.keys() - {partner.category.name}:
            ledger[parent] = partner.category.name  # an aircraft engine is no engine beside the aircraft
            del subjects[parent]
    _merge_same_noun(subjects, alone, ledger)
    return [*subjects.values(), *alone.values()]


def _says_more(action: TopCategory, partner: _Candidate, book: Phrasebook) -> bool:
    """Whether `action` tells how `partner` does it. "A crying baby" has its verb and keeps it beside a weak whimper;
    a voice is always told by how it speaks."""
    entry = partner.entry
    bare = entry.phrase in (entry.noun, with_articles(f"a {entry.noun}"))
    strong = action.prominence >= WORTH_A_VERB * partner.category.prominence
    return bare or strong or book.is_kind_of(entry.label, "Speech")


def _drop_generic_parents(
    action: TopCategory, subjects: dict[str, _Candidate], book: Phrasebook, ledger: dict[str, str]
) -> None:
    """A car honking its horn needs no "vehicle" beside it."""
    for parent in book.ancestors(action.name) & subjects.keys() & GENERIC:
        ledger[parent] = action.name
        del subjects[parent]


def _merge_same_noun(subjects: dict[str, _Candidate], alone: dict[str, _Candidate], ledger: dict[str, str]) -> None:
    """An action that stands alone for a thing that is there anyway (Growling's dog beside Dog) is dropped."""
    nouns = {candidate.entry.noun: name for name, candidate in subjects.items()}
    for noun, candidate in list(alone.items()):
        if noun in nouns:
            ledger[candidate.category.name] = nouns[noun]
            del alone[noun]


def _choose(candidates: Sequence[_Candidate], book: Phrasebook) -> list[Subject]:
    """Step 3: the main subject and what may stand beside it; a person speaking never crowds out the rest."""
    ranked = sorted(candidates, key=lambda candidate: (-_weight(candidate.category), candidate.category.name))
    main = ranked[0]
    chosen: list[_Candidate] = [main]
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


def _weight(category: TopCategory) -> float:
    """Prominence, with what names no thing one could point at counting half."""
    return category.prominence * (0.5 if category.name in GENERIC else 1.0)


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


def _surest(label: str, known: Sequence[TopCategory], ledger: dict[str, str]) -> float:
    """How sure it is that something of the kind was heard: a certain siren makes a doubtful police car certain enough,
    a certain "vehicle" makes nothing certain."""
    family = [category for category in known if category.name == label or ledger[category.name] == label]
    return max(category.score for category in family if category.name == label or category.name not in GENERIC)


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

    def take_lead(self, known: Sequence[TopCategory], book: Phrasebook) -> tuple[_Candidate, "_Settings"]:
        """The part that is the picture when no subject was heard, and what remains around it.

        Where there is no such part either, the first known label stands for itself.
        """
        parts = [*self.places, *self.weathers, *self.moods]
        if not parts:
            category = next((c for c in known if book[c.name].alone), known[0])
            return _Candidate(category, book[category.name]), self
        lead = max(parts, key=lambda part: (part.prominence, part.name))
        rest = (tuple(c for c in kind if not _akin(lead, c, book)) for kind in (self.places, self.weathers, self.moods))
        return _Candidate(lead, book[lead.name]), _Settings(*rest)


def _akin(lead: TopCategory, other: TopCategory, book: Phrasebook) -> bool:
    """Whether a setting says again what the leading one says (drops beside rain)."""
    return lead.name == other.name or _near_kin(lead.name, other.name, book)


def _mere_colour(category: TopCategory, book: Phrasebook) -> bool:
    """Hiss and hum lie under every recording; they tinge the picture only when they are certain."""
    return book[category.name].role is Role.TEXTURE and category.score < CERTAIN


def _outweighed_by_setting(subjects: Sequence[_Candidate], settings: _Settings) -> bool:
    """Whether rain or the sea was the event itself and what else was heard only doubtful."""
    best = max(subject.category.prominence for subject in subjects)
    sure = any(subject.category.score >= CERTAIN for subject in subjects)
    around = max((part.prominence for part in (*settings.places, *settings.weathers)), default=0.0)
    return not sure and around > 2 * best


def _quiet(known: Sequence[TopCategory], book: Phrasebook) -> Scene:
    """Nothing but silence, or no labels at all."""
    silence = known[0] if known else TopCategory(SILENCE, 1.0, 1.0, 0)
    subject = _Candidate(silence, book[SILENCE]).as_subject()
    heard = tuple(_account(category, book, {category.name: category.name}) for category in known)
    return Scene(subjects=(subject,), heard=heard)


def _account(category: TopCategory, book: Phrasebook, ledger: dict[str, str]) -> Heard:
    entry = book[category.name]
    phrase = entry.phrase if entry.role is not Role.ACTION else entry.by_itself()
    return Heard(category.name, category.score, entry.role, phrase or entry.alone, ledger.get(category.name, ""))

"""Labels that join or absorb each other: of each line of descent one stays, and actions join their subjects.

Pure functions over TopCategory and the phrasebook: steps 1 and 2 of the scene grammar. `absorbed_into` everywhere is
the account of it: by label, the label that it went into, "" while it stands for itself. Which of the remaining are
shown, and where, is `scene.py`'s business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.hearing.categories import CERTAIN, TopCategory
from core.prompting.families import Families
from core.prompting.phantoms import load_phantoms
from core.prompting.phrasebook import Entry, Phrasebook, Role, with_articles

WORTH_A_VERB = 0.5
"""An action replaces the verb of a subject that has one from this share of its prominence on."""


@dataclass(frozen=True)
class Subject:
    """Something to be painted, with the label that it comes from, and `action`, that of what joined it."""

    phrase: str
    label: str
    confidence: float
    prominence: float
    first_ms: int
    background: bool = False
    follows: bool = False
    level_db: float = 0.0
    action: str = ""


@dataclass(frozen=True)
class Candidate:
    """A subject in the making: the category it stands for, its entry, and the action that joined it."""

    category: TopCategory
    entry: Entry
    action: Entry | None = None

    @property
    def phrase(self) -> str:
        """How the subject is told, with its action."""
        if self.entry.role is not Role.SUBJECT:
            return self.entry.by_itself()
        if self.action is None:
            return self.entry.phrase
        if self.entry.generic and self.entry.label in self.action.parents:
            return self.action.by_itself()  # "a car starting its engine" rather than "an engine starting its engine"
        if self.action.noun == "water" and self.entry.label not in ("Water", "Liquid"):
            return self.entry.phrase  # the water drips, not the tap
        return self.action.joined_to(self.entry)

    def as_subject(self) -> Subject:
        """The subject as it may be shown; where, is decided later."""
        category = self.category
        return Subject(
            phrase=self.phrase,
            label=category.name,
            confidence=category.score,
            prominence=category.prominence,
            first_ms=category.first_ms,
            level_db=category.level_db,
            action=self.action.label if self.action else "",
        )


def absorb(
    clear: Sequence[TopCategory], stands_for: Mapping[str, str], book: Phrasebook, absorbed_into: dict[str, str]
) -> list[TopCategory]:
    """Step 1: of each line of descent one label stays; `absorbed_into` notes into which one the others went.

    First the slips go (labels that yield to a surer relative), then the phantoms; what remains absorbs its parents. An
    action leaves the subjects above it to `join`: Bark does not replace Dog, it joins it. `stands_for` is the walk of
    all that was heard (`categories.walk`).
    """
    families = Families(clear, stands_for, book)
    strong: list[TopCategory] = []
    for category in clear:
        over = families.yields_to(category)
        if over is None:
            strong.append(category)
        else:
            absorbed_into[category.name] = over.name
    strong = _without_phantoms(strong, book)
    replaced = {one.name: [other for other in strong if _replaces(other, one, book)] for one in strong}
    kept = {one.name for one in strong if not replaced[one.name]}
    for category in strong:
        # no chains: into what stays, where that is of the same line
        others = sorted(replaced[category.name], key=lambda other: (other.name in kept, other.prominence))
        if others:
            absorbed_into[category.name] = others[-1].name
    return [one for one in strong if one.name in kept]


def _without_phantoms(strong: list[TopCategory], book: Phrasebook) -> list[TopCategory]:
    """Only what can be believed, unless there is nothing else to paint: no phantom, and no doubtful generic label of
    which a phantom was the only child. Before that a phantom has made others doubtful, as any label does; it takes
    nobody's place."""
    names = load_phantoms()
    phantoms = [one for one in strong if one.score < CERTAIN and one.name in names]

    def is_believed(one: TopCategory) -> bool:
        if one in phantoms:
            return False
        below = [other for other in strong if _replaces(other, one, book)]
        doubtful = book[one.name].generic and one.score < CERTAIN
        return not (doubtful and below and all(other in phantoms for other in below))

    believed = [one for one in strong if is_believed(one)]
    return believed if any(book[one.name].role is not Role.IGNORE for one in believed) else strong


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


def join(remaining: Sequence[TopCategory], book: Phrasebook, absorbed_into: dict[str, str]) -> list[Candidate]:
    """Step 2: actions join the most prominent subject they can belong to, the strongest action first."""
    subjects = {c.name: Candidate(c, book[c.name]) for c in remaining if book[c.name].role is Role.SUBJECT}
    alone: dict[str, Candidate] = {}
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
            absorbed_into[category.name] = alone.setdefault(key, Candidate(category, entry)).category.name
            _drop_generic_parents(category, subjects, book, absorbed_into)
            continue
        absorbed_into[category.name] = partner.category.name
        if partner.action is None and _says_more(category, partner, book):
            stronger = max(partner.category, category, key=lambda either: either.prominence)
            merged = replace(partner.category, score=max(partner.category.score, category.score))
            merged = replace(merged, coverage=min(1.0, stronger.prominence / merged.score) if merged.score else 0.0)
            subjects[partner.category.name] = Candidate(merged, partner.entry, entry)
        for parent in book.ancestors(category.name) & subjects.keys() - {partner.category.name}:
            absorbed_into[parent] = partner.category.name  # an aircraft engine is no engine beside the aircraft
            del subjects[parent]
    _merge_same_noun(subjects, alone, absorbed_into)
    return _of_one_throat([*subjects.values(), *alone.values()], book, absorbed_into)


def _says_more(action: TopCategory, partner: Candidate, book: Phrasebook) -> bool:
    """Whether `action` tells how `partner` does it. "A crying baby" has its verb and keeps it beside a weak whimper;
    a voice is always told by how it speaks."""
    entry = partner.entry
    bare = entry.phrase in (entry.noun, with_articles(f"a {entry.noun}"))
    strong = action.prominence >= WORTH_A_VERB * partner.category.prominence
    return bare or strong or book.is_kind_of(entry.label, "Speech")


def _of_one_throat(candidates: Sequence[Candidate], book: Phrasebook, absorbed_into: dict[str, str]) -> list[Candidate]:
    """Without the animals that are heard only while a surer one is: a cow that moos is no lion at times.

    Windows are shared for sure where the surer one is heard in all of them.
    """
    animals = [one for one in candidates if book.is_kind_of(one.category.name, "Animal")]
    kept = list(candidates)
    for one in animals:
        surer = [
            other
            for other in animals
            if other.category.coverage >= 1 > one.category.coverage
            and other.category.prominence >= one.category.prominence
        ]
        if surer:
            kept.remove(one)
            absorbed_into[one.category.name] = max(surer, key=lambda other: other.category.prominence).category.name
    return kept


def _drop_generic_parents(
    action: TopCategory, subjects: dict[str, Candidate], book: Phrasebook, absorbed_into: dict[str, str]
) -> None:
    """A car honking its horn needs no "vehicle" beside it."""
    for parent in book.ancestors(action.name) & subjects.keys() & book.labels.generic:
        absorbed_into[parent] = action.name
        del subjects[parent]


def _merge_same_noun(
    subjects: dict[str, Candidate], alone: dict[str, Candidate], absorbed_into: dict[str, str]
) -> None:
    """An action that stands alone for a thing that is there anyway (Growling's dog beside Dog) is dropped."""
    nouns = {candidate.entry.noun: name for name, candidate in subjects.items()}
    for noun, candidate in list(alone.items()):
        if noun in nouns:
            absorbed_into[candidate.category.name] = nouns[noun]
            del alone[noun]

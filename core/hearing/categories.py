"""What was heard in the whole recording: the windows' predictions drawn together.

A parent is heard whenever one of its children is, and more surely: its score says that something of the kind was heard,
its children's, compared with each other, say what. So from each generic parent one walks down to the thing itself.
Knows YamNet's habits (generic parents, silence) but not what labels look like.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.hearing.classifier import Prediction
from core.hearing.labels import Labels, Role, load_labels

HEARD = 0.1
"""A label counts as heard in a window from this score on. Of the answers scored 0.1-0.2, 32 % were right; below
that, next to none."""

LISTED = 0.02
"""Labels whose average over the recording is below this are not listed, unless nothing else is."""

CLEARLY, PROBABLY, PERHAPS = 0.5, 0.2, 0.1
"""From this certainty on it is said so of a label: right in at least 80 %, in 50 to 80 %, in 25 to 50 % of the cases.
Below it is a guess, and said only where nothing better was heard."""

CERTAIN = 0.4
"""From this score on 81 % of YamNet's answers were right: enough to be shown however briefly it was heard."""
LIKELY = 0.2
"""Below this score about two of three answers were wrong: such a thing is painted only indistinctly."""
NOTEWORTHY = 0.1
"""Below this score a label takes no part, unless nothing better was heard."""

SILENCE = "Silence"

GENERIC_WEIGHT = 0.5
"""Parents that name no thing one could point at are ranked at half their score, so that Dog comes before Animal."""

WALKED_FROM = 0.05
"""A generic label below this score stands for nothing else."""
SHARE = 0.15
CLEAR_BY = 2
LEAST = 0.03
"""A step from a generic label to its best child needs this share of the label's score, so many times the next child's,
and at least this score. A frontier, measured on 421 recordings of Debian packages (and alike on 400 of ESC-10): 0.1
and 2 names more strictly (the first label names the right thing in 48.7 %), 0.2 and 3 loses fewer answers that are
right though they name nothing (the first label is right in 55.1 %, and names it in 47.0 %); this is between them (53.7
and 47.5 %). At half score, without any walk, they were 55.8 and 43.9 %."""

_NAMING = (Role.SUBJECT, Role.ACTION)


@dataclass(frozen=True)
class TopCategory:
    """One label over the whole recording.

    `score`: how sure the classifier was, 0 to 1, averaged over the windows in which the label was heard.
    `coverage`: the share of the audible windows in which it was heard, 0 to 1.
    `first_ms`: when it was first heard.
    `level_db`: how loud its windows are, relative to the recording's loudest window (0 or below).
    `certainty`: its score averaged over all audible windows, 0 to 1: what is said and shown of how sure it is. If left
    out, as in what was stored before there was one, score x coverage, which is close to it.
    """

    name: str
    score: float
    coverage: float
    first_ms: int
    level_db: float = 0.0
    certainty: float = math.nan

    def __post_init__(self) -> None:
        if math.isnan(self.certainty):
            object.__setattr__(self, "certainty", self.prominence)

    @property
    def prominence(self) -> float:
        """score x coverage: what the scene goes by, which is told how briefly or how weakly it was heard."""
        return self.score * self.coverage


def get_top_categories(predictions: Sequence[Prediction], *, limit: int = 12) -> tuple[TopCategory, ...]:
    """The labels of a recording, the most prominent first, at most `limit`.

    Windows are averaged; windows that are silent do not count, and Silence itself is listed only if every window is
    silent. Generic parents are ranked at half their score, and what they stand for no lower, just above them. Empty
    only for no predictions at all.
    """
    if not predictions:
        return ()
    audible = [window for window in predictions if not _is_silent(window)]
    if not audible:
        score = sum(_score(window, SILENCE) for window in predictions) / len(predictions)
        return (TopCategory(SILENCE, score, 1.0, predictions[0].timestamp_ms),)

    windows_of: defaultdict[str, list[tuple[float, Prediction]]] = defaultdict(list)
    for window in audible:
        for category in window.categories:
            if category.name != SILENCE:
                windows_of[category.name].append((category.score, window))

    averages = {name: math.fsum(score for score, _ in found) / len(audible) for name, found in windows_of.items()}

    stands_for = walk(averages)
    ranks = {name: average * _weight(name) for name, average in averages.items()}
    for generic, name in stands_for.items():
        ranks[name] = max(ranks[name], ranks[generic])
    named = frozenset(stands_for.values())
    ranked = sorted(averages, key=lambda name: (-ranks[name], name not in named, name))
    listed = [name for name in ranked if averages[name] >= LISTED or name in named] or ranked[:1]
    loudest = max(window.loudness_dbfs for window in audible)
    return tuple(_draw_together(name, windows_of[name], len(audible), loudest) for name in listed[:limit])


def walk(scores: Mapping[str, float]) -> dict[str, str]:
    """For each generic label that stands for a thing, that thing: from the label down to the best child, and on.

    `scores` are those over the whole recording. It ends at the first label that is not generic; where no child is
    clearly the best the label stands for nothing but itself, and is left out. Settings and qualities are no things.
    """
    labels = load_labels()
    generic = (name for name, score in scores.items() if score >= WALKED_FROM and name in labels.generic)
    ends = {name: _down_from(name, scores, labels) for name in generic}
    return {name: end for name, end in ends.items() if end not in labels.generic}


def _down_from(name: str, scores: Mapping[str, float], labels: Labels) -> str:
    score = scores[name]
    while name in labels.generic:
        step = _clear_child(name, score, scores, labels)
        if step is None:
            return name
        name, score = step
    if name in scores:
        return name
    return max(_family(name, labels), key=lambda label: (scores.get(label, 0.0), label))  # only its bark was heard


def _clear_child(name: str, score: float, scores: Mapping[str, float], labels: Labels) -> tuple[str, float] | None:
    """The child that a generic label of that score clearly stands for, with the best score in its family."""

    def order(label: str) -> tuple[float, str]:
        return (scores.get(label, 0.0), label)

    families = {child: _family(child, labels) for child in labels.children(name) if _is_thing(child, labels)}
    if not families:
        return None
    surest = {child: max(family, key=order) for child, family in families.items()}
    child = max(families, key=lambda child: (order(surest[child]), order(child)))
    best, _ = order(surest[child])
    thing = max((label for label in families[child] if label not in labels.generic), key=order, default=child)
    # what is above the surest thing is heard because of it: a dog is a pet and of the wolves' kind
    others = frozenset().union(*families.values()) - families[child] - labels.ancestors(thing)
    next_best = max((scores.get(other, 0.0) for other in others), default=0.0)
    return (child, best) if best >= max(LEAST, SHARE * score, CLEAR_BY * next_best) else None


def _family(name: str, labels: Labels) -> frozenset[str]:
    """A label and what is below it."""
    return frozenset(other for other in (name, *labels.descendants(name)) if _is_thing(other, labels))


def _is_thing(name: str, labels: Labels) -> bool:
    """Whether a label names a thing or what it does, or is generic for such."""
    return labels[name].role in _NAMING or labels[name].generic


def _weight(name: str) -> float:
    return GENERIC_WEIGHT if name in load_labels().generic else 1.0


def _draw_together(
    name: str, found: Sequence[tuple[float, Prediction]], audible: int, loudest_dbfs: float
) -> TopCategory:
    """One label's windows as one TopCategory; if it was nowhere heard for sure, its best window stands for it."""
    heard = [(score, window) for score, window in found if score >= HEARD] or [max(found, key=lambda pair: pair[0])]
    weight = math.fsum(score for score, _ in heard)
    level = math.fsum(score * window.loudness_dbfs for score, window in heard) / weight if weight else 0.0
    return TopCategory(
        name=name,
        score=weight / len(heard),
        coverage=len(heard) / audible,
        first_ms=min(window.timestamp_ms for _, window in heard),
        level_db=min(0.0, level - loudest_dbfs),
        certainty=math.fsum(score for score, _ in found) / audible,
    )


def _score(window: Prediction, name: str) -> float:
    return next((category.score for category in window.categories if category.name == name), 0.0)


def _is_silent(window: Prediction) -> bool:
    """Whether Silence is what the window says first."""
    best = max(window.categories, key=lambda category: category.score, default=None)
    return best is None or best.name == SILENCE

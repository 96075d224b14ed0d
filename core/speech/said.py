"""The scene in what somebody said, by rules: English words in, a SaidScene out, or nothing.

  1. Idioms and senses that show something else than is meant go first, then fillers.
  2. A request is taken nearly as it was said ("paint a red fox in the snow").
  3. Otherwise each clause is looked at: what is negated is out; an actor that can be seen does something that can be
     seen ("a dog running into the water"); or something is seen, had, bought, eaten, there ("there was a huge ship").
  4. Place, weather, light and mood come from all that was said.

Only nouns of the list (`nouns.py`) and verbs of `verbs.csv` come out, so that misheard words give nothing; a wrong
thing is worse than none. People are told by what they are, never by their names. It knows nothing of sounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ModelMissing, ModelUnusable
from core.prompting.phrasebook import with_articles
from core.speech.clauses import (
    cut,
    doing_of,
    gerund,
    is_beside_the_point,
    is_in_setting,
    is_negated,
    is_said_of_people,
    is_there,
    is_unreal,
    lemma,
    of_what,
    verbs,
)
from core.speech.nouns import GENERIC, load_nouns
from core.speech.sayings import (
    AT,
    COLOURS,
    DEVICES,
    HAVING,
    KIN,
    LANDMARKS,
    LEADS,
    LIGHTS,
    MOODS,
    MOST_IN_PHRASE,
    MOST_SUBJECTS,
    MOVING,
    NAMES,
    NOMINAL,
    NUMBERS,
    OF_ITSELF,
    PEOPLE,
    QUANTITIES,
    REQUEST,
    STANDS_OUT,
    TECHNICAL,
    TECHNICAL_TALK,
    WEATHER_SEEN,
    WEATHERS,
    found,
    is_weather,
    plain,
)
from core.speech.spoken import SaidScene

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc, Token


class Rules:
    """The rules, with spaCy's pipeline; for any thread."""

    def __init__(self, pipeline: Language) -> None:
        self._pipeline = pipeline
        self._nouns = load_nouns()

    def write(self, words: str) -> SaidScene:
        """The scene in `words`; an empty one of the kind "nothing" where nothing can be seen in them."""
        text = plain(words)
        if not text:
            return SaidScene()
        request = REQUEST.search(text)
        if request is not None:
            subjects = self._requested(request["what"])
            if subjects:
                return self._around(subjects, request["what"], self._pipeline(request["what"]), "request")
        doc = self._pipeline(text)
        subjects = self._apart(self._told(doc))
        return self._around(subjects, text, doc, "story") if subjects else self._weather_alone(doc)

    def _requested(self, what: str) -> list[str]:
        doc = self._pipeline(what)
        found: list[str] = []
        places: list[str] = []
        taken: set[int] = set()
        for token in doc:
            if token.pos_ not in ("NOUN", "PROPN") or token.i in taken or is_negated(token):
                continue
            kind = self._kind(token)
            if not kind or is_in_setting(token, kind):
                continue
            if kind == "place":
                places.append(self._phrase(token))
                continue
            phrase = self._phrase(token)
            if (verb := doing_of(token)) is not None and lemma(verb) in verbs("act"):
                taken.update(child.i for child in verb.subtree)
                phrase += f" {self._doing(verb)}"
            else:
                phrase += self._beside(token)
            found.append(cut(phrase))
        return self._apart(found or places[:1])

    def _apart(self, phrases: Iterable[str]) -> list[str]:
        """At most MOST_SUBJECTS of them, none of which says again what another one does."""
        kept: list[str] = []
        for phrase in phrases:
            said = {self._nouns.singular(word) for one in kept for word in one.split()}
            if phrase and self._nouns.singular(phrase.split()[-1]) not in said:
                kept.append(phrase)
        skies = [phrase for phrase in kept if phrase in ("a sunset", "a sunrise")]
        return [phrase for phrase in kept if phrase not in skies or len(kept) == len(skies)][:MOST_SUBJECTS]

    def _beside(self, noun: Token) -> str:
        """Where a requested thing is, if that is something to be seen and no place by itself: "on a sofa"."""
        for child in noun.rights:
            if child.dep_ == "prep" and child.lower_ in (*AT, "with", "of"):
                inner = next((one for one in child.children if one.dep_ == "pobj"), None)
                where = self._where(child)
                if (
                    inner is not None
                    and where
                    and self._kind(inner) not in ("place", "weather")
                    and not is_weather(where)
                ):
                    return f" {where}"
        return ""

    def _told(self, doc: Doc) -> list[str]:
        """What the clauses show: first who acts of itself, then people who do something, then what is seen or had."""
        ranked = [*self._in_clauses(doc), *self._mentioned(doc)]
        return [phrase for _, phrase in sorted(ranked, key=lambda each: each[0])]

    def _in_clauses(self, doc: Doc) -> Iterator[tuple[int, str]]:
        for token in doc:
            if token.pos_ not in ("VERB", "AUX") or is_negated(token) or is_unreal(token):
                continue
            actor = next((child for child in token.children if child.dep_ in ("nsubj", "nsubjpass")), None)
            phrase = self._actor(actor) if actor is not None else ""
            kind = self._kind(actor) if actor is not None else ""
            if actor is not None and actor.dep_ == "nsubjpass":
                if kind in ("animal", "vehicle", "fantasy", "person"):
                    yield 3, phrase
                continue
            if actor is not None and token.pos_ == "VERB" and lemma(token) in verbs("act"):
                if phrase and self._is_worth(actor, token):
                    rank = 0 if kind in OF_ITSELF else 2 if actor.pos_ == "PRON" else 1
                    yield rank, cut(f"{phrase} {self._doing(token)}")
                    continue
            elif actor is not None and self._is_seen_alone(actor):
                yield 3, self._actor(actor) or self._phrase(actor)
            yield from self._objects(token)

    def _mentioned(self, doc: Doc) -> Iterator[tuple[int, str]]:
        """What is there by being named."""
        for token in doc:
            kind = self._kind(token)
            if not kind or is_negated(token) or any(map(is_unreal, token.ancestors)):
                continue
            if token.dep_ == "ROOT" and kind in LEADS - {"person"}:
                yield 4, cut(f"{self._phrase(token)}{self._beside(token)}")
            elif kind in OF_ITSELF and not is_beside_the_point(token) and not self._is_around(token):
                doing = doing_of(token)
                is_seen = doing is not None and lemma(doing) in verbs("act") and not is_negated(doing)
                yield (
                    5,
                    cut(f"{self._phrase(token)} {self._doing(doing)}") if doing and is_seen else self._phrase(token),
                )
            elif kind in ("plant", "food", "clothing") and token.dep_ == "nsubj":
                yield 6, self._phrase(token)

    def _is_around(self, token: Token) -> bool:
        """Whether it is only where something is, or what somebody is called."""
        if token.dep_ == "pobj" and token.head.lower_ in ("in", "on", "at", "by", "to", "from"):
            return self._kind(token) in ("vehicle", "sight") and token.head.head.lemma_ != "look"
        return token.dep_ == "attr" and is_said_of_people(token.head)

    def _is_seen_alone(self, actor: Token) -> bool:
        """Whether it is in the picture whatever is said of it."""
        kind = self._kind(actor)
        looks = any(child.lower_ in COLOURS for child in actor.lefts)
        is_somebody = looks and (kind == GENERIC or actor.lower_ in KIN)
        return kind in OF_ITSELF or is_somebody or bool(kind and actor.lower_ in LANDMARKS)

    def _objects(self, verb: Token) -> Iterator[tuple[int, str]]:
        """What a verb is about: anything that can be seen of what is seen, had or made, of others what stands out."""
        is_shown = lemma(verb) in verbs("get") | verbs("act") or is_there(verb)
        for child in verb.children:
            if child.dep_ not in ("dobj", "attr", "oprd") or is_negated(child):
                continue
            if child.dep_ == "attr" and is_said_of_people(verb):
                continue  # "he's such a pig"
            for one in map(self._core, (child, *child.conjuncts)):
                kind, doing = self._kind(one), doing_of(one)
                if doing is not None and lemma(doing) in verbs("act") and (actor := self._actor(one)):
                    yield 1, cut(f"{actor} {self._doing(doing)}")
                elif (
                    kind == "thing"
                    and lemma(verb) in HAVING
                    and not any(child.lower_ in COLOURS for child in one.lefts)
                ):
                    continue  # to have something is no picture
                elif one.lower_ in KIN or one.lower_ in DEVICES or (kind == "person" and not is_shown):
                    continue
                elif kind in STANDS_OUT or (is_shown and (kind in LEADS or (kind and one.lower_ in LANDMARKS))):
                    yield (2 if kind in OF_ITSELF else 3), cut(self._phrase(one))

    def _core(self, noun: Token) -> Token:
        """What there is of, where a noun only says how much: "a bunch of flowers"."""
        inner = of_what(noun)
        return inner if inner is not None and noun.lower_ in QUANTITIES else noun

    def _is_worth(self, actor: Token, verb: Token) -> bool:
        """Whether a clause shows something: a pronoun's does only with what it is done to, or where."""
        if self._kind(actor) not in ("", "thing", GENERIC) and actor.pos_ != "PRON":
            return True
        return len(self._doing(verb).split()) > 1

    def _actor(self, token: Token) -> str:
        known = PEOPLE.get(token.lower_) or KIN.get(token.lower_)
        if known is not None:
            looks = [child.lower_ for child in token.lefts if child.lower_ in COLOURS]
            return with_articles(" ".join(["a", *looks, known.split()[-1]])) if looks and " " in known else known
        if token.ent_type_ == "PERSON":
            return "a person"
        is_seen = self._kind(token) in (*LEADS, GENERIC) and token.lower_ not in DEVICES
        return self._phrase(token) if is_seen else ""

    def _kind(self, token: Token) -> str:
        if token.pos_ not in NOMINAL or (token.ent_type_ in NAMES and token.text[0].isupper()):
            return ""
        if token.lower_ in TECHNICAL and found(TECHNICAL_TALK, token.doc.text):
            return ""
        inner = of_what(token)
        if inner is not None and not self._nouns.kind(inner.lower_) and inner.lower_ not in PEOPLE:
            return ""  # "a mountain of work"
        is_known = token.lower_ in self._nouns.common or self._nouns.singular(token.lower_) in self._nouns.common
        return self._nouns.kind(token.lower_) if is_known else ""

    def _phrase(self, noun: Token) -> str:
        """A noun with its number and what it looks like, and an article of its own."""
        before = [child for child in noun.lefts if child.lower_ in COLOURS or child.lower_ in NUMBERS]
        compounds = [
            child.lower_ for child in noun.lefts if child.dep_ == "compound" and self._nouns.kind(child.lower_)
        ]
        words = [child.lower_ for child in before] + compounds + [noun.lower_]
        kind = self._nouns.kind(noun.lower_)
        has_article = any(child.dep_ in ("det", "poss") for child in noun.lefts)
        if any(word in NUMBERS for word in words) or noun.tag_ in ("NNS", "NNPS"):
            return " ".join(dict.fromkeys(words))
        if kind in ("stuff", "game", "weather") or (kind == "food" and not has_article):
            return " ".join(dict.fromkeys(words))
        if noun.lower_ in ("people", "kids", "children"):
            return " ".join(words)
        return with_articles(f"a {' '.join(dict.fromkeys(words))}")

    def _doing(self, verb: Token) -> str:
        words = [gerund(lemma(verb))]
        for child in verb.rights:
            if child.dep_ == "prt":
                words.append(child.lower_)
            elif child.dep_ == "dobj" and self._kind(child):
                words.append(self._phrase(child))
            elif child.dep_ == "prep":
                where = self._where(child)
                if where and (child.lower_ in MOVING or (len(words) == 1 and not is_weather(where))):
                    words.append(where)
        return " ".join(words)

    def _where(self, preposition: Token) -> str:
        """A prepositional phrase with something that can be seen; empty for another."""
        noun = next((child for child in preposition.children if child.dep_ == "pobj"), None)
        inner = next((child for child in preposition.children if child.dep_ in ("prep", "pcomp")), None)
        if noun is None and inner is not None:  # "out of the window"
            return f"{preposition.lower_} {rest}" if (rest := self._where(inner)) else ""
        if noun is None or not self._kind(noun) or noun.lower_ in PEOPLE:
            return ""
        definite = any(
            child.lower_ in ("the", "my", "our", "his", "her", "their", "your", "this", "that") for child in noun.lefts
        )
        phrase = self._phrase(noun)
        if definite:
            phrase = f"the {re.sub('^an? ', '', phrase)}"
        return f"{preposition.lower_} {phrase}"

    def _around(self, subjects: list[str], text: str, doc: Doc, kind: str) -> SaidScene:
        said = " ".join(subjects)
        place = next((where for where in self._places(doc) if not found(where.split()[-1], said)), "")
        weather = next((told for pattern, told in WEATHERS if found(pattern, text) and told not in said), "")
        light = next((told for pattern, told in LIGHTS if found(pattern, text)), "")
        return SaidScene(
            tuple(subjects),
            place="" if is_weather(place) else " ".join(place.split()[:MOST_IN_PHRASE]),
            weather="" if weather and any(word in said for word in weather.split()[-1:]) else weather,
            light=light,
            mood=next((mood for pattern, mood in MOODS if found(pattern, text)), ""),
            kind="request" if kind == "request" else "story",
        )

    def _places(self, doc: Doc) -> Iterator[str]:
        for token in doc:
            if (
                token.dep_ != "prep"
                or token.lower_ not in (*AT, "to", "through", "across", "into")
                or is_negated(token)
            ):
                continue
            noun = next((child for child in token.children if child.dep_ == "pobj"), None)
            is_aboard = noun is not None and token.lower_ in ("in", "on") and self._kind(noun) == "vehicle"
            if noun is None or not (self._kind(noun) == "place" or is_aboard):
                continue
            where = self._where(token)
            if token.lower_ in ("to", "into"):
                where = f"at {where.split(' ', 1)[1]}" if where else ""
            if where:
                yield where

    def _weather_alone(self, doc: Doc) -> SaidScene:
        """Where nothing else is said than what weather there is."""
        for token in doc:
            if is_negated(token):
                continue
            is_named = token.lower_ in WEATHER_SEEN and token.dep_ in ("nsubj", "attr", "dobj", "ROOT", "conj")
            falls = next((seen for name, seen in WEATHER_SEEN.items() if token.lemma_.lower() == name), "")
            if is_named or (falls and token.pos_ == "VERB" and token.tag_ == "VBG"):
                light = next((told for night, told in LIGHTS if found(night, doc.text)), "")
                return SaidScene((WEATHER_SEEN.get(token.lower_) or falls,), light=light, kind="story")
        return SaidScene()


def load_rules(pipeline: Path) -> Rules:
    """The rules with the pipeline in a directory. Raises ModelMissing without spaCy, ModelUnusable for no pipeline."""
    try:
        import spacy
    except ImportError as error:
        raise ModelMissing(
            "Finding scenes in speech needs the extra `speech`; `make speech` installs imagine-sound[speech]."
        ) from error
    try:
        return Rules(spacy.load(pipeline, exclude=["senter"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnusable(
            f"The English pipeline in {pipeline} is damaged; remove it and run `imagine-sound models pull speech`."
        ) from error

"""What a sound is called: the names of its labels in the reader's language, and a title of at most three of them.

Names are put side by side; no grammar is translated. It knows nothing of layouts.
"""

from collections.abc import Sequence

from bot.views.texts import Translation
from core.hearing.categories import TopCategory
from core.hearing.labels import name_in
from core.hearing.naming import things

LONGEST_TITLE = 100
"""Discord's limit for the name of a thread."""
BETWEEN = " · "


def name_of(t: Translation, category: TopCategory) -> str:
    """What a label is called in the reader's language."""
    return name_in(category.name, t.locale)


def title_of(t: Translation, top: Sequence[TopCategory]) -> str:
    """The sound's name: those of its things that fit, side by side; "A sound" where nothing at all was heard."""
    title = ""
    for thing in things(top):
        longer = BETWEEN.join(filter(None, (title, name_of(t, thing))))
        title = longer if len(longer) <= LONGEST_TITLE else title
    return title or t.plain("thread.listening")


def listed(t: Translation, top: Sequence[TopCategory]) -> str:
    """The same things as a list within a sentence."""
    return t.plain("list.between").join(name_of(t, thing) for thing in things(top)) or t.plain("thread.listening")

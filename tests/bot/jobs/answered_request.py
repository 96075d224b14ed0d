"""What is to stand of a request when the bot has come to rest."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.discord_api.markdown import Markdown, mention
from bot.jobs.runner import MOST_ATTEMPTS
from bot.storage.records import Job, JobState
from tests.bot.jobs.one_start import TEXTS, fate_of, seed_shows
from tests.loopback.people import text_of
from tests.loopback.state import Message
from tests.loopback.verdict import is_picture, is_unfinished


@dataclass(eq=False)
class Request:
    """A recording that Alice has posted, and what she has done about it since.

    `cancelled`: the bot has taken note; `perhaps_cancelled`: it may have.
    """

    source: Message
    seed: int
    asked: bool
    is_fetched: bool
    deletion_heard: bool = False
    cancelled: bool = False
    perhaps_cancelled: bool = False
    withdrawn: bool = False

    @property
    def key(self) -> str:
        return f"m:{self.source.id}"


def check_answers(request: Request, job: Job, everything: Sequence[Message], alice_id: int) -> None:
    """`everything` is what was ever posted about the request, whose job is `job`."""
    standing = [message for message in everything if not message.deleted]
    shown = {picture for message in everything for picture in message.pictures}
    assert len(shown) <= 1, "several pictures were shown"
    assert all(seed_shows(picture, request.seed) for picture in shown), "another picture was shown"
    if job.source_id is None or request.source.deleted:
        assert request.source.deleted or request.withdrawn, "nobody withdrew it"
        assert standing == [], "it stands although it was withdrawn"
        return
    if standing == [] and not request.asked and job.state is JobState.FAILED:
        return
    if job.state is JobState.FAILED and any(one.channel_id == request.source.channel_id for one in everything):
        (told,) = everything  # beside the recording, and gone after a minute
        assert any(sentence in text_of(told) for sentence in _endings(request, job, alice_id)), text_of(told)
        return
    assert len(standing) == 1, "it is not answered in one message"
    (message,) = standing
    assert message.channel_id == request.source.id, "it is not in the thread"
    assert not is_unfinished(message), "it promises more"
    if job.state is JobState.DONE:
        assert is_picture(message)
        assert not request.cancelled
    else:
        assert not is_picture(message)
        assert any(sentence in text_of(message) for sentence in _endings(request, job, alice_id)), text_of(message)


def _endings(request: Request, job: Job, alice_id: int) -> list[Markdown]:
    """What the request may end with in place of a picture."""
    t, fate = TEXTS.translation("en-US"), fate_of(request.seed)
    cancelled = t("status.cancelled", user=mention(alice_id))
    if request.cancelled:
        return [cancelled]
    endings = [cancelled] if request.perhaps_cancelled else []
    endings += [t.error(fate)] if fate is not None else []
    return endings + ([t("status.interrupted")] if job.attempts >= MOST_ATTEMPTS else [])

"""The verdict comes from what stands in the end, and from what ever stood."""

import io

import pytest
from PIL import Image

from tests.loopback.people import Request
from tests.loopback.state import LOADING, SUPPRESS_NOTIFICATIONS, Channel, Message, State
from tests.loopback.verdict import Verdict, judge, strays


def picture(colour: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(out, "PNG")
    return out.getvalue()


class Scene:
    """A recording that alice has posted, and what the bot says to it."""

    def __init__(self) -> None:
        self.state = State("http://127.0.0.1:1")
        self.alice = self.state.new_user("alice")
        self.channel = self.state.new_channel("sounds")
        self.source = self.state.post(self.channel, self.alice.id, content="listen")
        self.request = Request(self.alice, self.channel, source=self.source)
        self.thread = self.state.start_thread(self.channel, self.source, "rain")

    def paint(self, message: Message, colour: str) -> None:
        file = self.state.new_attachment(message.channel_id, "picture.png", picture(colour))
        self.state.edit(message, {"attachments": [file], "components": []})

    def say(self, text: str, *, where: Channel | None = None, flags: int = 0, waiting: bool = False) -> Message:
        cancel = [{"type": 1, "components": [{"type": 2, "custom_id": "job:cancel:1"}]}] if waiting else []
        where = where or self.thread
        return self.state.post(where, self.state.bot.id, content=text, flags=flags, components=cancel)

    def reply_to_source(self, text: str) -> Message:
        reference = {"channel_id": str(self.channel.id), "message_id": str(self.source.id)}
        return self.state.post(self.channel, self.state.bot.id, content=text, reference=reference)

    @property
    def verdict(self) -> Verdict:
        return judge(self.state, self.request)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_nothing_said(scene: Scene) -> None:
    assert scene.verdict is Verdict.LOST


def test_one_picture(scene: Scene) -> None:
    scene.paint(scene.say("painting", waiting=True), "teal")
    assert scene.verdict is Verdict.ANSWERED


def test_one_sentence_where_no_picture_is_possible(scene: Scene) -> None:
    scene.say("This is no sound.")
    scene.request.may_be_told = True
    assert scene.verdict is Verdict.TOLD


def test_one_sentence_though_a_picture_was_possible(scene: Scene) -> None:
    scene.say("Please send it again.")
    assert scene.verdict is Verdict.PUT_OFF


def test_painting_for_ever(scene: Scene) -> None:
    scene.say("painting", waiting=True)
    assert scene.verdict is Verdict.STUCK


def test_thinking_for_ever(scene: Scene) -> None:
    scene.say("", flags=LOADING)
    assert scene.verdict is Verdict.STUCK


def test_unfinished_message_beside_the_picture(scene: Scene) -> None:
    scene.say("painting", waiting=True)
    scene.paint(scene.say("painting", flags=SUPPRESS_NOTIFICATIONS), "teal")
    assert scene.verdict is Verdict.ORPHAN


def test_two_pictures(scene: Scene) -> None:
    for _ in range(2):
        scene.paint(scene.say("painting"), "teal")
    assert scene.verdict is Verdict.DOUBLED


def test_picture_and_a_sentence_why_there_is_none(scene: Scene) -> None:
    scene.paint(scene.say("painting"), "teal")
    scene.say("Something went wrong.")
    assert scene.verdict is Verdict.DOUBLED


def test_another_picture_than_the_first(scene: Scene) -> None:
    message = scene.say("painting")
    scene.paint(message, "teal")
    scene.paint(message, "red")
    assert scene.verdict is Verdict.CHANGED


def test_picture_replaced_by_a_sentence(scene: Scene) -> None:
    message = scene.say("painting")
    scene.paint(message, "teal")
    scene.state.edit(message, {"attachments": [], "content": "Something went wrong."})
    assert scene.verdict is Verdict.CHANGED


def test_same_picture_shown_again(scene: Scene) -> None:
    message = scene.say("painting")
    scene.paint(message, "teal")
    scene.paint(message, "teal")
    assert scene.verdict is Verdict.ANSWERED


def test_picture_in_the_channel_though_there_is_a_thread(scene: Scene) -> None:
    scene.paint(scene.reply_to_source("painting"), "teal")
    assert scene.verdict is Verdict.MISPLACED


def test_picture_in_the_channel_where_no_thread_is_possible(scene: Scene) -> None:
    scene.request.has_no_thread = True
    scene.paint(scene.reply_to_source("painting"), "teal")
    assert scene.verdict is Verdict.ANSWERED


def test_notified_twice(scene: Scene) -> None:
    scene.state.delete(scene.say("painting"))
    scene.paint(scene.say("painting"), "teal")
    assert scene.verdict is Verdict.LOUD


def test_second_message_that_notifies_nobody(scene: Scene) -> None:
    scene.state.delete(scene.say("painting"))
    scene.paint(scene.say("painting", flags=SUPPRESS_NOTIFICATIONS), "teal")
    assert scene.verdict is Verdict.ANSWERED


def test_taken_back_and_removed(scene: Scene) -> None:
    scene.state.delete(scene.say("painting"))
    scene.request.withdrawn = True
    assert scene.verdict is Verdict.WITHDRAWN


def test_taken_back_and_still_there(scene: Scene) -> None:
    scene.say("painting")
    scene.request.withdrawn = True
    assert scene.verdict is Verdict.ORPHAN


def test_message_that_nobody_asked_for(scene: Scene) -> None:
    scene.say("painting")
    stray = scene.say("painting", where=scene.channel)
    assert strays(scene.state, scene.channel.id, [scene.request]) == [stray]

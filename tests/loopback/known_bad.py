"""The cells that are bad today, each with why. An entry goes when it is mended: a cell that has become good must not
stay here, nor may another become bad (`test_answered.py`, `python -m tests.loopback`).

Cells whose outcome hangs on a moment's chance are in `SOMETIMES`: they are expected to be neither.
"""

from collections.abc import Collection, Mapping, Sequence

from tests.loopback.bench import Cell, Outcome

_REASONS: Mapping[str, Sequence[str]] = {
    "what cannot be posted soon is closed as cancelled": (
        "one fault at one request: 401, once, post: thread",
        "one fault at one request: 401, once, post: first message",
        "503 for minutes: until it is over, post: thread",
        "503 for minutes: until it is over, post: first message",
    ),
    "a removal that does not succeed soon is forgotten": (
        "one fault at one request: 401, once, post: removal",
        "one fault at one request: 401, once, Delete pressed: removal",
        "503 for minutes: until it is over, post: removal",
        "503 for minutes: until it is over, Delete pressed: removal",
    ),
    "an acknowledgement whose answer is lost is taken for a missed one": (
        "one fault at one request: connection broken, command: acknowledgement",
        "one fault at one request: applied, answer lost, command: acknowledgement",
        "one fault at one request: applied, 500 answered, command: acknowledgement",
        "503 for minutes: until it is over, command: acknowledgement",
    ),
    "a second message is sent where the edit of the first is not confirmed": (
        "one fault at one request: connection broken, command: original response",
        "one fault at one request: applied, answer lost, command: original response",
        "one fault at one request: 401, once, command: original response",
        "one fault at one request: 403, for good, command: original response",
        "one fault at one request: 404: just deleted, command: original response",
        "503 for minutes: until it is over, command: original response",
    ),
    "a message is posted before its address is stored": (
        "one fault at one request: 429, restart: history",
        "one fault at one request: 429, global, restart: history",
        "one fault at one request: 500, restart: history",
        "one fault at one request: 502, restart: history",
        "one fault at one request: 503, restart: history",
        "one fault at one request: 520, restart: history",
        "one fault at one request: slow, restart: history",
        "one fault at one request: connection broken, restart: history",
        "one fault at one request: applied, answer lost, restart: history",
        "one fault at one request: applied, 500 answered, restart: history",
        "one fault at one request: 401, once, restart: history",
        "one fault at one request: 403, for good, restart: history",
        "kill -9 before and after each request: kill -9 after, post: first message",
        "kill -9 before and after each request: kill -9 before, restart: history",
        "kill -9 before and after each request: kill -9 after, restart: history",
    ),
    "the recording is fetched before the request is stored": (
        "kill -9 before and after each request: kill -9 before, post: recording",
        "kill -9 before and after each request: kill -9 after, post: recording",
    ),
    "the picture is only in memory, so that another one is painted": (
        "kill -9 before and after each request: kill -9 after, post: last edit",
        "kill -9 before and after each request: kill -9 after, command: last edit",
    ),
    "a removal is not written down": (
        "kill -9 before and after each request: kill -9 before, post: removal",
        "kill -9 before and after each request: kill -9 before, Delete pressed: removal",
    ),
    "a command is acknowledged before it is stored": (
        "kill -9 before and after each request: kill -9 before, command: recording",
        "kill -9 before and after each request: kill -9 after, command: recording",
        "kill -9 before and after each request: kill -9 after, command: acknowledgement",
        "kill -9 before and after each request: kill -9 before, command: original response",
        "kill -9 before and after each request: kill -9 after, command: original response",
    ),
    "what was posted while it was cut off or down is not caught up": (
        "gateway: closed with 4009",
        "gateway: session invalid, not resumable (op 9)",
        "people: 1 posted while the bot is down",
        "people: 5 posted while the bot is down",
    ),
    "a request has no identity": (
        "an event delivered again: post, at once",
        "an event delivered again: post, 1 s later",
        "an event delivered again: post, after the answer",
        "people: double click on Paint again",
    ),
    "all of the above, at random moments": (
        "kill -9 at random moments: ten kills, two requests each, no. 1",
        "kill -9 at random moments: ten kills, two requests each, no. 2",
        "kill -9 at random moments: ten kills, two requests each, no. 3",
        "kill -9 at random moments: ten kills, two requests each, no. 4",
        "kill -9 at random moments: ten kills, two requests each, no. 5",
        "kill -9 at random moments: ten kills, two requests each, no. 6",
        "kill -9 at random moments: ten kills, two requests each, no. 7",
        "kill -9 at random moments: ten kills, two requests each, no. 8",
        "kill -9 at random moments: ten kills, two requests each, no. 9",
        "kill -9 at random moments: ten kills, two requests each, no. 10",
        "five kills in a row: ten requests, no. 1",
        "five kills in a row: ten requests, no. 2",
        "five kills in a row: ten requests, no. 3",
        "five kills in a row: ten requests, no. 4",
        "five kills in a row: ten requests, no. 5",
        "five kills in a row: ten requests, no. 6",
        "five kills in a row: ten requests, no. 7",
        "five kills in a row: ten requests, no. 8",
        "five kills in a row: ten requests, no. 9",
        "five kills in a row: ten requests, no. 10",
        "five kills in a row: ten requests, no. 11",
        "five kills in a row: ten requests, no. 12",
        "five kills in a row: ten requests, no. 13",
        "five kills in a row: ten requests, no. 14",
        "five kills in a row: ten requests, no. 15",
        "five kills in a row: ten requests, no. 16",
        "five kills in a row: ten requests, no. 17",
        "five kills in a row: ten requests, no. 18",
        "five kills in a row: ten requests, no. 19",
        "five kills in a row: ten requests, no. 20",
    ),
    "nothing keeps a second process out": ("the process and its clock: two processes on one database",),
    "it ends where Discord is not there at the start": (
        "the process and its clock: Discord answers 503 at the start for 8 s",
        "the process and its clock: Discord away at the start for 8 s",
    ),
    "the wall clock says what is too old, and what this run accepted": (
        "the process and its clock: clock an hour ahead, right after the restart",
        "the process and its clock: clock an hour back, right after the restart",
        "the process and its clock: clock two hours ahead after the restart",
        "the process and its clock: clock a day back after the restart",
    ),
    "what was deleted while it was down is not noticed": (
        "deleted meanwhile: recording, while the bot is down, in the making",
        "deleted meanwhile: recording, while the bot is down, after the answer",
    ),
    "the library keeps one editor for each custom id, and forgets it": (
        "people: two prompt editors open",
        "people: prompt editor across a restart",
    ),
    "a write that fails ends the request": (
        "the disk: database locked for 15 s",
        "the disk: database locked for 60 s",
        "the disk: database locked for 15 s when the picture is shown",
        "the disk: full when it is posted, free after 10 s",
    ),
    "nobody watches the painter": (
        "the painter: it dies",
        "the painter: it hangs",
    ),
}

_CHANCE: Mapping[str, Sequence[str]] = {
    "how far it was when it was stopped is chance": (
        "SIGTERM: 0 s after the posts, 0 s to drain",
        "SIGTERM: 0 s after the posts, 2 s to drain",
        "SIGTERM: 0 s after the posts, 8 s to drain",
        "SIGTERM: 0.1 s after the posts, 0 s to drain",
        "SIGTERM: 0.1 s after the posts, 2 s to drain",
        "SIGTERM: 0.1 s after the posts, 8 s to drain",
        "SIGTERM: 0.5 s after the posts, 0 s to drain",
        "SIGTERM: 0.5 s after the posts, 2 s to drain",
        "SIGTERM: 0.5 s after the posts, 8 s to drain",
        "SIGTERM: 1.5 s after the posts, 0 s to drain",
        "SIGTERM: 1.5 s after the posts, 2 s to drain",
        "SIGTERM: 1.5 s after the posts, 8 s to drain",
        "SIGTERM: 3 s after the posts, 0 s to drain",
        "SIGTERM: 3 s after the posts, 2 s to drain",
        "SIGTERM: 3 s after the posts, 8 s to drain",
    ),
    "what was under way when the network went is chance": (
        "gateway: network away for 5 s",
        "gateway: network away for 60 s",
    ),
    "a deletion and what it deletes may pass each other": (
        "one fault at one request: 404: just deleted, post: thread",
        "deleted meanwhile: recording, at once",
        "deleted meanwhile: recording, while it is fetched",
        "deleted meanwhile: recording, once the first message is there",
        "deleted meanwhile: recording, while it is painted",
        "deleted meanwhile: recording, after the answer",
    ),
    "how slow this computer is decides it": ("the disk: each fsync takes 500 ms, ten recordings at once",),
}

KNOWN_BAD: Mapping[str, str] = {name: reason for reason, names in _REASONS.items() for name in names}
SOMETIMES: Mapping[str, str] = {name: reason for reason, names in _CHANCE.items() for name in names}


def surprise(cell: Cell, outcome: Outcome, known_bad: Collection[str] = KNOWN_BAD.keys()) -> str | None:
    """What is wrong about the list or about the bot, in a sentence; None where the cell is as expected."""
    if cell.name in SOMETIMES or outcome.is_good == (cell.name not in known_bad):
        return None
    if outcome.is_good:
        return f"{cell.name} is {outcome.word} now: take it off the list in known_bad.py"
    return f"{cell.name} is {outcome.word}: {'; '.join(outcome.notes)}"

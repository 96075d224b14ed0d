"""A sample of the attacks and mutants, with the limits that hold for all of them; `make hostile` runs the rest."""

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import DecodingTimedOut, NotAudio, RecordingRefused
from core.hearing.audio import AudioLimits, load_clip
from core.hearing.decoding.account import MOST_KEPT, Account
from tests.hostile import boxes, riff, streams
from tests.hostile.builders import HEARD, Canary, attacks
from tests.hostile.formats import encode, mutate
from tests.hostile.others import programs
from tests.hostile.range import Range

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the range watches with inotify")

SAMPLE = (
    "mp4: 80 M samples, 1 tracks", "mp4: 80 M samples, 2 tracks", "mp4: stts claims 4 Gi", "mp4: run claims 2 Gi",
    "mp4: 1000 tracks", "mp4: 20,000 nested moov", "mp4: sound in another file", "wav: 65,535 channels",
    "wav: blocks of no bytes", "flac: seek table of 16 MB", "mp3: packed pictures", "adts: frames of noise",
    "ogg: opus, 255 channels", "matroska: unknown sizes", "matroska: packed blocks", "caf: 4 Gi packets",
    "playlist: hls, path", "playlist: concat, file:", "playlist: hls, http:", "playlist: sdp", "playlist: hls key",
    "picture: svg", "archive: zip", "polyglot: mp3 behind a web page", "polyglot: wav before an archive",
)  # fmt: skip
MUTANTS = range(40)


@pytest.fixture(scope="module")
def shooting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Range]:
    with Range(tmp_path_factory.mktemp("range")) as shooting:
        yield shooting


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return encode(tmp_path_factory.mktemp("originals"), seconds=1)


@pytest.mark.parametrize("name", SAMPLE)
def test_an_attack_keeps_within_the_limits_and_gets_nowhere(name: str, shooting: Range) -> None:
    shot = shooting.shoot(attacks(shooting.canary)[name]())

    assert shot.faults() == []
    assert shot.cost.readings >= 1
    assert name not in HEARD or shot.cost.outcome.endswith((" s", "silent"))


def test_the_five_kilobytes_that_claimed_gigabytes_take_a_moment(shooting: Range) -> None:
    shot = shooting.shoot(boxes.many_samples(2))
    assert shot.size < 6000
    assert shot.cost.cpu_s <= 1
    assert shot.cost.child_mb <= 150


def test_mutants_of_ordinary_formats_are_heard_or_refused(shooting: Range, originals: dict[str, bytes]) -> None:
    names = list(originals)
    faults = []
    for seed in MUTANTS:
        name = names[seed % len(names)]
        faults += [f"{seed} of {name}: {fault}" for fault in shooting.shoot(mutate(originals[name], seed)).faults()]
    assert faults == []


def test_there_are_sixty_attacks_at_least(tmp_path: Path) -> None:
    every = attacks(Canary(tmp_path / "canary", 9))
    assert len(every) >= 60
    assert set(SAMPLE) | HEARD <= set(every)


def test_the_range_sees_what_must_not_happen(shooting: Range) -> None:
    """An opened canary and a connection are noticed, or nothing is shown by their absence."""
    shooting.canary.file.read_bytes()
    socket.create_connection(("127.0.0.1", shooting.canary.port)).close()
    assert shooting.opened() >= 1
    assert shooting.connected() == 1
    assert shooting.opened() == shooting.connected() == 0


def test_a_file_that_asks_for_too_much_memory_is_refused_and_says_what_it_was(
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = boxes.claiming(b"stts", (1 << 32) - 1)
    with caplog.at_level("WARNING"), pytest.raises(RecordingRefused, match="more memory than any recording") as told:
        load_clip(data)
    assert (told.value.limit, told.value.size) == ("memory", len(data))
    assert isinstance(told.value, NotAudio)
    assert f"{len(data)} bytes, limit: memory" in caplog.text


def test_a_refusal_carries_nothing_that_ffmpeg_printed() -> None:
    with pytest.raises(NotAudio) as told:
        load_clip(streams.noise_frames(200_000))
    assert told.value.__cause__ is None
    assert not hasattr(told.value, "__notes__")


def test_no_more_than_64_kb_of_complaints_are_kept_and_too_many_end_the_reading() -> None:
    account = Account()
    line = b"[aac @ 0x1f] [error] Input buffer exhausted before END element found\n"
    more = True
    while more:
        more = account.add(line * 500)
    account.end()
    assert account.kept == len(account.complaints) + 1 <= MOST_KEPT
    assert account.overlong


def test_a_line_without_an_end_is_not_kept() -> None:
    account = Account()
    for _ in range(100):
        account.add(b"x" * 10_000)
    account.end()
    assert account.kept == 0
    assert len(account.last_line) <= 200


def test_a_time_limit_ends_what_would_take_forever() -> None:
    with pytest.raises(DecodingTimedOut, match="could not be decoded within 1 seconds"):
        load_clip(programs(8_000), AudioLimits(timeout_s=1))


def test_pictures_in_a_tag_do_not_keep_its_sound_from_being_heard() -> None:
    """Fewer of them than in the attack, since it is the same with five."""
    assert load_clip(riff.packed_pictures(5)).duration_s == pytest.approx(20 * 1152 / 44_100, abs=0.1)

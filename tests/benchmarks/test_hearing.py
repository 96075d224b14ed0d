"""The hearing benchmark from packages to figures, with sounds made in code where the table names recordings."""

import json
import shutil
import subprocess
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.hearing import main, painted_for
from benchmarks.hearing_results import load_heard
from benchmarks.hearing_sounds import Group, Sound, from_packages, load_table
from core.hearing.categories import TopCategory
from core.hearing.samples import birdsong, siren, write_wav
from core.prompting.phrasebook import load_phrasebook
from core.prompting.scene import compose_scene

KEPT_FOR_JUDGING = {
    "asterisk-core-sounds-en-wav",
    "gcompris-qt-data",
    "lincity-ng-data",
    "openttd-opensfx",
    "searchandrescue-data",
    "sonic-pi-samples",
    "sound-theme-freedesktop",
    "tuxpaint-data",
    "tuxpaint-stamps-default",
    "widelands-data",
}
BIRD = "usr/share/scratch/Media/Sounds/Animal/Bird.wav"
SIREN = "usr/share/games/micropolis/res/sounds/siren.wav"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder with two packages, unpacked: a bird in `scratch`, and a siren in `micropolis-data`."""
    for package, path, samples in (("scratch", BIRD, birdsong()), ("micropolis-data", SIREN, siren())):
        file = tmp_path / "packages" / package / path
        file.parent.mkdir(parents=True)
        write_wav(file, samples)
    return tmp_path / "packages"


def test_the_table_names_enough_recordings_and_labels_that_there_are() -> None:
    table = load_table()

    assert len(table) >= 300
    assert all(label in load_phrasebook() for sound in table for label in sound.accepted)


def test_the_halves_weigh_the_same() -> None:
    halves = Counter(sound.group for sound in load_table())

    assert abs(halves[Group.CHOOSE] - halves[Group.REPORT]) <= 0.02 * halves.total()


def test_what_is_kept_for_judging_is_not_measured_on() -> None:
    assert KEPT_FOR_JUDGING.isdisjoint(sound.source for sound in load_table())


def test_a_package_in_both_halves_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("package|half|path|accepted\na|choose|x.wav|Dog\na|report|y.wav|Dog\n", encoding="utf-8")

    with pytest.raises(ValueError, match="both halves"):
        load_table(table)


def test_recordings_are_read_out_of_archives_in_packages(tmp_path: Path) -> None:
    (tmp_path / "game-data").mkdir()
    with zipfile.ZipFile(tmp_path / "game-data" / "0.pk3", "w") as archive:
        archive.writestr("sound/dog.ogg", b"woof")
    there, lacking = (
        Sound("game-data", f"0.pk3!sound/{name}.ogg", Group.CHOOSE, frozenset()) for name in ("dog", "ox")
    )

    assert list(from_packages(tmp_path, [there, lacking])) == [(there, b"woof")]


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="packages are packed with dpkg-deb")
def test_recordings_are_read_out_of_packages_as_they_are_downloaded(tmp_path: Path, packages: Path) -> None:
    control = packages / "scratch" / "DEBIAN" / "control"
    control.parent.mkdir()
    control.write_text("Package: scratch\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: a bird\n")
    packed = tmp_path / "downloaded"
    packed.mkdir()
    subprocess.run(["dpkg-deb", "--build", packages / "scratch", packed / "scratch_1_all.deb"], check=True)

    found = list(from_packages(packed, load_table()))

    assert [(sound.path, content) for sound, content in found] == [(BIRD, (packages / "scratch" / BIRD).read_bytes())]


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="packages are packed with dpkg-deb")
def test_a_package_that_was_cut_off_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "scratch_1_all.deb").write_bytes(b"!<arch>\n")

    with pytest.raises(subprocess.CalledProcessError):
        list(from_packages(tmp_path, load_table()))


@pytest.mark.parametrize(
    ("heard", "labels"),
    [
        (("Speech", "Screaming"), ("Speech", "Screaming")),
        (("Dog", "Bark"), ("Dog", "Bark")),
        (("Piano",), ("Piano",)),
        (("Bark",), ("Bark",)),
    ],
)
def test_the_main_subject_is_painted_for_itself_and_for_what_it_does(
    heard: tuple[str, ...], labels: tuple[str, ...]
) -> None:
    scene = compose_scene([TopCategory(name, 0.6, 1.0, 0) for name in heard])

    assert painted_for(scene) == labels


def test_from_packages_to_figures(packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "run.json"

    main(["--packages", str(packages), "--save", str(saved)])

    run = json.loads(saved.read_text(encoding="utf-8"))
    assert run["model"] == "yamnet-mini"
    assert sum(run["recordings"].values()) == 2
    heard = load_heard(saved)
    assert heard[f"scratch/{BIRD}"].labels[0][0] == "Bird"
    assert "Siren" in [name for name, _ in heard[f"micropolis-data/{SIREN}"].labels]
    assert "100.0 (100–100)" in capsys.readouterr().out


def test_a_run_against_itself_has_risen_by_nothing(
    packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "run.json"
    main(["--packages", str(packages), "--save", str(saved)])
    capsys.readouterr()

    main(["--packages", str(packages), "--against", str(saved)])

    assert "+0.0 (+0.0 to +0.0)" in capsys.readouterr().out.split("Since then")[1]


def test_one_half_alone(packages: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--packages", str(packages), "--half", "choose"])

    assert "| report |" not in capsys.readouterr().out


def test_the_price_list_has_a_line_for_each_number_of_passes(
    packages: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--packages", str(packages), "--passes", "1", "4"])

    prices = capsys.readouterr().out.splitlines()[-2:]
    hearing = [float(line.split("|")[-2]) for line in prices]
    assert [line.split("|")[2].strip() for line in prices] == ["1", "4"]
    assert hearing[1] > hearing[0]


def test_a_folder_without_packages_is_said(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="nothing to hear"):
        main(["--packages", str(tmp_path)])


def test_the_packages_names_can_be_given_to_apt(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--list-packages"])

    assert "scratch" in capsys.readouterr().out.split()

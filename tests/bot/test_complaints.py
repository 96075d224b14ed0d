"""The table of complaints in docs/discord.md names tests that exist."""

import re
from pathlib import Path

PAGE = Path("docs/discord.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE, flags=re.MULTILINE)


def test_all_22_complaints_are_there() -> None:
    assert [int(number) for number, *_ in ROWS] == list(range(1, 23))


def test_every_test_that_is_named_exists() -> None:
    modules = {path.stem: path.read_text(encoding="utf-8") for path in Path("tests").rglob("test_*.py")}
    for number, _, _, tests in ROWS:
        if "tests/generation" in tests:
            assert Path("tests/generation").is_dir()
        module = ""
        for name in re.findall(r"\btest_\w+", tests):
            if name in modules:
                module = name
            else:
                assert f"def {name}(" in modules[module], f"row {number}: {module}.{name}"


def test_every_complaint_about_discord_is_tried_with_a_discord_that_misbehaves() -> None:
    misbehaving = ("test_misbehaving", "test_troubles", "test_stopping_does_not_wait", "test_unreachable_discord")
    missing = [int(number) for number, _, _, tests in ROWS if not any(name in tests for name in misbehaving)]
    assert missing == [3, 20], "which are about the host"

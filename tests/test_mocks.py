"""Stand-ins must have the shape of what they stand in for: mocks only with a spec."""

import ast
from collections.abc import Iterator
from pathlib import Path

MOCKS = {
    "Mock",
    "MagicMock",
    "AsyncMock",
    "NonCallableMock",
    "NonCallableMagicMock",
    "patch",
    "object",
    "create_autospec",
}
SPECS = {"spec", "spec_set", "autospec", "new", "wraps"}


def unspecified_mocks(source: str) -> Iterator[int]:
    """The lines on which `source` makes a mock without a spec."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id=name) | ast.Attribute(attr=name, value=ast.Name(id="mock")):
                pass
            case ast.Attribute(attr="object", value=ast.Name(id="patch") | ast.Attribute(attr="patch")):
                name = "patch"
            case _:
                continue
        positional = 1 if name == "create_autospec" else 2 if name == "patch" else 1
        has_spec = len(node.args) >= positional or any(keyword.arg in SPECS for keyword in node.keywords)
        if name in MOCKS and not has_spec:
            yield node.lineno


def test_mocks_have_a_spec() -> None:
    found = [
        f"{path}:{line}"
        for path in Path(__file__).parent.rglob("*.py")
        for line in unspecified_mocks(path.read_text(encoding="utf-8"))
    ]

    assert found == []


def test_the_rule_finds_what_it_forbids() -> None:
    bad = "Mock()\nmock.MagicMock(name='x')\npatch('a.b')\nmock.patch.object(a)\nAsyncMock(return_value=1)"
    good = "Mock(spec=A)\nMagicMock(spec_set=A)\npatch('a.b', autospec=True)\npatch('a.b', new=1)\ncreate_autospec(A)"

    assert list(unspecified_mocks(bad)) == [1, 2, 3, 4, 5]
    assert list(unspecified_mocks(good)) == []

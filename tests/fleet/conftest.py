"""Painting services that are stopped when a test ends."""

from collections.abc import Callable, Iterator

import pytest

from tests.fleet.served import Loop, Served, serve
from tests.generation.scripted import ScriptedModel

Serve = Callable[..., Served]


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def served(loop: Loop) -> Iterator[Serve]:
    made: list[Served] = []

    def serving(model: ScriptedModel | None = None, **options: object) -> Served:
        made.append(serve(loop, model or ScriptedModel(), **options))  # type: ignore[arg-type]
        return made[-1]

    yield serving
    for service in made:
        service.stop()

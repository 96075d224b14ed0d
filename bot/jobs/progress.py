"""How far the pictures of one request are: their previews, the step that all have reached, and what is painted."""

from core.generation.protocol import Painted, Painting, Picture


class Progress:
    """Of `count` pictures that are painted together."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._steps: dict[int, int] = {}
        self._previews: dict[int, tuple[int, bytes]] = {}
        self._pictures: dict[int, Picture] = {}

    def note(self, event: Painting | Painted) -> None:
        """Take in what the engine tells of one of them."""
        if isinstance(event, Painted):
            self._pictures[event.index] = event.picture
            return
        self._steps[event.index] = event.step
        if event.preview is not None:
            self._previews[event.index] = event.step, event.preview

    @property
    def step(self) -> int:
        """The step that all which have begun have reached."""
        return min(self._steps.values(), default=0)

    @property
    def previews(self) -> dict[str, bytes]:
        """The newest preview of each, by file name."""
        return {f"preview-{index + 1}-{step}.jpg": preview for index, (step, preview) in sorted(self._previews.items())}

    @property
    def painted(self) -> tuple[Picture, ...]:
        """All of them once they are painted; none before that."""
        if len(self._pictures) < self._count:
            return ()
        return tuple(self._pictures[index] for index in range(self._count))

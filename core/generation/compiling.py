"""Parts of a network, each compiled when there is time for it; until then, and where it fails, it runs as it is.

A part is one kind of block (`as_parts`), of which a network has many with other weights, or a network as a whole. What
is compiled for one block runs all of its kind: their weights are inputs of it, so that it never paints with old ones.
It is compiled for one shape of input, for any number of rows from two on where that can be, and compared with the part
itself before it is used. Call from one thread only. It knows nothing of pictures, queues or adapters.
"""

import logging
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from core.generation.compile_cache import CompileCache
from core.generation.memory_errors import is_device_lost, is_out_of_memory
from core.generation.part_kinds import Blank, blank, kind_of

log = logging.getLogger(__name__)

Function = Callable[..., Any]

MANY = 2
"""Rows that stand for any number from two on: what is compiled for the fewest keeps a GPU busy with many, too."""
MOST_COMPILED = 200
"""Dynamo gives up after 256 for one function (`accumulated_recompile_limit`); sizes that come later stay uncompiled."""
MOST_WANTED = 1000
MOST_APART = 0.1
"""How far the compiled part may be from the part itself, relative to that: in two-byte floats a block is by 0.003 and a
whole network by 0.01 or so, what is compiled wrongly mostly by more than this."""

OPTIONS: Mapping[str, Any] = {"conv_1x1_as_mm": True, "epilogue_fusion": False}
AUTOTUNING: Mapping[str, Any] = {
    "max_autotune": True,
    "coordinate_descent_tuning": True,
    "coordinate_descent_check_all_directions": True,
}
"""Inductor's options, as diffusers' documentation recommends them for SDXL ("fp16.md"); the second for whole networks,
whose kernels are tried out for minutes."""


@dataclass(frozen=True)
class Variant:
    """What decides together with a part which compiled code is run: the kind of `network` (its adapters' layers, say),
    the number of `rows`, and whatever else their `shape` follows from."""

    network: Hashable
    rows: int
    shape: Hashable


@dataclass(frozen=True)
class Need:
    """What one code is for: a `kind` of part, and inputs with these leaves; `rows`: None for any from two on."""

    kind: int
    leaves: tuple[Hashable, ...]
    rows: int | None

    @property
    def numbers(self) -> int:
        """How many numbers go in for each row."""
        return sum(
            torch.Size(leaf.shape[1:]).numel() for leaf in self.leaves if isinstance(leaf, Blank) and leaf.has_rows
        )


@dataclass
class Wish:
    """What has run uncompiled: `inputs` as blanks, and how many `numbers` went in so far."""

    part: "Part"
    inputs: tuple[tuple[Any, ...], dict[str, Any]]
    numbers: int = 0


@dataclass(frozen=True)
class Progress:
    """How much is `compiled`, is left `as_it_is` because that failed, and is `wanted` and not tried yet."""

    compiled: int
    as_it_is: int
    wanted: int


Make = Callable[["Part", tuple[Any, ...], dict[str, Any], bool], Function]
"""(part; its arguments; whether for any number of rows) -> what runs in its place. Raises what the compiler does."""


class Part:
    """A `function` of `module` and more, in whose place compiled code is run where there is some."""

    def __init__(self, compiler: "PartCompiler", function: Function, module: torch.nn.Module) -> None:
        self.function = function
        self.module = module
        self._compiler = compiler
        self._kinds: dict[Hashable, int] = {}
        self._found: dict[Variant, Function] = {}
        self._by_rows: set[Variant] = set()

    def __call__(self, *args: Any, **named: Any) -> Any:
        """What `function` returns for `module` and these."""
        variant = self._compiler.variant
        if variant is None:
            return self.function(self.module, *args, **named)
        compiled = self._found.get(variant) or self._look_up(variant, args, named)
        if compiled is None or compiled is self.function:
            return self.function(self.module, *args, **named)
        try:
            return compiled(self.module, *args, **named)
        except RuntimeError as error:
            if not is_misfit(error):
                raise
            self._part_from(variant, error)
        return self.function(self.module, *args, **named)

    def kind(self, network: Hashable) -> int:
        """A number that it shares with the parts that the same code can run."""
        if network not in self._kinds:
            self._kinds[network] = self._compiler.number((self.function, kind_of(self.module)))
        return self._kinds[network]

    def forget(self) -> None:
        """Look compiled code up anew."""
        self._found.clear()

    def _look_up(self, variant: Variant, args: tuple[Any, ...], named: dict[str, Any]) -> Function | None:
        found = self._compiler.find(self, variant, args, named, by_rows=variant in self._by_rows)
        if found is not None:
            self._found[variant] = found
        return found

    def _part_from(self, variant: Variant, error: RuntimeError) -> None:
        """The code does not fit after all: another one for this number of rows may, and if not, none does."""
        if variant in self._by_rows:
            log.warning("%s is left uncompiled: %s", self, error)
            self._found[variant] = self.function
            return
        log.info("%s is to be compiled for each number of rows: %s", self, error)
        self._by_rows.add(variant)
        self._found.pop(variant, None)

    def __str__(self) -> str:
        return f"{type(self.module).__name__} ({self.function.__qualname__})"


class PartCompiler:
    """What is wanted and compiled of one network's parts. `any_rows`: code may be for any number of rows."""

    def __init__(self, make: Make, cache: CompileCache | None = None, *, any_rows: bool) -> None:
        self.variant: Variant | None = None
        self._make = make
        self._cache = cache
        self._any_rows = any_rows
        self._parts: list[Part] = []
        self._kinds: dict[Hashable, int] = {}
        self._wishes: dict[Need, Wish] = {}
        self._made: dict[Need, Function] = {}
        self._failed: set[Need] = set()

    def part(self, function: Function, module: torch.nn.Module) -> Part:
        """`function(module, ...)` as a part."""
        self._parts.append(Part(self, function, module))
        return self._parts[-1]

    def number(self, kind: Hashable) -> int:
        """One number for each `kind`, which is long."""
        return self._kinds.setdefault(kind, len(self._kinds))

    @contextmanager
    def running(self, variant: Variant) -> Iterator[None]:
        """Within it, the parts are run as `variant`. Nothing is compiled on the way, whatever the parts are given."""
        self.variant = variant
        try:
            # the compiler takes seconds to be imported, which the first picture is not to wait for
            with torch.compiler.set_stance("fail_on_recompile") if self._made else nullcontext():
                yield
        finally:
            self.variant = None

    def progress(self) -> Progress:
        """How far it is."""
        return Progress(len(self._made), len(self._failed), len(self._wishes))

    def find(
        self, part: Part, variant: Variant, args: tuple[Any, ...], named: dict[str, Any], *, by_rows: bool
    ) -> Function | None:
        """What runs in place of `part`: compiled code, or where that failed its own function. None if it is wanted by
        now: what went in was counted."""
        any_rows = self._any_rows and variant.rows >= MANY and not by_rows
        inputs = tree_map(lambda leaf: blank(leaf, variant.rows, MANY if any_rows else variant.rows), (args, named))
        need = Need(part.kind(variant.network), tuple(tree_leaves(inputs)), None if any_rows else variant.rows)
        if need in self._failed:
            return part.function
        if need not in self._made:
            if need in self._wishes or len(self._wishes) < MOST_WANTED:
                self._wishes.setdefault(need, Wish(part, inputs)).numbers += variant.rows * need.numbers
            return None
        return self._made[need]

    def compile_next(self) -> bool:
        """Compile what went uncompiled the most; one part for one shape. Returns whether there was any.

        What cannot be compiled is left as it is. Raises what says that memory is short or the device lost: then it is
        still wanted.
        """
        if not self._wishes or len(self._made) + len(self._failed) >= MOST_COMPILED:
            return False
        need, wish = max(self._wishes.items(), key=lambda item: item[1].numbers)
        began = time.monotonic()
        made = self._compiled(need, wish)
        del self._wishes[need]
        if made is None:
            self._failed.add(need)
        else:
            self._made[need] = made
            rows = "any number of" if need.rows is None else need.rows
            took = time.monotonic() - began
            log.info("compiled %s for %s rows in %.1f s; %d to go", wish.part, rows, took, len(self._wishes))
        for part in self._parts:
            part.forget()
        return True

    def _compiled(self, need: Need, wish: Wish) -> Function | None:
        """None if that failed, also with an empty cache."""
        while True:
            args, named = tree_map(lambda leaf: leaf.random() if isinstance(leaf, Blank) else leaf, wish.inputs)
            try:
                if self._cache is None:
                    return self._make(wish.part, args, named, need.rows is None)
                with self._cache.in_use():
                    return self._make(wish.part, args, named, need.rows is None)
            except Exception as error:
                if is_out_of_memory(error) or is_device_lost(error):
                    raise
                if self._cache is not None and self._cache.discard():
                    log.warning("what was compiled before is thrown away, since something fails with it: %s", error)
                    continue
                log.warning("%s cannot be compiled and is left as it is", wish.part, exc_info=True)
                return None


@dataclass(frozen=True)
class TorchCompiler:
    """A Make: torch.compile with these options for its `backend`."""

    options: Mapping[str, Any] = field(default_factory=lambda: OPTIONS)
    backend: str = "inductor"

    def __call__(self, part: Part, args: tuple[Any, ...], named: dict[str, Any], any_rows: bool) -> Function:
        """Raises what the compiler raises, or ValueError if the code computes something else than the part."""
        compiled: Function = torch.compile(  # type: ignore[call-overload]  # its overloads lack isolate_recompiles
            part.function,
            fullgraph=True,
            dynamic=False,
            backend=self.backend,
            options=dict(self.options) or None,
            isolate_recompiles=True,
        )
        if any_rows:
            mark_rows((args, named))
        got, expected = compiled(part.module, *args, **named), part.function(part.module, *args, **named)
        apart = max(map(distance, tree_leaves(got), tree_leaves(expected)))
        if not apart <= MOST_APART:  # also if it is no number
            raise ValueError(f"the compiled code is {apart:.2g} from what it was compiled from")
        return compiled


def as_parts(network: torch.nn.Module, kinds: Iterable[str], compiler: PartCompiler) -> None:
    """Let each block of `network` whose class has one of these names be a part, in place."""
    names = frozenset(kinds)
    for block in network.modules():
        if type(block).__name__ in names:
            block.forward = compiler.part(type(block).forward, block)


def mark_rows(inputs: object) -> None:
    """Let the compiler take the number of rows of all tensors in `inputs` as not known."""
    for leaf in tree_leaves(inputs):
        if isinstance(leaf, Tensor) and leaf.ndim and leaf.shape[0] == MANY:
            torch._dynamo.maybe_mark_dynamic(leaf, 0)


def distance(got: Tensor, expected: Tensor) -> float:
    """The difference's norm relative to that of `expected`."""
    difference = torch.linalg.vector_norm(got.float() - expected.float())
    return float(difference / torch.linalg.vector_norm(expected.float()).clamp_min(1e-12))


def is_misfit(error: RuntimeError) -> bool:
    """Whether `error` says that compiled code is not for what it was given."""
    return "Detected recompile when torch.compile stance is" in str(error)

"""What it costs the processor to trace Playground v2.5's UNet for the compiler, before a first kernel is made.

    python -m benchmarks.tracing            # part by part, as COMPILE_MODEL=auto does; half a minute
    python -m benchmarks.tracing --whole    # and the network as a whole, for one size; two minutes

At true size, without weights and without a GPU: on the meta device, all that Dynamo, AOTAutograd and Inductor's
decompositions do. Parts are traced for guided pictures at batch sizes 1 to 8 and for unguided ones, without an adapter
and with one in use, as if all of these had been asked for. Inductor's own work and Triton's come on top, on a GPU only.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from functorch.compile import make_boxed_func
from peft import LoraConfig
from rich.console import Console
from rich.table import Table
from torch._dynamo.backends.common import aot_autograd
from torch._inductor.decomposition import select_decomp_table

from benchmarks.architecture import PLAYGROUND_UNET
from core.generation.compiling import Part, PartCompiler, Variant, as_parts, mark_rows
from core.generation.unet import PARTS

BATCHES = (1, 2, 4, 8)
LATENT_SIDE = 128
TOKENS = 77
ADAPTED = ["to_q", "to_k", "to_v", "to_out.0"]


def traced(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, traced at its first call as for Inductor, which then gets nothing to do."""
    backend = aot_autograd(
        fw_compiler=lambda graph, _: make_boxed_func(graph.forward), decompositions=select_decomp_table
    )
    return torch.compile(function, backend=backend, fullgraph=True, dynamic=False, isolate_recompiles=True)


def trace_part(part: Part, args: tuple[Any, ...], named: dict[str, Any], any_rows: bool) -> Callable[..., Any]:
    """A Make, which compiles nothing."""
    if any_rows:
        mark_rows((args, named))
    made = traced(part.function)
    made(part.module, *args, **named)
    return made


def playground() -> UNet2DConditionModel:
    """The UNet at true size, without weights."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**PLAYGROUND_UNET)
    return unet.to(torch.bfloat16).to(memory_format=torch.channels_last).eval().requires_grad_(False)


def evaluate(network: Callable[..., Any], rows: int) -> None:
    """One evaluation at 1024 x 1024 pixels."""
    empty = {"device": "meta", "dtype": torch.bfloat16}
    sample = torch.empty(rows, 4, LATENT_SIDE, LATENT_SIDE, **empty).contiguous(memory_format=torch.channels_last)
    network(
        sample,
        torch.empty(rows, device="meta"),
        encoder_hidden_states=torch.empty(rows, TOKENS, PLAYGROUND_UNET["cross_attention_dim"], **empty),
        added_cond_kwargs={"text_embeds": torch.empty(rows, 1280, **empty), "time_ids": torch.empty(rows, 6, **empty)},
        return_dict=False,
    )


def by_parts() -> list[tuple[str, int, float]]:
    """(what, how many parts, CPU seconds) for each kind of network."""
    unet = playground()
    compiler = PartCompiler(trace_part, any_rows=True)
    as_parts(unet, PARTS, compiler)
    found = []
    for adapter in ("no adapter", "an adapter"):
        if adapter == "an adapter":
            unet.add_adapter(LoraConfig(r=16, target_modules=ADAPTED))
        for kind, all_rows in (("guided", [2 * batch for batch in BATCHES]), ("unguided", BATCHES)):
            for rows in all_rows:
                with compiler.running(Variant(adapter, rows, LATENT_SIDE)):
                    evaluate(unet, rows)
            began, before = time.process_time(), compiler.progress()
            while compiler.compile_next():
                pass
            after = compiler.progress()
            if after.as_it_is:
                raise RuntimeError(f"{after.as_it_is} parts cannot be traced")
            found.append((f"{kind}, {adapter}", after.compiled - before.compiled, time.process_time() - began))
    return found


def whole() -> float:
    """CPU seconds for the network as a whole and one number of rows."""
    unet = playground()
    began = time.process_time()
    evaluate(traced(unet), 2)
    return time.process_time() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whole", action="store_true", help="the network as a whole, too")
    options = parser.parse_args()
    table = Table("traced", "parts", "CPU s", title="Tracing Playground v2.5's UNet")
    with torch.inference_mode():
        rows = by_parts()
        for what, parts, seconds in rows:
            table.add_row(what, str(parts), f"{seconds:.1f}")
        table.add_row("all of these", str(sum(row[1] for row in rows)), f"{sum(row[2] for row in rows):.1f}")
        if options.whole:
            table.add_row("whole, one number of rows", "1", f"{whole():.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()

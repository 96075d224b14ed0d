"""A real Ray cluster of two nodes on this machine: whatever of it is killed, each picture is painted, once.

The painters sleep as a GPU would work: a step takes 0.05 s, whoever else is painted.
"""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from core.fleet.fleet import Fleet
from core.generation.protocol import ImageGenerator, Painted, Painting
from core.models import ModelStore
from core.settings import CoreSettings
from tests.fleet.test_paint_server import all_painted
from tests.generation.scripted import Asker, ScriptedModel

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.filterwarnings("ignore"),  # Ray's own
    pytest.mark.skipif(find_spec("ray") is None, reason="without Ray; make cluster installs it"),
]

TOKEN, PORT, STREAMS = "a long secret for this cluster alone", 8055, 24


def sleeping() -> ImageGenerator:
    from core.generation.batcher import Batcher

    return Batcher(lambda: ScriptedModel(on_step=lambda: time.sleep(0.05)), max_batch=4, max_waiting=100)


def painting_with(directory: str) -> ImageGenerator:
    from core.generation.factory import make_generator

    settings = CoreSettings(_env_file=None, image_model=directory, device="cpu", download_models=False, max_batch=1)
    return make_generator(settings, ModelStore(settings))


@dataclass
class Running:
    nodes: Any
    second: Any
    scale: Any

    def deploy(self, make: Callable[[], ImageGenerator] = sleeping, **changes: object) -> None:
        self.scale = replace(self.scale, **changes)
        from core.fleet.cluster import deploy

        deploy(make, TOKEN, self.scale, host="127.0.0.1", port=PORT)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", TOKEN)
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
        import ray  # which reads these when it is imported
        from ray import serve
        from ray.cluster_utils import Cluster

        from core.fleet.cluster import Scale, connect

        nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 0})
        second = nodes.add_node(num_cpus=2)
        connect(nodes.address)
        made = Running(nodes, second, Scale(least=2, most=2, gpus=0, cpus=1, batch=4))
        made.deploy()
        yield made
        serve.shutdown()
        ray.shutdown()
        nodes.shutdown()


def kill(title: str) -> None:
    pids = [one.pid for one in psutil.process_iter(["cmdline"]) if title in (one.info["cmdline"] or [""])[0]]
    os.kill(pids[0], signal.SIGKILL)


FAULTS: dict[str, Callable[[Running], None]] = {
    "a replica is killed": lambda _: kill("ray::ServeReplica"),
    "the controller is killed": lambda _: kill("ray::ServeController"),
    "one of two replicas is given up": lambda running: running.deploy(least=1, most=1),
    "a second one is started": lambda running: running.deploy(least=2, most=2),
    "all are replaced by a new version": lambda running: running.deploy(cpus=0.9),
    "a node is killed": lambda running: running.nodes.remove_node(running.second, allow_graceful=False),
}
"""In this order: the last leaves one node."""


@pytest.mark.parametrize("fault", FAULTS)
def test_each_picture_is_painted_once_though(fault: str, running: Running) -> None:
    fleet = Fleet([f"http://127.0.0.1:{PORT}"], token=TOKEN, max_waiting=100)
    askers = [Asker(fleet, f"dog {number}", steps=20) for number in range(STREAMS)]
    while not isinstance(askers[0].next(), Painting):
        pass
    breaking = threading.Thread(target=FAULTS[fault], args=(running,))
    breaking.start()
    for asker in askers:
        asker_ends(asker)
    breaking.join()
    assert fleet.queue_length() == 0
    assert all(asker.events.empty() for asker in askers)
    fleet.close()


def asker_ends(asker: Asker) -> None:
    ends = time.monotonic() + 90
    while not isinstance(asker.seen[-1] if asker.seen else None, Painted):
        asker.seen.append(asker.events.get(timeout=ends - time.monotonic()))


async def test_pictures_are_those_that_are_painted_here(running: Running, settings: CoreSettings) -> None:
    settings = settings.model_copy(update={"max_batch": 1})  # in a batch of another size the last bits differ
    here = await all_painted(settings)
    await asyncio.to_thread(running.deploy, partial(painting_with, settings.image_model), least=1, most=1)
    there = {"painters": (f"http://127.0.0.1:{PORT}",), "painter_token": SecretStr(TOKEN)}
    assert await all_painted(settings.model_copy(update=there)) == here

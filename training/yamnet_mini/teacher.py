"""Step 2: let the teacher listen to mixed windows and write down what it thinks.

YamNet's graph is given three outputs instead of one: what its shallow layers pass on to the deep ones (the student
keeps those shallow layers, so this is its input), its 1024 averaged deep features, and its 521 logits. What this
module does not know: how the student learns from that (train.py).

    python -m training.yamnet_mini.teacher POOL.npz LEARN --yamnet yamnet.tflite --chunks 50 --seed 1
    python -m training.yamnet_mini.teacher POOL.npz CHECK --yamnet yamnet.tflite --chunks 2 --seed 2 --held-out
"""

import argparse
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from mediapipe.tasks.metadata import schema_py_generated as schema
from numpy.typing import NDArray

from .mixing import Mixer, Window, held_out
from .pool import Pool

log = logging.getLogger(__name__)

SHALLOW, DEEP, LOGITS = 97, 112, 113  # tensors of yamnet.tflite
SHALLOW_LIMIT = 6.0  # of ReLU6, so that 0..6 fits 0..255
CHUNK = 4_000


@dataclass
class Opinion:
    """What the teacher makes of one window."""

    shallow: NDArray[np.float32]  # 6 × 4 × 512
    deep: NDArray[np.float32]  # 1024
    logits: NDArray[np.float32]  # 521


class Teacher:
    def __init__(self, yamnet: Path) -> None:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(yamnet.read_bytes(), 0))
        model.subgraphs[0].outputs = [SHALLOW, DEEP, LOGITS]
        model.signatureDefs = []
        builder = flatbuffers.Builder(0)
        builder.Finish(model.Pack(builder), b"TFL3")
        self._interpreter: Any = Interpreter(model_content=bytes(builder.Output()), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]["index"]
        shapes = {d["shape"][-1]: d["index"] for d in self._interpreter.get_output_details()}
        self._outputs = [shapes[512], shapes[1024], shapes[521]]

    def listen(self, window: Window) -> Opinion:
        self._interpreter.set_tensor(self._input, window)
        self._interpreter.invoke()
        shallow, deep, logits = (self._interpreter.get_tensor(i)[0] for i in self._outputs)
        return Opinion(shallow, deep, logits)


def quantise(shallow: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.asarray(np.rint(shallow * (255 / SHALLOW_LIMIT)), np.uint8)


def first_impressions(pool: Pool, teacher: Teacher, mixer: Mixer) -> NDArray[np.int64]:
    """The teacher's first class for one plain window of every recording."""
    return np.array([teacher.listen(mixer.cut(i, vary=False)).logits.argmax() for i in range(len(pool))])


def write_chunk(path: Path, mixer: Mixer, teacher: Teacher) -> int:
    """One file of windows; returns the number of different classes that came first in it."""
    shallow = np.empty((CHUNK, 6, 4, 512), np.uint8)
    deep, logits = np.empty((CHUNK, 1024), np.float16), np.empty((CHUNK, 521), np.float16)
    for i in range(CHUNK):
        opinion = teacher.listen(mixer.window())
        shallow[i], deep[i], logits[i] = quantise(opinion.shallow), opinion.deep, opinion.logits
    temporary = path.with_suffix(".part.npz")
    np.savez(temporary, shallow=shallow, deep=deep, logits=logits)
    os.replace(temporary, path)
    return len(np.unique(logits.argmax(1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pool", type=Path)
    parser.add_argument("windows", type=Path, help="folder to write to")
    parser.add_argument("--yamnet", type=Path, required=True)
    parser.add_argument("--chunks", type=int, default=50, help=f"files of {CHUNK} windows")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--held-out", action="store_true", help="use the recordings that are kept from learning")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    arguments.windows.mkdir(parents=True, exist_ok=True)
    pool, teacher = Pool.load(arguments.pool), Teacher(arguments.yamnet)
    apart = held_out(pool)
    mixer = Mixer(pool, arguments.seed, apart if arguments.held_out else ~apart)
    impressions = first_impressions(pool, teacher, mixer)
    log.info("%d recordings, %d classes come first in them", len(pool), len(np.unique(impressions)))
    mixer.prefer_rare(impressions)
    start = time.monotonic()
    for chunk in range(arguments.chunks):
        classes = write_chunk(arguments.windows / f"{arguments.seed:02}-{chunk:03}.npz", mixer, teacher)
        rate = (chunk + 1) * CHUNK / (time.monotonic() - start)
        log.info("chunk %d: %d classes came first, %.0f windows/s", chunk, classes, rate)


if __name__ == "__main__":
    main()

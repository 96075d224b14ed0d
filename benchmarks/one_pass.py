"""What hearing adds to its parts: `python -m benchmarks.one_pass`, with YAMNET_MODEL and `pip install ai-edge-litert`.

A minute of mp3 is heard in one pass; beside it, in the same run, plain ffmpeg decodes the same file and the bare
TFLite interpreter runs the model on the same windows. Printed: the ratio of the processor time of both.
"""

import resource
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe

from core.hearing.audio import load_clip
from core.hearing.classifier import WINDOW_SAMPLES
from core.hearing.ears import Ears
from core.hearing.samples import birdsong, write_wav
from core.models import ModelStore
from core.settings import CoreSettings

SECONDS, ROUNDS = 60, 9


def main() -> None:
    """Measure and print."""
    from ai_edge_litert.interpreter import Interpreter

    model = ModelStore(CoreSettings()).yamnet()
    interpreter = Interpreter(model_path=str(model.path), num_threads=1)
    interpreter.allocate_tensors()
    entry, leaving = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    shape = interpreter.get_input_details()[0]["shape"]

    with tempfile.TemporaryDirectory() as directory:
        recording = Path(directory) / "minute.mp3"
        wav = write_wav(Path(directory) / "minute.wav", birdsong(SECONDS))
        run = [get_ffmpeg_exe(), "-nostdin", "-loglevel", "error", "-i"]
        subprocess.run([*run, str(wav), "-b:a", "128k", str(recording)], check=True)
        decode = [*run, str(recording), "-ac", "1", "-ar", "16000", "-f", "f32le", "-"]
        ears = Ears([model.path])
        windows = len(ears.hear(load_clip(recording), 1))

        def whole() -> None:
            ears.hear(load_clip(recording), 1)

        def parts() -> None:
            pcm = subprocess.run(decode, check=True, stdout=subprocess.PIPE).stdout
            samples = np.resize(np.frombuffer(pcm, "<f4"), windows * WINDOW_SAMPLES)
            for window in samples.reshape(windows, WINDOW_SAMPLES):
                interpreter.set_tensor(entry, window.reshape(shape))
                interpreter.invoke()
                interpreter.get_tensor(leaving)

        costs = [(_cpu_s(whole), _cpu_s(parts)) for _ in range(ROUNDS)]
        ears.close()
    ours, theirs = (min(cost[number] for cost in costs) for number in (0, 1))
    print(f"{windows} windows: {1000 * ours:.0f} ms, its parts {1000 * theirs:.0f} ms: {ours / theirs:.2f} x")


def _cpu_s(work: Callable[[], None]) -> float:
    """Processor time of `work`, here and in the processes that it waited for."""
    before = _spent_s()
    work()
    return _spent_s() - before


def _spent_s() -> float:
    usages = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


if __name__ == "__main__":
    main()

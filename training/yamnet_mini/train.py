"""Step 3: teach the student's deep layers by distillation, then calibrate its scores.

Loss: the soft labels' cross-entropy, the weighted distance of the logits and the distance of the deep features. The
learning rate falls with the time given, and a running average of the weights is kept. At the end one scale and one
shift for all logits are fitted on held-out windows. What this module does not know: recordings, and true labels.

    python -m training.yamnet_mini.train LEARN CHECK STUDENT.pt --yamnet yamnet.tflite --minutes 40
"""

import argparse
import copy
import logging
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .student import Student, TeacherWeights, inherit
from .teacher import SHALLOW_LIMIT

log = logging.getLogger(__name__)

BATCH = 160
LEARNING_RATE = 1.5e-3
WARM_UP = 200
AVERAGING = 0.999
LOGIT_SHARE, DEEP_SHARE = 0.3, 1.0
LOWEST, HIGHEST = -10.0, 6.0  # beyond these logits, scores are as good as 0 and 1
SURE = 0.3  # windows on which the teacher's first class scores more than this are reported apart


@dataclass
class Windows:
    shallow: Tensor  # uint8, batch × 6 × 4 × 512
    deep: Tensor
    logits: Tensor

    @staticmethod
    def load(folder: Path) -> "Windows":
        paths = sorted(p for p in folder.glob("*.npz") if ".part" not in p.name)
        with np.load(paths[0]) as first:
            count = len(first["logits"])
        parts: dict[str, Tensor] = {}
        for i, path in enumerate(paths):
            with np.load(path) as chunk:
                for name in ("shallow", "deep", "logits"):
                    stored = torch.from_numpy(chunk[name])
                    if name not in parts:
                        parts[name] = torch.empty((len(paths) * count, *stored.shape[1:]), dtype=stored.dtype)
                    parts[name][i * count : (i + 1) * count] = stored
        return Windows(**parts)

    def __len__(self) -> int:
        return len(self.logits)

    def inputs(self, which: Tensor | slice) -> Tensor:
        return (self.shallow[which].float() * (SHALLOW_LIMIT / 255)).permute(0, 3, 1, 2)


def losses(deep: Tensor, logits: Tensor, true_deep: Tensor, true_logits: Tensor, spread: Tensor) -> Tensor:
    scores = torch.sigmoid(true_logits)
    entropy = functional.binary_cross_entropy_with_logits(true_logits, scores, reduction="none")
    divergence = (functional.binary_cross_entropy_with_logits(logits, scores, reduction="none") - entropy).sum(1)
    distance = (logits.clamp_min(LOWEST) - true_logits.clamp(LOWEST, HIGHEST)).square() * (0.3 + 2 * scores)
    features = ((deep - true_deep) / spread).square().mean(1)
    return torch.stack([divergence.mean(), LOGIT_SHARE * distance.mean(), DEEP_SHARE * features.mean()])


@torch.no_grad()
def predict(student: Student, windows: Windows) -> Tensor:
    student.eval()
    with torch.autocast("cpu", torch.bfloat16):
        return torch.cat([student(windows.inputs(slice(i, i + 250)))[1] for i in range(0, len(windows), 250)]).float()


def report(logits: Tensor, truth: Tensor) -> str:
    """Agreement with the teacher, on all held-out windows and on those where the teacher is sure."""
    best = truth.topk(3).indices
    inside = (logits.argmax(1, keepdim=True) == best).any(1).float()
    same = (logits.argmax(1) == best[:, 0]).float()
    covered = (best[:, :1] == logits.topk(3).indices).any(1).float()
    sure = torch.sigmoid(truth.max(1).values) > SURE
    divergence = functional.binary_cross_entropy_with_logits(logits, torch.sigmoid(truth), reduction="none")
    divergence -= functional.binary_cross_entropy_with_logits(truth, torch.sigmoid(truth), reduction="none")
    figures = [("teacher's first in student's three", covered), ("student's first in teacher's three", inside)]
    text = ", ".join(f"{n} {v.mean():.3f} (sure {v[sure].mean():.3f})" for n, v in [*figures, ("same first", same)])
    return f"{text}, divergence {divergence.sum(1).mean():.3f}"


def calibrate(student: Student, check: Windows) -> tuple[float, float]:
    """One scale and one shift for all logits, so that the first class scores as high as the teacher's does.

    A student that is less sure than its teacher scores lower, and a limit chosen for the teacher would silence it.
    The logits of the first class are therefore matched rank by rank: the line through their quantiles.
    """
    ranks = torch.linspace(0.02, 0.98, 97)
    ours = predict(student, check).max(1).values.quantile(ranks)
    theirs = check.logits.float().max(1).values.clamp(LOWEST, HIGHEST).quantile(ranks)
    scale = ((ours - ours.mean()) * (theirs - theirs.mean())).sum() / (ours - ours.mean()).square().sum()
    return float(scale), float(theirs.mean() - scale * ours.mean())


def save(path: Path, student: Student, scale: float, shift: float) -> None:
    temporary = path.with_suffix(".part")
    torch.save({"student": student.state_dict(), "scale": scale, "shift": shift}, temporary)
    os.replace(temporary, path)


def train(student: Student, learn: Windows, check: Windows, spread: Tensor, minutes: float, path: Path) -> Student:
    matrices = [p for p in student.parameters() if p.ndim > 1]
    vectors = [p for p in student.parameters() if p.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=LEARNING_RATE, betas=(0.9, 0.99))
    average = copy.deepcopy(student)
    start = reported = time.monotonic()
    order, position, step = torch.randperm(len(learn)), 0, 0
    totals = torch.zeros(3)
    while (progress := (time.monotonic() - start) / max(60 * minutes, 1e-3)) < 1:
        if position + BATCH > len(learn):
            order, position = torch.randperm(len(learn)), 0
        batch = order[position : position + BATCH].sort().values
        position, step = position + BATCH, step + 1
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min(1, step / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * progress)) + 1e-6
        student.train()
        with torch.autocast("cpu", torch.bfloat16):
            deep, logits = student(learn.inputs(batch))
        parts = losses(deep.float(), logits.float(), learn.deep[batch].float(), learn.logits[batch].float(), spread)
        optimiser.zero_grad(set_to_none=True)
        parts.sum().backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimiser.step()
        keep = min(AVERAGING, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, current in zip(average.state_dict().values(), student.state_dict().values(), strict=True):
                mean.lerp_(current, 1 - keep) if mean.is_floating_point() else mean.copy_(current)
        totals = torch.lerp(totals, parts.detach(), max(0.01, 1 / step))
        if time.monotonic() - reported > 60:
            mean_losses = [round(float(x), 3) for x in totals]
            text = report(predict(average, check), check.logits.float())
            log.info(
                "%3.0f %% step %d (%.1f passes) %s %s",
                100 * progress,
                step,
                step * BATCH / len(learn),
                mean_losses,
                text,
            )
            save(path, average, 1.0, 0.0)
            reported = time.monotonic()
    return average


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("learn", type=Path, help="folder of windows to learn from")
    parser.add_argument("check", type=Path, help="folder of held-out windows")
    parser.add_argument("student", type=Path, help="file to write")
    parser.add_argument("--yamnet", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument(
        "--start-from", type=Path, help="an earlier student, trained further; with --minutes 0 only calibrated"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    learn, check = Windows.load(arguments.learn), Windows.load(arguments.check)
    spread = learn.deep[:8000].float().std(0) + 0.05
    student = Student()
    some = slice(0, 4000)
    logits = learn.logits[some].float().clamp(LOWEST, HIGHEST)
    inherit(student, TeacherWeights.read(arguments.yamnet), learn.inputs(some), learn.deep[some].float(), logits)
    if arguments.start_from:
        student.load_state_dict(torch.load(arguments.start_from)["student"])
    log.info("%d windows to learn from, %d held out", len(learn), len(check))
    log.info("before: %s", report(predict(student, check), check.logits.float()))
    student = train(student, learn, check, spread, arguments.minutes, arguments.student)
    scale, shift = calibrate(student, check)
    log.info("after: %s; calibrated by %.4f, %.4f", report(predict(student, check), check.logits.float()), scale, shift)
    save(arguments.student, student, scale, shift)


if __name__ == "__main__":
    main()

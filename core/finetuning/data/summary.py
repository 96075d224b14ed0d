"""What a person should know about the data: what became of each file, and what is read of each caption. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.finetuning.data.encoding import CachedImage, CaptionLength
from core.finetuning.data.selection import GoodImage, Split
from core.finetuning.data.sources import Listing, Rejected


@dataclass(frozen=True)
class FileFate:
    """What became of one file of the folder; `name` is its path within it."""

    name: str
    is_used: bool
    fate: str


@dataclass(frozen=True)
class DataSummary:
    """Of one run."""

    folder: str
    layout: str
    licence: str
    files: tuple[FileFate, ...]
    training: int
    held_out: int
    prior: int
    """How often a picture by the base itself comes in an epoch."""
    split_by_subject: bool
    is_cross_fitted: bool
    captions: tuple[CaptionLength, ...]
    buckets: tuple[tuple[str, int], ...]
    damaged: int
    """Entries of the cache that had to be made anew."""

    @property
    def left_out(self) -> tuple[FileFate, ...]:
        """The files that are not used."""
        return tuple(file for file in self.files if not file.is_used)

    @property
    def cut(self) -> tuple[CaptionLength, ...]:
        """The captions whose end is not read."""
        return tuple(caption for caption in self.captions if caption.unread)

    def as_metadata(self) -> dict[str, object]:
        """The part that goes into the adapter's file; no paths of the person's machine."""
        return {
            "folder": Path(self.folder).name,
            "layout": self.layout,
            "training_images": self.training,
            "held_out_images": self.held_out,
            "cross_fitted": self.is_cross_fitted,
            "prior_images": self.prior,
            "split_by_subject": self.split_by_subject,
            "licence": self.licence,
        }


def lines_about(summary: DataSummary) -> list[str]:
    """What is said of it before training."""
    reasons = Counter(file.fate.split(" (")[0].split(" as ")[0] for file in summary.left_out)
    lines = [f"left out {count}: {reason}" for reason, count in reasons.items()]
    lengths = [caption.tokens for caption in summary.captions]
    lines.append(f"{len(lengths)} different captions of {min(lengths)} to {max(lengths)} tokens")
    lines += [f"the end of a caption is not read: “… {caption.unread}”" for caption in summary.cut[:SHOWN]]
    if len(summary.cut) > SHOWN:
        lines.append(f"nor is that of {len(summary.cut) - SHOWN} more; the report has them all")
    if summary.damaged:
        lines.append(f"{summary.damaged} damaged entries of the cache were made anew")
    held_out = "cross-fitted, for they are few" if summary.is_cross_fitted else f"{summary.held_out} held out"
    return [*lines, f"{summary.training} images to learn from, {held_out}"]


SHOWN = 5
"""Cut captions that are told; the report has all."""


def fates(
    listing: Listing, chosen: Split, screened: Iterable[GoodImage], rejected: Sequence[Rejected]
) -> list[FileFate]:
    """Every file of the folder once, by name; `screened` are all good images, chosen or not."""
    training, held_out = ({image.example.path for image in part} for part in (chosen.training, chosen.held_out))
    found = [(path, True, "read for captions") for path in listing.descriptions]
    found += [(item.path, False, item.reason) for item in rejected]
    for image in screened:
        path = image.example.path
        use = "learnt from" if path in training else "held out" if path in held_out else "not among those of --limit"
        found.append((path, path in training | held_out, f"{use}; {image.note}" if image.note else use))
    return [FileFate(_within(path, listing.folder), used, fate) for path, used, fate in sorted(found)]


def bucket_counts(images: Iterable[CachedImage]) -> tuple[tuple[str, int], ...]:
    """Width × height in pixels and how many images have them."""
    counts = Counter(image.fitting.bucket for image in images)
    return tuple((f"{bucket.width} × {bucket.height}", count) for bucket, count in sorted(counts.items()))


def _within(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name

"""How large the image becomes, where no Docker engine is at hand: the Dockerfile's steps in an empty folder, as root.

    debootstrap --variant=minbase --include=python3,python3-venv bookworm /tmp/base
    rm -rf /tmp/base/var/cache/apt/archives/*.deb /tmp/base/var/lib/apt/lists/*
    python -m benchmarks.image --base /tmp/base --into /tmp/image [--torch cpu] [--share /etc/resolv.conf ...]

The base stands in for `python:3.11-slim`: Debian with Python. Each stage is a copy of the one that it begins with, in
which its steps run under chroot; what it copies, and in the end `demo` with a root that cannot be written, are the real
ones. `--share` names what of this computer the steps see besides: certificates, package indexes. It knows as much of
Dockerfiles as ours needs, and no more.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
USER = 1000
"""Whom the image runs as."""
MOUNTED = ("/proc", "/sys", "/dev")


@dataclass
class Stage:
    """A stage that is being built: its root, and what later steps are told."""

    root: Path
    variables: dict[str, str] = field(default_factory=dict)
    directory: str = "/"


def main() -> None:
    """Build, measure, and run the demo."""
    parser = argparse.ArgumentParser(description="Build the image without Docker and say how large it is.")
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True, help="an empty folder")
    parser.add_argument("--torch", default="cpu")
    parser.add_argument("--share", type=Path, nargs="*", default=[])
    options = parser.parse_args()
    if os.environ.get("OWN_MOUNTS") != "yes":  # so that every mount goes with this process
        os.environ["OWN_MOUNTS"] = "yes"
        os.execvp("unshare", ["unshare", "--mount", sys.executable, "-m", "benchmarks.image", *sys.argv[1:]])
    options.into.mkdir(parents=True)
    image = build(options.base, options.into, options.share, {"TORCH": options.torch})
    size = ["du", "--summarize", "--bytes", "--one-file-system", image.root]
    on_disk = int(subprocess.run(size, capture_output=True, text=True, check=True).stdout.split()[0])
    print(f"on the disk: {on_disk / 1e9:.2f} GB", flush=True)
    packed = f"tar --one-file-system --create --directory {image.root} . | gzip | wc --bytes"
    compressed = int(subprocess.run(packed, shell=True, capture_output=True, text=True, check=True).stdout)
    print(f"compressed: {compressed / 1e9:.2f} GB", flush=True)
    show_demo(image)


def build(base: Path, into: Path, shared: list[Path], arguments: dict[str, str]) -> Stage:
    """The last stage of the Dockerfile."""
    stages: dict[str, Stage] = {}
    lines = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    for line in filter(None, map(str.strip, lines.splitlines())):
        print(line, flush=True)
        verb, rest = line.split(maxsplit=1)
        words = rest.split()
        match verb:
            case "FROM":
                before = stages.get(words[0])
                stage = Stage(into / f"stage-{len(stages)}", dict(before.variables) if before else {})
                subprocess.run(["cp", "--archive", "--one-file-system", before.root if before else base, stage.root], check=True)  # fmt: skip  # noqa: E501
                stages[words[-1]] = stage
            case "RUN":
                with shown(stage, shared):
                    run(stage, rest)
            case "ARG" | "ENV":
                pairs = dict(word.split("=", 1) for word in words)
                stage.variables |= {key: arguments.get(key, value) for key, value in pairs.items()}
            case "WORKDIR":
                stage.directory = rest
                inside(stage, rest).mkdir(parents=True, exist_ok=True)
            case "COPY":
                copy(stage, words, stages)
    return stage


@contextmanager
def shown(stage: Stage, shared: list[Path]) -> Iterator[None]:
    """While it lasts, the stage sees the kernel's directories and what is shared."""
    paths = [*map(Path, MOUNTED), *shared]
    for path in paths:
        target = inside(stage, str(path))
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        subprocess.run(["mount", "--bind", path, target], check=True)
    yield
    for path in reversed(paths):
        subprocess.run(["umount", inside(stage, str(path))], check=True)


def run(stage: Stage, command: str) -> None:
    """A step's command in the stage, as root."""
    usual = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
    handed = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}
    enter = f"cd {stage.directory} && {command}"
    subprocess.run(["chroot", stage.root, "sh", "-ec", enter], env=usual | handed | stage.variables, check=True)


def copy(stage: Stage, words: list[str], stages: dict[str, Stage]) -> None:
    """COPY, from the repository or another stage."""
    source = ROOT
    if words[0].startswith("--from="):
        source, words = stages[words[0].removeprefix("--from=")].root, words[1:]
    *files, to = words
    target = inside(stage, os.path.join(stage.directory, to))
    for name in files:
        file = source / name.lstrip("/")
        if file.is_dir():
            shutil.copytree(file, target, symlinks=True, ignore=shutil.ignore_patterns(*([] if "from" in name else ["*.egg-info"])), dirs_exist_ok=True)  # fmt: skip  # noqa: E501
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)


def show_demo(image: Stage) -> None:
    """The demo as the image's user, with a root that cannot be written but for /data and /tmp."""
    root = image.root
    subprocess.run(["mount", "--bind", root, root], check=True)
    for name in MOUNTED:
        subprocess.run(["mount", "--bind", name, inside(image, name)], check=True)
    for name in ("/tmp", "/data"):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "tmpfs", inside(image, name)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)
    command = [
        "chroot",
        f"--userspec={USER}:{USER}",
        root,
        "sh",
        "-ec",
        "cd /data && imagine-sound demo && ls demo && ! touch /x",
    ]
    done = subprocess.run(command, env=image.variables | {"HOME": home_of(USER, root)}, check=False)
    print("the demo works in a root that cannot be written" if done.returncode == 0 else "THE DEMO DOES NOT WORK")


def home_of(user: int, root: Path) -> str:
    """Where the user with that number is at home, by the image's own list of users."""
    users = (line.split(":") for line in (root / "etc/passwd").read_text().splitlines())
    return next(home for _, _, number, _, _, home, _ in users if int(number) == user)


def inside(stage: Stage, path: str) -> Path:
    """A path of the stage as this computer knows it."""
    return stage.root / path.lstrip("/")


if __name__ == "__main__":
    main()

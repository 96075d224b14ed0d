"""`imagine-sound cluster start|join|status|stop`: painters on the GPUs of several machines, by Ray."""

import argparse
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from core.cli.common import load_settings
from core.errors import ExitCode, WrongSetting
from core.reading_settings import settings_that_are_set
from core.settings import CoreSettings

HEAD_PORT = 6379
LONGEST_STARTING_S = 120.0


def run(options: argparse.Namespace) -> int:
    """Do it. Raises WrongSetting."""
    if find_spec("ray") is None:
        raise WrongSetting("A cluster needs the extra `cluster`; `make cluster` installs imagine-sound[cluster].")
    settings = load_settings()
    if settings.painter_secret is None:
        raise WrongSetting("A cluster needs PAINTER_TOKEN, a long secret of your choice, the same on each machine.")
    os.environ.update(environment_of(settings))
    if options.what == "join":
        if not (status := _ray("start", f"--address={options.address}", "--disable-usage-stats")):
            print(f"This machine paints for the cluster at {options.address}.")
        return status
    if options.what == "stop":
        return _ray("stop")
    if options.what == "status":
        return _status()
    return _start(settings, options)


def environment_of(settings: CoreSettings) -> dict[str, str]:
    """What Ray's processes on this machine are started with, and its painters inherit: the settings, and its lock."""
    token = settings.painter_secret or ""
    ray = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_USAGE_STATS_ENABLED": "0"}
    ours = settings_that_are_set(settings)
    return {**ours, "PAINTERS": "local", "PAINTER_TOKEN": token, **ray}


def _start(settings: CoreSettings, options: argparse.Namespace) -> int:
    arguments = ["--head", f"--port={HEAD_PORT}", "--disable-usage-stats", "--include-dashboard=false"]
    if status := _ray("start", *arguments):
        return status
    from core.fleet.cluster import Scale, connect, deploy, paints_here

    connect("auto")
    scale = Scale(gpus=0 if options.processors else 1, batch=settings.max_batch)
    print("Waiting for the first painter; machines with a GPU may `join` now.", flush=True)
    deploy(paints_here, settings.painter_secret, scale, host=options.host)
    print("The cluster paints: PAINTERS=ray here, and on others the address of this machine, port 8000.")
    return ExitCode.DONE


def _status() -> int:
    from core.fleet.cluster import connect, nodes, running_replicas

    try:
        connect("auto")
    except ConnectionError as error:
        raise WrongSetting("There is no cluster on this machine; `imagine-sound cluster start` begins one.") from error
    for node in nodes():
        print(f"{node.address}: {node.gpus:g} GPUs, {node.cpus:g} cores")
    print(f"{running_replicas()} painters")
    return ExitCode.DONE


def _ray(*arguments: str) -> int:
    """Ray's own program, of the same environment as this one."""
    program = Path(sys.executable).with_name("ray")
    try:
        done = subprocess.run(
            [program, *arguments], timeout=LONGEST_STARTING_S, check=False, capture_output=True, text=True
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WrongSetting(f"Ray cannot be started ({error}); see whether another cluster runs here.") from error
    if done.returncode == 0:
        return ExitCode.DONE
    print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
    return ExitCode.FAULT

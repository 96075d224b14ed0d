"""What a subverted decoder could do: a Python in ffmpeg's place tries, and may not."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from core.hearing.decoding import wrapper
from core.hearing.decoding.walls import Walls, Workshop, caged, walls_around

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")

TRIES = """
import ctypes, mmap, os, signal, socket, sys
canary, folder, port, parent = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
libc = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)

tries = {
    "read a file": lambda: open(canary).read(),
    "read the parent's environment": lambda: open(f"/proc/{parent}/environ").read(),
    "read the parent's memory": lambda: open(f"/proc/{parent}/mem", "rb").read(1),
    "look into the parent": lambda: call("syscall", 310, parent, None, 0, None, 0, 0),
    "write a file": lambda: open(f"{folder}/written", "w"),
    "list a directory": lambda: os.listdir(folder),
    "connect": lambda: socket.create_connection(("127.0.0.1", port)),
    "send a datagram": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "open a local socket": lambda: socket.socket(socket.AF_UNIX),
    "open a netlink socket": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "trace the parent": lambda: call("ptrace", 0x4206, parent, None, None),
    "signal the parent": lambda: os.kill(parent, 0),
    "start a process": lambda: os.fork() or os._exit(0),
    "set up io_uring": lambda: call("syscall", 425, 4, ctypes.create_string_buffer(120)),
    "leave a namespace": lambda: call("unshare", 0x10000000),
    "raise its memory limit": lambda: __import__("resource").setrlimit(2, (1 << 40, 1 << 40)),
    "allocate 200 MB": lambda: bytearray(200 << 20),
    "read its environment": lambda: os.environ["DISCORD_TOKEN"],
    "execute a shell": lambda: os.execve("/bin/sh", ["sh", "-c", "echo 'execute a shell: done'"], {}),
}
for name, attempt in tries.items():
    try:
        attempt()
        print(f"{name}: done", flush=True)
    except (OSError, MemoryError, ValueError, KeyError) as error:
        print(f"{name}: {type(error).__name__}", flush=True)
"""
"""Prints what became of each try. The shell comes last, since it would take the place of the rest."""


def _tried(folder: Path, *, in_cage: bool) -> dict[str, str]:
    """What became of each try."""
    canary = folder / "canary"
    canary.write_text("secret")
    program = os.path.realpath(sys.executable)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        command = [program, "-I", "-S", "-c", TRIES, str(canary), str(folder), port, str(os.getpid())]
        done = subprocess.run(
            caged(command, 10) if in_cage else command,
            capture_output=True,
            text=True,
            env={"DISCORD_TOKEN": "secret"},
            timeout=30,
            check=False,
        )
    assert done.stderr == ""
    return dict(line.split(": ") for line in done.stdout.splitlines())


def test_everything_is_denied_in_the_cage(tmp_path: Path) -> None:
    walls = walls_around(os.path.realpath(sys.executable))
    if walls.missing:
        pytest.skip(f"not all walls can be put up here: {walls.says()}")
    tried = _tried(tmp_path, in_cage=True)

    assert len(tried) == 19
    assert "done" not in tried.values()
    assert not (tmp_path / "written").exists()


def test_it_is_the_cage_that_denies_it(tmp_path: Path) -> None:
    """Outside, at least what needs no privilege is done."""
    tried = _tried(tmp_path, in_cage=False)

    for name in (
        "read a file", "write a file", "list a directory", "connect", "open a local socket", "signal the parent",
        "start a process", "allocate 200 MB", "read its environment", "execute a shell",
    ):  # fmt: skip
        assert tried[name] == "done", name


WORKS = """
import os, sys
folder, outside = sys.argv[1:3]

def write(path, size=1):
    with open(path, "wb") as file:
        file.write(b"x" * size)

tries = {
    "read a file": lambda: open(f"{folder}/given", "rb").read(),
    "make a file": lambda: write(f"{folder}/made"),
    "write it again": lambda: write(f"{folder}/made"),
    "have its memory": lambda: bytearray(150 << 20),
    "have more": lambda: bytearray(300 << 20),
    "write too much": lambda: write(f"{folder}/large", 5000),
    "remove a file": lambda: os.remove(f"{folder}/given"),
    "make a folder": lambda: os.mkdir(f"{folder}/inner"),
    "make a link": lambda: os.symlink(outside, f"{folder}/link"),
    "list outside": lambda: os.listdir(outside),
    "read outside": lambda: open(f"{outside}/canary", "rb").read(),
    "read on the way around": lambda: open(f"{folder}/../canary", "rb").read(),
    "write outside": lambda: write(f"{outside}/made"),
    "start a process": lambda: os.fork() or os._exit(0),
    "execute what it made": lambda: os.execve(f"{folder}/given", ["given"], {}),
}
for name, attempt in tries.items():
    try:
        attempt()
        print(f"{name}: done", flush=True)
    except (OSError, MemoryError) as error:
        print(f"{name}: {type(error).__name__}", flush=True)
"""


def test_an_encoder_works_in_its_workshop_and_nowhere_else(tmp_path: Path) -> None:
    program = os.path.realpath(sys.executable)
    walls = walls_around(program)
    if walls.missing:
        pytest.skip(f"not all walls can be put up here: {walls.says()}")
    (tmp_path / "canary").write_text("secret")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "given").write_text("#!/bin/sh\n")
    (tmp_path / "folder" / "given").chmod(0o755)
    command = [program, "-I", "-S", "-c", WORKS, str(tmp_path / "folder"), str(tmp_path)]
    workshop = Workshop(tmp_path / "folder", 200 << 20, 4000)
    done = subprocess.run(caged(command, 10, workshop), capture_output=True, text=True, env={}, timeout=30, check=False)
    tried = dict(line.split(": ") for line in done.stdout.splitlines())

    allowed = {name for name, outcome in tried.items() if outcome == "done"}
    assert (done.stderr, len(tried)) == ("", 15)
    assert allowed == {"read a file", "make a file", "write it again", "have its memory"}
    assert sorted(os.listdir(tmp_path)) == ["canary", "folder"]
    assert (tmp_path / "folder" / "large").stat().st_size <= 4000


def test_doctors_line_shows_each_wall_that_stands_and_why_another_does_not() -> None:
    assert Walls({}, 96).says() == "memory 96 MiB ✓ files ✓ network ✓ environment ✓"
    lacking = Walls({"files": "[Errno 38] syscall"}, 96)
    assert lacking.says() == "memory 96 MiB ✓ files ✗ ([Errno 38] syscall) network ✓ environment ✓"


@pytest.mark.skipif(os.uname().machine not in wrapper.FORBIDDEN, reason="no table of system calls")
def test_a_wall_that_the_kernel_does_not_have_is_reported_and_the_others_are_put_up() -> None:
    """Landlock's first call is forbidden here, as it is where the kernel does not know it."""
    older = (
        "import os; from core.hearing.decoding import wrapper; "
        "wrapper.FORBIDDEN[os.uname().machine] = (444,); wrapper.give_up_privileges(); wrapper.forbid_calls(); "
        "print(wrapper.put_up(5, '/bin/true'))"
    )
    done = subprocess.run([sys.executable, "-c", older], capture_output=True, text=True, timeout=30, check=True)
    stands = eval(done.stdout)

    assert stands["files"] != ""
    assert stands["memory"] == stands["privileges"] == stands["network"] == ""


def test_a_hidden_process_is_not_read_by_others_of_its_user() -> None:
    hidden = (
        "import ctypes; from core.hearing.decoding.walls import hide_this_process; "
        "get_dumpable = lambda: ctypes.CDLL(None).prctl(3, 0, 0, 0, 0); "
        "print(get_dumpable(), hide_this_process(), get_dumpable())"
    )
    done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["1", "True", "0"]

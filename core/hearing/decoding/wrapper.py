"""Run as a script, it becomes ffmpeg in a cage: `python -I -S wrapper.py SECONDS MEMORY BYTES FOLDER FFMPEG …`

It limits itself, puts up the walls that it can, and executes the program with an empty environment. MEMORY and BYTES
are 0 and FOLDER '' where nothing is written. `python -I -S wrapper.py report FFMPEG` tells what became of each wall.

Standard library only, since `-S` leaves nothing else, and what loads quickly of it. The numbers are Linux's:
linux/landlock.h, seccomp.h, filter.h, audit.h, prctl.h, capability.h and the tables of system calls.
It knows nothing of recordings.
"""

import ctypes
import errno
import os
import resource
import struct
import sys

MEMORY = 96 << 20
"""Bytes of data (RLIMIT_DATA). RLIMIT_AS would forbid the reservations of glibc's arenas, which cost nothing."""
STACK = 1 << 20
"""Bytes for each thread: with the usual 8 MiB, ffmpeg's threads would use up MEMORY with stacks alone."""
LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/nix/store")
PRCTL = {"set_pdeathsig": 1, "set_dumpable": 4, "set_seccomp": 22, "set_no_new_privs": 38}

FORBIDDEN = {
    "x86_64": (
        *(41, 42, 43, 44, 46, 49, 50, 53, 288, 307),  # socket connect accept send... bind listen socketpair
        *(57, 58, 62, 129, 200, 297, 424, 434, 438),  # fork vfork kill tkill ..._sigqueueinfo pidfd_...
        *(101, 310, 311, 321, 298, 323, 425, 426, 427),  # ptrace process_vm_... bpf perf userfaultfd io_uring_...
        *(155, 161, 165, 166, 272, 308, 428, 429, 430, 431, 432, 433),  # chroot mount... unshare setns fs...
        *(248, 249, 250),  # add_key request_key keyctl
    ),
    "aarch64": (
        *(198, 199, 200, 201, 202, 203, 206, 211, 242, 269),
        *(129, 130, 138, 240, 424, 434, 438),
        *(117, 270, 271, 280, 241, 282, 425, 426, 427),
        *(39, 40, 41, 51, 97, 268, 428, 429, 430, 431, 432, 433),
        *(217, 218, 219),
    ),
}
CLONE = {"x86_64": 56, "aarch64": 220}
CLONE3, CLONE_THREAD, FIRST_X32 = 435, 0x10000, 0x40000000
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def system_call(name: str, *arguments: object) -> int:
    """libc's function `name`; raises OSError where it fails or there is none."""
    libc = ctypes.CDLL(None, use_errno=True)
    result = int(getattr(libc, name, lambda *_: -1)(*arguments))
    if result < 0:
        raise OSError(ctypes.get_errno() or errno.ENOSYS, name)
    return result


def process(operation: str, value: int, pointer: object = None) -> None:
    """prctl(2)."""
    system_call("prctl", PRCTL[operation], ctypes.c_ulong(value), pointer or ctypes.c_ulong(0), 0, 0)


def limit_resources(seconds: int, memory: int, writes: int) -> None:
    """No more memory, stack, files, core dumps or processor time than a recording or film needs; and no privileges."""
    for kind, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_STACK, STACK),
        (resource.RLIMIT_FSIZE, writes),
        (resource.RLIMIT_NOFILE, 16),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, seconds),
    ):
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))
    os.nice(5)
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "only Linux counts all of a program's memory")


def give_up_privileges() -> None:
    """End with the parent, gain nothing by exec, keep no capability (one lifts limits) but those to read files."""
    process("set_no_new_privs", 1)
    version, held = struct.pack("=Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
    system_call("capget", version, held)
    kept = struct.unpack_from("=I", held)[0] & 0b110
    system_call("capset", version, struct.pack("=III12x", kept, kept, 0))
    process("set_pdeathsig", 9)


def confine_files(program: str, folder: str) -> None:
    """Landlock: reads and executes `program` and the system's libraries, makes, reads and writes `folder`'s files."""
    abi = system_call("syscall", 444, None, ctypes.c_size_t(0), 1)
    files = (1 << (13 if abi < 2 else 14 if abi < 3 else 15 if abi < 5 else 16)) - 1
    known = 8 if abi < 4 else 16 if abi < 6 else 24
    rules = struct.pack("=QQQ", files, 3, 3)[:known]  # TCP; signals, abstract sockets
    ruleset = system_call("syscall", 444, rules, ctypes.c_size_t(len(rules)), 0)
    beside = os.path.join(os.path.dirname(os.path.dirname(program)), "lib")  # where conda, say, keeps its libraries
    for path in (program, beside, *LIBRARIES, folder):
        if os.path.exists(path):
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            access = 0b1101 if os.path.isdir(path) else 0b101  # execute, read a file, read a directory
            access = 0x4106 & files if path == folder else access  # make, read, write and truncate a file
            system_call("syscall", 445, ruleset, 1, struct.pack("=Qi", access, place), 0)
            os.close(place)
    system_call("syscall", 446, ruleset, 0)
    os.close(ruleset)


def forbid_calls() -> None:
    """seccomp: EPERM for sockets, signals to others, new processes, and what looks into processes or the kernel."""
    machine = os.uname().machine
    if machine not in FORBIDDEN or sys.byteorder != "little":
        raise OSError(errno.ENOSYS, f"no table of system calls for {machine}")
    load, equal, at_least, any_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, deny, kill = 0x7FFF0000, 0x00050000 | errno.EPERM, 0x80000000
    program = [(load, 0, 0, 4), (equal, 1, 0, AUDIT_ARCH[machine]), (give, 0, 0, kill), (load, 0, 0, 0)]
    program += [(at_least, 0, 1, FIRST_X32), (give, 0, 0, deny)]
    program += [(equal, 0, 1, CLONE3), (give, 0, 0, 0x00050000 | errno.ENOSYS)]  # whereupon libc takes clone
    for number in FORBIDDEN[machine]:
        program += [(equal, 0, 1, number), (give, 0, 0, deny)]
    program += [(equal, 0, 3, CLONE[machine]), (load, 0, 0, 16), (any_bit, 1, 0, CLONE_THREAD), (give, 0, 0, deny)]
    program += [(give, 0, 0, allow)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    process("set_seccomp", 2, ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code))))


def put_up(seconds: int, program: str, memory: int = MEMORY, writes: int = 0, folder: str = "") -> dict[str, str]:
    """Every wall that can be put up here: its name, and why it does not stand ("" where it does)."""
    stands = dict.fromkeys(("memory", "privileges", "files", "network"), "")
    for name in stands:
        try:
            if name == "memory":
                limit_resources(seconds, memory, writes)
            elif name == "privileges":
                give_up_privileges()
            elif name == "files":
                confine_files(program, folder)
            else:
                forbid_calls()
        except (OSError, ValueError) as error:
            stands[name] = str(error)
    return stands


if __name__ == "__main__":
    program = os.path.realpath(sys.argv[2 if sys.argv[1] == "report" else 5])
    if sys.argv[1] == "report":
        print(*(f"{name}:{why}" for name, why in put_up(5, program).items()), sep="\n")
    else:
        put_up(int(sys.argv[1]), program, int(sys.argv[2]) or MEMORY, int(sys.argv[3]), sys.argv[4])
        os.execve(program, sys.argv[5:], {})

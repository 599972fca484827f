"""The process that programs are forked from: small, without an environment, data or descriptors worth stealing.

`launcher` starts it as a fresh interpreter. It builds filters and file tree once, then forks one child per request.
It never reads a request itself, so that nothing of one program is visible to the next. When its control socket closes,
because the verifier closed it or died, it kills its child and ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import os
import resource
import select
import shutil
import signal
import socket
import sys
from pathlib import Path

from verifiers.code import candidate, landlock, libc, namespaces, seccomp, served, tester, wire
from verifiers.code.values import decode, encode

# modules that nearly every program imports; more would make every fork slower
import bisect, collections, copy, functools, heapq, itertools, math, operator, random, re, string, typing  # noqa: E401, F401  # isort: skip

LINUX = sys.platform == "linux"
STACK_MEMORY, ADDRESS_SPACE = 600 << 20, 1 << 30  # on top of the memory limit, for stacks and reservations
MAX_THREADS = 64
SCRATCH_BYTES, SCRATCH_ENTRIES = 64 << 20, 2000
TICK_MS, TICK_WITHOUT_PIDFD_MS = 50, 5
_STACK, _DESCRIPTORS, _QUEUED_SIGNALS = 120 << 20, 64, 256
_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_JOB, _RESULT, _MORE = 3, 4, 5
_OWN_FROM, _OWN_END = 64, 256  # the zygote keeps its own descriptors in this range


def readable_paths() -> list[str]:
    """What a program may read: the interpreter, shared libraries, time zones, a few devices."""
    library = os.path.dirname(os.__file__)
    places = [library, os.path.join(sys.base_prefix, "lib"), "/lib", "/lib64", "/usr/lib", "/usr/lib64"]
    places += [os.path.dirname(p) for p in sys.path if p.endswith("lib-dynload")]
    places += ["/etc/ld.so.cache", "/etc/localtime", "/usr/share/zoneinfo"]
    # not /dev/zero, which can be mapped as memory that nobody counts
    places += ["/dev/null", "/dev/full", "/dev/random", "/dev/urandom"]
    return [place for place in dict.fromkeys(places) if os.path.exists(place)]


class Zygote:
    """Sets up `layers` (see `sandbox.NEEDS`), and forks programs. Raises the error of a layer that fails."""

    def __init__(
        self, control: socket.socket, layers: set[str], scratch: str, packages: dict[str, str]
    ) -> None:
        self.control, self.layers, self.scratch = control, layers, scratch
        self.proc = _own(os.open("/proc", os.O_RDONLY)) if LINUX and os.path.isdir("/proc/self") else None
        self.drop_uid = False
        paths = readable_paths()
        if "namespaces" in layers:
            self.drop_uid = namespaces.enter()
            namespaces.build_tree(scratch, paths, packages)
            self.scratch, self.packages = namespaces.SCRATCH, [namespaces.PACKAGES]
        else:
            self.scratch = os.path.join(scratch, "work")  # in a private folder, where it can be made anew
            os.mkdir(self.scratch, 0o700)
            self.packages = [os.path.join(scratch, "packages"), *packages.values()]
            link_packages(self.packages[0], packages)
        if packages:
            sys.path.append(self.packages[0])
            os.environ.update(dict.fromkeys(_THREADS, "1"))  # as many threads as a program has CPUs, or fewer
        self.ruleset = self._rules() if "landlock" in layers else None
        self.filter = seccomp.Filter() if "seccomp" in layers else None
        os.chdir(self.scratch)
        os.utime(self.scratch, (0, 0))
        self.empty_size = os.stat(self.scratch).st_size
        os.environ["TMPDIR"] = os.environ["HOME"] = self.scratch
        candidate.prepare()

    def _rules(self) -> int:
        readable = [path for path in readable_paths() if path != os.devnull] + self.packages
        fd = landlock.ruleset(readable, [self.scratch, os.devnull])
        return _own(fd)

    def serve(self) -> None:
        """Fork one child per request until the control socket closes."""
        gc.collect()
        gc.freeze()
        while True:
            message, fds, _, _ = socket.recv_fds(self.control, wire.RUN.size, 4)
            if not message:
                return
            op, mode, memory, cpu, files = wire.RUN.unpack(message)
            if op != b"r":  # a late kill: its program has ended already
                continue
            pid = libc.fork_patiently()
            if pid == 0:
                self._child(mode, memory, cpu, files, fds)
            for fd in fds:
                os.close(fd)
            if not self._watch(pid, memory):
                return

    def _watch(self, pid: int, memory: int) -> bool:
        """Wait for the child, kill it on request or over its limits, report its end. False if the verifier is gone."""
        why, open_ = wire.ENDED_ITSELF, True
        poller = select.poll()
        poller.register(self.control, select.POLLIN)
        pidfd = _pidfd(pid)
        if pidfd is not None:
            poller.register(pidfd, select.POLLIN)
        while True:
            reaped, status, used = os.wait4(pid, os.WNOHANG)
            if reaped:
                break
            events = dict(poller.poll(TICK_MS if pidfd is not None else TICK_WITHOUT_PIDFD_MS))
            if self.control.fileno() in events:
                why, open_ = wire.KILLED, bool(self.control.recv(wire.RUN.size))
            elif not events:
                why = self._over_limits(pid, pidfd, memory) or why
            if why != wire.ENDED_ITSELF:
                os.kill(pid, signal.SIGKILL)  # not reaped yet, so the process id is still its own
                _, status, used = os.wait4(pid, 0)
                break
        if pidfd is not None:
            os.close(pidfd)
        self._end_others(pid)
        peak = used.ru_maxrss * (1024 if LINUX else 1)
        if open_:
            self.control.sendall(wire.ENDED.pack(why, status, peak))
        self._clean()  # after the report: slow removal must not make the verdict None
        return open_

    def _over_limits(self, pid: int, pidfd: int | None, memory: int) -> bytes | None:
        try:
            if self.proc is not None:
                if "namespaces" in self.layers and pidfd is not None:  # /proc is the outer one
                    pid = namespaces.number_outside(pidfd, self.proc)
                threads, resident = usage(pid, self.proc)
                if resident > memory:
                    return wire.OVER_MEMORY
                if threads > MAX_THREADS:
                    return wire.OVER_THREADS
        except (FileNotFoundError, ProcessLookupError, IndexError):  # it has just ended
            return None
        if "namespaces" not in self.layers and folder_over(self.scratch, SCRATCH_BYTES, SCRATCH_ENTRIES):
            return wire.OVER_FILES
        return None

    def _end_others(self, pid: int) -> None:
        if "namespaces" in self.layers:
            namespaces.end_everybody_else()
        elif "seccomp" not in self.layers:  # it may have started others
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)

    def _clean(self) -> None:
        """Nothing in the scratch folder, nor its size or times, tells the next program what this one did."""
        if "namespaces" in self.layers:
            Path(namespaces.STDIN).unlink(missing_ok=True)
            if os.listdir(self.scratch):
                namespaces.renew_scratch()
                self._renew_rules()
        else:
            empty_folder(self.scratch)
            if os.stat(self.scratch).st_size != self.empty_size:  # many names make a folder larger for good
                os.chdir("/")
                os.rmdir(self.scratch)
                os.mkdir(self.scratch, 0o700)
                os.chdir(self.scratch)
                self._renew_rules()
        os.utime(self.scratch, (0, 0))

    def _renew_rules(self) -> None:
        if self.ruleset is not None:  # the old ones name the folder that is gone
            os.close(self.ruleset)
            self.ruleset = self._rules()

    def _child(self, mode: bytes, memory: int, cpu: int, files: int, fds: list[int]) -> None:
        """In the child: read the job, enable every layer, run. Never returns."""
        status = 1
        try:
            parent = os.getppid()
            os.setsid()
            sources = _place(mode, fds)
            reader = wire.FrameReader(*sources)
            first = reader.next()
            job = decode(first[1], build=True) if first else {}
            answers = wire.FrameWriter(_RESULT, job["nonce"])
            try:
                if mode == wire.STDIN and "namespaces" in self.layers:
                    namespaces.offer_stdin(0)
                self._confine(memory, cpu, files, parent, max(*sources, _RESULT) + 1)
            except Exception as error:
                answers.send(wire.BROKEN, encode(f"{type(error).__name__}: {error}"))
                os._exit(1)
            sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
            sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            sys.stderr = sys.__stderr__ = open(2, "w", encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
            random.seed(0)
            gc.enable()
            answers.send(wire.READY)
            if mode == wire.CALLS:
                run = served.serve if job.get("in_tests") else candidate.run_calls
                status = run(job, reader, answers)
            elif mode == wire.STDIN:
                status = candidate.run_stdin(job, answers)
            else:
                status = tester.run_tests(job, reader, answers)
        finally:
            os._exit(status)

    def _confine(self, memory: int, cpu: int, files: int, parent: int, first_free: int) -> None:
        if self.drop_uid:
            os.setgroups([])
            os.setresgid(namespaces.OWN_UID, namespaces.OWN_UID, namespaces.OWN_UID)
            os.setresuid(namespaces.OWN_UID, namespaces.OWN_UID, namespaces.OWN_UID)
        _limit("RLIMIT_CPU", cpu, cpu + 1)  # SIGXCPU first, so that the cause is known
        _limit("RLIMIT_FSIZE", files)
        _limit("RLIMIT_CORE", 0)
        _limit("RLIMIT_NOFILE", _DESCRIPTORS)
        if LINUX:
            self._confine_linux(memory, parent, first_free)
        else:
            os.closerange(first_free, _OWN_END)

    def _confine_linux(self, memory: int, parent: int, first_free: int) -> None:
        _limit("RLIMIT_SIGPENDING", _QUEUED_SIGNALS)
        _limit("RLIMIT_DATA", memory + STACK_MEMORY)
        _limit("RLIMIT_AS", memory + ADDRESS_SPACE)
        _limit("RLIMIT_STACK", min(memory, _STACK), resource.RLIM_INFINITY)  # programs may raise it, and do
        if self.ruleset is not None or self.filter is not None or "namespaces" in self.layers:
            libc.drop_capabilities()
        libc.prctl(libc.PR_SET_DUMPABLE, 0)
        libc.prctl(libc.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the line above
            os._exit(1)
        libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1)
        if self.ruleset is not None:
            landlock.enforce(self.ruleset)
        os.closerange(first_free, _OWN_END)
        if self.filter is not None:
            self.filter.enforce()


def link_packages(folder: str, packages: dict[str, str]) -> None:
    """Make a folder in which each package has its name, wherever it lies."""
    os.mkdir(folder, 0o755)
    for name, path in packages.items():
        os.symlink(path, os.path.join(folder, name))


def usage(pid: int, proc: int) -> tuple[int, int]:
    """(threads, resident bytes) of a process. Raises FileNotFoundError, ProcessLookupError, IndexError at its end."""
    fd = os.open(f"{pid}/stat", os.O_RDONLY, dir_fd=proc)
    try:
        fields = os.read(fd, 2000).rpartition(b")")[2].split()  # from the third field on: proc(5)
    finally:
        os.close(fd)
    return int(fields[17]), int(fields[21]) * resource.getpagesize()


def folder_over(folder: str, most_bytes: int, most_entries: int) -> bool:
    """Whether the files below `folder` are too many, too large or nested too deeply."""
    size, entries, pending = 0, 0, [folder]
    while pending:
        try:
            for entry in os.scandir(pending.pop()):
                entries += 1
                size += entry.stat(follow_symlinks=False).st_blocks * 512
                if entries > most_entries or size > most_bytes:
                    return True
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
        except FileNotFoundError:
            continue
        except (
            PermissionError
        ):  # a folder that the program made unreadable, so that its content cannot be measured
            return True
        except OSError as error:
            return error.errno == errno.ENAMETOOLONG
    return False


def empty_folder(folder: str) -> None:
    """Remove everything below `folder`, at any depth and with any modes: inner folders are moved up first."""
    os.chmod(folder, 0o700)
    pending, moved, secret = [folder], itertools.count(), os.urandom(8).hex()
    while pending:
        current = pending.pop()
        for entry in list(os.scandir(current)):
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            os.chmod(entry.path, 0o700)
            target = entry.path
            if current != folder:
                target = f"{folder}/.{secret}-{next(moved)}"
                os.rename(entry.path, target)
            pending.append(target)
        if current != folder:
            os.rmdir(current)


def _limit(name: str, value: int, most: int | None = None) -> None:
    which = getattr(resource, name, None)
    if which is None:
        return
    hard = resource.getrlimit(which)[1]
    new = value if most is None else most
    if hard != resource.RLIM_INFINITY:
        new = hard if new == resource.RLIM_INFINITY else min(new, hard)
    resource.setrlimit(which, (value if new == resource.RLIM_INFINITY else min(value, new), new))


def _place(mode: bytes, fds: list[int]) -> list[int]:
    """Move the descriptors of a request to where the program expects them; return those that frames come from.

    /dev/null is opened anew: locks and flags belong to an open file, and would be there for the next program.

    `fds` is [job, result], then [stdin, stdout] for a program that reads stdin, [more frames] for a conversation.
    """
    job, result, *rest = [fcntl.fcntl(fd, fcntl.F_DUPFD, _OWN_FROM) for fd in fds]
    null = _own(os.open(os.devnull, os.O_RDWR))
    standard = rest if mode == wire.STDIN else [null, null]
    places = [(job, _JOB), (result, _RESULT), (standard[0], 0), (standard[1], 1), (null, 2)]
    more = [_MORE] if rest and mode != wire.STDIN else []
    places += [(rest[0], _MORE)] if more else []
    for fd, place in places:
        os.dup2(fd, place, inheritable=place < 3)
    return [_JOB, *more]


def _own(fd: int) -> int:
    """Move a descriptor out of the range that a child uses."""
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _OWN_FROM)
    os.close(fd)
    return high


def _pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None if the system has none, and polling is needed."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def main() -> None:
    """With argv CONTROL_FD, LAYERS, SCRATCH, NAME=PATH …: set up, send "ready" or the reason of a failure, serve."""
    control = socket.socket(fileno=_own(int(sys.argv[1])))
    layers, scratch = set(filter(None, sys.argv[2].split(","))), sys.argv[3]
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        packages = dict(pair.split("=", 1) for pair in sys.argv[4:])
        zygote = Zygote(control, layers, scratch, packages)
    except Exception as error:
        control.sendall(f"failed {type(error).__name__}: {error}\n".encode())
        return
    control.sendall(b"ready\n")
    try:
        zygote.serve()
    except ConnectionError:  # the verifier died during a report
        pass
    finally:
        if "namespaces" not in layers:
            shutil.rmtree(scratch, ignore_errors=True)
        os._exit(0)

"""Which system calls a program may make: a seccomp filter in BPF instructions, without a package.

The table lists what is allowed; any other call is refused. Refused is above all everything that starts a process or a
program, opens a socket, acts on another process, or mounts. Some calls are allowed by argument: threads but not forks,
signals to the own process only, one kind of socket pair, a few ioctls, shared memory only of a file.

Some calls are skipped and seem to succeed: changes of permissions and times, which `shutil.copy` makes and Landlock
does not cover, waiting for the disk, during which a process could not be killed, and locks of files: a lock on
/dev/null would be one on the machine's own, and each program has its files for itself.

The numbers come from Linux's asm/unistd_64.h and asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
from struct import Struct

from verifiers.code.libc import MACHINE, PR_SET_SECCOMP, prctl

# name:x86-64:aarch64
_ALLOWED = """
    read:0:63 write:1:64 close:3:57 stat:4:- fstat:5:80 lstat:6:- newfstatat:262:79
    statx:332:291 poll:7:- ppoll:271:73 lseek:8:62 pread64:17:67 pwrite64:18:68 readv:19:65 writev:20:66
    preadv:295:69 pwritev:296:70 preadv2:327:286 pwritev2:328:287 access:21:- faccessat:269:48
    faccessat2:439:439 pipe:22:- pipe2:293:59 dup:32:23 dup2:33:- dup3:292:24
    ftruncate:77:46 getdents:78:- getdents64:217:61 getcwd:79:17 chdir:80:49
    fchdir:81:50 rename:82:- renameat:264:38 renameat2:316:276 mkdir:83:- mkdirat:258:34 rmdir:84:-
    creat:85:- unlink:87:- unlinkat:263:35 symlink:88:- symlinkat:266:36 readlink:89:- readlinkat:267:78
    umask:95:166 sendfile:40:71 copy_file_range:326:285 fadvise64:221:223 statfs:137:43 fstatfs:138:44
    fallocate:285:47 splice:275:76 tee:276:77 mprotect:10:226 munmap:11:215 brk:12:214
    mremap:25:216 madvise:28:233 mincore:27:232 membarrier:324:283
    rt_sigaction:13:134 rt_sigprocmask:14:135 rt_sigreturn:15:139 rt_sigpending:127:136
    rt_sigtimedwait:128:137 rt_sigsuspend:130:133 sigaltstack:131:132 pause:34:- alarm:37:-
    getitimer:36:102 setitimer:38:103 timerfd_create:283:85 timerfd_settime:286:86
    timerfd_gettime:287:87 eventfd:284:- eventfd2:290:19 signalfd:282:- signalfd4:289:74
    restart_syscall:219:128 getpid:39:172 getppid:110:173 gettid:186:178 getpgrp:111:- getpgid:121:155
    getsid:124:156 exit:60:93 exit_group:231:94 wait4:61:260 waitid:247:95 set_tid_address:218:96
    set_robust_list:273:99 futex:202:98 futex_waitv:449:449 rseq:334:293 sched_yield:24:124
    sched_getaffinity:204:123 sched_getparam:143:121 sched_getscheduler:145:120
    sched_get_priority_max:146:125 sched_get_priority_min:147:126 getpriority:140:141 getrlimit:97:163
    setrlimit:160:164 getrusage:98:165 times:100:153 sysinfo:99:179 uname:63:160 getrandom:318:278
    getuid:102:174 geteuid:107:175 getgid:104:176 getegid:108:177 getgroups:115:158 getresuid:118:148
    getresgid:120:150 capget:125:90 arch_prctl:158:- getcpu:309:168 clock_gettime:228:113
    clock_getres:229:114 clock_nanosleep:230:115 nanosleep:35:101 gettimeofday:96:169 time:201:-
    select:23:- pselect6:270:72 epoll_create:213:- epoll_create1:291:20 epoll_ctl:233:21
    epoll_wait:232:- epoll_pwait:281:22 epoll_pwait2:441:441 sendto:44:206 recvfrom:45:207
    recvmsg:47:212 shutdown:48:210 getsockopt:55:209 getsockname:51:204
    getpeername:52:205
"""
_WITHOUT_EFFECT = """
    chmod:90:- fchmod:91:52 fchmodat:268:53 fchmodat2:452:452 fsync:74:82 fdatasync:75:83 msync:26:227
    flock:73:32
"""  # skipped, see above; utimensat and some of fcntl below as well
_NOT_SUPPORTED = """
    setxattr:188:5 lsetxattr:189:6 fsetxattr:190:7 getxattr:191:8 lgetxattr:192:9 fgetxattr:193:10
    listxattr:194:11 llistxattr:195:12 flistxattr:196:13 removexattr:197:14 lremovexattr:198:15 fremovexattr:199:16
"""
_NUMBERS = {  # calls that depend on their arguments: x86-64, aarch64
    "open": (2, None),
    "openat": (257, 56),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
    "mmap": (9, 222),
    "prctl": (157, 167),
    "prlimit64": (302, 261),
    "clone": (56, 220),
    "clone3": (435, 435),
    "close_range": (436, 436),
    "openat2": (437, 437),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "socketpair": (53, 199),
    "utimensat": (280, 88),
}
_FCNTL = (0, 1, 2, 3, 4, 5, 36, 1030, 1031, 1032, 1033, 1034)  # not F_SETOWN, F_SETSIG, leases
_FCNTL_LOCKS = (6, 7, 37, 38)  # F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW
_IOCTL = (
    0x5401,
    0x5413,
    0x541B,
    0x5421,
    0x5450,
    0x5451,
)  # TCGETS, window size, FIONREAD, FIONBIO, close-on-exec
_PRCTL = (2, 3, 15, 16, 21, 39, 0x53564D41)  # read-only ones, thread names; never PDEATHSIG
_THREAD = (
    0x10F00  # CLONE_VM, FS, FILES, SIGHAND, THREAD: without FILES a thread would have descriptors of its own
)
_SHARED_WITHOUT_A_FILE = (
    0x21  # MAP_SHARED | MAP_ANONYMOUS: memory that no process's size shows once it is unmapped
)
_O_ACCMODE, _O_TRUNC, _AF_UNIX, _SOCK_STREAM, _SOCK_TYPES = 3, 0o1000, 1, 1, 0xF

_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_INSTRUCTION = Struct("=HBBI")
_LOAD, _AND, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NR, _ARCHITECTURE, _ARGUMENT = 0, 4, (16, 24, 32, 40)
_OWN_PID = 0x5EC0ED1D  # placeholder, replaced by the process id before the filter is enforced


def supported() -> bool:
    """Whether there is a table for this machine."""
    return MACHINE in _ARCH


def _refuse(code: int = errno.EPERM) -> tuple[int, int, int, int]:
    return (_RETURN, 0, 0, _ERRNO | code)


_PASS = (_RETURN, 0, 0, _ALLOW)


def _one_of(argument: int, values: tuple[int, ...], skipped: tuple[int, ...] = ()) -> list:
    """Allow if the argument is one of the values, skip the call if it is one of `skipped`, else refuse."""
    answers = [(value, _PASS) for value in values] + [(value, _refuse(0)) for value in skipped]
    tests = [step for value, answer in answers for step in ((_EQUAL, 0, 1, value), answer)]
    return [(_LOAD, 0, 0, _ARGUMENT[argument]), *tests, _refuse()]


def _open_rule(flags: int) -> list:
    """O_TRUNC needs a writing mode: below ABI 3 Landlock lets O_RDONLY | O_TRUNC empty a file."""
    return [
        (_LOAD, 0, 0, _ARGUMENT[flags]),
        (_ANY_BIT, 1, 0, _O_TRUNC),
        _PASS,
        (_AND, 0, 0, _O_ACCMODE),
        (_EQUAL, 0, 1, os.O_RDONLY),
        _refuse(),
        _PASS,
    ]


def _conditional() -> dict[str, list]:
    return {
        "open": _open_rule(1),
        "openat": _open_rule(2),
        "fcntl": _one_of(1, _FCNTL, skipped=_FCNTL_LOCKS),
        "ioctl": _one_of(1, _IOCTL),
        "mmap": [
            (_LOAD, 0, 0, _ARGUMENT[3]),
            (_AND, 0, 0, _SHARED_WITHOUT_A_FILE),
            (_EQUAL, 0, 1, _SHARED_WITHOUT_A_FILE),
            _refuse(),
            _PASS,
        ],
        "prctl": _one_of(0, _PRCTL),
        "prlimit64": _one_of(0, (0,)),
        "kill": _one_of(0, (_OWN_PID,)),
        "tgkill": _one_of(0, (_OWN_PID,)),
        "clone": [
            (_LOAD, 0, 0, _ARGUMENT[0]),
            (_AND, 0, 0, _THREAD),
            (_EQUAL, 0, 1, _THREAD),
            _PASS,
            _refuse(),
        ],
        "close_range": _one_of(2, (0, 4)),  # close, or close on exec; not a descriptor table of its own
        "clone3": [_refuse(errno.ENOSYS)],  # its flags are behind a pointer; libc falls back to clone
        "openat2": [_refuse(errno.ENOSYS)],
        # explicit times: skipped; "now": refused, after which Path.touch opens the file
        "utimensat": [(_LOAD, 0, 0, _ARGUMENT[2]), (_EQUAL, 0, 1, 0), _refuse(), _refuse(0)],
        # a datagram pair could still send to any socket by its address, so streams only
        "socketpair": [
            (_LOAD, 0, 0, _ARGUMENT[0]),
            (_EQUAL, 1, 0, _AF_UNIX),
            _refuse(),
            (_LOAD, 0, 0, _ARGUMENT[1]),
            (_AND, 0, 0, _SOCK_TYPES),
            (_EQUAL, 0, 1, _SOCK_STREAM),
            _PASS,
            _refuse(),
        ],
    }


def program() -> bytes:
    """The filter for this machine as BPF instructions. Raises OSError on an unknown machine."""
    if not supported():
        raise OSError(errno.ENOSYS, f"no system call table for {MACHINE}")
    column = 0 if MACHINE == "x86_64" else 1
    steps: list = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, _ARCH[MACHINE]), (_RETURN, 0, 0, _KILL)]
    steps += [(_LOAD, 0, 0, _NR)]
    if column == 0:
        steps += [(_AT_LEAST, 0, 1, 0x40000000), _refuse()]  # the x32 variant of every call
    for table, answer in (
        (_ALLOWED, _PASS),
        (_WITHOUT_EFFECT, _refuse(0)),
        (_NOT_SUPPORTED, _refuse(errno.ENOTSUP)),
    ):
        for entry in table.split():
            number = entry.split(":")[1 + column]
            if number != "-":
                steps += [(_EQUAL, 0, 1, int(number)), answer]
    for name, rule in _conditional().items():
        number = _NUMBERS[name][column]
        if number is not None:
            steps += [(_EQUAL, 0, len(rule), number), *rule]
    steps.append(_refuse())
    return b"".join(_INSTRUCTION.pack(*step) for step in steps)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


class Filter:
    """A filter, built once in the zygote and enforced in each child."""

    def __init__(self) -> None:
        code = program()
        self.buffer = ctypes.create_string_buffer(code, len(code))
        marker = Struct("=I").pack(_OWN_PID)
        self.holes = [at for at in range(4, len(code), 8) if code[at : at + 4] == marker]
        self.header = _Program(len(code) // 8, ctypes.addressof(self.buffer))

    def enforce(self) -> None:
        """Restrict this process by the filter, irrevocably. Needs no_new_privs. Raises OSError."""
        own = Struct("=I").pack(os.getpid())
        for at in self.holes:
            self.buffer[at : at + 4] = own
        prctl(PR_SET_SECCOMP, 2, ctypes.byref(self.header))

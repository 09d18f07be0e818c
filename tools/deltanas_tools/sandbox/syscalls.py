"""The seccomp filter: the system calls that training needs, and no others.

An allow-list: a call that a newer kernel adds is refused until somebody has looked at it. No
processes, no sockets, no signals to others, no names in the file system made or changed. Compiled
by the parent, where libseccomp can be found.
"""

import tempfile
from errno import EEXIST, ENOENT, ENOSYS, EPERM

import pyseccomp
from pyseccomp import ALLOW, EQ, ERRNO, MASKED_EQ, Arg, SyscallFilter

from deltanas_tools.sandbox.seccomp import OWN_PID

_UINT32 = 0xFFFFFFFF
_CLONE_THREAD = 0x00010000
_CLONE_NAMESPACES = 0x7E020080

ALLOWED = """
 read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 lseek close close_range
 open openat openat2 stat fstat lstat newfstatat statx access faccessat faccessat2 readlink
 readlinkat getdents getdents64 getcwd chdir fchdir statfs fstatfs dup dup2 dup3 pipe pipe2
 sendfile fadvise64 readahead umask poll ppoll select pselect6 eventfd eventfd2 epoll_create
 epoll_create1 epoll_ctl epoll_wait epoll_pwait
 mmap munmap mremap mprotect madvise brk msync mincore membarrier get_mempolicy
 futex futex_waitv set_robust_list get_robust_list rseq set_tid_address arch_prctl
 sched_yield sched_getaffinity sched_getparam sched_getscheduler sched_get_priority_max
 sched_get_priority_min getcpu getpriority
 rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigtimedwait rt_sigreturn
 sigaltstack restart_syscall pause alarm setitimer getitimer
 clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times
 getpid getppid gettid getpgrp getpgid getsid getuid geteuid getgid getegid getresuid getresgid
 getgroups capget getrlimit setrlimit getrusage sysinfo uname getrandom
 wait4 waitid exit exit_group
""".split()  # noqa: SIM905 (a line per name would fill a screen)
ALLOWED_WITH_CUDA = ["memfd_create", "mlock", "munlock", "mbind", "set_mempolicy", "ftruncate"]
"""Some versions of the driver need them, as public reports say; 580 makes no memory files. What
memory they give is bounded by a memory cgroup alone."""
_SEQPACKET_OF_UNIX = (Arg(0, MASKED_EQ, _UINT32, 1), Arg(1, MASKED_EQ, 0xF, 5))
LISTENING_OF_CUDA = (
    ("socket", _SEQPACKET_OF_UNIX),
    ("bind", ()),
    ("listen", ()),
)
"""The driver opens an abstract socket for those it shares memory with. Nobody can be talked to:
neither ``connect`` nor ``accept`` is allowed, nor ``send`` in any form."""
REFUSED_FOR_CUDA = (
    ("unlink", ENOENT),
    ("unlinkat", ENOENT),
    ("mkdir", EEXIST),
    ("mkdirat", EEXIST),
)
"""Not done either, but with another word: of EPERM the driver makes CUDA's error 304. It removes a
socket of its own that has no file, and makes folders that are there."""
FCNTL = (0, 1, 2, 3, 4, 1030, 1032, 1034)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC, F_GETPIPE_SZ, F_GET_SEALS."""
IOCTL = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX."""
IOCTL_OF_CUDA = ((0xFF00, 0x4600), (0xFF00, 0x0000))
"""Masks and values: the driver's type of command, and the bare numbers of its unified memory."""
PRCTL = (3, 15, 16, 21, 23, 39, 0x53564D41)
"""GET_DUMPABLE, SET_NAME, GET_NAME, GET_SECCOMP, CAPBSET_READ, GET_NO_NEW_PRIVS, SET_VMA."""


def compile_filter(*, cuda: bool) -> bytes:
    """Return the filter as a BPF program, with a placeholder for the process that installs it.

    Raises:
        OSError: libseccomp refuses.
    """
    # Foreign architectures (int 0x80 on x86-64) kill the process: libseccomp's default.
    syscalls = SyscallFilter(ERRNO(EPERM))
    # The C library falls back to clone, whose flags a filter can see.
    _add(syscalls, "clone3", action=ERRNO(ENOSYS))
    for name in [*ALLOWED, *(ALLOWED_WITH_CUDA if cuda else ())]:
        _add(syscalls, name)
    threads_only = Arg(0, MASKED_EQ, _CLONE_THREAD | _CLONE_NAMESPACES, _CLONE_THREAD)
    _add(syscalls, "clone", threads_only)
    for name in ("kill", "tgkill"):  # abort and raise; never another process
        _add(syscalls, name, Arg(0, EQ, OWN_PID))
    for name in ("prlimit64", "sched_setaffinity"):
        for pid in (0, OWN_PID):
            _add(syscalls, name, Arg(0, EQ, pid))
    # The kernel looks at the lower half of these arguments, so the upper one must not matter.
    for command in FCNTL:
        _add(syscalls, "fcntl", Arg(1, MASKED_EQ, _UINT32, command))
    for command in PRCTL:
        _add(syscalls, "prctl", Arg(0, MASKED_EQ, _UINT32, command))
    _add_ioctls(syscalls, cuda=cuda)
    for name, args in LISTENING_OF_CUDA if cuda else ():
        _add(syscalls, name, *args)
    for name, error in REFUSED_FOR_CUDA if cuda else ():
        _add(syscalls, name, action=ERRNO(error))
    with tempfile.TemporaryFile() as program:
        syscalls.export_bpf(program)
        program.seek(0)
        return program.read()


def _add_ioctls(syscalls: SyscallFilter, *, cuda: bool) -> None:
    commands = [(_UINT32, command) for command in IOCTL]
    for mask, value in [*commands, *(IOCTL_OF_CUDA if cuda else ())]:
        _add(syscalls, "ioctl", Arg(1, MASKED_EQ, mask, value))


def _add(syscalls: SyscallFilter, name: str, *args: Arg, action: int = ALLOW) -> None:
    """Add a rule, unless this libseccomp or this architecture does not know the call."""
    number = pyseccomp.resolve_syscall(pyseccomp.Arch.NATIVE, name)
    if number >= 0:
        syscalls.add_rule(action, number, *args)

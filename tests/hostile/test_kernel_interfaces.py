"""The rest of the kernel's interface: none of it is there to be tried."""

import platform

import pytest

from tests.hostile.attack import Attack, Outcome
from tests.hostile.scene import Scene


def filtered(outcome: Outcome) -> None:
    """Refused by the filter, before the kernel looked at a single argument."""
    lines = outcome.output.splitlines()
    tried = [line for line in lines if line.startswith("REFUSED")]
    assert tried
    assert [line for line in tried if line.split()[-1] not in {"EPERM", "ENOSYS"}] == []
    assert "GOT" not in outcome.output


def calls(number: str, name: str, **numbers: int) -> Attack:
    """Try system calls with arguments of which the kernel would say something else than EPERM."""
    source = f"for name, number in {numbers!r}.items():\n"
    source += "    if CUDA and name in {'bind', 'listen'}: continue\n"
    source += "    step(name, lambda: syscall(number, -1, -1, -1, -1, -1, -1))\n"
    return Attack(number, name, source, filtered)


ATTACKS = (
    Attack(
        "46",
        "namespaces of its own",
        """\
for name, flag in dict(user=0x10000000, mount=0x20000, pid=0x20000000, net=0x40000000,
                       ipc=0x8000000, uts=0x4000000, cgroup=0x2000000, time=0x80,
                       files=0x400, fs=0x200, sysv=0x40000, everything=0x7E020080).items():
    step(name, lambda: syscall(272, flag))
    step(name + " high bits", lambda: syscall(272, flag | 1 << 32))
""",
        filtered,
    ),
    Attack(
        "46+",
        "namespaces of others",
        """\
for pid in (HOST, PARENT, 1):
    for kind in ("user", "mnt", "pid", "net", "ipc", "uts"):
        step(kind, lambda: syscall(308, os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY), 0))
""",
    ),
    calls("46+", "namespaces by descriptor", setns=308),
    calls(
        "46+",
        "mounts",
        mount=165,
        umount=166,
        pivot_root=155,
        chroot=161,
        open_tree=428,
        move_mount=429,
        fsopen=430,
        fsconfig=431,
        fsmount=432,
        fspick=433,
        mount_setattr=442,
        statmount=457,
        listmount=458,
    ),
    calls(
        "48+",
        "other users and rights",
        setuid=105,
        setgid=106,
        setreuid=113,
        setregid=114,
        setgroups=116,
        setresuid=117,
        setresgid=119,
        setfsuid=122,
        setfsgid=123,
        capset=126,
    ),
    calls(
        "58",
        "memory, semaphores and messages that stay",
        shmget=29,
        shmat=30,
        shmctl=31,
        semget=64,
        semop=65,
        semctl=66,
        msgget=68,
        msgsnd=69,
        mq_open=240,
        mq_unlink=241,
    ),
    Attack(
        "58",
        "memory that stays, for real",
        """\
steps(
    shm=lambda: syscall(29, 0xDE17A, 2**20, 0o1666),
    sem=lambda: syscall(64, 0xDE17A, 1, 0o1666),
    msg=lambda: syscall(68, 0xDE17A, 0o1666),
    mq=lambda: syscall(240, MARK.encode(), 0o102, 0o666, 0),
)
""",
        filtered,
    ),
    calls(
        "05+",
        "interfaces with many faults",
        io_uring_setup=425,
        io_uring_enter=426,
        io_uring_register=427,
        bpf=321,
        perf_event_open=298,
        userfaultfd=323,
        keyctl=250,
        add_key=248,
        request_key=249,
        io_setup=206,
        io_submit=209,
        vmsplice=278,
        splice=275,
        tee=276,
    ),
    calls(
        "05+",
        "sockets",
        socket=41,
        connect=42,
        accept=43,
        sendto=44,
        sendmsg=46,
        recvmsg=47,
        bind=49,
        listen=50,
        socketpair=53,
        sendmmsg=307,
    ),
    calls(
        "47+",
        "the machine",
        iopl=172,
        ioperm=173,
        init_module=175,
        finit_module=313,
        delete_module=176,
        kexec_load=246,
        kexec_file_load=320,
        swapon=167,
        swapoff=168,
        acct=163,
        sethostname=170,
        setdomainname=171,
        settimeofday=164,
        clock_settime=227,
        adjtimex=159,
        clock_adjtime=305,
        syslog=103,
        quotactl=179,
        vhangup=153,
        lookup_dcookie=212,
    ),
    calls(
        "28+",
        "other processes",
        ptrace=101,
        process_vm_readv=310,
        process_vm_writev=311,
        kcmp=312,
        pidfd_open=434,
        pidfd_getfd=438,
        pidfd_send_signal=424,
        process_madvise=440,
        process_mrelease=448,
        move_pages=279,
        migrate_pages=256,
        set_mempolicy_home_node=450,
    ),
    calls(
        "50+",
        "other ways to run",
        personality=135,
        modify_ldt=154,
        uselib=134,
        execve=59,
        execveat=322,
        vfork=58,
        seccomp=317,
        landlock_create_ruleset=444,
        landlock_add_rule=445,
        landlock_restrict_self=446,
    ),
    calls("66", "calls that nobody knows yet", late=470, later=500, last=547, beyond=2000),
)


def test_the_next_call_is_refused_as_well(scene: Scene) -> None:
    """Of all numbers that are not on the list of the filter, none reaches the kernel."""
    listed = set(scene.listed_numbers())
    if platform.machine() != "x86_64":
        pytest.skip("its numbers are those of x86-64")
    # Those with rules for their arguments are tried one by one elsewhere.
    ruled = {56, 62, 234, 302, 203, 72, 157, 16}
    numbers = sorted(set(range(470)) - listed - ruled - set(range(335, 424)))
    attack = Attack(
        "66",
        "each call that is not on the list",
        f"for number in {numbers}:\n"
        "    step(number, lambda: syscall(number, -1, -1, -1, -1, -1, -1))",
        filtered,
    )
    assert len(numbers) > 150
    scene.contain(attack)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_the_kernel_is_not_reached(scene: Scene, attack: Attack) -> None:
    scene.contain(attack)

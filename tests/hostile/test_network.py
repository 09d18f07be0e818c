"""Nothing that a candidate sends arrives anywhere."""

import pytest

from tests.hostile.attack import Attack
from tests.hostile.scene import Scene

ATTACKS = (
    Attack("01", "TCP", 'step("tcp", lambda: socket.create_connection(("127.0.0.1", TCP)))'),
    Attack("01+", "TCP over IPv6", 'step("tcp", lambda: socket.create_connection(("::1", TCP6)))'),
    Attack(
        "01+",
        "TCP without connect: fast open, multipath",
        """\
address = ("127.0.0.1", TCP)
steps(
    fast_open=lambda: socket.socket().sendto(b"data", 0x20000000, address),
    multipath=lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(address),
)
""",
    ),
    Attack(
        "01+",
        "TCP by system calls alone",
        """\
address = ctypes.create_string_buffer(
    struct.pack("=H", 2) + struct.pack(">H", TCP) + bytes([127, 0, 0, 1]) + bytes(8)
)
step("socket", lambda: syscall(42, syscall(41, 2, 1, 0), address, 16))
""",
    ),
    Attack(
        "01+",
        "TCP by libraries",
        """\
import datetime, urllib.request
import torch.distributed as dist
def store():
    return dist.TCPStore("127.0.0.1", TCP, is_master=False, timeout=datetime.timedelta(seconds=1))
steps(
    url=lambda: urllib.request.urlopen(f"http://127.0.0.1:{TCP}/", timeout=1),
    store=store,
    hub=lambda: torch.hub.load_state_dict_from_url(f"http://127.0.0.1:{TCP}/x.pt", "/tmp"),
)
""",
    ),
    Attack(
        "01+",
        "listening for others",
        'step("listen", lambda: socket.create_server(("0.0.0.0", 0)).getsockname())',
    ),
    Attack(
        "02",
        "UDP",
        """\
def send():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"data", ("127.0.0.1", UDP))
step("udp", send)
""",
    ),
    Attack(
        "02+",
        "names to look up",
        """\
address = ctypes.create_string_buffer(
    struct.pack("=H", 2) + struct.pack(">H", UDP) + bytes([127, 0, 0, 1]) + bytes(8)
)
steps(
    system_calls=lambda: syscall(44, syscall(41, 2, 2, 0), b"data", 4, 0, address, 16),
    name=lambda: socket.getaddrinfo("localhost.example", 80),
)
""",
    ),
    Attack(
        "03",
        "abstract unix socket",
        """\
def connect(kind, address):
    link = socket.socket(socket.AF_UNIX, kind)
    link.connect(address)
    return link.send(b"data")
steps(
    stream=lambda: connect(socket.SOCK_STREAM, ABSTRACT),
    datagram=lambda: connect(socket.SOCK_DGRAM, ABSTRACT + "-datagrams"),
)
""",
    ),
    Attack(
        "04",
        "unix socket in a folder open to all",
        """\
def connect(address):
    link = socket.socket(socket.AF_UNIX)
    link.connect(address)
steps(
    path=lambda: connect(SOCKET),
    through_proc=lambda: connect(f"/proc/{HOST}/root{SOCKET}"),
    docker=lambda: connect("/var/run/docker.sock"),
    bus=lambda: connect("/run/dbus/system_bus_socket"),
)
""",
    ),
    Attack(
        "04+",
        "the kind of socket that CUDA opens",
        """\
def sequential(action):
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return action(link)
steps(
    connect=lambda: sequential(lambda link: link.connect(SOCKET)),
    abstract=lambda: sequential(lambda link: link.connect(ABSTRACT)),
    send=lambda: sequential(lambda link: link.sendto(b"data", SOCKET)),
    message=lambda: sequential(lambda link: link.sendmsg([b"data"], [], 0, SOCKET)),
    file=lambda: sequential(lambda link: link.bind(f"{FOLDER}/{MARK}")),
    accept=lambda: sequential(lambda link: link.accept()),
)
""",
    ),
    Attack(
        "04+",
        "pair of sockets to smuggle descriptors",
        'step("pair", lambda: socket.socketpair())',
    ),
    Attack(
        "05",
        "io_uring",
        """\
parameters = ctypes.create_string_buffer(120)
steps(
    setup=lambda: syscall(425, 8, parameters),
    enter=lambda: syscall(426, 0, 0, 0, 0, 0, 0),
    register=lambda: syscall(427, -1, 0, 0, 0),
)
""",
    ),
    Attack(
        "05+",
        "other families of sockets",
        """\
for family in range(46):
    for kind in (1, 2, 3):
        try:
            socket.socket(family, kind).close()
        except OSError as error:
            assert error.errno in (errno.EPERM, errno.EACCES), (family, kind, error)
        else:
            say("GOT family", family, kind)
say("REFUSED all of them")
""",
    ),
    Attack(
        "57",
        "a socket that was inherited",
        """\
import stat
def inherited():
    for fd in range(3, 4096):
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                os.write(fd, b"data")
                return fd
        except OSError:
            pass
    raise LookupError("none")
step("find", inherited)
""",
    ),
)


@pytest.mark.parametrize("attack", ATTACKS, ids=str)
def test_nothing_is_sent(scene: Scene, attack: Attack) -> None:
    scene.contain(attack)

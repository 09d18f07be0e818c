"""Whatever a candidate writes back is short, printable and of a known form."""

import re

import pytest

from deltanas_tools.sandbox import Completed, Failed
from tests.hostile.attack import Attack, fails, harmless
from tests.hostile.scene import Scene
from tests.networks_for_tests import network

FRAME = """\
def frame(header, blob=b"", header_size=None, blob_size=None):
    size = len(header) if header_size is None else header_size
    tail = len(blob) if blob_size is None else blob_size
    return struct.pack(">IQ", size, tail) + header + blob
def send(data):
    view = memoryview(data)
    while view:
        view = view[os.write(3, view):]
"""


def reply(number: str, name: str, code: str, *codes: str) -> Attack:
    return Attack(number, name, FRAME + code, fails(*(codes or ("bad-result",))), 1.5)


FORGED = (
    reply("51", "numbers that are none", """send(frame(b'{"result": {"num_params": NaN}}'))"""),
    reply("52", "JSON nested deeply", 'send(frame(b\'{"result":\' + b"[" * 30000))'),
    reply(
        "52+",
        "JSON with long numbers",
        "send(frame(b'{\"result\": {\"x\": ' + b'9' * 60000 + b'}}'))",
    ),
    reply(
        "35",
        "a header of 4 GB announced",
        'send(frame(b"{}", header_size=2**32 - 1))\ntime.sleep(9)',
    ),
    reply(
        "35", "a blob of 16 EB announced", 'send(frame(b"{}", blob_size=2**64 - 1))\ntime.sleep(9)'
    ),
    reply("35", "marks without end", 'while True:\n    os.write(3, b"\\x01" * 4096)'),
    reply("35", "a reply without end", 'while True:\n    os.write(3, b"{" * 4096)'),
    reply("35", "a reply never finished", 'send(b"\\x00")\ntime.sleep(2)', "timeout"),
    reply("36", "all descriptors closed", "os.closerange(0, 4096)", "crash"),
    reply("36", "the result's descriptor closed", "os.close(3)", "crash"),
    reply("36", "descriptors exchanged", "os.dup2(1, 3)", "crash", "bad-result"),
    reply("37", "half a frame, and exit", 'send(frame(b"{}", b"x")[:-1])\nos._exit(0)', "crash"),
    reply("37", "two frames", "send(frame(b'{\"result\": {}}') * 2)\nos._exit(0)"),
    reply("37", "another form", "send(frame(b'{\"accuracy\": 1.0}'))\ntime.sleep(9)"),
    reply("37", "another type", "send(frame(b'{\"result\": 3}'))\ntime.sleep(9)"),
    reply(
        "41",
        "reply at exit",
        'import atexit\natexit.register(send, frame(b"{}"))\nos._exit(0)',
        "crash",
    ),
)


@pytest.mark.parametrize("attack", FORGED, ids=str)
def test_a_forged_reply_is_no_result(scene: Scene, attack: Attack) -> None:
    scene.contain(attack)


OUTPUT = (
    Attack(
        "34", "output without end", "while True:\n    os.write(1, b'x' * 65536)", fails("flood")
    ),
    Attack(
        "34", "errors without end", "while True:\n    os.write(2, b'x\\n' * 9999)", fails("flood")
    ),
    Attack(
        "34+",
        "output without end from a thread",
        """\
def flood():
    while True:
        os.write(1, b"x" * 65536)
threading.Thread(target=flood, daemon=True).start()
time.sleep(20)
""",
        fails("flood"),
    ),
    Attack(
        "53",
        "exceptions without end",
        """\
error = None
for number in range(20_000):
    new = ValueError("x" * 100)
    new.__cause__, error = error, new
raise error
""",
        fails("construct"),
    ),
    Attack("53", "a message of 100 MB", "raise ValueError('x' * 10**8)", fails("construct")),
    Attack(
        "53", "a name of 10 MB", "raise type('E' * 10**7, (Exception,), {})()", fails("construct")
    ),
    Attack(
        "53",
        "an exception that cannot be read",
        """\
class Odd(BaseException):
    def __str__(self): raise Odd
    def __repr__(self): raise Odd
    __class__ = property(lambda self: 1 / 0)
    args = property(lambda self: 1 / 0)
raise Odd
""",
        fails("construct", "error", "crash"),
    ),
    Attack(
        "53",
        "groups of exceptions, nested",
        """\
error = ValueError("x")
for _ in range(20_000):
    error = ExceptionGroup("g", [error])
raise error
""",
        fails("construct", "crash"),
    ),
    Attack(
        "53+",
        "hooks that fail",
        """\
sys.excepthook = threading.excepthook = sys.unraisablehook = lambda *_: 1 / 0
sys.stdout = sys.stderr = None
del sys.modules["os"], sys.modules["traceback"]
""",
        harmless,
    ),
)

NOT_FOR_TERMINALS = "\\x1b[2J\\x1b]0;title\\x07\\u202e\\u2066\\u200b\\x00\\x9b31m\\ud800\\r"


@pytest.mark.parametrize("attack", OUTPUT, ids=str)
def test_no_output_is_too_much(scene: Scene, attack: Attack) -> None:
    scene.contain(attack)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(f"print('{NOT_FOR_TERMINALS}' * 1000)", id="printed"),
        pytest.param(f"raise ValueError('{NOT_FOR_TERMINALS}' * 1000)", id="raised"),
        pytest.param(f"exec('x = 1 / 0 # {NOT_FOR_TERMINALS}'.replace(chr(0), ''))", id="quoted"),
        pytest.param("os.write(1, bytes(range(256)) * 1000)", id="bytes"),
    ],
)
def test_what_is_kept_can_be_printed(scene: Scene, code: str) -> None:
    outcome = scene.build(network(module=code))
    texts = [outcome.output, outcome.message if isinstance(outcome, Failed) else ""]
    assert all(c.isprintable() or c in "\n\t" for text in texts for c in text)
    assert len(texts[0]) <= 64 * 1024
    assert len(texts[1]) <= 2000


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("x" * 60_000, id="long"),
        pytest.param("\x1b[2J\u202e", id="control characters"),
        pytest.param("ok\nAccuracy: 1.0", id="lines"),
    ],
)
def test_a_code_of_its_own_invention_is_no_code(scene: Scene, code: str) -> None:
    source = (
        f"import json, struct, time\nheader = json.dumps({{'failed': {{'code': {code!r},"
        " 'message': 'm'}}).encode()\n"
        "os.write(3, struct.pack('>IQ', len(header), 0) + header)\ntime.sleep(5)"
    )
    outcome = scene.build(network(module=source), wall_seconds=5)
    assert isinstance(outcome, Failed)
    assert re.fullmatch("[a-z-]{1,40}", outcome.code)


def test_the_next_candidate_is_measured_as_ever(scene: Scene) -> None:
    before = scene.build(network())
    spoiled = (
        "import gc, sys\ngc.unfreeze()\nfor name in list(sys.modules): sys.modules[name] = None\n"
        "torch.manual_seed(1); torch.set_num_threads(2); torch.relu = None"
    )
    scene.build(network(module=spoiled))
    after = scene.build(network())
    assert isinstance(before, Completed)
    assert isinstance(after, Completed)
    assert after.payload == before.payload

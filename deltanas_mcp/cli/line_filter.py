"""The line filter of `deltanas apply --jsonl`: pairs of a parent and an answer in, results out."""

import json
from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict, ValidationError

from deltanas_tools.apply_patch import TEXT_GATES, Refused, apply


class _Pair(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    baseline: str
    diff: str


def filter_lines(lines: Iterable[bytes]) -> Iterator[str]:
    """Answer every line, in order, with a line: what the diff makes of its baseline, or why not.

    The gates about the text are closed, those of a run open. A line that is no such pair has an
    answer of its own, with the code ``bad-input``; blank lines have none.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield json.dumps(_answer(line, number))


def _answer(line: bytes, number: int) -> dict[str, object]:
    try:
        # Not pydantic's own reader, which refuses the lone surrogates that JSON can spell.
        pair = _Pair.model_validate(json.loads(line))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the line"
        return _refusal("bad-input", f"line {number}: {where}: {first['msg']}")
    except (ValueError, RecursionError) as error:
        return _refusal("bad-input", f"line {number} is not JSON: {error}")
    result = apply(pair.baseline, pair.diff, gates=TEXT_GATES)
    if isinstance(result, Refused):
        return _refusal(result.code, result.message)
    return {"ok": True, "text": result.text}


def _refusal(code: str, message: str) -> dict[str, object]:
    return {"ok": False, "error": {"code": code, "message": message}}

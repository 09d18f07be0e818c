"""Faults at the ends: of lines, of the file, of the answer."""

from dataclasses import replace
from random import Random

from tests.tools.apply_patch.drafts import NO_NEWLINE, Draft, Family, draft_of
from tests.tools.apply_patch.rework import dressed, each_line, has_marker, is_unique
from tests.tools.apply_patch.sources import with_crlf
from tests.tools.apply_patch.syntax import parses

family = Family()


@family.applies("ends.crlf-file")
def _crlf_file(draft: Draft, rng: Random) -> Draft | None:
    return replace(draft, encode=with_crlf)


@family.applies("ends.crlf-answer")
def _crlf_answer(draft: Draft, rng: Random) -> Draft | None:
    return dressed(replace(draft, encode=str), with_crlf(draft.answer))


@family.applies("ends.crlf-both")
def _crlf_both(draft: Draft, rng: Random) -> Draft | None:
    return dressed(replace(draft, encode=with_crlf), with_crlf(draft.answer))


@family.applies("ends.crlf-answer-lines")
def _crlf_some(draft: Draft, rng: Random) -> Draft | None:
    """Some lines of the answer end in CRLF, as pasted text does."""
    lines = draft.answer.split("\n")[:-1]
    return dressed(draft, "".join(line + rng.choice(["\n", "\r\n"]) for line in lines))


@family.applies("ends.crlf-stray-line")
def _crlf_stray(draft: Draft, rng: Random) -> Draft | None:
    """One line of the file ends in CRLF, far from the change; it keeps it."""
    shown = {hunk.site + n for hunk in draft.hunks for n in range(-3, hunk.counts[0] + 3)}
    edited = draft.edited.split("\n")
    far = [
        line
        for n, line in enumerate(draft.lines)
        if n not in shown and draft.lines.count(line) == edited.count(line) == 1
    ]
    if not far:
        return None
    chosen = rng.choice(far)

    def encode(text: str) -> str:
        return text.replace(f"\n{chosen}\n", f"\n{chosen}\r\n")

    return replace(draft, encode=encode) if encode(draft.baseline) != draft.baseline else None


def _unended(draft: Draft) -> Draft:
    """The same edit of a file without a final newline."""
    texts = (text.rstrip("\n") for text in (draft.baseline, draft.edited))
    return replace(draft_of(draft.source, *texts), encode=draft.encode)


def _remade(draft: Draft, edited: str) -> Draft | None:
    """Another edit of the same file; None where it is not Python, or not in one place."""
    made = replace(draft_of(draft.source, draft.baseline, edited), encode=draft.encode)
    return made if parses(edited) and is_unique(made) else None


def _is_well(draft: Draft) -> bool:
    """True where the last lines are real ones, so that cutting the newline cuts nothing else."""
    return bool(draft.lines[-1].strip()) and bool(draft.edited.rstrip("\n").split("\n")[-1].strip())


@family.applies("ends.no-final-newline-far")
def _no_final_far(draft: Draft, rng: Random) -> Draft | None:
    """The file has no final newline; the change is elsewhere."""
    unended = _unended(draft)
    return unended if _is_well(draft) and not has_marker(unended) else None


@family.applies("ends.no-final-newline-marked")
def _no_final_marked(draft: Draft, rng: Random) -> Draft | None:
    unended = _unended(draft)
    return unended if _is_well(draft) and has_marker(unended) else None


def _without_marker(draft: Draft) -> Draft:
    hunks = tuple(
        replace(hunk, lines=tuple(line for line in hunk.lines if not line.startswith("\\")))
        for hunk in draft.hunks
    )
    return replace(draft, hunks=hunks)


@family.applies("ends.no-final-newline-unmarked")
def _no_final_unmarked(draft: Draft, rng: Random) -> Draft | None:
    """The last line is context, and nothing says that it has no newline: it stays so."""
    unended = _near_end(_unended(draft), rng)
    if unended is None or not has_marker(unended):
        return None
    return _without_marker(unended) if unended.hunks[-1].lines[-2][:1] == " " else None


@family.applies("ends.no-final-newline-last-line-unmarked")
def _no_final_last_unmarked(draft: Draft, rng: Random) -> Draft | None:
    """The last line itself changes, and no marker says how the new one ends: either is right."""
    unended = _last_line(_unended(draft), rng)
    if unended is None:
        return None
    expected = frozenset({unended.edited, f"{unended.edited}\n"})
    return replace(_without_marker(unended), expected=expected)


def _near_end(draft: Draft, rng: Random) -> Draft | None:
    """Another edit of the same file: a comment above one of its last lines."""
    lines = draft.baseline.split("\n")
    at = len(lines) - rng.choice([1, 2, 3])
    if at < 4 or not _is_well(draft) or not lines[at].strip():
        return None
    indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
    edited = [*lines[:at], f"{indent}# clip, then step", *lines[at:]]
    return _remade(draft, "\n".join(edited))


def _last_line(draft: Draft, rng: Random) -> Draft | None:
    """Another edit of the same file: of its last line, or one below it."""
    lines = draft.baseline.rstrip("\n").split("\n")
    if not _is_well(draft) or "#" in lines[-1] or len(lines) < 5:
        return None
    indent = lines[-1][: len(lines[-1]) - len(lines[-1].lstrip())]
    if rng.random() < 0.6:
        lines[-1] = f"{lines[-1]}  # the last step"
    else:
        lines.append(f"{indent}self.steps = 1")
    return _remade(draft, "\n".join(lines) + "\n" * draft.baseline.endswith("\n"))


@family.applies("ends.last-line")
def _last(draft: Draft, rng: Random) -> Draft | None:
    return _last_line(draft, rng)


@family.applies("ends.last-line-bare-header")
def _last_bare(draft: Draft, rng: Random) -> Draft | None:
    changed = _last_line(draft, rng)
    if changed is None or has_marker(changed):
        return None
    return replace(changed, hunks=tuple(replace(hunk, header="@@") for hunk in changed.hunks))


@family.applies("ends.last-line-marked")
def _last_marked(draft: Draft, rng: Random) -> Draft | None:
    return _last_line(_unended(draft), rng)


@family.applies("ends.newline-added")
def _newline_added(draft: Draft, rng: Random) -> Draft | None:
    """The diff says that the last line gets the newline that it lacked, among other things."""
    unended = _unended(draft)
    if not _is_well(draft):
        return None
    both = draft_of(draft.source, unended.baseline, unended.edited + "\n")
    return replace(both, encode=draft.encode)


@family.applies("ends.newline-removed")
def _newline_removed(draft: Draft, rng: Random) -> Draft | None:
    """The diff says that the last line loses its newline, among other things."""
    if not _is_well(draft) or not draft.baseline.endswith("\n"):
        return None
    both = draft_of(draft.source, draft.baseline, draft.edited.rstrip("\n"))
    return replace(both, encode=draft.encode)


@family.applies("ends.marker-wrong")
def _marker_wrong(draft: Draft, rng: Random) -> Draft | None:
    """A marker below the last context line of a file that does have a final newline."""
    near = _near_end(draft, rng) if rng.random() < 0.5 else draft
    if near is None or has_marker(near) or not near.baseline.endswith("\n"):
        return None
    last = near.hunks[-1]
    if last.lines[-1][:1] != " " or not _is_well(near):
        return None
    at_end = last.site + last.counts[0] == len(near.lines)
    marked = replace(last, lines=(*last.lines, NO_NEWLINE))
    expected = {near.edited, near.edited.rstrip("\n")} if at_end else {near.edited}
    return replace(
        near,
        hunks=(*near.hunks[:-1], marked),
        expected=frozenset(expected),
        refusal_allowed=True,
    )


@family.applies("ends.answer-newline-lost")
def _answer_newline_lost(draft: Draft, rng: Random) -> Draft | None:
    return dressed(draft, draft.answer.removesuffix("\n"))


@family.applies("ends.answer-stripped")
def _answer_stripped(draft: Draft, rng: Random) -> Draft | None:
    """White space is cut off the end of the answer, with a last blank context line perhaps."""
    last = [line for line in draft.hunks[-1].lines if not line.startswith("\\")][-1]
    return dressed(draft, draft.answer.strip()) if last[:1] == " " else None


@family.applies("ends.answer-stripped-near-end")
def _answer_stripped_near_end(draft: Draft, rng: Random) -> Draft | None:
    """The same for a file without final newline and a change near its end."""
    unended = _near_end(_unended(draft), rng)
    return None if unended is None else dressed(unended, unended.answer.strip())


@family.applies("ends.bom-file")
def _bom_file(draft: Draft, rng: Random) -> Draft | None:
    """The file begins with a byte order mark, which the answer does not show."""
    if draft.edited.split("\n")[0] != draft.lines[0] or draft.lines[0][:1] == "\ufeff":
        return None
    encode = draft.encode
    return replace(draft, encode=lambda text: "\ufeff" + encode(text))


@family.applies("ends.bom-file-first-line")
def _bom_first(draft: Draft, rng: Random) -> Draft | None:
    """The same where the first line is context of the change."""
    lines = draft.baseline.split("\n")
    at = rng.choice([1, 2, 3])
    edited = "\n".join([*lines[:at], "", *lines[at:]])
    if lines[at - 1 : at + 1].count("") or lines[0].startswith("\ufeff"):
        return None
    near, encode = _remade(draft, edited), draft.encode
    return None if near is None else replace(near, encode=lambda text: "\ufeff" + encode(text))


@family.applies("ends.empty-file")
def _empty_file(draft: Draft, rng: Random) -> Draft | None:
    """The file is empty; nothing says how it ends."""
    text = "\n".join(draft.edited.split("\n")[: rng.randrange(3, 12)]) + "\n"
    made = draft_of(draft.source, "", text)
    if not parses(text):
        return None
    return replace(made, expected=frozenset({text, text.removesuffix("\n")}), encode=str)


@family.applies("ends.form-of-blank-context")
def _blank_context(draft: Draft, rng: Random) -> Draft | None:
    """Blank context lines stand as empty lines, as editors save them."""
    return each_line(draft, lambda line: "" if line == " " else line)

"""Faults of characters: quotes, dashes and spaces of word processors, and invisible ones."""

from dataclasses import replace
from random import Random

from tests.tools.apply_patch.drafts import Draft, Family, draft_of
from tests.tools.apply_patch.reference import Edit, merged
from tests.tools.apply_patch.rework import as_its_hunks_say, each_line, has_marker, is_old
from tests.tools.apply_patch.syntax import parses

family = Family()

NBSP, ZERO_WIDTH = "\u00a0", "\u200b\u200c\u200d\u2060\ufeff"
DASHES = "\u2013\u2014\u2212\u2011"
TYPOGRAPHIC = f"\u2018\u2019\u201c\u201d{DASHES}{NBSP}{ZERO_WIDTH}"


def curled(text: str) -> str:
    """The text with quotes as a word processor sets them: opening and closing in turn."""
    result, is_open = "", {'"': False, "'": False}
    for character in text:
        if character in is_open:
            is_open[character] = not is_open[character]
            pair = "\u201c\u201d" if character == '"' else "\u2018\u2019"
            character = pair[not is_open[character]]
        result += character
    return result


def _plain(draft: Draft) -> bool:
    return not set(TYPOGRAPHIC) & set(draft.baseline + draft.answer)


def _added(draft: Draft) -> str:
    return "\n".join(x for hunk in draft.hunks for x in hunk.lines if x[:1] == "+")


@family.applies("characters.curly-old")
def _curly_old(draft: Draft, rng: Random) -> Draft | None:
    """Curly quotes in context and removed lines; no added line has quotes."""
    if not _plain(draft) or set(_added(draft)) & set("'\""):
        return None
    return each_line(draft, lambda line: curled(line) if is_old(line) else line)


@family.applies("characters.curly-everywhere")
def _curly_everywhere(draft: Draft, rng: Random) -> Draft | None:
    """Curly quotes in old and in added lines: what the old ones need, the added ones get."""
    if not _plain(draft) or not set(_added(draft)) & set("'\""):
        return None
    changed = each_line(draft, curled)
    if changed is None:
        return None
    shown = "".join(x for hunk in changed.hunks for x in hunk.lines if is_old(x))
    is_needed = not _is_python(changed) or set(_added(changed)) & set(TYPOGRAPHIC) <= set(shown)
    return changed if is_needed else None


@family.applies("characters.curly-added")
def _curly_added(draft: Draft, rng: Random) -> Draft | None:
    """Curly quotes in added lines only, where they are not Python."""
    if not _plain(draft):
        return None
    changed = each_line(draft, lambda line: curled(line) if line[:1] == "+" else line)
    if changed is None or _is_python(changed):
        return None
    return changed


def _is_python(draft: Draft) -> bool:
    return as_its_hunks_say(draft) is not None or has_marker(draft)


@family.applies("characters.kept-added")
def _kept_added(draft: Draft, rng: Random) -> Draft | None:
    """Typographic characters meant in an added comment, over old lines that fit: they stay."""
    note = rng.choice(
        [
            "the \u201cwide\u201d branch",
            "1\u20133 blocks \u2014 no more",
            f"5{NBSP}% of the cost",
            "it\u2019s enough",
            "a zero\u200bwidth space",
        ]
    )
    chosen: list[str] = []

    def change(line: str) -> str:
        if line[:1] != "+" or not line[1:].strip() or chosen or "#" in line:
            return line
        chosen.append(line)
        return f"{line}  # {note}"

    changed = each_line(draft, change)
    return None if changed is None else as_its_hunks_say(changed)


@family.applies("characters.nbsp-old")
def _nbsp_old(draft: Draft, rng: Random) -> Draft | None:
    """No-break spaces in old lines, at the front or within."""
    if not _plain(draft):
        return None

    def change(line: str) -> str:
        if not is_old(line) or not line[1:].strip() or rng.random() < 0.4:
            return line
        return line[0] + line[1:].replace(" ", NBSP)

    return each_line(draft, change)


@family.applies("characters.nbsp-everywhere")
def _nbsp_everywhere(draft: Draft, rng: Random) -> Draft | None:
    """Every space of the code is a no-break space, in added lines, too."""
    if not _plain(draft) or " " not in _added(draft):
        return None
    return each_line(draft, lambda line: line[0] + line[1:].replace(" ", NBSP))


@family.applies("characters.nbsp-marker")
def _nbsp_marker(draft: Draft, rng: Random) -> Draft | None:
    """The answer was copied from a page that has no-break spaces only, markers included."""
    if not _plain(draft):
        return None
    changed = each_line(draft, lambda line: line.replace(" ", NBSP))
    return None if changed is None else replace(changed, refusal_allowed=True)


@family.applies("characters.dash-marker")
def _dash_marker(draft: Draft, rng: Random) -> Draft | None:
    """A typographic dash where the minus of a removed line belongs."""
    dash = rng.choice("\u2013\u2014\u2212")
    if not _plain(draft):
        return None
    return each_line(draft, lambda line: dash + line[1:] if line[:1] == "-" else line)


@family.applies("characters.dash-marker-some")
def _dash_marker_some(draft: Draft, rng: Random) -> Draft | None:
    removed = [x for hunk in draft.hunks for x in hunk.lines if x[:1] == "-"]
    if not _plain(draft) or len(removed) < 2:
        return None
    chosen = rng.choice(removed)
    return each_line(draft, lambda line: "\u2212" + line[1:] if line == chosen else line)


@family.applies("characters.dash-in-text")
def _dash_in_text(draft: Draft, rng: Random) -> Draft | None:
    """Typographic dashes within old lines: in comments, arrows, negative numbers."""
    if not _plain(draft):
        return None
    dash = rng.choice(DASHES)
    return each_line(
        draft, lambda line: line[0] + line[1:].replace("-", dash) if is_old(line) else line
    )


@family.applies("characters.zero-width")
def _zero_width(draft: Draft, rng: Random) -> Draft | None:
    """Invisible characters within old lines."""
    if not _plain(draft):
        return None

    def change(line: str) -> str:
        if not is_old(line) or len(line) < 6 or rng.random() < 0.5:
            return line
        at = rng.randrange(2, len(line))
        return line[:at] + rng.choice(ZERO_WIDTH) + line[at:]

    return each_line(draft, change)


def _noted(draft: Draft, rng: Random, note: str) -> tuple[str, str] | None:
    """Baseline and edited text with a comment at the end of one line, which both of them have."""
    edits = draft.hunks[0]
    context = [n for n, x in enumerate(x for x in edits.lines if is_old(x)) if x[:1] == " "]
    code = [
        edits.site + n
        for n in context
        if (line := draft.lines[edits.site + n]).strip()
        and not set(line) & set("#\\'\"")
        and draft.lines.count(line) == 1
        and draft.edited.split("\n").count(line) == 1
    ]
    if not code:
        return None
    line = draft.lines[rng.choice(code)]
    texts = [
        "\n".join(x + note if x == line else x for x in text.split("\n"))
        for text in (draft.baseline, draft.edited)
    ]
    return (texts[0], texts[1]) if all(map(parses, texts)) else None


@family.applies("characters.not-ascii")
def _not_ascii(draft: Draft, rng: Random) -> Draft | None:
    """A file in another language, quoted to the letter."""
    texts = _noted(draft, rng, "  # Größe bleibt \u2014 wie im \u201eOriginal\u201c, 宽度不变")
    if texts is None:
        return None
    return replace(draft_of(draft.source, *texts), encode=draft.encode)


@family.applies("characters.curly-in-file")
def _curly_in_file(draft: Draft, rng: Random) -> Draft | None:
    """Typographic characters in the file's context, quoted in plain ones: the file's stay."""
    note = "  # the \u201cwide\u201d branch \u2013 it\u2019s cheap"
    texts = _noted(draft, rng, note)
    if texts is None or not _plain(draft):
        return None
    right = replace(draft_of(draft.source, *texts), encode=draft.encode)
    return each_line(right, lambda line: line.replace(note, '  # the "wide" branch - it\'s cheap'))


@family.applies("characters.line-separators")
def _line_separators(draft: Draft, rng: Random) -> Draft | None:
    """Characters at which Python's splitlines breaks a line, and a diff does not."""
    note = "  # one " + rng.choice(["\u2028", "\x0b", "\x1c", "\x85", "\u2029"]) + " two"
    texts = _noted(draft, rng, note)
    if texts is None:
        return None
    return replace(draft_of(draft.source, *texts), encode=draft.encode)


@family.applies("characters.form-feed")
def _form_feed(draft: Draft, rng: Random) -> Draft | None:
    """A form feed on a line of its own, as old Python files have it, within the context."""
    hunk = draft.hunks[0]
    lines = draft.baseline.split("\n")
    blank = [
        n
        for n in range(hunk.site, hunk.site + hunk.counts[0])
        if not lines[n] and lines[n + 1 : n + 2] and lines[n + 1].startswith(("class", "def"))
    ]
    if not blank:
        return None
    edits = [Edit(n, n + 1, ("\x0c",)) for n in blank[:1]]
    baseline, line = merged(lines, edits), lines[blank[0] + 1]
    edited = draft.edited.split("\n")
    if baseline is None or edited.count(line) != 1 or edited[edited.index(line) - 1]:
        return None
    edited[edited.index(line) - 1] = "\x0c"
    return replace(
        draft_of(draft.source, "\n".join(baseline), "\n".join(edited)), encode=draft.encode
    )

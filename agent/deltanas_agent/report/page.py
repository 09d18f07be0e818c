"""The page: one HTML document that fetches nothing and runs one script, named by its hash.

Every value goes through `visible` and is escaped by the template engine; markup comes from our own
figures alone. The policy in its head forbids everything else.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files

from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup

from deltanas_agent.rates import STEPS
from deltanas_agent.report.arms import Arm, arms, by_cycle, comparisons, spending
from deltanas_agent.report.conclusions import conclusions
from deltanas_agent.report.facts import Facts
from deltanas_agent.report.plots import Plot, plots, similarities, thresholds
from deltanas_agent.report.results import finals, floors, reasons
from deltanas_agent.report.statistics import Estimate, quartiles, share
from deltanas_agent.report.text import one_line, visible
from deltanas_agent.report.tree import Root, Step, lineage

_HERE = files("deltanas_agent.report")


def resource(name: str) -> str:
    """Return a text that lies beside this module."""
    return (_HERE / name).read_text(encoding="utf-8")


def render(facts: Facts, drawn: Sequence[Plot] | None = None) -> str:
    """Return the page; ``drawn`` are its figures, where they have been made."""
    found = arms(facts)
    why = reasons(found)
    compared = comparisons(found)
    figures = plots(facts, found, why) if drawn is None else drawn
    style = resource("figure.css") + resource("style.css")
    script = resource("tree.js")
    nodes = lineage(facts)
    return (
        _environment()
        .get_template("page.html")
        .render(
            facts=facts,
            arms=found,
            steps=STEPS,
            cycles={arm.name: by_cycle(arm) for arm in found},
            spent={arm.name: spending(arm) for arm in found},
            novelty={arm.name: _novelty(arm) for arm in found},
            sentences=conclusions(facts, found, compared),
            compared=compared,
            figures=[each._replace(svg=Markup(each.svg)) for each in figures],
            reasons=why,
            floors=[each for run in facts.runs for each in floors(run)],
            finals={run.name: finals(run, facts.top) for run in facts.runs},
            configs={run.name: json.dumps(run.config, indent=2) for run in facts.runs},
            nodes=list(zip(nodes, _after(nodes), strict=True)),
            policy=policy(style, script),
            style=Markup(style),
            script=Markup(script),
        )
    )


def policy(style: str, script: str) -> str:
    """Return a Content-Security-Policy under which these two texts count, and nothing is fetched.

    An address of data is allowed for images: the page's empty icon, without which a browser that
    has the page from a server asks it for one.
    """
    rules = [
        "default-src 'none'",
        f"style-src 'sha256-{_digest(style)}'",
        f"script-src 'sha256-{_digest(script)}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _environment() -> Environment:
    made = Environment(
        loader=DictLoader({"page.html": resource("page.html")}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.filters["estimate"] = estimate_words
    made.filters["share"] = lambda count, of: share_words(count, of)
    made.filters["line"] = one_line
    return made


def _shown(value: object) -> object:
    """Make a value of the template visible; markup is ours, and stays."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return visible(value)


def estimate_words(estimate: Estimate | None, *, percent: bool = False) -> str:
    """Return an estimate with its interval; a dash where there is none."""
    if estimate is None or estimate.num == 0:
        return "–"
    if percent:
        return f"{estimate.value:.0%} [{estimate.low:.0%}, {estimate.high:.0%}]"
    return f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"


def share_words(count: int, of: int) -> str:
    """Return a count with its share and interval."""
    return f"{count} · {estimate_words(share(count, of), percent=True)}" if of else "–"


def _novelty(arm: Arm) -> dict[str, str | int]:
    found = similarities(arm)
    return {
        "num": len(found),
        "thresholds": ", ".join(f"{each:g}" for each in sorted(thresholds(arm))) or "–",
        "quartiles": " · ".join(f"{each:.3f}" for each in quartiles(found)) if found else "–",
        "refused": sum(each.entry.stage == "novelty" for each in arm.refused),
    }


def _after(nodes: Sequence[Root | Step]) -> list[Markup]:
    """Return what closes the lists of the lineage after each place, or opens one."""
    levels = [each.level for each in nodes]
    marks: list[Markup] = []
    for level, following in zip(levels, [*levels, 0][1:], strict=True):
        deeper = following > level
        closed = "</li>" + "</ul></li>" * (level - following)
        marks.append(Markup("<ul>" if deeper else closed))
    return marks

"""Self-contained HTML pages: Jinja2 templates, with styles, charts and the chart library inside."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import count as numbers
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from features.documents.feature import LandmarkFeatureEntry
from features.documents.study import parse_study
from features.documents.study_entries import StudyDocument
from features.errors import PipelineFault
from pipeline import wording
from pipeline.project.estimates import Estimate, Measures, number_text
from pipeline.report.drawing import Spec
from pipeline.report.facts import Facts, listed
from pipeline.report.labels import Labels

OVERVIEW = "Overview"
TEMPLATES = Path(__file__).parent / "templates"
NAMES = {"ctdna": "ctDNA", "dna": "DNA", "rna": "RNA"}
NOT_EVALUATED, TOO_FEW = "not evaluated", "too few events or non-events"
A_PER_CENT = 0.01
POWER = re.compile(r"\^-?\d+|(?<=[a-z])[23](?![\w.])")
RAISED = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")


def render(
    template: str,
    study: StudyDocument,
    charts: Mapping[str, Spec],
    facts: Facts,
    labels: Labels,
    data: Mapping[str, object] | None = None,
    findings: Mapping[str, str] | None = None,
    **context: Any,
) -> str:
    """Return a page of a study: `template` filled with `context`, and charts (spec by the id of its figure).

    `facts` decide which sentences are said, `labels` what keys are called; templates see the study with
    what its file may leave out.

    `findings` are the titles of figures, by id: what each shows in this run, in words.

    `data` is what the page's script needs beside the charts. Equal input gives equal text.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"next_figure": numbers(1).__next__, "next_table": numbers(1).__next__}
    environment.globals["findings"] = dict(findings or {})
    environment.filters |= FILTERS | {"label": labels.name, "candidate": labels.candidate}
    page = environment.get_template(template)
    return page.render(
        **context,
        study=parse_study(study),
        facts=facts,
        labels=labels,
        pages=page_links(study),
        say=wording,
        chart_heights={name: spec["height"] for name, spec in charts.items()},
        chart_titles={name: spec["description"] for name, spec in charts.items()},
        abouts={name: spec["usermeta"]["about"] for name, spec in charts.items()},
        charts=_script_json(charts),
        data=_script_json(data or {}),
        library=_library(),
    )


def page_links(study: StudyDocument) -> list[tuple[str, str]]:
    """Return name and address of every page of a study, relative to the folder in which all of them lie."""
    return [(OVERVIEW, "index.html"), *((name, f"shap-{name}.html") for name in study["landmarks"])]


def _script_json(content: Mapping[str, object]) -> Markup:
    """Return JSON that is safe inside a script element."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - no element can end or begin in it


@cache
def _library() -> Markup:
    """Return Vega, Vega-Lite and vega-embed as one script, of the version that the charts are written in."""
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", version)
    if "</script" in script.lower():
        raise PipelineFault("the chart library contains </script and cannot stand inside a page")
    return Markup(script)  # noqa: S704 - the pinned package's own script


def measure(
    estimate: Estimate | None, digits: int = 3, *, difference: bool = False, missing: str = NOT_EVALUATED
) -> Markup:
    """Return ``value`` and its interval as HTML, or why there is none; `missing` if it was not tried."""
    if estimate is None:
        return Markup('<span class="none">{}</span>').format(missing)
    if estimate.value is None:
        told = Markup('<span class="none" title="{}">not computable</span>').format(estimate.reason)
        if not estimate.reason:
            return told
        return told + Markup(' <span class="interval reason">({})</span>').format(estimate.reason)
    limits = estimate.interval if estimate.has_interval else None
    return with_interval(estimate.value, limits, lambda number: decimal(number, digits, signed=difference))


def measure_of(measures: Measures | None, name: str, digits: int = 3, *, difference: bool = False) -> Markup:
    """Return a measure of patients as `measure` does; who were only counted were too few to be judged.

    `measures` are None where nothing was forecast, such as by the rules where no model is learned.
    """
    judged = Measures() if measures is None else measures
    missing = TOO_FEW if judged and set(judged) <= {"n", "events"} else NOT_EVALUATED
    return measure(judged.get(name), digits, difference=difference, missing=missing)


def with_interval(value: float, limits: tuple[float, float] | None, text: Callable[[float], str]) -> Markup:
    """Return ``value (low to high)`` as HTML, each number written by `text`; the value alone without limits.

    Every interval on a page is written here. A value that is printed as zero has no sign; a limit keeps its
    own, which says on which side of zero it lies.
    """
    told = text(value)
    if not any(digit in told for digit in "123456789"):
        told = told.lstrip("+\N{MINUS SIGN}")
    shown = Markup('<span class="value">{}</span>').format(told)
    if limits is None:
        return shown
    return shown + Markup(' <span class="interval">({} to {})</span>').format(*map(text, limits))


def percent_interval(estimate: Estimate, digits: int = 0) -> Markup:
    """Return a share that has an interval, such as ``76.9 % (73.0 % to 80.4 %)``."""
    return with_interval(estimate.point, estimate.interval, lambda share: percent(share, digits))


def decimal(number: float, digits: int, *, signed: bool = False, scale: float = 1) -> str:
    """Return a number times `scale` with so many decimals, and a true minus sign."""
    return minus(number_text(number, digits, signed=signed, scale=scale))


def p_value(p: float) -> str:
    """Return a p-value with three decimals; none is 0."""
    return "< 0.001" if p < 0.001 else decimal(p, 3)


def domain_name(domain: str) -> str:
    """Return a domain's name as it is written in the field."""
    return NAMES.get(domain, domain)


def absent_domains(domains: Sequence[str], features: Sequence[LandmarkFeatureEntry]) -> list[str]:
    """Return the domains of which no feature is there, whether switched off or without data."""
    present = {feature["domain"] for feature in features}
    return [domain for domain in domains if domain not in present]


def unit_text(unit: str) -> str:
    """Return a unit as it is printed: powers raised, such as kg/m\N{SUPERSCRIPT TWO} of kg/m2."""
    return POWER.sub(lambda found: found.group().strip("^").translate(RAISED), unit)


def capitalised(text: str) -> str:
    """Return text that begins with a capital, as a sentence does; the rest is as it was."""
    return text[:1].upper() + text[1:]


def explained(text: str, title: str) -> Markup:
    """Return text with an explanation, if it says more, that shows on hover and on the keyboard's focus."""
    if title == text:
        return Markup("{}").format(text)
    return Markup('<span title="{}" tabindex="0" class="described">{}</span>').format(title, text)


def text_of(cell: object) -> str:
    """Return what a reader sees of a cell: text as it is, markup without its tags."""
    return cell.striptags() if isinstance(cell, Markup) else str(cell)


def minus(text: str) -> str:
    """Return text with true minus signs."""
    return text.replace("-", "\N{MINUS SIGN}")


def percent(share: float, digits: int = 0) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.{digits}f} %"


def part(share: float, digits: int = 0) -> str:
    """Return what part of patients a count is; some is never 0 %, and not all never 100 %."""
    told, whole, step = percent(share, digits), percent(1, digits), 10.0**-digits
    if share > 0 and told == percent(0, digits):
        return f"< {step:g} %"
    if share < 1 and told == whole:
        return f"> {100 - step:g} %"
    return told


def missing_share(share: float) -> str:
    """Return the part of patients without a value: with a decimal close to none and to all."""
    return part(share, 1 if 0 < share < A_PER_CENT or 1 - A_PER_CENT < share < 1 else 0)


def count(number: float) -> str:
    """Return a count with a comma at the thousands."""
    return f"{number:,.0f}"


def counted(number: int | str) -> str:
    """Return the n of a figure: a count, or the text from the smallest to the largest of its rows."""
    return number if isinstance(number, str) else count(number)


FILTERS = {
    "measure": measure,
    "measure_of": measure_of,
    "listed": listed,
    "domain": domain_name,
    "percent": percent,
    "count": count,
    "counted": counted,
    "capitalised": capitalised,
}

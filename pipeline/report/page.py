"""Self-contained HTML pages: Jinja2 templates, with styles, charts and the chart library inside."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.registry.model_card import ESTIMAND, SIMULATED

OVERVIEW = "Overview"
TEMPLATES = Path(__file__).parent / "templates"
NAMES = {"ctdna": "ctDNA"}


def render(
    template: str,
    study: Mapping[str, Any],
    charts: Mapping[str, Mapping[str, Any]],
    data: Mapping[str, Any] | None = None,
    **context: Any,
) -> str:
    """Return a page of a study: `template` filled with `context`, and charts (spec by the id of its figure).

    `data` is what the page's script needs beside the charts. Equal input gives equal text.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    page = environment.get_template(template)
    return page.render(
        **context,
        study=study,
        pages=page_links(study),
        estimand=ESTIMAND,
        simulated_banner=SIMULATED,
        chart_heights={name: spec["height"] for name, spec in charts.items()},
        abouts={name: spec["usermeta"]["about"] for name, spec in charts.items()},
        charts=_script_json(charts),
        data=_script_json(data or {}),
        library=_library(),
    )


def page_links(study: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and address of every page of a study, relative to the folder in which all of them lie."""
    return [(OVERVIEW, "index.html"), *((name, f"shap-{name}.html") for name in study["landmarks"])]


def _script_json(content: Mapping[str, Any]) -> Markup:
    """Return JSON that is safe inside a script element."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - no element can end or begin in it


@cache
def _library() -> Markup:
    """Return Vega, Vega-Lite and vega-embed as one script, of the version that the charts are written in."""
    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", version)
    if "</script" in script.lower():
        raise ValueError("the chart library contains </script and cannot stand inside a page")
    return Markup(script)  # noqa: S704 - the pinned package's own script


def measure(measured: Mapping[str, Any] | None, digits: int = 3, *, difference: bool = False) -> Markup:
    """Return ``value`` and its interval as HTML, or why there is none."""
    if measured is None:
        return Markup('<span class="none">too few events or non-events</span>')
    if "value" not in measured:
        why = measured.get("error") or measured.get("note", "")
        return Markup('<span class="none" title="{}">not computable</span>').format(why)
    form = "+" if difference else ""
    value, *bounds = (
        minus(f"{measured[key]:{form}.{digits}f}") for key in ("value", "low", "high") if key in measured
    )
    interval = Markup(' <span class="interval">({} to {})</span>').format(*bounds) if bounds else ""
    return Markup('<span class="value">{}</span>{}').format(value, interval)


def domain_name(domain: str) -> str:
    """Return a domain's name as it is written in the field."""
    return NAMES.get(domain, domain)


def absent_domains(settings: Mapping[str, Any], features: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the domains of which no feature is there, whether switched off or without data."""
    present = {feature["domain"] for feature in features}
    return [domain for domain in settings["domains"] if domain not in present]


def signed(number: float) -> str:
    """Return a number with its sign, two digits."""
    return minus(f"{number:+.2f}")


def minus(text: str) -> str:
    """Return text with true minus signs."""
    return text.replace("-", "\N{MINUS SIGN}")


def percent(share: float, digits: int = 0) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.{digits}f} %"


def count(number: float) -> str:
    """Return a count with a comma at the thousands."""
    return f"{number:,.0f}"


FILTERS = {"measure": measure, "domain": domain_name, "percent": percent, "count": count, "signed": signed}

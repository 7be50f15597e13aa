"""From a library's figures to settings of the simulator: a YAML piece, and putting it into a copy of them."""

from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from features.errors import UserError
from models.description.ctdna_reference import (
    HR_GROUPS,
    blood_sequenced,
    carriers,
    haematopoiesis_at_50,
    hr_groups,
    mutation_shares,
)
from models.description.library_documents import LibraryFigures
from pipeline.intake.ctdna_reference.library import Library, LibrarySettings
from pipeline.project.files import read_yaml, write_text
from pipeline.sources.simulation.patient_parameters import Genome
from pipeline.sources.simulation.settings import Settings, read_settings

HEADER = """\
# What the study {study} says on settings of the simulator, in the form of configs/simulation.yaml.
# {title}
# Files (SHA-256): {files}
# Made by `pcr library`; `pcr priors THIS_FILE --out FILE` puts it into a copy of configs/simulation.yaml.
# Delete what should not be taken over. Counts stand beside each value. Of {patients} patients without an
# outcome: mutation frequencies in plasma of patients with detected ctDNA, where the panel covers the gene;
# share_at_50 with the simulator's log_per_decade. A variant below the assay's limit is missed, so that shares
# tend to be too low. Advanced disease has been selected by treatment and sheds more; how much early disease
# sheds must not be taken from it.
"""
HR_KEYS = {"share_hr_positive": HR_GROUPS["pos"], "share_hr_negative": HR_GROUPS["neg"]}


class PriorsError(UserError):
    """A piece that cannot be put into the simulator's settings."""


def priors_piece(library: Library, figures: LibraryFigures, simulation: Settings) -> str:
    """Return the piece as YAML with a comment on every value; only what rests on enough patients is in it.

    Genes are those that the simulator draws. Kinetics stand in `ctdna.clearance`: the whole curve of the
    simulator scaled so that its first cycle falls as the library's VAF does in one cycle's days.
    """
    files = "; ".join(f"{name} {digest}" for name, digest in figures["files"].items())
    text = HEADER.format(
        study=figures["study"],
        title=" ".join(figures["title"].split()),
        files=files,
        patients=figures["patients"],
    )
    lines: list[str] = []
    if library.variants is not None:
        tumour = [*_tumour_lines(library, simulation)]
        blood = [*_blood_lines(library, simulation)]
        lines += ["genome:"] * bool(tumour or blood)
        lines += (["  tumor:", *tumour] if tumour else []) + blood
    lines += _kinetics_lines(figures, simulation)
    return text + "".join(f"{line}\n" for line in lines or ["{}"])


def _tumour_lines(library: Library, simulation: Settings) -> Iterator[str]:
    """Yield share_hr_positive, share_hr_negative and vus_share of every gene with enough patients."""
    assert library.variants is not None  # noqa: S101 - asked before
    genes = list(simulation.genome.tumor)
    status, judged = carriers(library.samples, library.variants, genes)
    settings = library.settings
    shares = pd.DataFrame(mutation_shares(status, hr_groups(library.raw.tables), settings.level))
    judged_genes = {
        name: row for name, row in judged.to_dict("index").items() if row["variants"] >= settings.min_patients
    }
    for gene in genes:
        by_group = shares[shares["genes"] == gene].set_index("group").to_dict("index")
        known = {
            key: by_group[group]
            for key, group in HR_KEYS.items()
            if by_group[group]["n"] >= settings.min_patients
        }
        if not known:
            continue
        yield f"    {gene}:"
        for key, row in known.items():
            counts = f"{row['events']} of {row['n']}, {row['low']:.3f} to {row['high']:.3f}"
            yield f"      {key}: {_number(float(row['value']), settings)}  # {counts}"
        if gene in judged_genes:
            share, variants = float(judged_genes[gene]["vus"]), judged_genes[gene]["variants"]
            yield f"      vus_share: {_number(share, settings)}  # of {variants} variants"


def _blood_lines(library: Library, simulation: Settings) -> Iterator[str]:
    """Yield share_at_50 of every gene of haematopoiesis, and the spread of its allele fraction."""
    variants, settings = library.variants, library.settings
    assert variants is not None  # noqa: S101 - asked before
    slopes = {name: gene.log_per_decade for name, gene in simulation.genome.ch.items()}
    ages = library.raw.tables["subjects"].set_index("usubjid")["age_years"]
    found = haematopoiesis_at_50(library.samples, variants, ages, slopes)
    found = found[found["patients"] >= settings.min_patients]
    if len(found):
        yield "  ch:"
    for gene, patients, carrying, share in found.itertuples(index=False, name=None):
        yield f"    {gene}:"
        yield f"      share_at_50: {_number(share, settings)}  # {carrying} of {patients}"
    own = variants["sample_id"].isin(blood_sequenced(library.samples, variants)["sample_id"])
    log = np.log(variants.loc[own & (variants["origin"] == "ch") & (variants["wbc_vaf"] > 0), "wbc_vaf"])
    if len(log) >= settings.min_patients:
        yield f"  ch_vaf_median: {_number(float(np.exp(log.median())), settings)}  # {len(log)} variants"
        yield f"  ch_vaf_log_sd: {_number(float(log.std()), settings)}  # {len(log)} variants"


def _kinetics_lines(figures: LibraryFigures, simulation: Settings) -> list[str]:
    change = figures["kinetics"]["change"]
    if change.get("mean", 0.0) >= 0:
        return []
    days = simulation.treatment.cycle_days
    curve = simulation.ctdna.clearance.log10_fall_by_cycle
    first = -change["mean"] * days / figures["month_days"]
    note = f"# Kinetics, only with --kinetics: {change['mean']:.3f} log10 a month ({change['pairs']} pairs,"
    lines = ["ctdna:", "  clearance:", "    log10_fall_by_cycle:"]
    lines += [f"      {cycle}: {fall / curve[min(curve)] * first:.2f}" for cycle, fall in curve.items()]
    return [
        f"{note} {change['censored']} cleared), {days} days a cycle;",
        "# under the library's treatment, not the trial's. The shape over the cycles is the simulator's own.",
        *lines,
    ]


def _number(value: float, settings: LibrarySettings) -> str:
    return f"{value:.{settings.decimals}f}"


def apply_priors(piece: Path, base: Path, out: Path, *, kinetics: bool) -> list[str]:
    """Write a copy of the simulator's settings with the piece's values in place; return what was replaced.

    Comments of `base` stay; behind every replaced value stands the former one and the piece.

    Raises
    ------
    PriorsError
        If the piece names a setting that `base` does not have, a value is not a number, or `out` exists.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - keeps comments, and is slow to load

    if out.exists():
        raise PriorsError(f"{out} already exists; name another file")
    content = read_yaml(piece) or {}
    if not isinstance(content, Mapping):
        raise PriorsError(f"{piece}: not a part of the simulator's settings; make one with `pcr library`")
    if not kinetics:
        content = {key: value for key, value in content.items() if key != "ctdna"}
    editor = YAML()
    editor.preserve_quotes = True
    editor.width = 4096
    settings = editor.load(base.read_text(encoding="utf-8"))
    _with_former_values(settings, content, read_settings(base).genome)
    said = [*_replaced(settings, content, piece)]
    if not said:
        raise PriorsError(
            f"{piece}: nothing to take over{'' if kinetics else ' (kinetics only with --kinetics)'}"
        )
    stream = StringIO()
    editor.dump(settings, stream)
    yaml.safe_load(stream.getvalue())
    write_text(out, stream.getvalue())
    return said


def _with_former_values(settings: Any, piece: Mapping[str, Any], genome: Genome) -> None:
    """Write into `settings` (a ruamel map) what its tables say of the genes of the piece, to be replaced."""
    for origin, name, gene in genome.genes():
        values = ((piece.get("genome") or {}).get(origin) or {}).get(name) or {}
        of_origin = settings["genome"][origin]
        for key in values.keys() & type(gene).model_fields:
            of_origin.fa.set_block_style()
            of_origin.setdefault(name, type(of_origin)()).setdefault(key, getattr(gene, key))


def _replaced(settings: Any, piece: Mapping[Any, Any], source: Path, place: str = "") -> Iterator[str]:
    """Put the values of `piece` into `settings` (a ruamel map); yield what was replaced."""
    for key, value in piece.items():
        here = f"{place}.{key}" if place else str(key)
        if not hasattr(settings, "yaml_add_eol_comment") or key not in settings:
            raise PriorsError(f"{source}: {here} is not a setting of the simulator; correct or delete it")
        if isinstance(value, Mapping):
            yield from _replaced(settings[key], value, source, here)
            continue
        former = settings[key]
        if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in (value, former)):
            raise PriorsError(f"{source}: {here} must be one number; correct or delete it")
        if "share" in str(key) and not 0 <= value <= 1:
            raise PriorsError(f"{source}: {here} is a share and must lie between 0 and 1; correct it")
        settings[key] = value
        settings.yaml_add_eol_comment(f"{former} before {source.name}", key)
        yield f"{here}: {former} -> {value}"

"""The page of a ctDNA library: one self-contained HTML file without scripts."""

from typing import Any

from models.description.documents import Proportion
from models.description.library_documents import LibraryFigures, Range
from pipeline.intake.pages import Bar, Section, page, section

Row = list[Any]
COURSE_NAMES = {
    "persistent": "detected, then detected",
    "cleared": "detected, then not",
    "new": "not detected, then detected",
    "never_detected": "not detected, then not",
}


def library_page(figures: LibraryFigures) -> str:
    """Return the page of `pipeline.intake.ctdna_reference.report.figures`."""
    level = f"{100 * figures['level']:g}\N{NO-BREAK SPACE}%"
    groups = ", ".join(f"{n} {group}" for group, n in figures["by_hr"].items())
    note = (
        f"{figures['title']}. {figures['patients']} patients ({groups}), {figures['samples']} plasma "
        f"samples of {figures['sampled']} patients, {figures['dated']} of them dated. "
        "A study without outcome: its patients are in no "
        f"model of pCR. Intervals: {level}, Wilson's, with the patient as the unit."
    )
    sections = [
        _mutations(figures),
        _coverage(figures),
        _haematopoiesis(figures),
        _kinetics(figures, level),
        _assays(figures),
        section(
            "Files",
            ["file", "SHA-256 (start)"],
            [[*pair] for pair in figures["files"].items()],
            "What was read.",
        ),
    ]
    return page(f"ctDNA library {figures['study']}", note, sections)


def percent(share: Proportion) -> str:
    """Return a share with its interval; without patients a dash."""
    if not share["n"]:
        return "-"
    return f"{100 * share['value']:.1f} % ({100 * share['low']:.1f} to {100 * share['high']:.1f})"


def _bar(share: Proportion) -> Bar | str:
    if not share["n"]:
        return ""
    return {"value": 100 * share["value"], "low": 100 * share["low"], "high": 100 * share["high"]}


def _mutations(figures: LibraryFigures) -> Section:
    rows = [
        [
            r["genes"],
            r["group"],
            r["patients"],
            r["n"],
            r["events"],
            percent(r),
            _bar(r),
            r["patients"] - r["n"],
        ]
        for r in figures["mutations"]
    ]
    pathway = ", ".join(figures["gene_sets"]["PAM pathway"])
    note = (
        f"PAM pathway: {pathway} (set core of "
        f"configs/rules/pam_genes.csv). Mutated: ctDNA detected and a pathogenic "
        "variant of tumour origin. Free of mutations: ctDNA detected "
        "above the limit, by a panel that covers every gene "
        "of the set, and no variant that might count. All else is "
        "unknown and not in the denominator: a gene that the "
        "panel does not cover, plasma without ctDNA, a variant of "
        "unknown origin. Of each patient the first sample that "
        "tells. Variants of unknown significance, germline and haematopoietic variants do not count."
    )
    if not rows:
        note = "The library has no table of variants: nothing can be said on mutations."
    columns = ["genes", "group", "patients", "known", "mutated", "share of known", "0 to 100 %", "unknown"]
    return section("Mutation frequency by hormone receptor status", columns, rows, note)


def _coverage(figures: LibraryFigures) -> Section:
    rows = [[r["genes"], r["all"], r["some"], r["none"], r["not_listed"]] for r in figures["coverage"]]
    columns = ["genes", "all covered", "some covered", "none covered", "panel not listed"]
    return section(
        "Genes covered", columns, rows, "Patients by the widest panel that any of their samples had."
    )


def _haematopoiesis(figures: LibraryFigures) -> Section:
    gene = figures["haematopoietic_gene"]
    rows = []
    if figures["haematopoiesis"]:
        about = {
            "any": "any variant from blood, of all with white cells sequenced",
            gene: f"{gene} from blood, of those with a {gene} variant of tumour or blood",
        }
        shares = figures["haematopoiesis"]
        rows = [
            [text, shares[k]["n"], shares[k]["events"], percent(shares[k]), _bar(shares[k])]
            for k, text in about.items()
        ]
    note = (
        "Only samples whose matched white cells were sequenced. "
        "Where the laboratory takes such variants out before it "
        "reports, these shares are too low."
    )
    columns = ["clonal haematopoiesis", "patients", "with it", "share", "0 to 100 %"]
    return section("Clonal haematopoiesis", columns, rows, note)


def _kinetics(figures: LibraryFigures, level: str) -> Section:
    kinetics = figures["kinetics"]
    rows: list[Row] = [
        [COURSE_NAMES[name], n, kinetics["all_courses"][name]] for name, n in kinetics["courses"].items()
    ]
    change, cleared = kinetics["change"], kinetics["cleared"]
    said = [f"{kinetics['patients']} patients have two evaluable dated draws by the same kind of assay"]
    if kinetics["days"] is not None:
        said[0] += f", the first two a median of {kinetics['days']:.0f} days apart"
    if cleared["n"]:
        said.append(f"Of {cleared['n']} detected at first, cleared at the second draw: {percent(cleared)}")
    if "mean" in change:
        said.append(
            f"Change of log10 VAF per month of {figures['month_days']:g} "
            f"days: mean {change['mean']:+.3f} ({level} "
            f"{change['low']:+.3f} to {change['high']:+.3f}), standard "
            f"deviation {change['sd']:.3f}, of {change['pairs']} "
            f"pairs, {change['censored']} of them cleared and taken as "
            f"below the limit of detection, not as zero"
        )
    else:
        said.append(f"Too few pairs with known allele fractions ({change['pairs']}) for a mean change")
    columns = ["course", "first two draws (patients)", "all consecutive draws (pairs)"]
    return section("Kinetics between dated draws", columns, rows, ". ".join(said) + ".")


def _spread(value: Range | None, factor: float = 1.0) -> str:
    if value is None:
        return "unknown"
    median, low, high = (f"{x * factor:.4g}" for x in (value["median"], value["low"], value["high"]))
    return f"{median} ({low} to {high})"


def _assays(figures: LibraryFigures) -> Section:
    rows = [
        [
            r["assay"], r["kind"], r["patients"], r["samples"], r["failed"], r["not_done"], r["detected"],
            r["negative"],
            _spread(r["lod_vaf"], 100), _spread(r["depth"]), _spread(r["alt_reads"]), _spread(r["plasma_ml"]),
            r["white_cells"], "unknown" if r["genes"] is None else r["genes"], r["panel_not_listed"],
        ]
        for r in figures["assays"]
    ]  # fmt: skip
    columns = [
        "assay", "kind", "patients", "samples", "failed", "not taken", "detected", "negative",
        "limit of detection, % VAF", "depth, reads", "supporting reads", "plasma, mL",
        "white cells sequenced",
        "genes covered", "panel not listed",
    ]  # fmt: skip
    note = (
        "Median (lowest to highest). Depth and supporting reads are "
        "of the variants called. Genes covered: by every panel "
        "listed for the assay."
    )
    return section("Limits of the assays", columns, rows, note)

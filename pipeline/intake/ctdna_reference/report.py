"""The report of a ctDNA library: figures, features of every draw, the page, the simulator's piece."""

import hashlib
from pathlib import Path

import pandas as pd

from features.ctdna import build
from features.documents.feature import FeatureEntry
from features.documents.parsing import parsed
from features.documents.study_entries import StudyDocument
from features.feature import BuildContext
from models.description.ctdna_reference import (
    assay_limits,
    coverage,
    haematopoiesis,
    hr_groups,
    library_samples,
    mutation_shares,
    patient_status,
)
from models.description.kinetics import draw_pairs, summary
from models.description.library_documents import LibraryFigures
from pipeline.intake.ctdna_reference.library import Library, LibrarySettings
from pipeline.intake.ctdna_reference.page import library_page
from pipeline.intake.ctdna_reference.priors import priors_piece
from pipeline.intake.pages import write_problems
from pipeline.intake.preflight import GENES, checked
from pipeline.project.configs import read_feature_settings
from pipeline.project.files import read_yaml, replacing, write_json, write_table, write_text
from pipeline.sources.ingest import Ingested
from pipeline.sources.mapped import source_files
from pipeline.sources.mapping.study_file import NO_OUTCOME
from pipeline.sources.simulation.settings import read_settings
from pipeline.workspace.study import DATA, StudyError, study_file

SETTINGS = Path("configs/library.yaml")
FEATURES = Path("configs/features.yaml")
SIMULATION = Path("configs/simulation.yaml")


def make_library_report(name: str, source: Path | None, out: Path) -> LibraryFigures:
    """Read and check a study without outcome, and write its report into the folder `out`; return the figures.

    library.json (all figures), mutations.csv, pairs.csv (draw by draw), features.parquet with features.json,
    problems.html and .csv, library.html, and priors.yaml for `pcr priors`.

    Raises
    ------
    UserError
        If the study has an outcome, is not valid, or has no ctDNA samples; nothing is written then.
    """
    study: StudyDocument | None = read_yaml(study_file(name))
    if not isinstance(study, dict) or study.get("outcome") != NO_OUTCOME:
        raise StudyError(
            f"study {name} has an outcome: pcr run --study {name}; `pcr library` is for `outcome: none`"
        )
    raw = checked(name, source)
    if raw.tables.get("ctdna_samples", pd.DataFrame()).empty:
        raise StudyError(
            f"study {name}: a library needs rows in ctdna_samples; map them in {study_file(name)}"
        )
    library = opened(raw, study)
    found = figures(library, study, fingerprints(study, source if source is not None else DATA / name))
    pairs = draw_pairs(library.samples, library.settings.month_days)
    frame, described = draw_features(library, study)
    with replacing(out) as new:
        new.mkdir()
        write_json(new / "library.json", found)
        write_table(new / "mutations.csv", pd.DataFrame(found["mutations"]))
        write_table(new / "pairs.csv", pairs)
        write_table(new / "features.parquet", frame)
        write_json(new / "features.json", described)
        write_problems(new / "problems.html", name, raw.problems, raw.dropped)
        write_text(new / "priors.yaml", priors_piece(library, found, read_settings(SIMULATION)))
        write_text(new / "library.html", library_page(found))
    return found


def opened(raw: Ingested, study: StudyDocument) -> Library:
    """Return the library with its samples in order and the settings that its figures need."""
    ctdna = read_feature_settings(FEATURES, GENES).ctdna
    pam = ctdna.gene_sets["pam"]
    tp53 = ctdna.gene_sets["tp53"]
    sets = {"PAM pathway": pam, "TP53": tp53, **{gene: {gene: how} for gene, how in pam.items()}}
    dates = sorted(raw.tables["ctdna_samples"]["visit"].dropna().unique())
    visits = dates if study["visits"] == "dates" else study["visits"]
    settings = parsed(LibrarySettings, read_yaml(SETTINGS), str(SETTINGS))
    return Library(raw, library_samples(raw.tables, visits), settings, ctdna, sets)


def figures(library: Library, study: StudyDocument, files: dict[str, str]) -> LibraryFigures:
    """Return everything that the report says; `files`: path -> start of its SHA-256."""
    samples, variants, level = library.samples, library.variants, library.settings.level
    hr = hr_groups(library.raw.tables)
    gene = library.settings.haematopoietic_gene
    months = library.settings.month_days
    status = None if variants is None else patient_status(samples, variants, library.sets)
    return {
        "study": study["study"],
        "title": study["title"],
        "level": level,
        "month_days": months,
        "patients": len(hr),
        "by_hr": {str(group): int(n) for group, n in hr.value_counts().sort_index().items()},
        "samples": len(samples),
        "sampled": int(samples["usubjid"].nunique()),
        "dated": int(samples["draw_date"].notna().sum()),
        "gene_sets": {name: list(genes) for name, genes in library.sets.items()},
        "mutations": [] if status is None else mutation_shares(status, hr, level),
        "coverage": coverage(samples, library.sets),
        "haematopoietic_gene": gene,
        "haematopoiesis": {} if variants is None else haematopoiesis(samples, variants, gene, level),
        "kinetics": summary(draw_pairs(samples, months), level),
        "assays": assay_limits(samples, variants),
        "files": files,
    }


def draw_features(library: Library, study: StudyDocument) -> tuple[pd.DataFrame, list[FeatureEntry]]:
    """Return the ctDNA features, one row per patient; with dates for visits the draws are draw1, draw2 ..."""
    samples = library.samples.drop(columns="state")
    visits = study["visits"]
    if visits == "dates":
        number = samples.groupby("usubjid").cumcount() + 1
        samples = samples.assign(visit="draw" + number.astype("str"))
        visits = [f"draw{i}" for i in range(1, int(number.max()) + 1)]
    tables = {"ctdna_samples": samples}
    if library.variants is not None:
        tables["ctdna_variants"] = library.variants
    patients = library.raw.tables["subjects"]["usubjid"].sort_values()
    index = pd.Index(patients, name="usubjid", dtype="str")
    frame, features = build(tables, index, library.ctdna, BuildContext(tuple(visits)))
    return frame.reset_index(), [feature.entry for feature in features]


def fingerprints(study: StudyDocument, folder: Path) -> dict[str, str]:
    """Return the files that were read and the start of their SHA-256."""
    return {
        path: hashlib.sha256((folder / path).read_bytes()).hexdigest()[:16]
        for path in source_files(study, folder)
        if (folder / path).is_file()
    }

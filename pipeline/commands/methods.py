"""`pcr methods`: abstract, statistical methods and reporting items of the active study's run."""

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from features.errors import UserError
from pipeline.commands.ard import record_of
from pipeline.commands.paper import commit_of, require_current_pages
from pipeline.console import stdout
from pipeline.markdown import table_lines
from pipeline.paper.methods import FILE, MethodsSettings, Sentence, sentences, sources_of
from pipeline.paper.pages import PageTable
from pipeline.paper.told_record import ToldRecord
from pipeline.paper.word import Block, Heading, Paragraph, word_document
from pipeline.project.files import replacing, write_text
from pipeline.project.settings import read_settings
from pipeline.project.stage import Run
from pipeline.registry.state import workspace_state
from pipeline.report.labels import Labels
from pipeline.report.limits import within_limits
from pipeline.report.settings import ChecklistItem
from pipeline.report.study.page import checklist, said_context
from pipeline.report.tables import Table
from pipeline.stages.reports import STAGE, all_results, study_inputs
from pipeline.wording import SIMULATED
from pipeline.workspace.study import active_study

ITEMS = ["item", "topic", "asks", "answer"]
SOURCES = ("Section", "Sentence", "Condition", "Source")
WRITERS = (".md", ".docx")


def methods(out: Path | None) -> None:
    """Print the text as Markdown, or write it as Markdown or for Word, by the ending of `out`.

    Raises
    ------
    UserError
        If there are no results, if the pages are not those of the state, or if the ending is another.
    """
    if out is not None and out.suffix not in WRITERS:
        raise UserError(f"{out}: the ending is unknown; must be one of {', '.join(WRITERS)}")
    state = workspace_state(active_study())
    require_current_pages(state)
    run = Run(STAGE, {})
    results = all_results(run)
    inputs = study_inputs(run, results)
    results = within_limits(results, inputs.settings.limits)
    labels = Labels(inputs.settings.labels, inputs.study["visits"])
    context = said_context(inputs, results)
    settings = read_settings(MethodsSettings, Path(FILE))
    record = ToldRecord(record_of(state, state.artifacts))
    told = context | {"versions": inputs.described["used"]["versions"]}
    blocks = text_blocks(
        sentences(settings.abstract, told, labels, record),
        sentences(settings.methods, told, labels, record),
        [
            words_of(checklist(items, context, labels, name, caption), items)
            for name, caption, items in (
                ("tripod", "TRIPOD+AI", inputs.items.tripod),
                ("probast", "PROBAST+AI", inputs.items.probast),
            )
        ],
    )
    title = f"{inputs.study['title']}: methods of the run of commit {commit_of(state)}"
    label = SIMULATED if inputs.facts.simulated else ""
    if out is None:
        stdout().print(markdown(title, label, blocks), markup=False, highlight=False, soft_wrap=True)
    elif out.suffix == ".md":
        write_text(out, markdown(title, label, blocks))
    else:
        with replacing(out) as new:
            new.write_bytes(word_document(title, label, blocks))


def text_blocks(
    abstract: Sequence[Sentence], text: Sequence[Sentence], items: Sequence[PageTable]
) -> list[Block]:
    """Return the text as headings and paragraphs, then reporting items, then the source of every sentence."""
    blocks: list[Block] = []
    for heading, part in (("Abstract", abstract), ("Statistical methods", text)):
        blocks.append(Heading(heading))
        for section in dict.fromkeys(sentence.heading for sentence in part):
            blocks.append(Heading(section, 2))
            blocks.append(Paragraph(" ".join(s.text for s in part if s.heading == section)))
    rows = [(s.heading, s.text, s.condition, "; ".join(s.sources)) for s in (*abstract, *text)]
    sources = PageTable(
        "sources", "", "", "Every sentence with its source", SOURCES, tuple(rows), (False,) * 4
    )
    return [*blocks, Heading("Reporting items"), *items, Heading("Sources"), sources]


def words_of(table: Table, items: Sequence[ChecklistItem]) -> PageTable:
    """Return reporting items in words, each with the sources of its answer."""
    rows = tuple(
        (*(_plain(row[key]) for key in ITEMS), "; ".join(sources_of(item.answer)))
        for row, item in zip(table.rows, items, strict=True)
    )
    header = (*(table.columns[key] for key in ITEMS), "Source")
    return PageTable(table.id, "", "", table.caption, header, rows, (False,) * len(header))


def _plain(cell: object) -> str:
    return cell.striptags() if isinstance(cell, Markup) else str(cell)


def markdown(title: str, label: str, blocks: Sequence[Block]) -> str:
    """Return headings, paragraphs and tables as Markdown."""
    lines = [f"# {title}", *([f"**{label}**"] if label else [])]
    for block in blocks:
        if isinstance(block, Heading):
            lines.append(f"{'#' * (1 + block.level)} {block.text}")
        elif isinstance(block, Paragraph):
            lines.append(block.text)
        else:
            lines += [f"**{block.caption}**", "\n".join(table_lines(block.header, block.rows))]
    return "\n\n".join(lines) + "\n"

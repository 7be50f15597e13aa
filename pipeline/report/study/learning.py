"""What was learned at each landmark: candidates passed over, and what single features tell."""

from pipeline.report.labels import Labels
from pipeline.report.page import count, decimal, explained
from pipeline.report.results import Results
from pipeline.report.study.common import Part
from pipeline.report.tables import Table

MAX_SINGLES = 50


def learning_part(results: Results, labels: Labels) -> Part:
    """Return the candidates passed over, with reasons, and, where there is no model, the features alone."""
    passed = [
        {
            "landmark": labels.name(landmark),
            "candidate": labels.candidate(name),
            "folds": f"{noted.splits} of {noted.of}",
            "all": "yes" if noted.in_all_patients else "no",
            "reason": noted.reason,
        }
        for landmark, learning in results.learning.items()
        for name, noted in learning.passed_over.items()
    ]
    tables = {}
    if passed:
        columns = {
            "landmark": "Landmark",
            "candidate": "Candidate",
            "folds": "Passed over in folds",
            "all": "In the final model",
            "reason": "Why",
        }
        tables["passed"] = Table.of(
            "passed-over",
            "Candidates that could not be learned",
            columns,
            passed,
            text=("candidate", "reason"),
        )
    suspicious = [
        {
            "landmark": labels.name(landmark),
            "feature": explained(labels.feature(feature), feature),
            "n": count(learning.singles[feature].patients),
            "auc": decimal(auc, 2),
        }
        for landmark, learning in results.learning.items()
        for feature, auc in learning.suspicious.items()
    ]
    if suspicious:
        columns = {"landmark": "Landmark", "feature": "Feature", "n": "Known in", "auc": "AUC alone"}
        tables["suspicious"] = Table.of(
            "suspicious-features",
            "Features that alone tell much of the outcome",
            columns,
            suspicious,
            text=("feature",),
        )
    singles = [
        {
            "landmark": labels.name(landmark),
            "feature": explained(labels.feature(feature), feature),
            "n": count(measures.patients),
            "events": count(measures.events),
            "auc": decimal(auc.value, 2) if auc.value is not None else auc.reason,
        }
        for landmark, learning in results.learning.items()
        if learning.reason
        for feature, measures in sorted(
            learning.singles.items(), key=lambda item: (-(item[1]["auc"].value or 0), item[0])
        )[:MAX_SINGLES]
        for auc in [measures["auc"]]
    ]
    if singles:
        columns = {
            "landmark": "Landmark",
            "feature": "Feature",
            "n": "n",
            "events": "pCR",
            "auc": "AUC alone",
        }
        tables["singles"] = Table.of(
            "single-features",
            "What single features tell, without a model",
            columns,
            singles,
            text=("feature",),
        )
    return {}, tables

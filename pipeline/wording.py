"""Clinical and methodological sentences that several readers meet: written once, used wherever they are said.

Cards, pages, the terminal and the server say these; what only one page says stands in its template. A
sentence ends with its full stop; a phrase, which stands inside a sentence, has neither capital nor stop.
"""

SIMULATED = "SIMULATED DATA - no patients"
NOTHING_CLINICAL = "These figures say nothing clinical."
ESTIMAND = "probability of pCR under care as delivered in the patient's arm"
NO_RECOMMENDATION = "not a treatment recommendation"
NOT_AN_ANSWER = f"{NO_RECOMMENDATION}; says nothing on what another treatment would do"

OUT_OF_FOLD = "out of fold"
ABSOLUTE_CONTRIBUTION = "mean absolute contribution"
LOG_ODDS = "calibrated log-odds of pCR"

IMPUTED = "Missing inputs are imputed by regression on the others, and named in the answer."
NARROW_INTERVALS = "Out-of-fold intervals are too narrow, most in small cohorts."
SLOPE_NEAR_ONE = (
    "The slope of out-of-fold predictions tends to 1 by construction (stratified folds, tuned shrinkage, "
    "recalibration) and is no evidence of calibration in other patients."
)
LOWER_LOSS = "Below 0 the model predicts better."
TREATMENT_PARADOX = (
    "Where the treatment that the rules choose works, the branches' pCR rates come closer to each other, and "
    "a model looks better against them than it is."
)
BRANCHES_BY_PROGNOSIS = (
    "Branches are chosen by results on treatment, hence by prognosis: they are not comparable with each "
    "other."
)
INPUTS_CHOOSE_TREATMENT = (
    "In the adaptive arm, ctDNA, PAM mutation status and response on imaging choose the treatment by the "
    "trial's rules."
)
NO_EVIDENCE_ON_DRUGS = "This is no evidence for or against a drug."

"""Clinical and methodological sentences that several readers meet: written once, used wherever they are said.

Cards, pages, the terminal and the server say these; what only one page says stands in its template.
"""

SIMULATED = "SIMULATED DATA - no patients"
NOTHING_CLINICAL = "These figures say nothing clinical."
ESTIMAND = "probability of pCR under care as delivered in the patient's arm"
NO_RECOMMENDATION = "not a treatment recommendation"
NOT_AN_ANSWER = f"{NO_RECOMMENDATION}; says nothing on what another treatment would do"
"""What the estimate is not, to follow a subject and a verb or to stand by itself."""
IMPUTED = "Missing inputs are imputed by regression on the others, and named in the answer."
OUT_OF_FOLD = "out of fold"

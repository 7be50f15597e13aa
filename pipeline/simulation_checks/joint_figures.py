"""Published and assumed figures on how things go together: the joint structure of the simulated patients."""

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression

from features.definitions import ISH_RATIO, NODAL_SITES
from pipeline.sources.simulator import Simulated

SEVERE = 3
RCB_FIRST = "I"
PD = "PD"
JUDGED = ("CR", "PR", "SD", "PD")


def odds_ratio(a: float, b: float) -> float:
    """Return the odds ratio of two proportions."""
    return float(a / (1 - a) / (b / (1 - b)))


def case_mix_figures(patients: pd.DataFrame) -> dict[str, float]:
    """Return shares and rank correlations of what is known before treatment.

    `patients` as from `targets.by_patient`, here and below.
    """
    positive = patients.loc[patients["her2"] == "pos"]
    measured = positive.loc[positive["her2_cep17"].notna()]
    low = measured["her2_cep17"] < ISH_RATIO
    nodes = patients["cn"].str[1].astype(float)
    age, er, ki67 = (patients[name].astype(float) for name in ("age_years", "er_pct", "ki67_pct"))
    return {
        "HR negative": float((patients["hr"] == "neg").mean()),
        "IHC 3+, of HER2 positive": float((positive["her2_ihc"] == "3+").mean()),
        "ER 1 to 10 %": float(er.between(1, 10).mean()),
        "HER2 ratio below 2, of those positive and with ISH": float(low.mean()),
        "rank correlation of age and ER": age.corr(er, "spearman"),
        "rank correlation of age and Ki-67": age.corr(ki67, "spearman"),
        "rank correlation of size and nodes": patients["tumour_size_mm"].corr(nodes, "spearman"),
        "rank correlation of Ki-67 and grade": ki67.corr(patients["grade"].astype(float), "spearman"),
        "rank correlation of Ki-67 and ER": ki67.corr(er, "spearman"),
    }


def response_figures(patients: pd.DataFrame, mutated: pd.Series, detected: pd.Series) -> dict[str, float]:
    """Return how pCR goes with extent, markers, the pathway and ctDNA at baseline.

    `mutated` (0, 1) is the truth, `detected` (0, 1, NaN) what the laboratory called; by patient.
    """
    y, eligible = patients["y"], patients["ct"] != "T1"
    of_n, of_t = (y.groupby(patients.loc[eligible, column]).mean() for column in ("cn", "ct"))
    advanced = y[patients["cn"].isin(["N2", "N3"])].mean()
    known = y.notna()
    size = patients.loc[known, ["tumour_size_mm"]].to_numpy(dtype=float) / 10
    per_cm = LogisticRegression(C=np.inf).fit(size, y[known]).coef_[0, 0]
    divided = y.groupby(patients["ki67_pct"] > 20).mean()
    hr_positive = patients["hr"] == "pos"
    measured = hr_positive & patients["her2_cep17"].notna()
    amplified = y[measured].groupby(patients.loc[measured, "her2_cep17"] > 6).mean()
    shed = detected.reindex(y.index)
    positive = y[patients["cn"] != "N0"].mean()
    return {
        "odds ratio of pCR, node negative": odds_ratio(of_n["N0"], positive),
        "pCR, N1 minus N2 and N3": float(of_n["N1"] - advanced),
        "pCR, T2 minus T3": float(of_t["T2"] - of_t["T3"]),
        "pCR, T3 minus T4": float(of_t["T3"] - of_t["T4"]),
        "odds ratio of pCR, per cm of size": float(np.exp(per_cm)),
        "odds ratio of pCR, Ki-67 above 20 %": odds_ratio(divided[True], divided[False]),
        "pCR, HER2 ratio above 6 minus others, HR positive": float(amplified[True] - amplified[False]),
        "odds ratio of pCR, ctDNA detected at baseline": odds_ratio(*(y[shed == s].mean() for s in (1, 0))),
        "odds ratio of pCR, pathway mutated, within HR status": _within(
            y, mutated.reindex(y.index) == 1, hr_positive
        ),
    }


def _within(y: pd.Series, exposed: pd.Series, stratum: pd.Series) -> float:
    """Return the odds ratio of Mantel and Haenszel over two strata."""
    above, below = 0.0, 0.0
    for inside in (stratum, ~stratum):
        known = inside & y.notna()
        yes, no = y[known & exposed], y[known & ~exposed]
        above += yes.sum() * (1 - no).sum() / known.sum()
        below += no.sum() * (1 - yes).sum() / known.sum()
    return float(above / below)


def imaging_figures(patients: pd.DataFrame, response: pd.Series) -> dict[str, float]:
    """Return how pCR goes with the investigator's response after C2 (by patient)."""
    judged = response[response.isin(JUDGED)]
    y, hr = patients["y"].reindex(judged.index), patients["hr"].reindex(judged.index)
    responded, complete = judged.isin(["CR", "PR"]), (judged == "CR") & (hr == "neg")
    return {
        "complete response at C2, HR negative": float((judged[hr == "neg"] == "CR").mean()),
        "pCR, complete response at C2, HR negative": float(y[complete].mean()),
        "pCR, PR or CR minus others, at C2": float(y[responded].mean() - y[~responded].mean()),
        "progression at C2, of those evaluable": float((judged == PD).mean()),
        "pCR, progression at C2": float(y[judged == PD].mean()),
    }


def toxicity_figures(simulated: Simulated) -> dict[str, float]:
    """Return shares of patients with severe events under one regimen throughout, and when they begin."""
    exposure, events = simulated.tables["exposure"], simulated.tables["adverse_events"]
    regimens = exposure.groupby("usubjid")["regimen"].agg(["first", "nunique"])
    severe = events.loc[events["grade"] >= SEVERE]

    def share(regimen: str, term: str | None = None) -> float:
        only = regimens.index[(regimens["nunique"] == 1) & (regimens["first"] == regimen)]
        rows = severe if term is None else severe.loc[severe["term"] == term]
        return float(only.isin(rows["usubjid"]).mean())

    pyrotinib = exposure.loc[exposure["regimen"] == "PYROHT"].groupby("usubjid")["start_date"].min()
    began = severe.loc[severe["term"] == "Diarrhoea"].assign(first=severe["usubjid"].map(pyrotinib))
    began = began.loc[began["start_date"] >= began["first"]]
    days = (began.groupby("usubjid")["start_date"].min() - pyrotinib).dt.days.dropna() + 1
    return {
        "grade 3 or more, nab-PHP": share("NAB_PHP"),
        "grade 3 or more, TCbHP": share("TCBHP"),
        "nausea of grade 3, nab-PHP": share("NAB_PHP", "Nausea"),
        "nausea of grade 3, TCbHP": share("TCBHP", "Nausea"),
        "diarrhoea of grade 3 or more, nab-PHP": share("NAB_PHP", "Diarrhoea"),
        "diarrhoea of grade 3 or more, TCbHP": share("TCBHP", "Diarrhoea"),
        "vomiting of grade 3 or more, TCbHP": share("TCBHP", "Vomiting"),
        "neuropathy of grade 3 or more, nab-PHP": share("NAB_PHP", "Peripheral sensory neuropathy"),
        "neuropathy of grade 3 or more, TCbHP": share("TCBHP", "Peripheral sensory neuropathy"),
        "diarrhoea of grade 3 or more, pyrotinib": len(days) / len(pyrotinib),
        "day of the first diarrhoea of grade 3 or more, pyrotinib, median": float(days.median()),
    }


def end_figures(simulated: Simulated, y: pd.Series) -> dict[str, float]:
    """Return what surgery finds, and whose outcome is missing."""
    surgery = simulated.tables["surgery"]
    scored = surgery.dropna(subset="rcb_class")
    positive = surgery.loc[surgery["yp_n"].notna() & ~surgery["yp_n"].isin(["ypN0", "ypNX"])]
    return {
        "RCB class I, of those scored": float((scored["rcb_class"] == RCB_FIRST).mean()),
        "isolated tumour cells, of ypN other than N0": float((positive["yp_n"] == "ypN0i+").mean()),
        "outcome missing": float(y.isna().mean()),
    }


def variety_figures(simulated: Simulated) -> dict[str, float]:
    """Return how much the commonest change is seen, and how many lesions there are."""
    called = simulated.tables["ctdna_variants"]
    tumour = called.loc[called["origin"] == "tumor"]
    lesions = simulated.tables["lesions"]
    first = lesions.loc[(lesions["visit"] == "baseline") & (lesions["reader"] == "INVESTIGATOR")]
    nodes = first.loc[first["site"].isin(NODAL_SITES)].groupby("usubjid").size()
    changes = (tumour["gene"] + " " + tumour["hgvsp"]).value_counts(normalize=True)
    return {
        "commonest change, of tumour variants in plasma": float(changes.iloc[0]),
        "two nodes measured, of those with any": float((nodes > 1).mean()),
    }


def time_and_centre_figures(
    patients: pd.DataFrame, predictors: pd.DataFrame, detected: pd.Series
) -> dict[str, float]:
    """Return how centres differ, and how later patients differ from earlier ones.

    `predictors` of baseline as numbers, `detected` (0, 1, NaN) ctDNA at baseline; by patient.
    """
    y = patients["y"]
    by_centre = y.groupby(patients["siteid"]).agg(["mean", "count"])
    logit = np.log(by_centre["mean"] / (1 - by_centre["mean"]))
    noise = 1 / (by_centre["count"] * by_centre["mean"] * (1 - by_centre["mean"]))
    order = patients["rand_date"].rank(pct=True)
    early, late = (order <= 2 / 3) & y.notna(), (order > 2 / 3) & y.notna()
    x = predictors.to_numpy()
    model = LogisticRegression(C=0.1, max_iter=1000).fit(x[early], y[early])
    expected = model.predict_proba(x[late])[:, 1].mean()
    first, last = (detected.reindex(y.index)[rows].mean() for rows in (order <= 1 / 3, order > 2 / 3))
    return {
        "standard deviation of logit pCR between centres": float(np.sqrt(max(logit.var() - noise.mean(), 0))),
        "observed over expected pCR, last third by a model of the others": float(y[late].mean() / expected),
        "ctDNA detected at baseline, last third minus first": float(last - first),
    }

"""Whether a trial is large enough to learn a model, and to validate one (Riley's criteria).

Expectations are integrals over a normal distribution, as in `models.procedure.cohort_size`.
"""

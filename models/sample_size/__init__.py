"""How many patients a prediction model needs, for its development and for its validation (Riley's criteria).

Numbers of patients are returned exact, as the formulas give them, and rounded up. All expectations are
integrals over a normal distribution, by Gauss-Legendre quadrature: no simulation, the same on every machine.
"""

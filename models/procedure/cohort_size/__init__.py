"""What a cohort is large enough to learn, by Riley's criteria for development.

Numbers of patients are returned exact, as the formulas give them, and rounded up. All expectations are
integrals over a normal distribution, by Gauss-Legendre quadrature: no simulation, the same on every machine.
"""

"""The trial's own comparison: pCR, residual cancer burden, time to surgery and safety by randomised arm."""

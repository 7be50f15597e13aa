"""A registered model after registration: drift, calibration as outcomes come in, and how to update it."""

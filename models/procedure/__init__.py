"""The modelling procedure, and the engine that resamples it."""

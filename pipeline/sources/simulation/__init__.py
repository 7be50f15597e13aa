"""The parts of the simulator: centres, patients, genome, treatment, plasma, scans, outcome, records."""

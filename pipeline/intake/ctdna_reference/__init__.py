"""Studies without an outcome: their report, and what they give to the simulator."""

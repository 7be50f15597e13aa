"""How good the models are: by landmark, arm and subgroup, out of fold, elsewhere and later."""

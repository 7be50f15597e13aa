"""A registered model over HTTP: what is asked, within which limits, by whom, and what is told of it."""

"""The document of a model that is served, and what it tells of its training rows."""

"""For people who bring a study of their own: checks, a first study file, data dictionary, exports."""

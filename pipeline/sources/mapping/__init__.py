"""The parts of the mapped-file source: the study file, the files it names, and the tables made from them."""

"""Raw tables to one row per patient at a landmark: pandas in, pandas out, no file access."""

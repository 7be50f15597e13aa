"""What leaves the pages for a manuscript: figures, data, tables for Word, methods text."""

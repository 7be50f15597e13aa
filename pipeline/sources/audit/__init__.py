"""The second reader: slow, independent ways to read every format, and the comparison with the fast ones."""

"""The file that predicts, what it carries of its training patients, and the registry's door."""

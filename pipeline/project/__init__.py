"""The ground: files, console, configuration, the active study, checkpoints."""

"""Where raw tables come from: the simulator of the trial, or the files of a real study."""

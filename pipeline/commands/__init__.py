"""What people type: the commands of `pcr`."""

"""The checkout: which study is active, one run at a time, and former results that no run may lose."""

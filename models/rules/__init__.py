"""The adaptive rules: decision table, inputs, answers, review, and the frequencies of its branches."""

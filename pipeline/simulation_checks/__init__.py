"""What only simulated studies can tell: coverage, the best attainable AUC, published figures."""

"""What MLflow holds: state, runs, verification, promotion, cards and the server."""

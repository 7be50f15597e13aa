"""What DVC runs: one module a stage, named as in dvc.yaml. Read, call, write."""

"""The data contract: what it says, and raw tables checked against it."""

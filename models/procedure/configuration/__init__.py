"""Configuration files as typed objects: what is fitted, and how it is judged."""

"""ADCE: a data lake that knows what it is missing, and goes and gets it."""

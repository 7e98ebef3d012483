"""The loop decides: inventory, coverage, gaps and tasks, tables in a row."""

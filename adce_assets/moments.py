"""The type of a moment in a relation, as Ibis names it; what else is to be said of time is said where it is told."""

MOMENT = "timestamp('UTC', 6)"
"""UTC, to the microsecond: in every engine, and in every file of the state."""

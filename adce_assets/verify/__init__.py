"""Counted, hashed, summed, ruled, audited: that what was in a document arrived in the warehouse."""

"""A small world to try ADCE in: a lake with known holes, a source to fill them from, and AWS's own paperwork."""

"""Judges: what says of a pair whether the document answers the query."""

"""Probes: minimal pairs that show by type what a model does not see."""

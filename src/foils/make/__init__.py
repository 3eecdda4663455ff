"""Typed negatives made by rule: an edit, the reason why it is wrong, and a twin that keeps the meaning."""

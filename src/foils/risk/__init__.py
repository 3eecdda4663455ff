"""How many negatives are false: choose within a risk, estimate what is left, spend verdicts where they count."""

"""Training: losses, masks, vectors made up as negatives, and batches. Every module here needs torch."""

"""Small static pictures of every method, drawn from real runs; ``benchmarks/gallery.py`` writes them."""

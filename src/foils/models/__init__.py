"""Adapters to models: encoders, rerankers, and the cache of their vectors."""

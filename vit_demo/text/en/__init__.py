"""English words, a module a topic."""

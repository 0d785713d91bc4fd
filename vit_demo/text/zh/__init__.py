"""Chinese words, a module a topic."""

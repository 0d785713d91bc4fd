"""Views of a trace: what attention did, what embeddings hold. Tensors in, tensors out; no pictures, no words."""

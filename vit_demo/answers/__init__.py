"""A module a topic: what the Explainer answers. An Engine and plain data in, dataclasses of the contract out.

The Explainer asks by "topic/function": `Explainer.attention` is answered by `attention.rows`. Torch is
imported here; nothing is kept but what the Engine keeps.
"""

"""A module a tab: what it computes from the Explainer, as data for its components."""

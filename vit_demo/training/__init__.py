"""Training of the project's own models, on handwritten digits: a classifier, and DINO without labels.

Read in this order: data (the digits, and how they are split) · augment (what is varied) · schedule (rates over time) ·
loop (the supervised training) · dino (the training without labels) · evaluate (what was reached) · export (how a model
is written, so that it is read like any other). Only the terminal's `train` command runs it; the page never does.

Letters in shapes are those of vit_demo/model/__init__.py; n counts digits.
"""

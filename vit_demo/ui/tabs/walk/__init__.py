"""The Walk tab: the forward pass on the visitor's picture, step by step."""

from vit_demo.ui.tabs.walk.tab import TAB as TAB

"""The Attention tab: every head of a layer, from any token."""

from vit_demo.ui.tabs.attention.tab import TAB as TAB

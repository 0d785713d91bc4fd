"""The Features tab: what the tokens know."""

from vit_demo.ui.tabs.features.tab import TAB as TAB

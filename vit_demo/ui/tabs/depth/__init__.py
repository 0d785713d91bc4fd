"""The Depth tab: what attention does through the layers."""

from vit_demo.ui.tabs.depth.tab import TAB as TAB

"""The Draw tab: a digit drawn by hand, read by our own small ViT."""

from vit_demo.ui.tabs.draw.tab import TAB as TAB

"""The Compare tab: models side by side under one pointer."""

from vit_demo.ui.tabs.compare.tab import TAB as TAB

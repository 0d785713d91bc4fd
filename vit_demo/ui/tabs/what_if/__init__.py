"""The What-if tab: change something inside, and read the answer again."""

from vit_demo.ui.tabs.what_if.tab import TAB as TAB

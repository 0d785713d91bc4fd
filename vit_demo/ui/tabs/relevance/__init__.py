"""The Relevance tab: what a class owes to each patch."""

from vit_demo.ui.tabs.relevance.tab import TAB as TAB

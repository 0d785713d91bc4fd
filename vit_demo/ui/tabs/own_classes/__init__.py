"""The Own classes tab: a classifier from a few of one's own pictures."""

from vit_demo.ui.tabs.own_classes.tab import TAB as TAB

"""The Predict tab: classes, or the nearest examples."""

from vit_demo.ui.tabs.predict.tab import TAB as TAB

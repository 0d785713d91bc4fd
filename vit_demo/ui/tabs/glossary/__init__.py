"""The Glossary tab: every term once."""

from vit_demo.ui.tabs.glossary.tab import TAB as TAB

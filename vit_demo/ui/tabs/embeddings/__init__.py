"""The Embeddings tab: what position and patch embeddings have learned."""

from vit_demo.ui.tabs.embeddings.tab import TAB as TAB

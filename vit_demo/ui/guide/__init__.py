"""What leads a visitor through the page: the tour, terms, links into a state, a class that follows its teacher."""

from vit_demo.ui.guide.guide import guide_block as guide_block
from vit_demo.ui.guide.guide import wire_guide as wire_guide

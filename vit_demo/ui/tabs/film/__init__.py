"""The Film tab."""

from vit_demo.ui.tabs.film.tab import TAB as TAB

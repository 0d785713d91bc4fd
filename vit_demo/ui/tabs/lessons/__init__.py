"""The Lessons tab: plans for teachers, with links that open the page as they need it."""

from vit_demo.ui.tabs.lessons.tab import TAB as TAB
